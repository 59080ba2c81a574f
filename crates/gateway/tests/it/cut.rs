//! One event, and everything that it names ends: on both sides, also while nothing moves.

use crate::client::{Browser, HTML, Raw, no_body};
use crate::issuer::Person;
use crate::platform::Platform;
use crate::upstream::Seen;
use bytes::Bytes;
use http::StatusCode;
use http_body::Frame;
use http_body_util::{BodyExt, Channel};
use hyper::body::Incoming;
use protocol::secevent::{SubjectId, event_type};
use serde_json::json;

const HANDSHAKE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

async fn open_websocket(platform: &Platform, browser: &Browser<'_>, origin: Option<&str>) -> (Raw, String) {
    let mut raw = Raw::connect(platform, "payroll.localhost").await;
    let origin = origin.map(|origin| format!("Origin: {origin}\r\n")).unwrap_or_default();
    let head = format!(
        "GET /ws HTTP/1.1\r\nHost: payroll.localhost:{}\r\nCookie: {}\r\n{origin}{HANDSHAKE}\r\n",
        platform.port,
        browser.cookie_header()
    );
    raw.write(head.as_bytes()).await;
    let answer = raw.head().await;
    (raw, answer)
}

async fn first_piece(body: &mut Incoming) {
    let frame = body.frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "first piece\n");
}

