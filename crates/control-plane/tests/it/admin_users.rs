//! Accounts over Graph: who may change what, what follows from a change, and that it is recorded.

use crate::admin_fixture::{ADA, ALEX, GRAPH, LEE, PASSWORD, Platform, STAFF, UMA};
use http::Method;
use model::UserId;
use serde_json::json;

const WRITE: &str = "User.ReadWrite.All";

#[tokio::test]
async fn me_is_the_caller() {
    let platform = Platform::start().await;
    let token = platform.user_token(ALEX, "User.Read").await;
    let me = platform.get("/v1.0/me?$select=id,displayName", &token).await.expect(200).json();
    assert_eq!(
        me,
        json!({"@odata.context": "https://localhost:8443/v1.0/$metadata#users/$entity", "id": ALEX, "displayName": "alex"})
    );
    let application = platform.application_token(&[WRITE]);
    platform.get("/v1.0/me", &application).await.expect(403);
}

#[tokio::test]
async fn users_are_listed_filtered_and_paged() {
    let platform = Platform::start().await;
    let token = platform.application_token(&["User.Read.All"]);
    let names = |answer: serde_json::Value| -> Vec<String> {
        answer["value"].as_array().unwrap().iter().map(|user| user["displayName"].as_str().unwrap().to_owned()).collect()
    };
    let all = platform.get("/v1.0/users", &token).await.expect(200).json();
    assert_eq!(names(all), ["ada", "uma", "alex", "lee"]);
    let one = "/beta/users?$filter=userPrincipalName%20eq%20'ALEX@woodgrove.example'";
    let found = platform.get(one, &token).await.expect(200).json();
    assert_eq!(found["@odata.context"], "https://localhost:8443/beta/$metadata#users");
    assert_eq!(names(found), ["alex"]);
    let page = platform.get("/v1.0/users?$top=3&$select=displayName", &token).await.expect(200).json();
    let next = page["@odata.nextLink"].as_str().unwrap().strip_prefix("https://localhost:8443").unwrap().to_owned();
    assert!(next.contains("$skiptoken=") && next.contains("$top=3"), "{next}");
    assert_eq!(names(page), ["ada", "uma", "alex"]);
    let rest = platform.get(&next, &token).await.expect(200).json();
    assert!(rest.get("@odata.nextLink").is_none());
    assert_eq!(names(rest), ["lee"]);
    for (query, message) in [
        ("$search=x", "`$search` is not supported here"),
        ("$filter=startswith(displayName,'a')", "`startswith` at 0 is not supported: comparisons joined by `and` are"),
        ("$top=1000", "$top=`1000` is not a whole number from 1 to 999"),
    ] {
        let told = platform.get(&format!("/v1.0/users?{query}"), &token).await.expect(400).json();
        assert_eq!(told["error"]["message"], message);
        assert_eq!(told["error"]["code"], "Request_BadRequest");
    }
}

#[tokio::test]
async fn an_error_has_graphs_shape_and_echoes_the_client_request_id() {
    let platform = Platform::start().await;
    let token = platform.application_token(&["User.Read.All"]);
    let id = "0f8fad5b-d9cb-469f-a165-70867728950e";
    let request = http::Request::get("/v1.0/users/nobody@woodgrove.example")
        .header("authorization", format!("Bearer {token}"))
        .header("client-request-id", id);
    let answer = platform.raw(request.body(axum::body::Body::empty()).unwrap()).await.expect(404);
    assert_eq!(answer.headers["client-request-id"], id);
    let body = answer.json();
    assert_eq!(body["error"]["code"], "Request_ResourceNotFound");
    assert_eq!(body["error"]["innerError"]["date"], "2026-11-22T12:00:00");
    assert_eq!(body["error"]["innerError"]["client-request-id"], id);
    assert_eq!(body["error"]["innerError"]["request-id"], answer.headers["request-id"].to_str().unwrap());
}

