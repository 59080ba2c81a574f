//! OAuth 2.0, OpenID Connect and Shared Signals as messages and state machines: what comes in is read into strict types or
//! refused with the published error, what goes out has the published shape.
//!
//! The decision: bytes in, values out; the shells bring sockets, keys and clocks. The decision refused: a client or server
//! library for each protocol, which would bring its own of all three.
//!
//! This crate never does I/O, reads no clock, draws no random number and holds no secret longer than a call.

#![deny(clippy::wildcard_enum_match_arm)]

pub mod aadsts;
pub mod oauth;
pub mod oidc;
pub mod revocation;
pub mod secevent;
