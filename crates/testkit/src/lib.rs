//! What stands where a person's things would stand: a browser that keeps cookies and follows forms, a passkey
//! authenticator that speaks WebAuthn, an authenticator app, and clients that hold a stream open and notice when it is cut.
//!
//! The decision: everything here talks to the platform from outside, over the network, as a foreign program would, so that
//! the guided story of `countersign demo` and the end-to-end tests prove the same thing. The decision refused: hooks into
//! the platform that only tests may use.
//!
//! It holds no answers: nothing here knows what the platform ought to say.

pub mod authenticator;
pub mod browser;
mod cbor;
pub mod cookies;
pub mod html;
pub mod person;
pub mod streams;
pub mod totp;

pub use authenticator::Authenticator;
pub use browser::Browser;
pub use html::Page;
pub use person::Person;