#[tokio::test]
async fn disabling_ends_everything_in_one_transaction() {
    let platform = Platform::start().await;
    let session = platform.session(ALEX).await;
    let mine = platform.user_token(ALEX, "User.Read").await;
    platform.get("/v1.0/me", &mine).await.expect(200);
    let (before, events) = (platform.activities().await.len(), platform.last_event().await);
    let token = platform.application_token(&[WRITE]);
    platform.patch(&format!("/v1.0/users/{ALEX}"), &token, json!({"accountEnabled": false})).await.expect(204);
    assert_eq!(platform.activities().await[before..], ["Disable account"]);
    assert_eq!(
        platform.events_after(events).await,
        [("account-disabled".to_owned(), ALEX.to_owned()), ("session-revoked".to_owned(), ALEX.to_owned())]
    );
    let session = store::session::get(&platform.state.store, &session).await.unwrap().unwrap();
    assert_eq!(session.revoked_at, Some(platform.clock.now()));
    // What comes after sees it at once.
    let snapshot = platform.state.snapshot();
    let user = &snapshot.directory.users[&UserId::new(ALEX)];
    assert!(!user.account_enabled);
    assert_eq!(user.sign_in_sessions_valid_from_date_time, Some(platform.clock.now()));
    platform.get("/v1.0/me", &mine).await.expect(401);
    // Again changes nothing, so it records nothing.
    let (before, events) = (platform.activities().await.len(), platform.last_event().await);
    platform.patch(&format!("/v1.0/users/{ALEX}"), &token, json!({"accountEnabled": false})).await.expect(204);
    assert_eq!((platform.activities().await.len(), platform.last_event().await), (before, events));
    platform.patch(&format!("/v1.0/users/{ALEX}"), &token, json!({"accountEnabled": true})).await.expect(204);
    assert_eq!(platform.events_after(events).await, [("account-enabled".to_owned(), ALEX.to_owned())]);
    // The session of before stays ended.
    platform.get("/v1.0/me", &mine).await.expect(401);
}

#[tokio::test]
async fn a_password_reset_voids_sessions_and_sets_the_password() {
    let platform = Platform::start().await;
    let mine = platform.user_token(ALEX, "User.Read").await;
    let token = platform.user_token(UMA, WRITE).await;
    let (before, events) = (platform.activities().await.len(), platform.last_event().await);
    let new = "an entirely different password";
    let body = json!({"passwordProfile": {"password": new, "forceChangePasswordNextSignIn": false}});
    platform.patch(&format!("/v1.0/users/{ALEX}"), &token, body).await.expect(204);
    assert_eq!(platform.activities().await[before..], ["Reset user password"]);
    assert_eq!(
        platform.events_after(events).await,
        [("credential-change".to_owned(), ALEX.to_owned()), ("session-revoked".to_owned(), ALEX.to_owned())]
    );
    platform.get("/v1.0/me", &mine).await.expect(401);
    assert!(is_password(&platform, ALEX, new).await && !is_password(&platform, ALEX, PASSWORD).await);
    // The other way in, where the server makes the password.
    let path = format!("/v1.0/users/{ALEX}/authentication/methods/28c10230-6103-485e-b985-444c60001490/resetPassword");
    let made = platform.post(&path, &token, json!({})).await.expect(202).json();
    assert!(is_password(&platform, ALEX, made["newPassword"].as_str().unwrap()).await);
    platform.post(&path, &token, json!({"newPassword": "short"})).await.expect(400);
    let other = path.replace("28c10230", "00000000");
    platform.post(&other, &token, json!({})).await.expect(404);
}

async fn is_password(platform: &Platform, user: &str, password: &str) -> bool {
    let credentials = store::credential::of_user(&platform.state.store, &UserId::new(user)).await.unwrap();
    let stored = credentials.iter().find(|credential| credential.kind == store::credential::CredentialKind::Password).unwrap();
    let verdict = platform.state.passwords.verify(password, Some(&stored.secret), None).await.unwrap();
    verdict != control_plane::passwords::Verdict::Wrong
}

