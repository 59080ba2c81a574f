//! The relying party against everything that an answer can have wrong.

use crate::client::{Browser, HTML, location};
use crate::issuer::{Fault, Person};
use crate::platform::Platform;
use bytes::Bytes;
use http::{Response, StatusCode};
use protocol::secevent::event_type;
use serde_json::json;

async fn refused(platform: &Platform, fault: Fault) -> Response<Bytes> {
    platform.issuer.set_faults(vec![fault.clone()]);
    let mut browser = platform.browser("payroll");
    let answer = browser.sign_in_from("/").await;
    assert!(answer.status().is_client_error(), "{fault:?}: {answer:?}");
    assert!(!browser.cookies.contains_key("__Host-access"), "{fault:?}");
    answer
}

#[tokio::test]
async fn wrong_tokens_make_no_session() {
    let platform = Platform::start().await;
    let now = platform.clock.now().seconds();
    for fault in [
        Fault::Unsigned,
        Fault::SignedWithPublicKey,
        Fault::IdToken("nonce", json!("another")),
        Fault::IdToken("nonce", json!(null)),
        Fault::IdToken("iss", json!("https://evil.example/v2.0")),
        Fault::IdToken("aud", json!("payroll")),
        Fault::IdToken("azp", json!("another")),
        Fault::IdToken("exp", json!(now - 1)),
        Fault::IdToken("oid", json!("ada")),
        Fault::IdToken("sid", json!("another")),
        Fault::AccessToken("aud", json!("portal")),
        Fault::AccessToken("iss", json!("https://evil.example/v2.0")),
        Fault::AccessToken("exp", json!(now - 1)),
        Fault::AccessToken("oid", json!("ada")),
        Fault::AccessToken("azp", json!("another")),
        Fault::AccessToken("sid", json!(null)),
    ] {
        assert_eq!(refused(&platform, fault).await.status(), StatusCode::FORBIDDEN);
    }
    platform.issuer.set_faults(vec![]);
    platform.browser("payroll").signed_in().await;
    platform.stop().await;
}

#[tokio::test]
async fn wrong_callbacks_make_no_session() {
    let platform = Platform::start().await;
    for fault in [
        Fault::Callback("state", Some("another")),
        Fault::Callback("state", None),
        Fault::Callback("iss", Some("https://evil.example/v2.0")),
        Fault::Callback("iss", None),
        Fault::Callback("code", Some("another")),
        Fault::Callback("code", None),
    ] {
        refused(&platform, fault).await;
    }
    platform.stop().await;
}

