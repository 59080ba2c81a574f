//! The feed falls silent: nobody is admitted, what runs is cut, but for what was configured; and it comes back.

use crate::client::{HTML, no_body};
use crate::issuer::{Fault, Person};
use crate::platform::Platform;
use http::StatusCode;
use http::header::RETRY_AFTER;
use http_body_util::BodyExt;
use protocol::secevent::event_type;
use serde_json::json;

#[tokio::test]
async fn a_silent_feed_closes_the_gateway() {
    let platform = Platform::start().await;
    let mut browser = platform.browser("payroll").signed_in().await;
    let mut stream = browser.open("GET", "/stream", no_body()).await.into_body();
    stream.frame().await.unwrap().unwrap();
    platform.issuer.set_faults(vec![Fault::Mute]);
    platform.advance(20);
    platform.issuer.heartbeat().await;
    platform.advance(30);
    assert_eq!(browser.status().await, 200, "in time, to the second");
    platform.advance(1);
    assert!(platform.within(stream.frame()).await.unwrap().is_err());
    let answer = browser.get("/echo", &[HTML]).await;
    assert_eq!((answer.status(), answer.headers()[RETRY_AFTER].to_str().unwrap()), (StatusCode::SERVICE_UNAVAILABLE, "5"));
    assert!(answer.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    let nobody = platform.browser("payroll").get("/", &[HTML]).await;
    assert_eq!(nobody.status(), StatusCode::SERVICE_UNAVAILABLE, "no sign-in is begun either");
    assert_eq!(platform.browser("gateway").get("/healthz", &[]).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(platform.metric(r#"cut_total{reason="feed_silent"}"#).await, 1);
    assert_eq!((platform.metric(r#"feed{state="live"}"#).await, platform.metric(r#"feed{state="silent"}"#).await), (0, 1));

    // Events alone do not bring it back: something may be missing before them.
    platform.issuer.heartbeat().await;
    assert_eq!(browser.status().await, 503);
    platform.issuer.set_faults(vec![]);
    platform.within(platform.gateway.ready()).await;
    assert_eq!(browser.status().await, 200, "the same stream: nothing was missed, so the session stands");
    platform.stop().await;
}

#[tokio::test]
async fn what_was_revoked_during_the_silence_is_refused_when_it_ends() {
    let platform = Platform::start().await;
    let mut browser = platform.browser("payroll").signed_in().await;
    platform.issuer.set_faults(vec![Fault::Mute]);
    platform.advance(40);
    platform.issuer.push_user("alex", event_type::SESSION_REVOKED).await;
    platform.issuer.set_faults(vec![]);
    platform.within(platform.gateway.ready()).await;
    assert_eq!(browser.status().await, 401);
    platform.stop().await;
}

#[tokio::test]
async fn grace_is_for_applications_that_opted_in_and_ends() {
    let platform = Platform::start().await;
    let mut without = platform.browser("payroll").signed_in().await;
    let mut within = platform.browser("portal").signed_in().await;
    platform.issuer.set_person(Person {
        session: "session-2".to_owned(),
        extra: [("resilience_defaults".to_owned(), json!("disabled"))].into(),
        ..Person::default()
    });
    let mut forbidden = platform.browser("portal").signed_in().await;
    platform.issuer.set_person(Person::default());
    platform.advance(5);
    platform.issuer.heartbeat().await;
    platform.advance(1);
    let mut late = platform.browser("portal").signed_in().await;
    let mut stream = within.open("GET", "/stream", no_body()).await.into_body();
    stream.frame().await.unwrap().unwrap();
    let mut other = forbidden.open("GET", "/stream", no_body()).await.into_body();
    other.frame().await.unwrap().unwrap();

    platform.issuer.set_faults(vec![Fault::Mute]);
    platform.advance(31);
    assert!(platform.within(other.frame()).await.unwrap().is_err(), "a policy forbids it");
    assert_eq!((without.status().await, within.status().await), (503, 200));
    assert_eq!(forbidden.status().await, 503);
    assert_eq!(late.status().await, 503, "established after the last sign of life");
    assert_eq!(platform.metric("admitted_in_grace_total").await, 1);
    assert_eq!(platform.metric("flows").await, 1);
    platform.advance(58);
    assert_eq!(within.status().await, 200);
    platform.advance(2);
    assert!(platform.within(stream.frame()).await.unwrap().is_err(), "grace is bounded");
    assert_eq!(within.status().await, 503);
    platform.stop().await;
}

#[tokio::test]
async fn a_lost_stream_is_made_anew_and_older_sessions_sign_in_again() {
    let platform = Platform::start().await;
    let mut browser = platform.browser("payroll").signed_in().await;
    platform.issuer.forget_stream();
    platform.advance(31);
    assert_eq!(browser.status().await, 503);
    platform.within(platform.gateway.ready()).await;
    assert_eq!(browser.status().await, 401, "a revocation may have been missed");
    platform.advance(1);
    let mut browser = platform.browser("payroll").signed_in().await;
    assert_eq!(browser.status().await, 200);
    platform.stop().await;
}

#[tokio::test]
async fn before_the_feed_is_live_nobody_is_admitted() {
    let platform = Platform::start_unready(|_| {}).await;
    platform.issuer.set_faults(vec![Fault::Mute]);
    let bearer = format!("Bearer {}", platform.issuer.access_token("payroll", &[]));
    for headers in [vec![], vec![HTML], vec![("authorization", bearer.as_str())]] {
        let answer = platform.browser("payroll").get("/echo", &headers).await;
        assert!([404, 503].contains(&answer.status().as_u16()), "{answer:?}");
    }
    assert_eq!(platform.reached(), 0);
    platform.stop().await;
}
