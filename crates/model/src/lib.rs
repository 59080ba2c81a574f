//! The vocabulary of Countersign, in Microsoft Graph's format: users, groups, roles, applications, Conditional Access
//! policies, named locations, sign-ins, audit records.
//!
//! The decision: a type here is the *wire* shape of one Graph object. Members that we do not interpret are kept in
//! `rest` and written back as they were. The decision refused: a second, "internal" set of types beside the wire ones
//! for the directory. (Policies do have one: `policy` compiles them.)
//!
//! This crate never does I/O, never reads a clock and holds no rule: what an object *means* is `policy`'s business.

#![deny(clippy::wildcard_enum_match_arm)]

pub mod application;
pub mod audit;
pub mod conditional_access;
pub mod directory;
pub mod group;
pub mod id;
pub mod object;
pub mod role;
pub mod sign_in;
pub mod tenant;
pub mod timestamp;
pub mod user;

pub use application::Application;
pub use directory::Directory;
pub use group::Group;
pub use id::{AppId, GroupId, ObjectId, PolicyId, RoleTemplateId, SessionId, TenantId, UserId};
pub use object::{Kind, Object};
pub use role::RoleAssignment;
pub use tenant::Organization;
pub use timestamp::Timestamp;
pub use user::{User, UserType};
