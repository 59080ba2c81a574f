//! `apply`: a tenant is created and updated whole or not at all, and every problem is told with its place.

use crate::admin_fixture::{
    ADA, ALEX, ASSIGNMENT, BLOCK_LEGACY, CLIENT, GRAPH, LEE, PASSWORD, Platform, STAFF, TENANT, UMA, block_legacy, operator,
    tenant, user,
};
use control_plane::ApiError;
use control_plane::apply::{self, Action, Mode, Severity};
use model::{AppId, UserId};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use store::credential::CredentialKind;

#[tokio::test]
async fn a_tenant_is_created_once_and_then_unchanged() {
    let platform = Platform::empty().await;
    let report = platform.apply(tenant()).await;
    assert_eq!(report.problems, []);
    assert!(report.changes.iter().all(|line| line.action == Action::Create));
    assert_eq!(report.revision, i64::try_from(tenant().len()).unwrap());
    let activities = platform.activities().await;
    assert_eq!(activities.iter().filter(|activity| *activity == "Add user").count(), 4);
    assert_eq!(activities.iter().filter(|activity| *activity == "Admin registered security info").count(), 5);
    let again = platform.apply(tenant()).await;
    assert!(again.changes.iter().all(|line| line.action == Action::Unchanged), "{again:?}");
    assert_eq!(again.revision, report.revision);
    assert_eq!(platform.activities().await, activities);
    assert_eq!(platform.last_event().await, 0);
}

#[tokio::test]
async fn the_example_tenant_applies() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/tenant");
    let mut folders = vec![root.canonicalize().unwrap()];
    let mut objects: Vec<Value> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "json") {
                objects.push(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap());
            }
        }
    }
    let platform = Platform::empty().await;
    let report = platform.apply(objects.clone()).await;
    assert!(!report.is_refused() && report.changes.len() == objects.len(), "{:?}", report.problems);
    let again = platform.apply(objects).await;
    assert!(again.changes.iter().all(|line| line.action == Action::Unchanged), "{again:?}");
}

#[tokio::test]
async fn passwords_and_totp_secrets_begin_an_account_and_never_replace() {
    let platform = Platform::start().await;
    let credentials = |id: &'static str| {
        let store = platform.state.store.clone();
        async move { store::credential::of_user(&store, &UserId::new(id)).await.unwrap() }
    };
    let before = credentials(ALEX).await;
    let kinds: Vec<_> = before.iter().map(|credential| credential.kind).collect();
    assert!(kinds.len() == 2 && kinds.contains(&CredentialKind::Password) && kinds.contains(&CredentialKind::Totp), "{kinds:?}");
    let mut alex = user(ALEX, "alex");
    alex["passwordProfile"] = json!({"password": "an entirely different password"});
    alex["authentication"] = json!({"softwareOathMethods": [{"secretKey": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]});
    assert_eq!(platform.apply(vec![alex]).await.changes[0].action, Action::Unchanged);
    assert_eq!(credentials(ALEX).await, before);
    assert!(before.iter().all(|credential| !String::from_utf8_lossy(&credential.secret).contains(PASSWORD)));
}

#[tokio::test]
async fn a_plan_changes_nothing() {
    let platform = Platform::start().await;
    let before = (platform.activities().await, platform.state.snapshot().revision);
    let changes = vec![block_legacy("disabled"), user("00000000-0000-0000-0000-0000000000b9", "new"), user(LEE, "lee")];
    let plan = apply::apply(&platform.state, operator(), changes, Mode::Plan).await.unwrap();
    let actions: BTreeMap<&str, Action> = plan.changes.iter().map(|line| (line.display_name.as_str(), line.action)).collect();
    assert_eq!(
        actions,
        BTreeMap::from([
            ("Block legacy authentication", Action::Update),
            ("new@woodgrove.example", Action::Create),
            ("lee@woodgrove.example", Action::Unchanged),
        ])
    );
    assert_eq!((platform.activities().await, platform.state.snapshot().revision), before);
}

