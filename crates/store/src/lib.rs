//! What must not be lost: the directory, credentials, sessions, grants, keys, the event outbox and the logs.
//!
//! The decision: the only crate with SQL, and it holds no rules. Reads take `&Store` and see what is committed; writes
//! take `&mut Tx`, so state, its audit record and its outbox event commit together or not at all. Where a check and a
//! write must be one (redeem a code, rotate a grant, advance a counter), they are one conditional `UPDATE` or `DELETE`
//! whose result says who won. Objects are opaque JSON text beside the few columns that are searched or unique. Every
//! statement is text that SQLite and PostgreSQL both understand; `database.rs` alone knows which driver runs it.
//!
//! Refused: an object-relational mapper or a `Repository` trait (one more layer that only passes on, and the conditional
//! statements are the point); columns for every member of a Graph object (two shapes of one thing, a migration for each
//! member); sequences for numbers in commit order (they leave gaps and are handed out before commit); `synchronous =
//! NORMAL` (an acknowledged revocation could be gone after a power cut).
//!
//! This crate never decides, never reads a clock, never makes an identifier or a random value, and never logs a value.

mod database;
mod error;
mod migration;

pub mod audit;
pub mod code;
pub mod credential;
pub mod grant;
pub mod object;
pub mod one_time;
pub mod outbox;
pub mod session;
pub mod setting;
pub mod sign_in;
pub mod signing_key;
pub mod stream;
pub mod throttle;

mod prune;

pub use database::{Store, StoreOptions, Tx};
pub use error::StoreError;
pub use prune::{newest_time, prune, record_start};
