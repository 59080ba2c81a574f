//! The control plane in this process, through its router.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the whole crate is tests; helpers stand outside `#[test]`"
)]

mod admin_apply;
mod admin_endpoints;
mod admin_fixture;
mod admin_legacy;
mod admin_logs;
mod admin_person;
mod admin_policies;
mod admin_race;
mod admin_receiver;
mod admin_setup;
mod admin_signals;
mod admin_users;
mod sign_in_attacks;
mod sign_in_controls;
mod sign_in_fixture;
mod sign_in_flow;
mod sign_in_methods;
