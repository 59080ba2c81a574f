//! The decision, and its explanation policy by policy.

use crate::answer::{Control, Decision, Outcome, Owed, PolicyResult, ResultKind, SessionControls};
use crate::compiled::{CompiledPolicies, Facts, Policy, State};
use crate::grant::Outstanding;
use crate::request::AccessRequest;
use crate::session::merge;
use model::Timestamp;
use std::ops::ControlFlow;

/// Is this request let in, and if not yet, what is owed? Every enforced policy that applies must be satisfied; a block,
/// or a requirement that nothing can meet, ends it.
pub fn decide(policies: &CompiledPolicies, request: &AccessRequest, now: Timestamp) -> Decision {
    let facts = Facts::new(policies, request, now);
    let mut session = SessionControls::default();
    let mut owed = Vec::new();
    let mut blocked = false;
    for policy in &policies.policies {
        if policy.state != State::Enabled || !policy.applies(&facts) {
            continue;
        }
        session = merge(session, &policy.session.controls);
        match outstanding(policy, &facts) {
            Outstanding::Nothing => {}
            Outstanding::CannotBeMet => blocked = true,
            Outstanding::AnyOf(any_of) => {
                owed.push(Owed { policy_id: policy.id.clone(), display_name: policy.display_name.clone(), any_of });
            }
        }
    }
    let outcome = if blocked {
        owed.clear();
        Outcome::Blocked
    } else if owed.is_empty() {
        Outcome::Granted
    } else {
        Outcome::GrantedAfter
    };
    owed.sort_by(|left, right| left.any_of.cmp(&right.any_of));
    Decision { outcome, owed, session }
}

/// Each policy's part in the decision, by policy id. Report-only policies are told as if they were enforced; disabled ones
/// are not evaluated.
pub fn explain(policies: &CompiledPolicies, request: &AccessRequest, now: Timestamp) -> Vec<PolicyResult> {
    let facts = Facts::new(policies, request, now);
    policies.policies.iter().map(|policy| explain_one(policy, &facts)).collect()
}

fn explain_one(policy: &Policy, facts: &Facts<'_>) -> PolicyResult {
    let mut met = Vec::new();
    let mut unmet = Vec::new();
    if policy.state != State::Disabled {
        let _: ControlFlow<()> = policy.conditions(facts, &mut |condition, is_met| {
            if is_met { &mut met } else { &mut unmet }.push(condition);
            ControlFlow::Continue(())
        });
    }
    PolicyResult {
        policy_id: policy.id.clone(),
        display_name: policy.display_name.clone(),
        result: result(policy, facts, unmet.is_empty()),
        met,
        unmet,
        grant_controls: policy.grant.controls(facts.now),
        session_controls: policy.session.names.clone(),
        not_understood: policy.not_understood.clone(),
    }
}

fn result(policy: &Policy, facts: &Facts<'_>, applies: bool) -> ResultKind {
    match (policy.state, applies) {
        (State::Disabled, _) => ResultKind::NotEnabled,
        (State::Enabled, false) => ResultKind::NotApplied,
        (State::ReportOnly, false) => ResultKind::ReportOnlyNotApplied,
        (State::Enabled, true) => match outstanding(policy, facts) {
            Outstanding::Nothing => ResultKind::Success,
            Outstanding::AnyOf(_) | Outstanding::CannotBeMet => ResultKind::Failure,
        },
        (State::ReportOnly, true) => match outstanding(policy, facts) {
            Outstanding::Nothing => ResultKind::ReportOnlySuccess,
            Outstanding::AnyOf(any_of) if any_of.iter().any(|controls| controls.iter().all(is_interactive)) => {
                ResultKind::ReportOnlyInterrupted
            }
            Outstanding::AnyOf(_) | Outstanding::CannotBeMet => ResultKind::ReportOnlyFailure,
        },
    }
}

/// What an applying policy still asks for: its grant controls, and to sign in again where sign-in frequency has run out.
fn outstanding(policy: &Policy, facts: &Facts<'_>) -> Outstanding {
    let grant = policy.grant.outstanding(facts);
    let Some(reauthenticate) = policy.session.reauthentication(facts) else {
        return grant;
    };
    if !facts.can_be_prompted() {
        return Outstanding::CannotBeMet;
    }
    match grant {
        Outstanding::Nothing => Outstanding::AnyOf(vec![vec![reauthenticate]]),
        Outstanding::AnyOf(mut any_of) => {
            for controls in &mut any_of {
                controls.push(reauthenticate.clone());
            }
            Outstanding::AnyOf(any_of)
        }
        Outstanding::CannotBeMet => Outstanding::CannotBeMet,
    }
}

/// Met at a prompt, by the person; the others by a device or an application.
fn is_interactive(control: &Control) -> bool {
    match control {
        Control::Mfa
        | Control::AuthenticationStrength { .. }
        | Control::PasswordChange
        | Control::RiskRemediation
        | Control::TermsOfUse { .. }
        | Control::CustomFactor { .. }
        | Control::Reauthenticate { .. } => true,
        Control::Block
        | Control::CompliantDevice
        | Control::DomainJoinedDevice
        | Control::ApprovedApplication
        | Control::CompliantApplication
        | Control::NotUnderstood { .. } => false,
    }
}
