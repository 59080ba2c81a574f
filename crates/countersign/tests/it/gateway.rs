//! The gateway in the whole: what it lets through, what a restart and a silent feed do.

use crate::site::{PATIENCE, Site};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use countersign::demo::Settings;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_gateway_asks_anew_and_silently() {
    let mut site = Site::start().await;
    let mut alex = site.person("alex");
    site.enter(&mut alex, "Payroll").await;
    site.demo.restart_gateway().await.unwrap();
    // It may have missed a revocation: no program gets in with the old session.
    let refused = site.who_am_i(&mut alex, "Payroll").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{}", refused.text);
    // The control plane knows that there was none: a browser comes back without a question.
    let page = alex.browser.open(site.url("Payroll", "").as_str()).await.unwrap();
    assert_eq!(page.kind, "application", "{} {} {:?}", page.status, page.url, page.headers);
    assert_eq!(site.who_am_i(&mut alex, "Payroll").await.status, StatusCode::OK);
    site.demo.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_feed_is_silent_nobody_is_admitted_and_what_runs_is_cut() {
    let settings =
        Settings { silence: Some(Duration::from_secs(2)), heartbeat: Some(Duration::from_secs(1)), ..Settings::on_port(0) };
    let mut site = Site::start_with(settings).await;
    let mut alex = site.person("alex");
    site.enter(&mut alex, "Payroll").await;
    let stream = site.open_events(&alex, "Payroll").await;
    site.demo.stop_control_plane().await;
    stream.cut(PATIENCE).await.expect("cut after the silence");
    let refused = site.who_am_i(&mut alex, "Payroll").await;
    assert!(
        matches!(refused.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY),
        "{} {}",
        refused.status,
        refused.text
    );
    site.demo.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_application_knows_the_person_from_the_assertion_alone() {
    let site = Site::start().await;
    let mut alex = site.person("alex");
    site.enter(&mut alex, "Payroll").await;
    let forged = HeaderMap::from_iter([
        ("countersign-assertion".parse().unwrap(), HeaderValue::from_static("eyJhbGciOiJub25lIn0.e30.")),
        ("x-forwarded-user".parse().unwrap(), HeaderValue::from_static("ada@woodgrove.example")),
    ]);
    let url = site.url("Payroll", "api/whoami");
    let page = alex.browser.fetch(Method::GET, url.as_str(), forged.clone(), Bytes::new()).await.unwrap();
    let who = page.json().unwrap();
    assert_eq!(who["userPrincipalName"], "alex@woodgrove.example");
    assert_eq!(who["userId"], site.account("alex")["id"]);
    assert_eq!(who["displayName"], site.account("alex")["displayName"]);

    // An assertion for one application is none for another, and a stranger's is none for anybody.
    let refused =
        alex.browser.fetch(Method::GET, site.url("Admin Portal", "api/whoami").as_str(), forged, Bytes::new()).await.unwrap();
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    site.demo.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn basic_is_for_applications_that_take_it_and_policies_refuse_it() {
    let site = Site::start().await;
    let lee = site.account("lee");
    let basic = |password: &str| format!("Basic {}", STANDARD.encode(format!("lee@woodgrove.example:{password}")));
    let right = basic(lee["password"].as_str().unwrap());
    for (application, authorization, status) in [
        ("Legacy Mail", right.as_str(), StatusCode::FORBIDDEN),
        ("Legacy Mail", &basic("wrong"), StatusCode::UNAUTHORIZED),
        ("Payroll", right.as_str(), StatusCode::UNAUTHORIZED),
    ] {
        let request = Request::get(site.url(application, "mail").as_str()).header(AUTHORIZATION, authorization);
        let answer = site.client.send(request.body(Bytes::new()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), status, "{application}: {:?}", answer.body());
    }
    site.demo.stop().await;
}
