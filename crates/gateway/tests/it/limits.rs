//! Nothing waits for ever, and nothing grows without end.

use crate::client::no_body;
use crate::platform::Platform;
use crate::upstream::Seen;
use bytes::Bytes;
use http::StatusCode;
use http_body::Frame;
use http_body_util::{BodyExt, Channel};
use std::time::Duration;

/// Long enough for what moves on loopback, short enough to wait for.
const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn an_application_that_does_not_answer_is_given_up() {
    let platform = Platform::start_with(|config| config.limits.response_time = SHORT).await;
    let browser = platform.browser("payroll").signed_in().await;
    assert_eq!(browser.open("GET", "/hang", no_body()).await.status(), StatusCode::GATEWAY_TIMEOUT);
    platform.sees(Seen::Lost("hang")).await;
    platform.issuer.publish("closed", &format!("https://localhost:{}/", platform.port), "http://127.0.0.1:1/", &[]);
    platform.clock.advance(Duration::from_secs(2));
    let bearer = format!("Bearer {}", platform.issuer.access_token("closed", &[]));
    let request = http::Request::get(format!("https://localhost:{}/", platform.port));
    let request = request.header("authorization", bearer).body(Bytes::new()).unwrap();
    assert_eq!(platform.client.send(request).await.unwrap().status(), StatusCode::BAD_GATEWAY);
    assert_eq!(platform.metric("flows").await, 0);
    platform.stop().await;
}

#[tokio::test]
async fn an_application_behind_https_needs_an_authority_to_vouch_for_it() {
    let platform = Platform::start().await;
    platform.issuer.publish("secure", &format!("https://localhost:{}/", platform.port), "https://127.0.0.1:1/", &[]);
    platform.clock.advance(Duration::from_secs(2));
    let bearer = format!("Bearer {}", platform.issuer.access_token("secure", &[]));
    let request = http::Request::get(format!("https://localhost:{}/", platform.port));
    let request = request.header("authorization", bearer).body(Bytes::new()).unwrap();
    let answer = platform.client.send(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    assert!(String::from_utf8_lossy(answer.body()).contains("certificate authority is not configured"));
    platform.stop().await;
}

#[tokio::test]
async fn a_stream_that_stands_still_ends() {
    let platform = Platform::start_with(|config| config.limits.idle_time = SHORT).await;
    let browser = platform.browser("payroll").signed_in().await;
    let mut body = browser.open("GET", "/stream", no_body()).await.into_body();
    body.frame().await.unwrap().unwrap();
    assert!(platform.within(body.frame()).await.unwrap().is_err());
    platform.sees(Seen::Lost("stream")).await;
    platform.stop().await;
}

#[tokio::test]
async fn an_upload_may_be_only_so_large() {
    let platform = Platform::start_with(|config| config.limits.request_size = Some(20)).await;
    let mut browser = platform.browser("payroll").signed_in().await;
    let answer = browser.send("POST", "/echo", &[], Bytes::from_static(&[b'x'; 20])).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let answer = browser.send("POST", "/echo", &[], Bytes::from_static(&[b'x'; 21])).await;
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE, "said before");
    assert_eq!(platform.reached(), 1);
    let (mut sender, body) = Channel::<Bytes, runtime::client::BoxError>::new(1);
    let request = browser.request("POST", "/upload", &[]).body(body.boxed()).unwrap();
    let client = platform.client.clone();
    let upload = tokio::spawn(async move { client.open(request).await });
    for _ in 0..5 {
        if sender.send(Frame::data(Bytes::from_static(b"12345"))).await.is_err() {
            break;
        }
    }
    assert_eq!(platform.within(upload).await.unwrap().unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE, "found out");
    platform.stop().await;
}

#[tokio::test]
async fn only_so_many_legacy_checks_go_on_at_once() {
    let platform = Platform::start_with(|config| config.limits.legacy_checks = 0).await;
    let answer = platform.browser("mail").get("/echo", &[("authorization", "Basic bGVlOnBhc3M=")]).await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.headers().contains_key("retry-after"));
    assert!(platform.issuer.legacy_asked().is_empty());
    platform.stop().await;
}
