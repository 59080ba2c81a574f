//! The event receiver, and who may talk to it (RFC 8935).

use crate::client::Browser;
use crate::platform::Platform;
use bytes::Bytes;
use http::{Response, StatusCode};
use protocol::secevent::{SubjectId, event_type};
use serde_json::{Value, json};

fn error_of(answer: &Response<Bytes>) -> String {
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let body: Value = serde_json::from_slice(answer.body()).unwrap();
    assert!(body["description"].is_string());
    body["err"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn wrong_events_get_their_error_and_change_nothing() {
    let platform = Platform::start().await;
    let mut browser = platform.browser("payroll").signed_in().await;
    let issuer = &platform.issuer;
    let good = || {
        let event = issuer.event(SubjectId::user(&issuer.issuer(), "alex"), event_type::SESSION_REVOKED, json!({}));
        serde_json::to_value(event).unwrap()
    };
    let changed = |name: &str, value: Value| {
        let mut claims = good();
        claims[name] = value;
        issuer.sign("secevent+jwt", &claims)
    };
    let error = async |text: String| error_of(&issuer.push_text(text, None).await);
    assert_eq!(error_of(&issuer.push_text(changed("jti", json!("1")), Some("Bearer wrong")).await), "authentication_failed");
    assert_eq!(error(changed("iss", json!("https://evil.example"))).await, "invalid_issuer");
    assert_eq!(error(changed("aud", json!("another"))).await, "invalid_audience");
    assert_eq!(error(changed("exp", json!(9_999_999_999_i64))).await, "invalid_request");
    assert_eq!(error(changed("iat", json!(platform.clock.now().seconds() + 3600))).await, "invalid_request");
    assert_eq!(error(changed("sub_id", json!({"format": "email", "email": "a@b"}))).await, "invalid_request");
    assert_eq!(error(issuer.sign("JWT", &good())).await, "invalid_request", "of another kind");
    assert_eq!(error("nonsense".to_owned()).await, "invalid_request");
    assert_eq!(error("x".repeat(100_000)).await, "invalid_request");
    let mut mangled = issuer.sign("secevent+jwt", &good());
    mangled.replace_range(mangled.len() - 6.., "AAAAAA");
    assert_eq!(error(mangled).await, "invalid_key");
    let verification =
        issuer.event(SubjectId::Opaque { id: "x".to_owned() }, event_type::VERIFICATION, json!({"state": "never asked for"}));
    assert_eq!(error(issuer.sign("secevent+jwt", &serde_json::to_value(verification).unwrap())).await, "invalid_state");

    let mut own: Browser<'_> = platform.browser("gateway");
    assert_eq!(own.get("/ssf/events", &[]).await.status(), StatusCode::METHOD_NOT_ALLOWED);
    let answer = own.send("POST", "/ssf/events", &[("content-type", "application/secevent+jwt")], Bytes::new()).await;
    assert_eq!(error_of(&answer), "authentication_failed");
    assert_eq!(browser.status().await, 200);
    assert_eq!(platform.metric(r#"events_total{result="refused"}"#).await, 12);
    platform.stop().await;
}

#[tokio::test]
async fn a_repeated_event_is_accepted_and_has_no_second_effect() {
    let platform = Platform::start().await;
    let event =
        platform.issuer.event(SubjectId::user(&platform.issuer.issuer(), "alex"), event_type::ACCOUNT_DISABLED, json!({}));
    assert_eq!(platform.issuer.push(&event).await, StatusCode::ACCEPTED);
    platform.issuer.push_user("alex", event_type::ACCOUNT_ENABLED).await;
    platform.advance(1);
    let mut browser = platform.browser("payroll").signed_in().await;
    assert_eq!(platform.issuer.push(&event).await, StatusCode::ACCEPTED);
    assert_eq!(browser.status().await, 200);
    platform.stop().await;
}

#[tokio::test]
async fn events_that_concern_nobody_here_are_acknowledged() {
    let platform = Platform::start().await;
    let mut browser = platform.browser("payroll").signed_in().await;
    let user = SubjectId::user(&platform.issuer.issuer(), "alex");
    for event in [event_type::CREDENTIAL_CHANGE, "https://schemas.example/unknown"] {
        let event = platform.issuer.event(user.clone(), event, json!({"change_type": "create", "credential_type": "app"}));
        assert_eq!(platform.issuer.push(&event).await, StatusCode::ACCEPTED);
    }
    assert_eq!(browser.status().await, 200);
    platform.stop().await;
}