#[tokio::test]
async fn disabling_and_a_new_password_in_one_request_raise_each_event_once() {
    let platform = Platform::start().await;
    let token = platform.application_token(&[WRITE]);
    let events = platform.last_event().await;
    let body = json!({"accountEnabled": false, "passwordProfile": {"password": "an entirely different password"}});
    platform.patch(&format!("/v1.0/users/{ALEX}"), &token, body).await.expect(204);
    let kinds: Vec<_> = platform.events_after(events).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["account-disabled", "credential-change", "session-revoked"]);
}

#[tokio::test]
async fn sessions_are_revoked() {
    let platform = Platform::start().await;
    let mine = platform.user_token(ALEX, "User.Read").await;
    let token = platform.application_token(&[WRITE]);
    let (before, events) = (platform.activities().await.len(), platform.last_event().await);
    let answer = platform.post("/v1.0/users/alex@woodgrove.example/revokeSignInSessions", &token, json!({})).await.expect(200);
    assert_eq!(answer.json()["value"], true);
    assert_eq!(platform.activities().await[before..], ["Update StsRefreshTokenValidFrom Timestamp"]);
    assert_eq!(platform.events_after(events).await, [("session-revoked".to_owned(), ALEX.to_owned())]);
    platform.get("/v1.0/me", &mine).await.expect(401);
}

#[tokio::test]
async fn a_deleted_user_leaves_nothing_behind() {
    let platform = Platform::start().await;
    let session = platform.session(LEE).await;
    let token = platform.application_token(&[WRITE, "Directory.ReadWrite.All"]);
    let (before, events) = (platform.activities().await.len(), platform.last_event().await);
    platform.delete(&format!("/v1.0/users/{LEE}"), &token).await.expect(204);
    platform.get(&format!("/v1.0/users/{LEE}"), &token).await.expect(404);
    platform.delete(&format!("/v1.0/users/{LEE}"), &token).await.expect(404);
    assert_eq!(platform.activities().await[before..], ["Update group", "Delete user"]);
    assert_eq!(
        platform.events_after(events).await,
        [("session-revoked".to_owned(), LEE.to_owned()), ("account-purged".to_owned(), LEE.to_owned())]
    );
    assert!(store::credential::of_user(&platform.state.store, &UserId::new(LEE)).await.unwrap().is_empty());
    assert!(store::session::get(&platform.state.store, &session).await.unwrap().is_none_or(|it| it.revoked_at.is_some()));
    let members = platform.get(&format!("/v1.0/groups/{STAFF}/members"), &token).await.expect(200).json();
    assert_eq!(members["value"], json!([{"@odata.type": "#microsoft.graph.user", "id": ALEX, "displayName": "alex"}]));
}

#[tokio::test]
async fn a_user_is_created_and_can_have_a_password() {
    let platform = Platform::start().await;
    let token = platform.application_token(&[WRITE]);
    let body = json!({
        "accountEnabled": true, "displayName": "Kim", "mailNickname": "kim", "userPrincipalName": "kim@woodgrove.example",
        "passwordProfile": {"password": PASSWORD, "forceChangePasswordNextSignIn": false},
    });
    let made = platform.post("/v1.0/users", &token, body.clone()).await.expect(201).json();
    let id = made["id"].as_str().unwrap().to_owned();
    assert!(made.get("passwordProfile").is_none() && made["mailNickname"] == "kim", "{made}");
    assert!(is_password(&platform, &id, PASSWORD).await);
    let again = platform.post("/v1.0/users", &token, body).await.expect(409).json();
    assert_eq!(again["error"]["message"], "another object already has this userPrincipalName `kim@woodgrove.example`");
    let elsewhere = json!({"accountEnabled": true, "displayName": "Kim", "userPrincipalName": "kim@elsewhere.example"});
    platform.post("/v1.0/users", &token, elsewhere).await.expect(400);
}

