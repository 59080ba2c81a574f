//! Conditional Access: Graph's JSON → compiled policies → `decide`.
//!
//! **The decision.** One function over plain values, `decide(policies, request, now)`, and its companion `explain`, which
//! gives each policy's part with every condition met and unmet. Policies go through three forms: the lenient wire type
//! (`model`), which loses nothing; a compiled one, which knows exactly what it understood; and the answer. Compiling never
//! fails. What is not understood is reported (`CompiledPolicies::problems`, `PolicyResult::not_understood`) and read in
//! the strictest way, by these rules:
//!
//! * an unknown condition counts as met, so that the policy applies to whomever its other conditions leave;
//! * an unknown member of an include list may hold anything, an unknown member of an exclude list holds nothing;
//! * an unknown grant control, or session control that is switched on, cannot be met;
//! * an unknown state is enabled.
//!
//! **The decision refused.** To reject a policy, or the whole set, for one member that is not known: Graph's enumerations
//! grow by themselves, and a control plane that stops reading policies on the day one grows has either locked everybody
//! out or let everybody in. Refused too: lowering policies to a general policy language. Permit and forbid have no words
//! for *owed* controls, prompting order and session controls, which are most of the answer.
//!
//! This crate never does I/O, reads no clock and draws no random number.

#![deny(clippy::wildcard_enum_match_arm)]

pub mod answer;
pub mod request;

mod read;

mod compiled;
mod decide;

mod bundle;
mod circumstance;
mod device_filter;
mod grant;
mod location;
mod session;
mod strength;
mod subject;
mod target;
mod wire;

pub use compiled::{CompiledPolicies, POLICY_STATES, Problem, compile};
pub use decide::{decide, explain};
pub use read::{Contents, ReadObject, ReadProblem, Verdict, read};
pub use strength::BUILT_IN_STRENGTHS;
pub use wire::{Severity, is_annotation};
