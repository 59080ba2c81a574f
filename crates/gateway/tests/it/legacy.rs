//! HTTP Basic: only where an application opted in, decided elsewhere, each time.

use crate::client::{HTML, seen_headers};
use crate::platform::Platform;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use protocol::secevent::event_type;
use serde_json::{Value, json};

fn basic() -> String {
    format!("Basic {}", STANDARD.encode("lee@woodgrove.example:pass:word"))
}

fn allowed() -> Value {
    let user = json!({"id": "lee", "userPrincipalName": "lee@woodgrove.example", "displayName": "Lee"});
    json!({"allowed": true, "user": user, "session_expires_in": 300})
}

#[tokio::test]
async fn credentials_go_to_the_control_plane_and_no_further() {
    let platform = Platform::start().await;
    platform.issuer.set_legacy(allowed());
    let credentials = [("authorization", basic()), ("user-agent", "old mail".to_owned())];
    let credentials: Vec<_> = credentials.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for count in 1..=2 {
        let answer = platform.browser("mail").get("/echo", &credentials).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let headers = seen_headers(answer.body());
        assert!(!headers.contains_key("authorization") && headers.contains_key("countersign-assertion"));
        assert_eq!(platform.issuer.legacy_asked().len(), count, "nothing is kept");
    }
    assert_eq!(
        platform.issuer.legacy_asked()[0],
        json!({
            "application": "mail", "username": "lee@woodgrove.example", "password": "pass:word", "ipAddress": "127.0.0.1",
            "userAgent": "old mail"
        })
    );
    let echoed = platform.upstream.requests.lock().unwrap()[0].clone();
    assert_eq!(echoed["target"], "/base/echo");

    // A revocation counts here too, whatever the control plane says.
    platform.issuer.push_user("lee", event_type::ACCOUNT_DISABLED).await;
    assert_eq!(platform.browser("mail").get("/echo", &credentials).await.status(), StatusCode::UNAUTHORIZED);
    platform.stop().await;
}

#[tokio::test]
async fn a_refusal_says_why() {
    let platform = Platform::start().await;
    let credentials = basic();
    let ask = async |code: i64, text: &str| {
        let error = json!({"error": "invalid_grant", "error_description": text, "error_codes": [code]});
        platform.issuer.set_legacy(json!({"allowed": false, "error": error}));
        platform.browser("mail").get("/echo", &[("authorization", &credentials)]).await
    };
    let blocked = ask(53003, "AADSTS53003: Access has been blocked by Conditional Access policies.").await;
    assert_eq!(blocked.status(), StatusCode::FORBIDDEN);
    assert!(
        serde_json::from_slice::<Value>(blocked.body()).unwrap()["error_description"].as_str().unwrap().contains("AADSTS53003")
    );
    let wrong = ask(50126, "AADSTS50126: Error validating credentials.").await;
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    assert!(wrong.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic"));
    for garbage in ["Basic !", "Basic", "Basic bm9jb2xvbg=="] {
        let answer = platform.browser("mail").get("/echo", &[("authorization", garbage)]).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(platform.reached(), 0);
    platform.stop().await;
}

#[tokio::test]
async fn no_decision_is_no_access() {
    let platform = Platform::start().await;
    let credentials = basic();
    for answer in [json!({}), json!({"allowed": true}), json!({"allowed": true, "user": {"id": "lee"}}), json!("yes")] {
        platform.issuer.set_legacy(answer);
        let answer = platform.browser("mail").get("/echo", &[("authorization", &credentials)]).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(platform.reached(), 0);
    platform.stop().await;
}

#[tokio::test]
async fn other_applications_do_not_take_it() {
    let platform = Platform::start().await;
    platform.issuer.set_legacy(allowed());
    let credentials = basic();
    let answer = platform.browser("payroll").get("/echo", &[("authorization", &credentials)]).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(answer.headers().get_all("www-authenticate").iter().all(|value| !value.to_str().unwrap().starts_with("Basic")));
    let answer = platform.browser("payroll").get("/echo", &[("authorization", &credentials), HTML]).await;
    assert_eq!(answer.status(), StatusCode::FOUND, "as if it were not there");
    let mut browser = platform.browser("payroll").signed_in().await;
    let answer = browser.get("/echo", &[("authorization", &credentials)]).await;
    assert!(!seen_headers(answer.body()).contains_key("authorization"));
    assert!(platform.issuer.legacy_asked().is_empty());
    platform.stop().await;
}
