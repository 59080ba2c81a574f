//! Session controls: those that this server enforces, and that those it does not enforce let nobody in. And what a restart
//! keeps, and what guessing at a client's secret comes to.

use crate::admin_fixture::{Platform, SECRET};
use crate::sign_in_fixture::{
    ADA_NAME, ALEX_NAME, DAEMON, GATEWAY, PASSWORD, Page, Visitor, WEB, claims, platform, policy, redeem_web, refresh_web,
    sign_ins, token,
};
use control_plane::apply::Severity;
use http::header;
use serde_json::{Value, json};
use std::time::Duration;

const POLICY: &str = "00000000-0000-0000-0000-0000000000e7";

fn with_session(controls: Value) -> Value {
    let mut policy = policy("e7", "CA007: session", json!(null));
    policy["sessionControls"] = controls;
    policy
}

fn unenforced() -> Vec<(&'static str, Value)> {
    vec![
        ("applicationEnforcedRestrictions", json!({"isEnabled": true})),
        ("cloudAppSecurity", json!({"isEnabled": true, "cloudAppSecurityType": "blockDownloads"})),
        ("continuousAccessEvaluation", json!({"mode": "strictEnforcement"})),
        ("continuousAccessEvaluation", json!({"mode": "strictLocation"})),
        ("secureSignInSession", json!({"isEnabled": true})),
        ("globalSecureAccessFilteringProfile", json!({"isEnabled": true, "profileId": "00000000-0000-0000-0000-0000000000f1"})),
    ]
}

/// The last cookie that `page` sets for the session.
fn session_cookie(page: &Page) -> &str {
    let mut set = page.headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap());
    set.rfind(|text| text.starts_with("__Host-session=")).unwrap()
}

async fn daemon(platform: &Platform, secret: &str) -> (u16, Value) {
    let scope = "https://graph.microsoft.com/.default";
    let form = [("grant_type", "client_credentials"), ("client_id", DAEMON), ("client_secret", secret), ("scope", scope)];
    token(platform, &form).await
}

#[tokio::test]
async fn a_session_control_that_is_not_enforced_lets_nobody_in() {
    let platform = platform(&[]).await;
    for (control, value) in unenforced() {
        let report = platform.apply(vec![with_session(json!({control: value}))]).await;
        assert!(!report.is_refused());
        let remark = report.problems.iter().find(|problem| problem.place == format!("$.objects[0].sessionControls.{control}"));
        let remark = remark.unwrap_or_else(|| panic!("{control}: {report:?}"));
        assert!(remark.severity == Severity::Remark && remark.message.contains("does not enforce"), "{remark:?}");

        let mut alex = Visitor::new(&platform);
        let page = alex.sign_in(WEB, ALEX_NAME).await;
        assert_eq!((page.kind(), page.status.as_u16()), ("refused", 403), "{control}");
        assert_eq!(page.policies(), [POLICY]);
        assert_eq!(page.element("error-code").unwrap(), "53003");
        assert!(page.body.contains(control) && page.body.contains("CA007: session"), "{}", page.body);
        assert_eq!(alex.authorize(WEB, "prompt=none").await.answer("error").unwrap(), "access_denied");

        let log = sign_ins(&platform).await;
        assert_eq!((log[0].status.error_code, log[0].conditional_access_status.as_str()), (53_003, "failure"));
        assert!(log[0].status.failure_reason.contains(control) && log[0].status.failure_reason.contains(POLICY));
        assert_eq!(log[0].applied_conditional_access_policies[0].result, "failure");
        assert_eq!(log[0].applied_conditional_access_policies[0].enforced_session_controls, [control]);
    }
}