#[tokio::test]
async fn disabling_through_apply_is_the_same_as_disabling_over_graph() {
    let platform = Platform::start().await;
    let session = platform.session(ALEX).await;
    let events = platform.last_event().await;
    let mut alex = user(ALEX, "alex");
    alex["accountEnabled"] = json!(false);
    assert!(!platform.apply(vec![alex.clone()]).await.is_refused());
    let kinds: Vec<_> = platform.events_after(events).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["account-disabled", "session-revoked"]);
    assert!(store::session::get(&platform.state.store, &session).await.unwrap().unwrap().revoked_at.is_some());
    // An old folder does not bring the sessions of before back.
    let revoked = platform.state.snapshot().directory.users[&UserId::new(ALEX)].sign_in_sessions_valid_from_date_time;
    platform.clock.advance(Duration::from_secs(60));
    alex["signInSessionsValidFromDateTime"] = json!("2020-01-01T00:00:00Z");
    assert_eq!(platform.apply(vec![alex]).await.changes[0].action, Action::Unchanged);
    let user = &platform.state.snapshot().directory.users[&UserId::new(ALEX)];
    assert_eq!(user.sign_in_sessions_valid_from_date_time, revoked);
}

#[tokio::test]
async fn client_secrets_stay_when_they_are_not_given_anew() {
    let platform = Platform::start().await;
    let secret = |platform: &Platform| {
        platform.state.snapshot().directory.applications[&AppId::new(CLIENT)].password_credentials[0].secret_sha256.clone()
    };
    let before = secret(&platform);
    assert!(before.is_some());
    let exported = json!({"id": CLIENT.replace("0a0", "0b0"), "appId": CLIENT, "displayName": "Renamed"});
    assert_eq!(platform.apply(vec![exported.clone()]).await.changes[0].action, Action::Update);
    assert_eq!(secret(&platform), before);
    let mut listed = exported;
    listed["passwordCredentials"] = json!([{"keyId": CLIENT, "displayName": "still the same"}]);
    platform.apply(vec![listed]).await;
    assert_eq!(secret(&platform), before);
}

#[tokio::test]
async fn every_problem_is_told_and_nothing_is_applied() {
    let platform = Platform::start().await;
    let revision = platform.state.snapshot().revision;
    let nobody = "00000000-0000-0000-0000-00000000dead";
    let mut policy = block_legacy("enabled");
    policy["conditions"]["users"]["excludeGroups"] = json!([nobody]);
    policy["conditions"]["locations"] = json!({"includeLocations": ["All"], "excludeLocations": ["AllTrusted", nobody]});
    policy["grantControls"] = json!({"operator": "OR", "authenticationStrength": {"id": nobody}});
    let mut unreadable = block_legacy("enabled");
    unreadable["id"] = json!("00000000-0000-0000-0000-0000000000e2");
    unreadable["conditions"] = json!("everybody");
    let mut disabled = user(ADA, "ada");
    disabled["accountEnabled"] = json!(false);
    let objects = vec![
        user("00000000-0000-0000-0000-0000000000b9", "LEE"),
        json!({"id": "00000000-0000-0000-0000-0000000000b8", "userPrincipalName": "x@elsewhere.example"}),
        json!({"id": STAFF, "displayName": "Staff", "members": [{"id": ALEX}, {"id": nobody}]}),
        json!({"id": "r", "principalId": nobody, "roleDefinitionId": "reader"}),
        json!({
            "id": CLIENT, "appId": MAIL_AGAIN, "displayName": "Second", "web": {"redirectUris": ["http://example.com/"]},
            "onPremisesPublishing": {"externalUrl": "https://mail.localhost/", "internalUrl": "ftp://x/"},
        }),
        policy.clone(),
        policy,
        unreadable,
        disabled,
        json!({"what": "is this"}),
    ];
    let report = platform.apply(objects).await;
    let mut places: Vec<&str> = report
        .problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .map(|problem| problem.place.as_str())
        .collect();
    places.sort_unstable();
    assert_eq!(
        places,
        [
            "$.objects",
            "$.objects[0].userPrincipalName",
            "$.objects[1].userPrincipalName",
            "$.objects[2].members[1].id",
            "$.objects[3].principalId",
            "$.objects[3].roleDefinitionId",
            "$.objects[4].onPremisesPublishing.externalUrl",
            "$.objects[4].onPremisesPublishing.internalUrl",
            "$.objects[4].web.redirectUris[0]",
            "$.objects[5].conditions.locations.excludeLocations[1]",
            "$.objects[5].conditions.users.excludeGroups[0]",
            "$.objects[5].grantControls.authenticationStrength.id",
            "$.objects[6]",
            "$.objects[6].conditions.locations.excludeLocations[1]",
            "$.objects[6].conditions.users.excludeGroups[0]",
            "$.objects[6].grantControls.authenticationStrength.id",
            "$.objects[7].conditions",
            "$.objects[9]",
        ]
    );
    assert_eq!(platform.state.snapshot().revision, revision);
}

const MAIL_AGAIN: &str = "0a000000-0000-0000-0000-0000000000ff";

