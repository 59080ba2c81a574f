//! Who gets through, and what the application then sees.

use crate::client::{HTML, location, seen_headers};
use crate::issuer::Person;
use crate::platform::Platform;
use bytes::Bytes;
use http::StatusCode;
use http::header::WWW_AUTHENTICATE;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

#[tokio::test]
async fn a_person_signs_in_and_the_application_learns_who_it_is() {
    let platform = Platform::start().await;
    let mut browser = platform.browser("payroll");
    let answer = browser.sign_in_from("/echo/a%20b?x=1&y=%2F").await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(location(&answer), format!("{}/echo/a%20b?x=1&y=%2F", browser.origin()));
    assert_eq!(browser.cookies.len(), 1, "the transaction's cookie is gone: {:?}", browser.cookies);

    let forged = [
        ("countersign-assertion", "forged"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-user", "ada"),
        ("remote-user", "ada"),
        ("x-ms-client-principal", "ada"),
        ("forwarded", "for=10.0.0.1"),
        ("authorization", "Basic YWRhOnBhc3M="),
        ("x-app", "kept"),
    ];
    browser.cookies.insert("theirs".to_owned(), "1".to_owned());
    let answer = browser.send("POST", "/echo/a%20b?x=1&y=%2F", &forged, Bytes::from_static(b"body")).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let echoed: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!((echoed["method"].as_str(), echoed["body"].as_str()), (Some("POST"), Some("body")));
    assert_eq!(echoed["target"], "/echo/a%20b?x=1&y=%2F", "byte for byte");

    let mut headers = seen_headers(answer.body());
    let assertion = headers.remove("countersign-assertion").unwrap();
    let authority = format!("payroll.localhost:{}", platform.port);
    let expected = [
        ("content-length", "4"),
        ("cookie", "theirs=1"),
        ("host", &platform.inner.to_string()),
        ("via", "1.1 countersign"),
        ("x-app", "kept"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", &authority),
        ("x-forwarded-proto", "https"),
    ];
    assert_eq!(headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());

    let keys = platform.browser("payroll").get("/.auth/keys", &[]).await;
    let keys: JwkSet = serde_json::from_slice(keys.body()).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&["payroll"]);
    validation.set_issuer(&[format!("https://gateway.localhost:{}", platform.port)]);
    validation.validate_exp = false;
    let key = DecodingKey::from_jwk(&keys.keys[0]).unwrap();
    let claims = jsonwebtoken::decode::<Value>(&assertion, &key, &validation).unwrap().claims;
    let now = platform.clock.now().seconds();
    assert_eq!(
        (claims["sub"].as_str(), claims["sid"].as_str(), claims["name"].as_str()),
        (Some("alex"), Some("session-1"), Some("Alex"))
    );
    assert_eq!((claims["iat"].as_i64(), claims["exp"].as_i64()), (Some(now), Some(now + 60)));
    platform.stop().await;
}

#[tokio::test]
async fn who_offers_nothing_is_sent_to_sign_in_or_told_how() {
    let platform = Platform::start().await;
    let mut browser = platform.browser("payroll");
    let address = location(&browser.get("/a?b", &[HTML]).await);
    assert!(
        address.starts_with(&format!("{}/oauth2/v2.0/authorize?client_id=", platform.issuer.issuer().trim_end_matches("/v2.0")))
    );
    assert!(
        address.contains("&code_challenge_method=S256") && address.contains("scope=openid+profile+payroll%2F.default"),
        "{address}"
    );

    for (method, headers) in [("GET", vec![]), ("POST", vec![HTML]), ("GET", vec![HTML, ("sec-fetch-mode", "cors")])] {
        let answer = platform.browser("payroll").send(method, "/echo", &headers, Bytes::new()).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        let challenge = answer.headers()[WWW_AUTHENTICATE].to_str().unwrap();
        assert!(challenge.starts_with("Bearer realm=\"\", authorization_uri=\"https://localhost:"), "{challenge}");
        assert!(!challenge.contains("error"), "{challenge}");
    }
    let answer = platform.browser("payroll").get("/echo", &[]).await;
    assert_eq!(serde_json::from_slice::<Value>(answer.body()).unwrap()["error"], "unauthorized");
    assert_eq!(platform.reached(), 0);
    platform.stop().await;
}

#[tokio::test]
async fn a_cookie_is_good_for_its_application_until_its_token_ends() {
    let platform = Platform::start().await;
    let mut browser = platform.browser("payroll").signed_in().await;
    assert_eq!(browser.status().await, 200);
    let mut elsewhere = platform.browser("portal");
    elsewhere.cookies = browser.cookies.clone();
    assert_eq!(elsewhere.status().await, 401);
    let mut bent = platform.browser("payroll");
    bent.cookies = browser.cookies.iter().map(|(name, value)| (name.clone(), format!("A{}", &value[1..]))).collect();
    assert_eq!(bent.status().await, 401);
    let twice = format!("{}; __Host-access=x", browser.cookie_header());
    let answer = platform.browser("payroll").get("/echo", &[("cookie", &twice)]).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);

    let expires = platform.clock.now().seconds() + 3600;
    while platform.clock.now().seconds() < expires {
        platform.advance(20);
        platform.issuer.heartbeat().await;
    }
    assert_eq!(browser.status().await, 401);
    platform.stop().await;
}

