//! What every shell needs and none should have twice: the clock, randomness, hashing, sealing, TLS, an HTTP server loop
//! and an HTTP client.
//!
//! The decision: the one place where the ambient world (time, entropy, sockets) enters. The decision refused: a trait
//! for each of them; a clock that tests can turn is one type with two sources.
//!
//! It knows nothing of identity, policies or storage.

pub mod client;
pub mod clock;
pub mod hash;
mod idle;
pub mod listen;
pub mod random;
pub mod seal;
pub mod tls;

pub use clock::Clock;
