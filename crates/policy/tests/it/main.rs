//! Everything the policy engine promises, at the crate's boundary.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says aloud what it skips"
)]

mod conditions;
mod controls;
mod corpus;
mod device_filters;
mod fixture;
mod generate;
mod naive;
mod properties;
mod reading;