#[tokio::test]
async fn a_callback_belongs_to_the_browser_that_began_it_and_is_good_once() {
    let platform = Platform::start().await;
    let mut mallory = platform.browser("payroll");
    let begun = location(&mallory.get("/", &[HTML]).await);
    let callback = mallory.authorize(&begun).await;
    let mut victim = platform.browser("payroll");
    assert_eq!(victim.callback(&callback).await.status(), StatusCode::BAD_REQUEST, "login CSRF");
    victim.get("/", &[HTML]).await;
    assert_eq!(victim.callback(&callback).await.status(), StatusCode::BAD_REQUEST, "another transaction under way");
    assert!(!victim.cookies.contains_key("__Host-access"));

    let kept = mallory.cookies.clone();
    assert_eq!(mallory.callback(&callback).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(mallory.callback(&callback).await.status(), StatusCode::BAD_REQUEST, "its cookie is gone");
    mallory.cookies = kept.clone();
    assert_eq!(mallory.callback(&callback).await.status(), StatusCode::FORBIDDEN, "the code is spent");

    // A transaction of one application is nothing at another, and ends after ten minutes.
    let mut elsewhere = platform.browser("portal");
    elsewhere.cookies = kept.clone();
    let there = callback.replace("payroll.localhost", "portal.localhost");
    assert_eq!(elsewhere.callback(&there).await.status(), StatusCode::BAD_REQUEST);
    let mut slow = platform.browser("payroll");
    let begun = location(&slow.get("/", &[HTML]).await);
    let callback = slow.authorize(&begun).await;
    for _ in 0..31 {
        platform.advance(20);
        platform.issuer.heartbeat().await;
    }
    assert_eq!(slow.callback(&callback).await.status(), StatusCode::BAD_REQUEST);
    platform.stop().await;
}

#[tokio::test]
async fn a_refusal_is_shown_and_escaped() {
    let platform = Platform::start().await;
    let answer = refused(&platform, Fault::Denied("AADSTS53003: blocked by <b>CA001</b>")).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let text = String::from_utf8(answer.body().to_vec()).unwrap();
    assert!(text.contains("AADSTS53003: blocked by &#60;b&#62;CA001&#60;/b&#62;"), "{text}");
    // Words that nobody's sign-in brought are not shown.
    let mut browser = platform.browser("payroll");
    let answer = browser.get("/.auth/callback?error=x&error_description=call+555&state=12345678", &[HTML]).await;
    assert!(!String::from_utf8(answer.body().to_vec()).unwrap().contains("555"));
    platform.stop().await;
}

#[tokio::test]
async fn the_way_back_never_leaves_the_application() {
    let platform = Platform::start().await;
    for path in ["//evil.example/x", "/?next=https://evil.example", "/%09/evil.example"] {
        let mut browser = platform.browser("payroll");
        if !path.contains("%09") {
            let answer = browser.sign_in_from(path).await;
            assert_eq!(location(&answer), format!("{}{path}", browser.origin()));
            continue;
        }
        assert_eq!(browser.get(path, &[HTML]).await.status(), StatusCode::BAD_REQUEST);
    }
    let mut browser = platform.browser("payroll");
    let long = format!("/{}", "x".repeat(2000));
    assert_eq!(location(&browser.sign_in_from(&long).await), format!("{}/", browser.origin()));
    platform.stop().await;
}

#[tokio::test]
async fn several_sign_ins_go_on_side_by_side_but_not_without_end() {
    let platform = Platform::start().await;
    let mut browser = platform.browser("payroll");
    let mut begun = Vec::new();
    for page in 0..7 {
        platform.advance(1);
        begun.push(location(&browser.get(&format!("/{page}"), &[HTML]).await));
        assert!(browser.cookies.len() <= 5);
    }
    let oldest = browser.authorize(&begun[0]).await;
    assert_eq!(browser.callback(&oldest).await.status(), StatusCode::BAD_REQUEST);
    for page in [6, 4] {
        let callback = browser.authorize(&begun[page]).await;
        assert_eq!(location(&browser.callback(&callback).await), format!("{}/{page}", browser.origin()));
    }
    platform.stop().await;
}

#[tokio::test]
async fn a_session_that_is_refused_at_once_does_not_make_a_loop() {
    let platform = Platform::start().await;
    platform.issuer.push_user("alex", event_type::ACCOUNT_DISABLED).await;
    let mut browser = platform.browser("payroll");
    let mut answer = browser.sign_in_from("/").await;
    let mut rounds = 1;
    while answer.status() == StatusCode::FOUND {
        answer = browser.follow_sign_in(&location(&answer)).await;
        rounds += 1;
    }
    assert_eq!((answer.status(), rounds), (StatusCode::FORBIDDEN, 3));
    assert!(!browser.cookies.contains_key("__Host-access"));
    platform.stop().await;
}

#[tokio::test]
async fn signing_out_ends_the_session_and_every_copy_of_it() {
    let platform = Platform::start().await;
    let mut browser = platform.browser("payroll").signed_in().await;
    let mut copy: Browser<'_> = platform.browser("payroll");
    copy.cookies = browser.cookies.clone();
    let page = browser.get("/.auth/logout", &[HTML]).await;
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains(&format!("form-action 'self' {}", platform.issuer.base)), "{policy}");
    let foreign = browser.send("POST", "/.auth/logout", &[("origin", "https://evil.example")], Bytes::new()).await;
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    assert_eq!(browser.status().await, 200);
    let origin = browser.origin();
    let answer = browser.send("POST", "/.auth/logout", &[("origin", &origin)], Bytes::new()).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert!(location(&answer).ends_with("/oauth2/v2.0/logout"));
    assert!(browser.cookies.is_empty());
    assert_eq!(copy.status().await, 401);
    platform.issuer.set_person(Person::default());
    platform.advance(1);
    assert_eq!(platform.browser("payroll").signed_in().await.status().await, 200);
    platform.stop().await;
}
