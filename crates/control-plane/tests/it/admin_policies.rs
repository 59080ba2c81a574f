//! Policies and the rest of the directory over Graph.

use crate::admin_fixture::{ALEX, BLOCK_LEGACY, GRAPH, MAIL, Platform, STAFF};
use serde_json::{Value, json};

const POLICIES: &str = "/v1.0/identity/conditionalAccess/policies";

fn require_mfa() -> Value {
    json!({
        "displayName": "Require MFA", "state": "enabledForReportingButNotEnforced",
        "conditions": {
            "users": {"includeGroups": [STAFF]}, "applications": {"includeApplications": ["All"]}, "clientAppTypes": ["all"],
        },
        "grantControls": {"operator": "OR", "builtInControls": ["mfa"]},
    })
}

#[tokio::test]
async fn a_policy_is_created_changed_and_deleted_and_in_force_at_once() {
    let platform = Platform::start().await;
    let token = platform.application_token(&["Policy.ReadWrite.ConditionalAccess"]);
    let before = platform.activities().await.len();
    let made = platform.post(POLICIES, &token, require_mfa()).await.expect(201).json();
    assert_eq!(made["createdDateTime"], "2026-11-22T12:00:00Z");
    assert_eq!(platform.state.snapshot().policies.len(), 2);
    let path = format!("{POLICIES}/{}", made["id"].as_str().unwrap());
    platform.patch(&path, &token, json!({"state": "enabled"})).await.expect(204);
    let read = platform.get(&path, &token).await.expect(200).json();
    assert_eq!((&read["state"], &read["conditions"]), (&json!("enabled"), &made["conditions"]));
    assert_eq!(read["modifiedDateTime"], "2026-11-22T12:00:00Z");
    platform.delete(&path, &token).await.expect(204);
    platform.delete(&path, &token).await.expect(404);
    platform.get(&path, &token).await.expect(404);
    assert_eq!(platform.state.snapshot().policies.len(), 1);
    assert_eq!(
        platform.activities().await[before..],
        ["Add conditional access policy", "Update conditional access policy", "Delete conditional access policy"]
    );
}

#[tokio::test]
async fn a_policy_that_cannot_be_is_refused_with_its_places() {
    let platform = Platform::start().await;
    let token = platform.application_token(&["Policy.ReadWrite.ConditionalAccess"]);
    let message = async |body: Value| {
        let told = platform.post(POLICIES, &token, body).await.expect(400).json();
        told["error"]["message"].as_str().unwrap().to_owned()
    };
    let mut policy = require_mfa();
    policy["conditions"]["users"]["includeGroups"] = json!([ALEX, GRAPH]);
    assert_eq!(
        message(policy).await,
        format!(
            "$.conditions.users.includeGroups[0]: no group has the id `{ALEX}`; \
             $.conditions.users.includeGroups[1]: no group has the id `{GRAPH}`"
        )
    );
    let mut policy = require_mfa();
    policy["grantControls"] = json!("mfa");
    assert_eq!(message(policy).await, "$.grantControls: not an object");
    let mut policy = require_mfa();
    policy["id"] = json!(BLOCK_LEGACY);
    assert_eq!(message(policy).await, "cannot write `id`");
    assert_eq!(message(json!({"displayName": "x", "state": "enabled"})).await, "`conditions` is missing");
    assert_eq!(platform.state.snapshot().policies.len(), 1);
}