#[tokio::test]
async fn one_event_cuts_websocket_stream_download_upload_and_waiting_request() {
    let platform = Platform::start().await;
    let browser = platform.browser("payroll").signed_in().await;
    let (mut socket, answer) = open_websocket(&platform, &browser, Some(&browser.origin())).await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    socket.write(b"\x81\x02hi").await;
    assert_eq!(socket.bytes().await, b"\x81\x02hi");

    let mut stream = browser.open("GET", "/stream", no_body()).await.into_body();
    let mut download = browser.open("GET", "/download", no_body()).await.into_body();
    first_piece(&mut stream).await;
    first_piece(&mut download).await;
    let (mut sender, body) = Channel::<Bytes, runtime::client::BoxError>::new(1);
    let request = browser.request("POST", "/upload", &[]).body(body.boxed()).unwrap();
    let client = platform.client.clone();
    let upload = tokio::spawn(async move { client.open(request).await });
    sender.send(Frame::data(Bytes::from_static(b"12345"))).await.unwrap();
    platform.sees(Seen::Uploaded(5)).await;
    let request = browser.request("GET", "/hang", &[]).body(no_body()).unwrap();
    let client = platform.client.clone();
    let waiting = tokio::spawn(async move { client.open(request).await });
    platform.sees(Seen::Request("/hang".to_owned())).await;
    assert_eq!(platform.metric("flows").await, 5);

    assert_eq!(platform.issuer.push_user("alex", event_type::ACCOUNT_DISABLED).await, StatusCode::ACCEPTED);

    assert_eq!(socket.rest().await, b"\x88\x10\x03\xf0access revoked", "told why, then closed");
    assert!(platform.within(stream.frame()).await.unwrap().is_err());
    assert!(platform.within(download.frame()).await.unwrap().is_err());
    let waiting = platform.within(waiting).await.unwrap().unwrap();
    assert_eq!(waiting.status(), StatusCode::UNAUTHORIZED);
    let upload = platform.within(upload).await.unwrap();
    assert!(upload.is_err() || upload.is_ok_and(|answer| answer.status() == StatusCode::UNAUTHORIZED));
    // The application is let go of, too.
    let mut lost: Vec<Seen> = Vec::new();
    let mut seen = platform.seen.lock().await;
    while lost.len() < 5 {
        match platform.within(seen.recv()).await.unwrap() {
            event @ (Seen::Lost(_) | Seen::UploadEnded(_)) => lost.push(event),
            Seen::Request(_) | Seen::Uploaded(_) => {}
        }
    }
    for wanted in [Seen::Lost("ws"), Seen::Lost("stream"), Seen::Lost("download"), Seen::Lost("hang"), Seen::UploadEnded(false)] {
        assert!(lost.contains(&wanted), "{wanted:?} in {lost:?}");
    }
    drop(seen);
    assert_eq!(platform.metric(r#"cut_total{reason="revoked"}"#).await, 5);
    platform.stop().await;
}

#[tokio::test]
async fn an_event_cuts_an_http1_stream_without_its_last_chunk() {
    let platform = Platform::start().await;
    let browser = platform.browser("payroll").signed_in().await;
    let mut raw = Raw::connect(&platform, "payroll.localhost").await;
    let head = format!(
        "GET /stream HTTP/1.1\r\nHost: payroll.localhost:{}\r\nCookie: {}\r\n\r\n",
        platform.port,
        browser.cookie_header()
    );
    raw.write(head.as_bytes()).await;
    assert!(raw.head().await.starts_with("HTTP/1.1 200"));
    let mut received = raw.bytes().await;
    platform.issuer.push_user("alex", event_type::SESSION_REVOKED).await;
    received.extend(raw.rest().await);
    let text = String::from_utf8(received).unwrap();
    assert!(text.ends_with("first piece\n\r\n") && !text.contains("0\r\n\r\n"), "{text:?}");
    platform.stop().await;
}

#[tokio::test]
async fn a_revoked_cookie_and_a_replayed_token_are_refused_and_a_new_sign_in_is_not() {
    let platform = Platform::start().await;
    let mut browser = platform.browser("payroll").signed_in().await;
    let bearer = format!("Bearer {}", platform.issuer.access_token("payroll", &[]));
    platform.issuer.push_user("alex", event_type::SESSION_REVOKED).await;
    assert_eq!(browser.status().await, 401);
    let answer = platform.browser("payroll").get("/echo", &[("authorization", &bearer)]).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("error=\"insufficient_claims\", claims=\""), "{challenge}");
    assert_eq!(browser.get("/", &[HTML]).await.status(), StatusCode::FOUND, "a browser signs in again");
    platform.advance(1);
    let mut browser = platform.browser("payroll").signed_in().await;
    assert_eq!(browser.status().await, 200);
    platform.stop().await;
}

#[tokio::test]
async fn an_event_about_one_session_or_one_person_leaves_the_others_alone() {
    let platform = Platform::start().await;
    let mut first = platform.browser("payroll").signed_in().await;
    platform.issuer.set_person(Person { session: "session-2".to_owned(), ..Person::default() });
    let mut second = platform.browser("payroll").signed_in().await;
    platform.issuer.set_person(Person { user: "ada".to_owned(), session: "session-3".to_owned(), ..Person::default() });
    let mut third = platform.browser("payroll").signed_in().await;
    let mut streams = Vec::new();
    for browser in [&first, &second, &third] {
        let mut body = browser.open("GET", "/stream", no_body()).await.into_body();
        first_piece(&mut body).await;
        streams.push(body);
    }
    let subject = SubjectId::session(&platform.issuer.issuer(), "alex", "session-1");
    let event = platform.issuer.event(subject, event_type::SESSION_REVOKED, json!({}));
    assert_eq!(platform.issuer.push(&event).await, StatusCode::ACCEPTED);
    assert!(platform.within(streams.remove(0).frame()).await.unwrap().is_err());
    assert_eq!((first.status().await, second.status().await, third.status().await), (401, 200, 200));
    platform.issuer.push_user("alex", event_type::ACCOUNT_PURGED).await;
    assert!(platform.within(streams.remove(0).frame()).await.unwrap().is_err());
    assert_eq!((second.status().await, third.status().await), (401, 200));
    assert_eq!(platform.metric("flows").await, 1);
    platform.stop().await;
}

#[tokio::test]
async fn a_disabled_account_stays_out_until_it_is_enabled() {
    let platform = Platform::start().await;
    let status = async || {
        let bearer = format!("Bearer {}", platform.issuer.access_token("payroll", &[]));
        platform.browser("payroll").get("/echo", &[("authorization", &bearer)]).await.status().as_u16()
    };
    platform.issuer.push_user("alex", event_type::ACCOUNT_DISABLED).await;
    platform.advance(5);
    assert_eq!(status().await, 401, "though the token is newer");
    platform.issuer.push_user("alex", event_type::ACCOUNT_ENABLED).await;
    assert_eq!(status().await, 200);
    platform.stop().await;
}

#[tokio::test]
async fn flows_end_with_their_session_and_their_application() {
    let platform = Platform::start().await;
    let soon = json!(platform.clock.now().seconds() + 10);
    platform.issuer.set_person(Person { extra: [("exp".to_owned(), soon)].into(), ..Person::default() });
    let browser = platform.browser("payroll").signed_in().await;
    let mut stream = browser.open("GET", "/stream", no_body()).await.into_body();
    first_piece(&mut stream).await;
    platform.advance(9);
    assert_eq!(platform.metric("flows").await, 1);
    platform.advance(1);
    assert!(platform.within(stream.frame()).await.unwrap().is_err());

    platform.issuer.set_person(Person::default());
    let browser = platform.browser("payroll").signed_in().await;
    let mut stream = browser.open("GET", "/stream", no_body()).await.into_body();
    first_piece(&mut stream).await;
    platform.issuer.withdraw("payroll");
    // A host that is not known makes the gateway read the list again.
    platform.advance(2);
    let request = http::Request::get(format!("https://localhost:{}/", platform.port)).body(Bytes::new()).unwrap();
    assert_eq!(platform.client.send(request).await.unwrap().status(), StatusCode::NOT_FOUND);
    assert!(platform.within(stream.frame()).await.unwrap().is_err());
    platform.stop().await;
}

#[tokio::test]
async fn a_websocket_is_opened_by_pages_of_the_application_alone() {
    let platform = Platform::start().await;
    let browser = platform.browser("payroll").signed_in().await;
    let (_, answer) = open_websocket(&platform, &browser, Some("https://evil.example")).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    let (_, answer) = open_websocket(&platform, &browser, Some("null")).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    let (_, answer) = open_websocket(&platform, &platform.browser("payroll"), Some(&browser.origin())).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert_eq!(platform.reached(), 0);
    let (mut socket, answer) = open_websocket(&platform, &browser, Some(&browser.origin())).await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    // In the middle of a frame there is no room for a goodbye.
    socket.write(b"\x82\x05abc").await;
    assert_eq!(socket.bytes().await, b"\x82\x05abc");
    platform.issuer.push_user("alex", event_type::SESSION_REVOKED).await;
    assert_eq!(socket.rest().await, b"");
    platform.stop().await;
}

#[tokio::test]
async fn the_gateway_stops_without_waiting_for_streams() {
    let platform = Platform::start().await;
    let browser = platform.browser("payroll").signed_in().await;
    let (mut socket, _) = open_websocket(&platform, &browser, None).await;
    let mut stream = browser.open("GET", "/stream", no_body()).await.into_body();
    first_piece(&mut stream).await;
    platform.stop().await;
    assert!(stream.frame().await.unwrap().is_err());
    assert_eq!(socket.rest().await, b"\x88\x12\x03\xf0gateway stopping");
}

/// Requests that begin while the event comes are either refused or cut: none lives on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_slips_through_between_check_and_registration() {
    let platform = Platform::start_with(|config| config.limits.flows_per_session = 10_000).await;
    let browser = platform.browser("payroll").signed_in().await;
    let mut opening = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let request = browser.request("GET", "/stream", &[]).body(no_body()).unwrap();
        let client = platform.client.clone();
        opening.spawn(async move { client.open(request).await });
    }
    platform.sees(Seen::Request("/stream".to_owned())).await;
    platform.issuer.push_user("alex", event_type::SESSION_REVOKED).await;
    let mut admitted = 0;
    while let Some(answer) = platform.within(opening.join_next()).await {
        let Ok(answer) = answer.unwrap() else { continue };
        if answer.status() == StatusCode::OK {
            admitted += 1;
            let mut body = answer.into_body();
            while platform.within(body.frame()).await.expect("no orderly end").is_ok() {}
        } else {
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        }
    }
    assert!(admitted <= platform.reached());
    assert!(platform.metric(r#"cut_total{reason="revoked"}"#).await > 0);
    platform.stop().await;
}