#[tokio::test]
async fn what_cannot_be_written_refuses_the_whole_change() {
    let platform = Platform::start().await;
    let token = platform.application_token(&[WRITE]);
    let body = json!({"accountEnabled": false, "securityIdentifier": "S-1"});
    let told = platform.patch(&format!("/v1.0/users/{ALEX}"), &token, body).await.expect(400).json();
    assert_eq!(told["error"]["message"], "cannot write `securityIdentifier`");
    assert!(platform.state.snapshot().directory.users[&UserId::new(ALEX)].account_enabled);
    platform.send(Method::PATCH, &format!("/v1.0/users/{ALEX}"), Some(&token), None).await.expect(400);
}

#[tokio::test]
async fn administrators_are_changed_by_few_and_the_last_one_by_nobody() {
    let platform = Platform::start().await;
    let disable = json!({"accountEnabled": false});
    let (ada, uma) = (format!("/v1.0/users/{ADA}"), format!("/v1.0/users/{UMA}"));
    let by_uma = platform.user_token(UMA, WRITE).await;
    platform.patch(&ada, &by_uma, disable.clone()).await.expect(403);
    platform.delete(&ada, &by_uma).await.expect(403);
    platform.post(&format!("{ada}/revokeSignInSessions"), &by_uma, json!({})).await.expect(403);
    let by_application = platform.application_token(&[WRITE]);
    platform.patch(&ada, &by_application, disable.clone()).await.expect(403);
    let by_ada = platform.user_token(ADA, WRITE).await;
    for answer in [platform.patch(&ada, &by_ada, disable.clone()).await, platform.delete(&ada, &by_ada).await] {
        let told = answer.expect(400).json();
        let message = told["error"]["message"].as_str().unwrap();
        assert!(message.starts_with("this is the last enabled Global Administrator; hint: "), "{message}");
    }
    platform.patch(&uma, &by_ada, disable.clone()).await.expect(204);
    // A scope alone is not enough, nor a role alone.
    let by_alex = platform.user_token(ALEX, WRITE).await;
    platform.patch(&format!("/v1.0/users/{LEE}"), &by_alex, disable.clone()).await.expect(403);
    let read_only = platform.user_token(ADA, "User.Read").await;
    platform.patch(&format!("/v1.0/users/{LEE}"), &read_only, disable).await.expect(403);
}

#[tokio::test]
async fn two_administrators_who_disable_each_other_at_once_leave_one() {
    let platform = Platform::start().await;
    let second = json!({
        "id": "00000000-0000-0000-0000-0000000000d3", "principalId": UMA,
        "roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10", "directoryScopeId": "/",
    });
    assert!(!platform.apply(vec![second]).await.is_refused());
    let (by_ada, by_uma) = (platform.user_token(ADA, WRITE).await, platform.user_token(UMA, WRITE).await);
    let (ada, uma) = (format!("/v1.0/users/{ADA}"), format!("/v1.0/users/{UMA}"));
    let disable = json!({"accountEnabled": false});
    let (first, second) =
        tokio::join!(platform.patch(&uma, &by_ada, disable.clone()), platform.patch(&ada, &by_uma, disable.clone()));
    let done = [first.status, second.status].into_iter().filter(http::StatusCode::is_success).count();
    assert_eq!(done, 1, "{} {}", first.text(), second.text());
}

#[tokio::test]
async fn secrets_never_leave() {
    let platform = Platform::start().await;
    let token = platform.application_token(&["User.Read.All", "Application.Read.All", "AuditLog.Read.All"]);
    for path in ["/v1.0/users", "/v1.0/applications", &format!("/v1.0/users/{ALEX}"), "/v1.0/auditLogs/directoryAudits?$top=1000"]
    {
        let text = platform.get(path, &token).await.expect(200).text();
        for secret in ["argon2", "secretText", "secretSha256", "passwordProfile", "JBSWY3DP", PASSWORD] {
            assert!(!text.contains(secret), "{path} shows {secret}");
        }
    }
    let graph = platform.get(&format!("/v1.0/applications?$filter=appId eq '{GRAPH}'").replace(' ', "%20"), &token).await;
    assert_eq!(graph.expect(200).json()["value"].as_array().unwrap().len(), 1);
}