#[tokio::test]
async fn tokens_are_refused_as_sign_ins_are() {
    let platform = platform(&[]).await;
    let mut alex = Visitor::new(&platform);
    let page = alex.sign_in(WEB, ALEX_NAME).await;
    let (_, tokens) = redeem_web(&platform, &page.answer("code").unwrap()).await;
    let code = alex.authorize(WEB, "").await.answer("code").unwrap();
    let mut workloads = with_session(json!({"secureSignInSession": {"isEnabled": true}}));
    workloads["id"] = json!("00000000-0000-0000-0000-0000000000e8");
    workloads["conditions"] = json!({"users": {"includeUsers": ["None"]}, "applications": {"includeApplications": ["All"]},
        "clientAppTypes": ["all"],
        "clientApplications": {"includeServicePrincipals": ["ServicePrincipalsInMyTenant"], "excludeServicePrincipals": []}});
    let people = with_session(json!({"applicationEnforcedRestrictions": {"isEnabled": true}}));
    assert!(!platform.apply(vec![people, workloads]).await.is_refused());
    let refreshed = refresh_web(&platform, tokens["refresh_token"].as_str().unwrap()).await;
    for (control, (status, body)) in [
        ("applicationEnforcedRestrictions", redeem_web(&platform, &code).await),
        ("applicationEnforcedRestrictions", refreshed),
        ("secureSignInSession", daemon(&platform, SECRET).await),
    ] {
        assert_eq!((status, &body["error_codes"]), (400, &json!([53_003])), "{body}");
        assert!(body["error_description"].as_str().unwrap().contains(control), "{body}");
        assert!(body["access_token"].is_null() && body["claims"].is_null());
    }
    // The refresh token is as it was, for after the policy is gone.
    let harmless = with_session(json!({"continuousAccessEvaluation": {"mode": "disabled"}}));
    let mut off = with_session(json!({"secureSignInSession": {"isEnabled": true}}));
    off["id"] = json!("00000000-0000-0000-0000-0000000000e8");
    off["state"] = json!("disabled");
    assert!(!platform.apply(vec![harmless, off]).await.is_refused());
    assert_eq!(refresh_web(&platform, tokens["refresh_token"].as_str().unwrap()).await.0, 200);
}

#[tokio::test]
async fn in_report_only_it_is_told_and_nobody_is_refused() {
    let mut policy = with_session(json!({"secureSignInSession": {"isEnabled": true}}));
    policy["state"] = json!("enabledForReportingButNotEnforced");
    let platform = platform(&[policy]).await;
    assert!(Visitor::new(&platform).sign_in(WEB, ALEX_NAME).await.answer("code").is_some());
    let log = sign_ins(&platform).await;
    assert_eq!(log[0].applied_conditional_access_policies[0].result, "reportOnlyFailure");
    assert_eq!((log[0].status.error_code, log[0].conditional_access_status.as_str()), (0, "notApplied"));
}

#[tokio::test]
async fn a_persistent_browser_is_a_cookie_that_stays_and_never_takes_it_back() {
    let persistent = |mode: &str| with_session(json!({"persistentBrowser": {"isEnabled": true, "mode": mode}}));
    let platform = platform(&[]).await;
    let mut alex = Visitor::new(&platform);
    let page = alex.sign_in(WEB, ALEX_NAME).await;
    assert!(!session_cookie(&page).contains("Max-Age"));
    assert!(!platform.apply(vec![persistent("always")]).await.is_refused());
    assert!(session_cookie(&alex.authorize(WEB, "").await).contains("; Max-Age="));
    assert!(!platform.apply(vec![persistent("never")]).await.is_refused());
    let page = alex.authorize(WEB, "").await;
    assert!(page.answer("code").is_some() && !session_cookie(&page).contains("Max-Age"));
    // Where two policies differ, `never` wins.
    let mut always = persistent("always");
    always["id"] = json!("00000000-0000-0000-0000-0000000000e8");
    assert!(!platform.apply(vec![always]).await.is_refused());
    assert!(!session_cookie(&alex.authorize(WEB, "").await).contains("Max-Age"));
}

