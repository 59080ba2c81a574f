//! What (§2.4).

use super::how::flows;
use super::who::including_filter;
use super::wire::*;
use policy::answer::*;
use policy::request::*;
use serde_json::Value;

pub(super) const TARGET_MEMBERS: &[&str] = &[
    "includeApplications",
    "excludeApplications",
    "includeUserActions",
    "includeAuthenticationContextClassReferences",
    "applicationFilter",
];
pub(super) const OFFICE: &[&str] =
    &["00000002-0000-0ff1-ce00-000000000000", "00000003-0000-0ff1-ce00-000000000000", "00000006-0000-0ff1-ce00-000000000000"];
pub(super) const PORTALS: &[&str] = &["c44b4083-3bb0-49c1-b47d-974e53cbdf3c", "00000006-0000-0ff1-ce00-000000000000"];
pub(super) const AZURE: &str = "797f4846-ba00-4fd7-ba43-dac1f8f63013";

pub(super) fn target_is_unclear(applications: &Value) -> bool {
    if !applications.is_object() || stray(applications, TARGET_MEMBERS) || including_filter(&applications["applicationFilter"]) {
        return true;
    }
    let lists = ["includeApplications", "includeUserActions", "includeAuthenticationContextClassReferences"];
    lists.iter().all(|name| applications[*name].is_null())
        || list(&applications["includeApplications"]).iter().any(|word| includes_application(word, "").is_none())
        || list(&applications["includeUserActions"]).iter().any(|word| action(word).is_none())
        || list(&applications["includeAuthenticationContextClassReferences"]).iter().any(|word| context(word).is_none())
}

pub(super) fn targets_nothing(conditions: &Value) -> bool {
    let applications = &conditions["applications"];
    !target_is_unclear(applications)
        && list(&applications["includeApplications"]).iter().all(|word| is(word, "None"))
        && list(&applications["includeUserActions"]).is_empty()
        && list(&applications["includeAuthenticationContextClassReferences"]).is_empty()
}

pub(super) fn what(conditions: &Value, target: &Target, report_only: bool) -> Vec<(Condition, bool)> {
    let applications = &conditions["applications"];
    let actions: Vec<Option<UserAction>> = list(&applications["includeUserActions"]).iter().map(action).collect();
    if report_only && !actions.is_empty() {
        return vec![(Condition::UserActions, false)];
    }
    if target_is_unclear(applications) {
        return vec![(Condition::Application, true)];
    }
    let included = list(&applications["includeApplications"]);
    let excluded = list(&applications["excludeApplications"]);
    let all = included.iter().any(|word| is(word, "All"));
    let by_audience = target.audiences.iter().any(|audience| {
        let id = audience.app_id.as_str();
        include(included.iter().map(|word| includes_application(word, id)))
            && !exclude(excluded.iter().map(|word| if is(word, "All") { None } else { names_application(word, id) }))
    });
    let flows = flows(conditions, "none").is_some();
    let by_all = match target.user_action {
        Some(UserAction::RegisterSecurityInfo) => all,
        Some(UserAction::RegisterDevice) => all && flows,
        None => all && target.audiences.is_empty(),
    };
    let contexts = list(&applications["includeAuthenticationContextClassReferences"]);
    if by_audience || by_all {
        return vec![(Condition::Application, true)];
    }
    if target.user_action.is_some_and(|action| actions.contains(&Some(action))) {
        return vec![(Condition::UserActions, true)];
    }
    if contexts.iter().any(|word| target.authentication_contexts.iter().any(|asked| is(word, asked))) {
        return vec![(Condition::AuthenticationContext, true)];
    }
    let mut unmet = Vec::new();
    let applications_named = !included.iter().all(|word| is(word, "None"));
    if applications_named || (actions.is_empty() && contexts.is_empty()) {
        unmet.push((Condition::Application, false));
    }
    if !actions.is_empty() {
        unmet.push((Condition::UserActions, false));
    }
    if !contexts.is_empty() {
        unmet.push((Condition::AuthenticationContext, false));
    }
    unmet
}

pub(super) fn includes_application(word: &Option<String>, id: &str) -> Tri {
    // Azure Service Management brings the portal and other services with it when it is included.
    if is(word, AZURE) && id == "c44b4083-3bb0-49c1-b47d-974e53cbdf3c" {
        return Some(true);
    }
    names_application(word, id)
}

pub(super) fn names_application(word: &Option<String>, id: &str) -> Tri {
    match word.as_deref()?.to_lowercase().as_str() {
        "all" => Some(true),
        "none" => Some(false),
        "office365" => Some(OFFICE.contains(&id)),
        "microsoftadminportals" => Some(PORTALS.contains(&id)),
        word => guid(word).then(|| word == id),
    }
}

pub(super) fn action(word: &Option<String>) -> Option<UserAction> {
    match word.as_deref()?.to_lowercase().as_str() {
        "urn:user:registersecurityinfo" => Some(UserAction::RegisterSecurityInfo),
        "urn:user:registerdevice" => Some(UserAction::RegisterDevice),
        _ => None,
    }
}

pub(super) fn context(word: &Option<String>) -> Option<String> {
    let word = word.as_deref()?.to_lowercase();
    (1..=99).map(|number| format!("c{number}")).find(|context| *context == word)
}
