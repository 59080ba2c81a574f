//! The reference twin: the same questions answered straight from the documented semantics (`conditional-access.md` §2 of
//! the design notes), one policy and one request at a time, walking the JSON. It shares only the vocabulary with the
//! engine: no compiled form, no helper. Slow, and meant to be read.
//!
//! A member of a list is worth `Some(true)`, `Some(false)`, or `None` when it is not understood. An include list holds
//! where any member is not `Some(false)`, an exclude list where any member is `Some(true)`.

pub(crate) mod filter;
mod grants;
mod how;
mod places;
mod session;
mod what;
mod who;
mod wire;

use filter::devices;
use grants::{Rest, grants};
use how::{client_apps, flows, one_of, platform};
use model::Timestamp;
use places::locations;
use policy::answer::*;
use policy::request::*;
use serde_json::Value;
use session::{session_controls, strictest};
use what::{targets_nothing, what};
use who::{names_nobody, who};
use wire::string;

pub(crate) struct Tenant<'a> {
    pub(crate) policies: &'a [Value],
    pub(crate) locations: &'a [Value],
    pub(crate) strengths: &'a [Value],
}

/// One policy's result, without the wording of what was not understood.
#[derive(Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) id: String,
    pub(crate) result: ResultKind,
    pub(crate) met: Vec<Condition>,
    pub(crate) unmet: Vec<Condition>,
    pub(crate) controls: Vec<Control>,
    pub(crate) session_controls: Vec<String>,
}

pub(crate) fn answer(tenant: &Tenant<'_>, request: &AccessRequest, now: Timestamp) -> (Decision, Vec<Told>) {
    let mut policies: Vec<&Value> = tenant.policies.iter().collect();
    policies.sort_by_key(|policy| string(policy, "id").to_lowercase());
    let mut told = Vec::new();
    let mut owed = Vec::new();
    let mut blocked = false;
    let mut sessions = Vec::new();
    for policy in policies {
        let state = string(policy, "state").to_lowercase();
        let enforced = state != "disabled" && state != "enabledforreportingbutnotenforced";
        let verdicts = if state == "disabled" { vec![] } else { conditions(tenant, policy, request, !enforced) };
        let unmet: Vec<Condition> = verdicts.iter().filter(|(_, met)| !met).map(|(condition, _)| *condition).collect();
        let met: Vec<Condition> = verdicts.iter().filter(|(_, met)| *met).map(|(condition, _)| *condition).collect();
        let session = session_controls(policy);
        let (controls, rest) = grants(tenant, policy, request, now, &session);
        let result = if state == "disabled" {
            ResultKind::NotEnabled
        } else if !unmet.is_empty() {
            if enforced { ResultKind::NotApplied } else { ResultKind::ReportOnlyNotApplied }
        } else if enforced {
            sessions.push(session.controls.clone());
            match &rest {
                Rest::Nothing => {}
                Rest::Impossible => blocked = true,
                Rest::AnyOf(any_of) => owed.push(Owed {
                    policy_id: string(policy, "id").into(),
                    display_name: string(policy, "displayName").to_owned(),
                    any_of: any_of.clone(),
                }),
            }
            if rest == Rest::Nothing { ResultKind::Success } else { ResultKind::Failure }
        } else {
            match &rest {
                Rest::Nothing => ResultKind::ReportOnlySuccess,
                Rest::AnyOf(any_of) if any_of.iter().any(|set| !set.iter().any(is_silent)) => ResultKind::ReportOnlyInterrupted,
                Rest::AnyOf(_) | Rest::Impossible => ResultKind::ReportOnlyFailure,
            }
        };
        told.push(Told {
            id: string(policy, "id").to_lowercase(),
            result,
            met,
            unmet,
            controls,
            session_controls: session.names,
        });
    }
    let outcome = match (blocked, owed.is_empty()) {
        (true, _) => Outcome::Blocked,
        (false, true) => Outcome::Granted,
        (false, false) => Outcome::GrantedAfter,
    };
    if blocked {
        owed.clear();
    }
    owed.sort_by_key(|owed| (owed.any_of.clone(), owed.policy_id.clone()));
    (Decision { outcome, owed, session: strictest(&sessions) }, told)
}

fn is_silent(control: &Control) -> bool {
    matches!(
        control,
        Control::CompliantDevice | Control::DomainJoinedDevice | Control::ApprovedApplication | Control::CompliantApplication
    )
}

fn conditions(tenant: &Tenant<'_>, policy: &Value, request: &AccessRequest, report_only: bool) -> Vec<(Condition, bool)> {
    let conditions = &policy["conditions"];
    let mut verdicts = Vec::new();
    if names_nobody(conditions) || targets_nothing(conditions) {
        verdicts.push((Condition::EmptyPolicy, false));
    }
    verdicts.push(who(conditions, &request.principal));
    verdicts.extend(what(conditions, &request.target, report_only));

    if let Some(met) = platform(&conditions["platforms"], request.platform) {
        verdicts.push((Condition::DevicePlatform, met));
    }
    if let Some(met) = devices(&conditions["devices"], request.device.as_ref()) {
        verdicts.push((Condition::Devices, met));
    }
    if let Some(met) = client_apps(&conditions["clientAppTypes"], request) {
        verdicts.push((Condition::ClientApps, met));
    }
    if let Some(met) = locations(tenant, &conditions["locations"], &request.network) {
        verdicts.push((Condition::Location, met));
    }
    let level = |level: RiskLevel| serde_json::to_value(level).unwrap().as_str().unwrap().to_owned();
    let levels = ["none", "low", "medium", "high", "hidden"];
    for (condition, name, level) in [
        (Condition::SignInRisk, "signInRiskLevels", level(request.risk.sign_in)),
        (Condition::UserRisk, "userRiskLevels", level(request.risk.user)),
        (Condition::ServicePrincipalRisk, "servicePrincipalRiskLevels", level(request.risk.service_principal)),
        (Condition::AgentIdRisk, "agentIdRiskLevels", level(request.risk.agent)),
    ] {
        if let Some(met) = one_of(&conditions[name], &levels, &level) {
            verdicts.push((condition, met));
        }
    }
    let insider = serde_json::to_value(request.risk.insider).unwrap();
    if let Some(met) = one_of(&conditions["insiderRiskLevels"], &["minor", "moderate", "elevated"], insider.as_str().unwrap()) {
        verdicts.push((Condition::InsiderRisk, met));
    }
    let used = serde_json::to_value(request.original_transfer_method).unwrap();
    if let Some(met) = flows(conditions, used.as_str().unwrap()) {
        verdicts.push((Condition::AuthenticationFlow, met));
    }
    verdicts
}