/// A policy over Graph is understood whole, and asks for something; one that was applied as it came can be switched off.
#[tokio::test]
async fn a_policy_that_is_not_understood_or_asks_for_nothing_is_refused() {
    let platform = Platform::start().await;
    let token = platform.application_token(&["Policy.ReadWrite.ConditionalAccess"]);
    let with = |grant: Value| {
        let mut policy = require_mfa();
        policy["grantControls"] = grant;
        policy
    };
    let strength = "https://graph.microsoft.com/v1.0/policies/authenticationStrengthPolicies";
    let nothing = "$: the policy asks for nothing: it sets neither a grant nor a session control";
    let no_id = "$.grantControls.authenticationStrength: not an authentication strength: it has no `id`";
    for (policy, expected) in [
        (with(Value::Null), nothing),
        (with(json!({})), nothing),
        (with(json!({"operator": "OR", "builtInControls": []})), nothing),
        (with(json!({"operator": "OR", "authenticationStrength": {}})), no_id),
        (with(json!({"operator": "OR", "authenticationStrength": []})), no_id),
        (with(json!({"operator": "OR", "authenticationStrength": {"id": null}})), no_id),
        (
            with(json!({"operator": "OR", "authenticationStrength@odata.bind": format!("{strength}/{STAFF}")})),
            "$.grantControls.authenticationStrength@odata.bind: no authentication strength has the id",
        ),
        (
            with(json!({"operator": "OR", "builtInControls": ["mfa"], "termsOfUse@odata.bind": ["x"]})),
            "$.grantControls.termsOfUse@odata.bind: unknown member `termsOfUse@odata.bind`",
        ),
    ] {
        let told = platform.post(POLICIES, &token, policy.clone()).await.expect(400).json();
        let message = told["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(expected), "{policy}: {message}");
    }
    assert_eq!(platform.state.snapshot().policies.len(), 1);

    let bound = format!("{strength}('00000000-0000-0000-0000-000000000004')");
    let grant = json!({"operator": "OR", "authenticationStrength@odata.bind": bound});
    let made = platform.post(POLICIES, &token, with(grant)).await.expect(201).json();
    let path = format!("{POLICIES}/{}", made["id"].as_str().unwrap());
    platform.patch(&path, &token, json!({"grantControls": null})).await.expect(400);
    platform.patch(&path, &token, json!({"conditions": {"moonPhases": ["full"]}})).await.expect(400);

    let mut policy = require_mfa();
    policy["id"] = json!("77777777-0000-4000-8000-000000000001");
    policy["grantControls"] = json!({"operator": "OR", "authenticationStrength": {}});
    let report = platform.apply(vec![policy]).await;
    assert!(report.problems.iter().any(|problem| problem.message == no_id.split_once(": ").unwrap().1), "{report:?}");
    let path = format!("{POLICIES}/77777777-0000-4000-8000-000000000001");
    platform.patch(&path, &token, json!({"state": "disabled"})).await.expect(204);
    platform.patch(&path, &token, json!({"grantControls": {"operator": "OR", "builtInControls": ["mfa"]}})).await.expect(204);
}

#[tokio::test]
async fn the_directory_is_read() {
    let platform = Platform::start().await;
    let token = platform.application_token(&["Directory.ReadWrite.All", "Application.Read.All", "Policy.Read.All"]);
    let get = async |path: &str| platform.get(path, &token).await.expect(200).json();
    let published = get("/beta/applications?$filter=onPremisesPublishing%20ne%20null").await;
    assert_eq!(published["value"].as_array().unwrap().len(), 1);
    assert_eq!(published["value"][0]["appId"], MAIL);
    assert_eq!(published["value"][0]["onPremisesPublishing"]["internalUrl"], "http://127.0.0.1:9003/");
    let group = get(&format!("/v1.0/groups/{STAFF}")).await;
    assert!(group.get("members").is_none(), "{group}");
    let expanded = get(&format!("/v1.0/groups/{STAFF}?$expand=members")).await;
    assert_eq!(expanded["members"].as_array().unwrap().len(), 2);
    assert_eq!(get("/v1.0/organization").await["value"][0]["displayName"], "Woodgrove");
    assert_eq!(get("/v1.0/roleManagement/directory/roleAssignments").await["value"].as_array().unwrap().len(), 2);
    assert_eq!(get("/v1.0/identity/conditionalAccess/namedLocations").await["value"], json!([]));
    assert_eq!(get("/v1.0/policies/authenticationStrengthPolicies").await["value"], json!([]));
    let enabled = get(&format!("{POLICIES}?$filter=state%20eq%20'enabled'&$select=id")).await;
    assert_eq!(enabled["value"], json!([{"id": BLOCK_LEGACY}]));
    platform.get(&format!("/v1.0/groups/{STAFF}?$expand=owners"), &token).await.expect(400);
    platform.get("/v1.0/groups/nothing", &token).await.expect(404);
}