#[tokio::test]
async fn bearer_tokens_are_judged_by_every_claim() {
    let platform = Platform::start().await;
    let status = async |token: String| {
        platform.browser("payroll").get("/echo", &[("authorization", &format!("Bearer {token}"))]).await.status().as_u16()
    };
    let now = platform.clock.now().seconds();
    let token = |change: &[(&str, Value)]| platform.issuer.access_token("payroll", change);
    assert_eq!(status(token(&[])).await, 200);
    assert_eq!(status(platform.issuer.access_token("portal", &[])).await, 401, "of another application");
    assert_eq!(status(token(&[("iss", json!("https://evil.example/v2.0"))])).await, 401);
    assert_eq!(status(token(&[("exp", json!(now))])).await, 401);
    assert_eq!(status(token(&[("nbf", json!(now + 3000))])).await, 401);
    assert_eq!(status(token(&[("exp", json!(now + 30 * 86400))])).await, 401, "outlives the revocation map");
    assert_eq!(status(token(&[("nonce", json!("n")), ("azp", Value::Null)])).await, 401, "an ID token");
    assert_eq!(status(token(&[("aud", json!(["payroll", "portal"]))])).await, 401);
    let claims =
        json!({"iss": platform.issuer.issuer(), "aud": "payroll", "iat": now, "exp": now + 60, "oid": "alex", "azp": "x"});
    assert_eq!(status(platform.issuer.sign("secevent+jwt", &claims)).await, 401, "of another kind");
    let mut mangled = token(&[]);
    mangled.replace_range(mangled.len() - 6.., "AAAAAA");
    assert_eq!(status(mangled).await, 401);
    assert_eq!(status("nonsense".to_owned()).await, 401);

    // A wrong token is not made up for by a good cookie.
    let mut browser = platform.browser("payroll").signed_in().await;
    let answer = browser.get("/echo", &[("authorization", "Bearer nonsense")]).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(answer.headers()[WWW_AUTHENTICATE].to_str().unwrap().contains("error=\"invalid_token\""));
    let reached = platform.reached();
    assert_eq!(reached, 1);
    platform.stop().await;
}

#[tokio::test]
async fn an_application_can_neither_set_our_cookies_nor_speak_hop_by_hop() {
    let platform = Platform::start().await;
    let mut browser = platform.browser("payroll").signed_in().await;
    let before = browser.cookies["__Host-access"].clone();
    let answer = browser.get("/cookies", &[]).await;
    assert_eq!(browser.cookies["__Host-access"], before);
    assert_eq!(browser.cookies["theirs"], "1");
    assert!(!answer.headers().contains_key("x-hop") && !answer.headers().contains_key("countersign-assertion"));
    assert_eq!(answer.headers()["x-kept"], "1");
    platform.stop().await;
}

#[tokio::test]
async fn hosts_come_and_go_with_their_publication() {
    let platform = Platform::start().await;
    let mut browser = platform.browser("gateway");
    assert_eq!(browser.get("/echo", &[]).await.status(), StatusCode::NOT_FOUND);
    let health = browser.get("/healthz", &[]).await;
    assert_eq!((health.status(), health.body().as_ref()), (StatusCode::OK, br#"{"feed":"live","applications":true}"#.as_slice()));
    assert_eq!(platform.browser("payroll").get("/.auth/unknown", &[]).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(platform.browser("localhost-of-nobody").origin().len(), "https://localhost-of-nobody.localhost:".len() + 5);

    // Unknown so far; read again when it is asked for.
    let host = format!("https://localhost:{}/", platform.port);
    platform.issuer.publish("late", &host, &format!("http://{}/", platform.inner), &[]);
    let knock = async || {
        let request = http::Request::get(format!("{host}echo")).body(Bytes::new()).unwrap();
        platform.client.send(request).await.unwrap().status()
    };
    platform.clock.advance(std::time::Duration::from_secs(2));
    assert_eq!(knock().await, StatusCode::UNAUTHORIZED);
    platform.stop().await;
}

#[tokio::test]
async fn one_session_may_not_take_everything() {
    let platform = Platform::start_with(|config| config.limits.flows_per_session = 2).await;
    let browser = platform.browser("payroll").signed_in().await;
    let _first = browser.open("GET", "/stream", crate::client::no_body()).await;
    let _second = browser.open("GET", "/stream", crate::client::no_body()).await;
    let third = browser.open("GET", "/stream", crate::client::no_body()).await;
    assert_eq!(third.status(), StatusCode::TOO_MANY_REQUESTS);
    platform.issuer.set_person(Person { session: "session-2".to_owned(), ..Person::default() });
    let other = platform.browser("payroll").signed_in().await;
    assert_eq!(other.open("GET", "/stream", crate::client::no_body()).await.status(), StatusCode::OK);
    platform.stop().await;
}