#[tokio::test]
async fn disabled_resilience_defaults_are_a_claim_of_the_token() {
    let platform = platform(&[]).await;
    let mut alex = Visitor::new(&platform);
    let page = alex.sign_in(WEB, ALEX_NAME).await;
    let (_, tokens) = redeem_web(&platform, &page.answer("code").unwrap()).await;
    assert!(claims(tokens["access_token"].as_str().unwrap())["resilience_defaults"].is_null());
    assert!(!platform.apply(vec![with_session(json!({"disableResilienceDefaults": true}))]).await.is_refused());
    let (status, tokens) = refresh_web(&platform, tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!(status, 200);
    assert_eq!(claims(tokens["access_token"].as_str().unwrap())["resilience_defaults"], "disabled");
}

#[tokio::test]
async fn a_page_names_what_the_person_wants_to_get_to() {
    let platform = platform(&[]).await;
    for (client, name) in [(GATEWAY, "Payroll"), (WEB, "Web Client")] {
        let page = Visitor::new(&platform).authorize(client, "").await;
        assert!(page.body.contains(&format!("to continue to {name}<")), "{}", page.body);
    }
    let page = Visitor::new(&platform).get("/static/icon.svg").await;
    assert_eq!((page.status.as_u16(), page.headers[header::CONTENT_TYPE].to_str().unwrap()), (200, "image/svg+xml"));
}

#[tokio::test]
async fn a_restart_keeps_lockouts_sessions_and_refresh_tokens() {
    let first = platform(&[]).await;
    let mut alex = Visitor::new(&first);
    let page = alex.sign_in(WEB, ALEX_NAME).await;
    let (_, tokens) = redeem_web(&first, &page.answer("code").unwrap()).await;
    let cookies = alex.cookies.clone();
    let mut attacker = Visitor::new(&first);
    let page = attacker.authorize(WEB, "").await;
    let mut page = attacker.submit(page.form("/signin/account").with("username", ADA_NAME)).await;
    for _ in 0..10 {
        page = attacker.submit(page.form("/signin/password").with("password", "a wrong guess")).await;
    }
    let cookies_of_attacker = attacker.cookies.clone();

    let second = first.restarted().await;
    let mut alex = Visitor::new(&second);
    alex.cookies = cookies;
    assert!(alex.authorize(WEB, "prompt=none").await.answer("code").is_some());
    assert_eq!(refresh_web(&second, tokens["refresh_token"].as_str().unwrap()).await.0, 200);
    let graph = tokens["access_token"].as_str().unwrap();
    assert_eq!(second.get("/v1.0/me", graph).await.status.as_u16(), 200);
    let mut attacker = Visitor::new(&second);
    attacker.cookies = cookies_of_attacker;
    let locked = attacker.submit(page.form("/signin/password").with("password", PASSWORD)).await;
    assert_eq!(locked.status.as_u16(), 429);
}

#[tokio::test]
async fn guessing_at_a_clients_secret_is_slowed_down_and_recorded() {
    let platform = platform(&[]).await;
    for _ in 0..10 {
        let (status, body) = daemon(&platform, "a wrong guess").await;
        assert_eq!((status, &body["error_codes"]), (401, &json!([7_000_215])));
    }
    let log = sign_ins(&platform).await;
    let failures: Vec<_> = log.iter().filter(|entry| entry.status.error_code == 7_000_215).collect();
    assert_eq!(failures.len(), 10);
    assert!(failures.iter().all(|entry| entry.app_id.as_str() == DAEMON && entry.sign_in_event_types == ["servicePrincipal"]));
    assert!(!format!("{log:?}").contains("a wrong guess"));
    // Locked, even for the right secret; other clients are not, and it opens again after a minute.
    assert_eq!(daemon(&platform, SECRET).await.0, 429);
    assert_eq!(sign_ins(&platform).await.len(), 10, "what is turned away is not written");
    let page = Visitor::new(&platform).sign_in(WEB, ALEX_NAME).await;
    assert_eq!(redeem_web(&platform, &page.answer("code").unwrap()).await.0, 200);
    platform.clock.advance(Duration::from_secs(61));
    assert_eq!(daemon(&platform, SECRET).await.0, 200);
    assert_eq!(daemon(&platform, "a wrong guess").await.0, 401, "a right secret ends the count");
}