#[tokio::test]
async fn what_a_policy_holds_that_is_not_understood_is_a_remark() {
    let platform = Platform::start().await;
    let mut policy = block_legacy("enabled");
    policy["conditions"]["phaseOfTheMoon"] = json!("full");
    let report = platform.apply(vec![policy]).await;
    assert!(!report.is_refused() && report.changes[0].action == Action::Update);
    let remark = &report.problems[0];
    assert_eq!((remark.severity, remark.place.as_str()), (Severity::Remark, "$.objects[0].conditions.phaseOfTheMoon"));
    assert!(!platform.state.snapshot().policies.problems().is_empty());
}

#[tokio::test]
async fn a_policy_that_asks_for_nothing_is_refused() {
    let platform = Platform::start().await;
    let revision = platform.state.snapshot().revision;
    let mut misspelt = block_legacy("enabled");
    let controls = misspelt.as_object_mut().unwrap().remove("grantControls").unwrap();
    misspelt["grantControl"] = controls;
    let report = platform.apply(vec![misspelt]).await;
    let error = report.problems.iter().find(|problem| problem.severity == Severity::Error).unwrap();
    assert!(error.message.contains("asks for nothing"), "{}", error.message);
    assert_eq!(platform.state.snapshot().revision, revision);
}

#[tokio::test]
async fn another_tenant_is_refused() {
    let platform = Platform::start().await;
    let other = json!({"id": ALEX, "displayName": "Fabrikam", "verifiedDomains": [{"name": "fabrikam.example"}]});
    let report = platform.apply(vec![other]).await;
    assert!(report.problems[0].message.starts_with(&format!("this server's tenant is `{TENANT}`")), "{report:?}");
}

#[tokio::test]
async fn over_graph_it_answers_what_was_done_or_why_not() {
    let platform = Platform::start().await;
    let path = "/v1.0/countersign/apply";
    let token = platform.user_token(ADA, "Directory.ReadWrite.All").await;
    let body = json!({"objects": [block_legacy("disabled")]});
    let plan = platform.post(&format!("{path}?plan=true"), &token, body.clone()).await.expect(200).json();
    let changes = json!([{
        "kind": "conditionalAccessPolicy", "id": BLOCK_LEGACY, "displayName": "Block legacy authentication", "action": "update",
    }]);
    assert_eq!((&plan["changes"], &plan["problems"]), (&changes, &json!([])));
    let done = platform.post(path, &token, body.clone()).await.expect(200).json();
    assert_eq!(done["revision"].as_i64(), plan["revision"].as_i64().map(|revision| revision + 1));
    let refused = json!({"objects": [{"id": STAFF, "displayName": "Staff", "members": [{"id": GRAPH}]}]});
    let told = platform.post(path, &token, refused).await.expect(400).json();
    assert_eq!(told["error"]["code"], "Request_BadRequest");
    assert_eq!(
        told["problems"],
        json!([{"place": "$.objects[0].members[0].id", "message": format!("no user or group has the id `{GRAPH}`"), "severity": "error"}])
    );
    platform.post(&format!("{path}?dry=1"), &token, body.clone()).await.expect(400);
    let by_uma = platform.user_token(UMA, "Directory.ReadWrite.All").await;
    platform.post(path, &by_uma, body).await.expect(403);
}

#[tokio::test]
async fn a_role_of_the_last_administrator_cannot_be_given_to_nobody() {
    let platform = Platform::start().await;
    let reader = json!({
        "id": ASSIGNMENT, "principalId": ADA, "roleDefinitionId": "5d6b6bb7-de71-4623-b4af-96380a352509", "directoryScopeId": "/",
    });
    let report = platform.apply(vec![reader]).await;
    assert_eq!(report.problems[0].message, "no enabled Global Administrator would be left");
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_half_applied() {
    let platform = Platform::on_a_small_disk(120).await;
    let mut objects = tenant();
    objects.extend((0..2000).map(|index| {
        let id = format!("00000000-0000-0000-0001-{index:012}");
        json!({"id": id, "userPrincipalName": format!("user{index}@woodgrove.example"), "accountEnabled": true})
    }));
    let full = apply::apply(&platform.state, operator(), objects, Mode::Apply).await;
    assert!(matches!(full, Err(ApiError::StorageFull)), "{full:?}");
    platform.state.reload().await.unwrap();
    assert!(platform.state.snapshot().objects.is_empty());
    assert_eq!(platform.activities().await, Vec::<String>::new());
    // What fits is still taken.
    assert!(!platform.apply(tenant()).await.is_refused());
    assert_eq!(platform.state.snapshot().objects.len(), tenant().len());
}
