//! What the engine decides, held against what this server can do. `policy` knows every session control, since it also serves
//! analysis; a policy that sets one which nothing here enforces would be laxer than one that sets a control nobody knows.
//! So such a policy refuses. INVARIANT: every decision of the control plane is made here, none by `policy` directly.
//!
//! Enforced are: sign-in frequency (the engine asks for a fresh sign-in), `persistentBrowser` (the session's cookie), and
//! `disableResilienceDefaults` (a claim of the token). `continuousAccessEvaluation: disabled` asks for less than is done
//! anyway: sessions are always cut at once.

use crate::sign_in::owed::{self, Means};
use model::{PolicyId, Timestamp};
use policy::CompiledPolicies;
use policy::answer::{ContinuousAccessEvaluation, Decision, Outcome, PolicyResult, ResultKind, SessionControls};
use policy::request::AccessRequest;
use protocol::aadsts::{Aadsts, Fault};

/// As `policy::decide`; blocked where a session control that applies is not enforced here. Nothing is owed then: whatever
/// the person did, they would not be let in.
pub(crate) fn decide(policies: &CompiledPolicies, request: &AccessRequest, now: Timestamp) -> Decision {
    let mut decision = policy::decide(policies, request, now);
    if !unenforced(&decision.session).is_empty() {
        decision.outcome = Outcome::Blocked;
        decision.owed.clear();
    }
    decision
}

/// As `policy::explain`; a policy that applies and sets a session control that is not enforced here has failed.
pub(crate) fn explain(policies: &CompiledPolicies, request: &AccessRequest, now: Timestamp) -> Vec<PolicyResult> {
    let mut results = policy::explain(policies, request, now);
    for result in &mut results {
        if !unenforced_by(policies, &result.policy_id).is_empty() {
            result.result = failed(result.result);
        }
    }
    results
}

/// The error that says why `decision`, which was made from `request`, is not granted.
pub(crate) fn fault(
    policies: &CompiledPolicies,
    request: &AccessRequest,
    decision: &Decision,
    means: Means,
    resource: &str,
    now: Timestamp,
) -> Fault {
    let controls = unenforced(&decision.session);
    if controls.is_empty() {
        return owed::fault(&decision.owed, means, resource);
    }
    let setters: Vec<String> = explain(policies, request, now)
        .into_iter()
        .filter(|result| is_enforced(result.result) && !unenforced_by(policies, &result.policy_id).is_empty())
        .map(|result| format!("'{}' ({})", result.display_name, result.policy_id))
        .collect();
    let aadsts = Aadsts::BlockedByPolicy;
    let text = format!(
        "{} This server does not enforce the session control {}, set by {}.",
        aadsts.template(),
        controls.join(", "),
        setters.join(", ")
    );
    Fault { aadsts, text }
}

/// Graph's names of the controls of one policy that nothing here enforces.
pub(crate) fn unenforced_by(policies: &CompiledPolicies, id: &PolicyId) -> Vec<&'static str> {
    policies.session_controls_of(id).map(unenforced).unwrap_or_default()
}

fn unenforced(session: &SessionControls) -> Vec<&'static str> {
    // Taken apart, so that a control that is new to the engine does not compile until it has its place here.
    let SessionControls {
        sign_in_frequency: _,
        persistent_browser: _,
        disable_resilience_defaults: _,
        application_enforced_restrictions,
        cloud_app_security,
        continuous_access_evaluation,
        secure_sign_in_session,
        global_secure_access_profiles,
    } = session;
    let evaluates_strictly = match continuous_access_evaluation {
        None | Some(ContinuousAccessEvaluation::Disabled) => false,
        Some(ContinuousAccessEvaluation::StrictEnforcement | ContinuousAccessEvaluation::StrictLocation) => true,
    };
    [
        (*application_enforced_restrictions, "applicationEnforcedRestrictions"),
        (!cloud_app_security.is_empty(), "cloudAppSecurity"),
        (evaluates_strictly, "continuousAccessEvaluation"),
        (*secure_sign_in_session, "secureSignInSession"),
        (!global_secure_access_profiles.is_empty(), "globalSecureAccessFilteringProfile"),
    ]
    .into_iter()
    .filter_map(|(is_set, name)| is_set.then_some(name))
    .collect()
}

const fn is_enforced(result: ResultKind) -> bool {
    match result {
        ResultKind::Success | ResultKind::Failure => true,
        ResultKind::NotApplied
        | ResultKind::NotEnabled
        | ResultKind::ReportOnlySuccess
        | ResultKind::ReportOnlyFailure
        | ResultKind::ReportOnlyInterrupted
        | ResultKind::ReportOnlyNotApplied => false,
    }
}

const fn failed(result: ResultKind) -> ResultKind {
    match result {
        ResultKind::Success | ResultKind::Failure => ResultKind::Failure,
        ResultKind::ReportOnlySuccess | ResultKind::ReportOnlyFailure | ResultKind::ReportOnlyInterrupted => {
            ResultKind::ReportOnlyFailure
        }
        ResultKind::NotApplied | ResultKind::NotEnabled | ResultKind::ReportOnlyNotApplied => result,
    }
}
