//! Random policies and requests: the engine against its naive twin, and what must hold of every answer.

use crate::generate::{World, now, request, rule, world};
use crate::naive;
use model::conditional_access::{AuthenticationStrengthPolicy, ConditionalAccessPolicy, NamedLocation};
use policy::answer::{Outcome, ResultKind};
use policy::request::AccessRequest;
use policy::{CompiledPolicies, compile, decide, explain};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::Duration;

fn compiled(world: &World) -> CompiledPolicies {
    let policies: Vec<ConditionalAccessPolicy> = read(&world.policies);
    let locations: Vec<NamedLocation> = read(&world.locations);
    let strengths: Vec<AuthenticationStrengthPolicy> = read(&world.strengths);
    compile(&policies, &locations, &strengths)
}

/// The same sign-in, seen from `days` later on.
fn later_by(mut request: AccessRequest, days: Duration) -> AccessRequest {
    request.signed_in_at = request.signed_in_at.map(|at| at.plus(days));
    for used in &mut request.methods {
        used.at = used.at.plus(days);
    }
    request
}

fn read<T: serde::de::DeserializeOwned>(values: &[Value]) -> Vec<T> {
    values.iter().map(|value| serde_json::from_value(value.clone()).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_and_its_naive_twin_agree(world in world(), requests in prop::collection::vec(request(), 12), later in any::<bool>()) {
        // Before and after the retirement of `approvedApplication`.
        let days = Duration::from_secs(if later { 40 * 86_400 } else { 0 });
        let now = || now().plus(days);
        let policies = compiled(&world);
        let tenant = naive::Tenant { policies: &world.policies, locations: &world.locations, strengths: &world.strengths };
        for request in &requests {
            let request = &later_by(request.clone(), days);
            let (decision, told) = naive::answer(&tenant, request, now());
            let explained: Vec<naive::Told> = explain(&policies, request, now())
                .into_iter()
                .map(|result| naive::Told {
                    id: result.policy_id.as_str().to_owned(),
                    result: result.result,
                    met: result.met,
                    unmet: result.unmet,
                    controls: result.grant_controls,
                    session_controls: result.session_controls,
                })
                .collect();
            prop_assert_eq!(&explained, &told);
            prop_assert_eq!(decide(&policies, request, now()), decision);
        }
    }

    #[test]
    fn decision_and_explanation_agree(world in world(), request in request()) {
        let policies = compiled(&world);
        let decision = decide(&policies, &request, now());
        let results = explain(&policies, &request, now());
        let failed: Vec<_> = results.iter().filter(|result| result.result == ResultKind::Failure).collect();
        prop_assert_eq!(decision.outcome == Outcome::Granted, failed.is_empty());
        prop_assert_eq!(decision.outcome == Outcome::GrantedAfter, !decision.owed.is_empty());
        if decision.outcome == Outcome::GrantedAfter {
            let mut owing: Vec<_> = decision.owed.iter().map(|owed| owed.policy_id.clone()).collect();
            owing.sort();
            prop_assert_eq!(owing, failed.iter().map(|result| result.policy_id.clone()).collect::<Vec<_>>());
        }
        for owed in &decision.owed {
            prop_assert!(!owed.any_of.is_empty() && owed.any_of.iter().all(|controls| !controls.is_empty() && controls.is_sorted()));
        }
        for result in &results {
            prop_assert!(result.met.iter().all(|condition| !result.unmet.contains(condition)));
            let applies = matches!(
                result.result,
                ResultKind::Success
                    | ResultKind::Failure
                    | ResultKind::ReportOnlySuccess
                    | ResultKind::ReportOnlyFailure
                    | ResultKind::ReportOnlyInterrupted
            );
            prop_assert_eq!(applies, result.unmet.is_empty() && result.result != ResultKind::NotEnabled);
        }
    }

    #[test]
    fn report_only_and_disabled_policies_change_no_decision(world in world(), request in request()) {
        let mut enforced = world.clone();
        enforced.policies.retain(|policy| policy["state"] == "enabled" || policy["state"] == "partiallyEnabled");
        prop_assert_eq!(decide(&compiled(&world), &request, now()), decide(&compiled(&enforced), &request, now()));
    }

    /// Invariant 2: a stored request gives the stored answer, byte for byte.
    #[test]
    fn a_replayed_request_gives_the_same_bytes(world in world(), request in request()) {
        let policies = compiled(&world);
        let stored = serde_json::to_string(&request).unwrap();
        let replayed: AccessRequest = serde_json::from_str(&stored).unwrap();
        prop_assert_eq!(&replayed, &request);
        let bytes = |request: &AccessRequest| {
            serde_json::to_string(&(decide(&policies, request, now()), explain(&policies, request, now()))).unwrap()
        };
        let answer = bytes(&request);
        prop_assert_eq!(&bytes(&replayed), &answer);
        let read_back: (policy::answer::Decision, Vec<policy::answer::PolicyResult>) = serde_json::from_str(&answer).unwrap();
        prop_assert_eq!(serde_json::to_string(&read_back).unwrap(), answer);
    }

    #[test]
    fn the_order_of_policies_does_not_matter(world in world(), request in request()) {
        let mut reversed = world.clone();
        reversed.policies.reverse();
        reversed.locations.reverse();
        reversed.strengths.reverse();
        prop_assert_eq!(decide(&compiled(&world), &request, now()), decide(&compiled(&reversed), &request, now()));
        let (problems, reversed) = (compiled(&world).problems().to_vec(), compiled(&reversed).problems().to_vec());
        prop_assert_eq!(problems, reversed);
    }

    /// A policy more never lets anybody in: the outcome stays or gets stricter.
    #[test]
    fn a_policy_more_is_never_laxer(world in world(), request in request()) {
        let all = decide(&compiled(&world), &request, now()).outcome;
        let mut fewer = world;
        fewer.policies.pop();
        prop_assert!(decide(&compiled(&fewer), &request, now()).outcome <= all);
    }

    /// An exclusion more never makes its policy apply to somebody whom it did not apply to before.
    #[test]
    fn an_exclusion_more_never_makes_a_policy_apply(world in world(), request in request()) {
        let before = explain(&compiled(&world), &request, now());
        let mut excluding = world;
        for policy in &mut excluding.policies {
            let users = &mut policy["conditions"]["users"];
            // Where nothing is included, an exclusion turns "not configured" into a condition.
            if users["includeUsers"].is_array() {
                users["excludeGroups"] = json!([crate::generate::id(0xb, 0), crate::generate::id(0xb, 1), crate::generate::id(0xb, 2)]);
                users["excludeUsers"] = json!([crate::generate::id(0xa, 0), crate::generate::id(0xa, 1), crate::generate::id(0xa, 2)]);
            }
        }
        let after = explain(&compiled(&excluding), &request, now());
        for (before, after) in before.iter().zip(&after) {
            let skipped = |kind: ResultKind| matches!(kind, ResultKind::NotApplied | ResultKind::ReportOnlyNotApplied);
            prop_assert!(!skipped(before.result) || skipped(after.result), "{:?} {:?}", before, after);
        }
    }

    /// Something unknown in a policy never makes it vanish, nor easier to satisfy.
    #[test]
    fn what_is_not_understood_never_makes_a_policy_laxer(world in world(), request in request()) {
        let before = decide(&compiled(&world), &request, now()).outcome;
        for add in [
            |policy: &mut Value| policy["conditions"]["moonPhases"] = json!(["full"]),
            |policy: &mut Value| policy["conditions"]["users"]["includeStarSigns"] = json!(["leo"]),
            |policy: &mut Value| policy["conditions"]["platforms"]["excludeScreens"] = json!(["small"]),
            |policy: &mut Value| policy["grantControls"]["oaths"] = json!(["solemn"]),
            |policy: &mut Value| policy["grantControls"]["termsOfUse@odata.bind"] = json!(["x"]),
            |policy: &mut Value| policy["conditions"]["users"]["includeGroups@odata.bind"] = json!(["x"]),
            |policy: &mut Value| policy["grantControls@odata.bind"] = json!("x"),
            |policy: &mut Value| policy["sessionControls"]["curfew"] = json!({"isEnabled": true}),
        ] {
            let mut unknown = world.clone();
            for policy in &mut unknown.policies {
                let readable = ["users", "platforms"].iter().all(|name| policy["conditions"][*name].is_object());
                // Else the policy names nobody and is for everybody, workloads too; an unknown member of `users` makes
                // it one for users.
                let named = policy["conditions"]["users"]["includeUsers"].is_array();
                if readable && named && policy["grantControls"].is_object() && policy["sessionControls"].is_object() {
                    add(policy);
                }
            }
            prop_assert!(decide(&compiled(&unknown), &request, now()).outcome >= before);
        }
    }

    #[test]
    fn the_device_filter_reads_any_text(text in ".{0,80}", rule in rule()) {
        for rule in [text, rule] {
            let policy = json!({"id": crate::generate::id(1, 1), "state": "enabled", "conditions": {
                "users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]},
                "devices": {"deviceFilter": {"mode": "include", "rule": rule}}},
                "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}});
            let world = World { policies: vec![policy], locations: vec![], strengths: vec![] };
            let understood = compiled(&world).problems().is_empty();
            prop_assert_eq!(understood, naive::filter::evaluate(&rule, None).is_ok(), "{}", rule);
        }
    }
}
