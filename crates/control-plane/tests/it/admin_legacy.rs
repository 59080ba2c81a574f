//! HTTP Basic, handed over by a gateway: checked, decided as a legacy client, recorded.

use crate::admin_fixture::{ALEX, BLOCK_LEGACY, MAIL, PASSWORD, Platform, TENANT, WEB, block_legacy, user};
use serde_json::{Value, json};

const PATH: &str = "/3ceaaf30-8142-48ea-91d9-3080f9b439fc/gateway/basic";

fn presented(username: &str, password: &str) -> Value {
    json!({
        "application": MAIL, "username": username, "password": password, "ipAddress": "203.0.113.7", "userAgent": "oldmail/1.0",
    })
}

async fn ask(platform: &Platform, username: &str, password: &str) -> Value {
    let token = platform.application_token(&["Gateway.Enforce"]);
    platform.post(PATH, &token, presented(username, password)).await.expect(200).json()
}

async fn last_sign_in(platform: &Platform) -> Value {
    let query = store::sign_in::SignInQuery { limit: 1, ..Default::default() };
    json!(store::sign_in::list(&platform.state.store, &query).await.unwrap().remove(0).sign_in)
}

#[tokio::test]
async fn a_policy_against_legacy_clients_refuses_and_is_named() {
    let platform = Platform::start().await;
    let answer = ask(&platform, "alex@woodgrove.example", PASSWORD).await;
    assert_eq!(answer["allowed"], false);
    assert_eq!(answer["error"]["error_codes"], json!([53003]));
    assert_eq!(answer["error"]["policies"], json!([{"id": BLOCK_LEGACY, "displayName": "Block legacy authentication"}]));
    let record = last_sign_in(&platform).await;
    assert_eq!(record["clientAppUsed"], "Other clients");
    assert_eq!(record["authenticationProtocol"], "basic");
    assert_eq!(record["ipAddress"], "203.0.113.7");
    assert_eq!(record["userAgent"], "oldmail/1.0");
    assert_eq!((&record["resourceId"], &record["status"]["errorCode"]), (&json!(MAIL), &json!(53003)));
    assert_eq!(record["conditionalAccessStatus"], "failure");
    assert_eq!(record["appliedConditionalAccessPolicies"][0]["result"], "failure");
}

#[tokio::test]
async fn without_such_a_policy_it_is_let_in_for_a_while() {
    let platform = Platform::start().await;
    platform.apply(vec![block_legacy("enabledForReportingButNotEnforced")]).await;
    let answer = ask(&platform, "ALEX@woodgrove.example", PASSWORD).await;
    assert_eq!(
        answer,
        json!({
            "allowed": true, "user": {"id": ALEX, "userPrincipalName": "alex@woodgrove.example", "displayName": "alex"},
            "issued_at": platform.clock.now().seconds(), "session_expires_in": 300,
        })
    );
    let record = last_sign_in(&platform).await;
    assert_eq!(record["status"]["errorCode"], 0);
    assert_eq!(record["appliedConditionalAccessPolicies"][0]["result"], "reportOnlyFailure");
}

#[tokio::test]
async fn a_challenge_cannot_be_met_by_a_legacy_client() {
    let platform = Platform::start().await;
    let mut policy = block_legacy("enabled");
    policy["grantControls"] = json!({"operator": "OR", "builtInControls": ["mfa"]});
    platform.apply(vec![policy]).await;
    let answer = ask(&platform, "alex@woodgrove.example", PASSWORD).await;
    assert_eq!((&answer["allowed"], &answer["error"]["error_codes"]), (&json!(false), &json!([53003])));
    assert_eq!(answer["error"]["policies"][0]["id"], BLOCK_LEGACY);
}

#[tokio::test]
async fn wrong_password_and_unknown_account_answer_alike_and_are_slowed_down() {
    let platform = Platform::start().await;
    let text = |answer: &Value| {
        let mut error = answer["error"].clone();
        for member in ["trace_id", "correlation_id", "timestamp"] {
            error.as_object_mut().unwrap().shift_remove(member);
        }
        let description = error["error_description"].as_str().unwrap().split(" Trace ID").next().unwrap().to_owned();
        error["error_description"] = json!(description);
        error
    };
    let known = ask(&platform, "alex@woodgrove.example", "wrong").await;
    let unknown = ask(&platform, "nobody@woodgrove.example", "wrong").await;
    assert_eq!(known["error"]["error_codes"], json!([50126]));
    assert_eq!(text(&known), text(&unknown));
    for name in ["alex@woodgrove.example", "nobody@woodgrove.example"] {
        for _ in 0..9 {
            ask(&platform, name, "wrong").await;
        }
        let locked = ask(&platform, name, PASSWORD).await;
        assert_eq!(locked["error"]["error_codes"], json!([50053]), "{name}");
    }
    // The lock is the guesser's: the gateway says whose guess it is.
    let gateway = platform.application_token(&["Gateway.Enforce"]);
    let mut elsewhere = presented("alex@woodgrove.example", PASSWORD);
    elsewhere["ipAddress"] = json!("2001:db8:77::9");
    let answer = platform.post(PATH, &gateway, elsewhere).await.expect(200).json();
    assert_eq!(answer["error"]["error_codes"], json!([53003]));
}

#[tokio::test]
async fn a_disabled_account_is_refused() {
    let platform = Platform::start().await;
    let mut alex = user(ALEX, "alex");
    alex["accountEnabled"] = json!(false);
    platform.apply(vec![alex]).await;
    assert_eq!(ask(&platform, "alex@woodgrove.example", PASSWORD).await["error"]["error_codes"], json!([50057]));
}

#[tokio::test]
async fn only_gateways_may_ask_and_only_for_applications_that_take_it() {
    let platform = Platform::start().await;
    let other = platform.application_token(&["Directory.ReadWrite.All"]);
    platform.post(PATH, &other, presented("a", "b")).await.expect(403);
    let person = platform.user_token(ALEX, "Gateway.Enforce").await;
    platform.post(PATH, &person, presented("a", "b")).await.expect(403);
    let gateway = platform.application_token(&["Gateway.Enforce"]);
    let mut body = presented("a", "b");
    body["application"] = json!(WEB);
    platform.post(PATH, &gateway, body).await.expect(400);
    let mut body = presented("a", "b");
    body["ipAddress"] = json!("somewhere");
    platform.post(PATH, &gateway, body).await.expect(400);
    let elsewhere = PATH.replace(TENANT, "fabrikam.example");
    let told = platform.post(&elsewhere, &gateway, presented("a", "b")).await.expect(400).json();
    assert_eq!(told["error_codes"], json!([90002]));
    platform.post("/woodgrove.example/gateway/basic", &gateway, presented("a", "b")).await.expect(200);
}
