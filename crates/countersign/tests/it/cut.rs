//! Whatever takes a right away ends what runs on it, at once, and nothing else.

use crate::site::{PATIENCE, Site};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use testkit::Person;

/// What an administrator does to an account; each with the path below `/v1.0/users/{id}`.
const CUTS: [(&str, Method, &str, Option<&str>); 4] = [
    ("alex", Method::PATCH, "", Some(r#"{"accountEnabled": false}"#)),
    ("noor", Method::POST, "/revokeSignInSessions", None),
    ("lee", Method::PATCH, "", Some(r#"{"passwordProfile": {"password": "another-Password-40217"}}"#)),
    ("mia", Method::DELETE, "", None),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_critical_event_cuts_the_person_and_nobody_else() {
    let site = Site::start().await;
    let mut bystander = site.person("emergency");
    site.enter(&mut bystander, "Payroll").await;
    let untouched = site.open_events(&bystander, "Payroll").await;
    for (name, method, path, body) in CUTS {
        let mut person: Person = site.person(name);
        site.enter(&mut person, "Payroll").await;
        let stream = site.open_events(&person, "Payroll").await;
        assert_eq!(site.who_am_i(&mut person, "Payroll").await.status, StatusCode::OK);
        let body: Option<Value> = body.map(|text| serde_json::from_str(text).unwrap());
        let address = format!("/v1.0/users/{}{path}", site.account(name)["id"].as_str().unwrap());
        let begun = site.clock.monotonic();
        site.graph()
            .send(method.clone(), &address, body.as_ref())
            .await
            .unwrap()
            .unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        let cut = stream.cut(PATIENCE).await.unwrap_or_else(|| panic!("{method} {address} did not cut {name}"));
        let took = cut.at.saturating_sub(begun);
        assert!(took.as_millis() < 1000, "{name}: {took:?}");
        let after = site.who_am_i(&mut person, "Payroll").await;
        assert_eq!(after.status, StatusCode::UNAUTHORIZED, "{name}: {}", after.text);
    }
    assert!(untouched.is_open());
    assert_eq!(site.who_am_i(&mut bystander, "Payroll").await.status, StatusCode::OK);
    site.demo.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enabled_account_starts_afresh() {
    let site = Site::start().await;
    let mut alex = site.person("emergency");
    site.enter(&mut alex, "Payroll").await;
    let path = format!("/v1.0/users/{}", site.account("noor")["id"].as_str().unwrap());
    let mut noor = site.person("noor");
    site.enter(&mut noor, "Payroll").await;
    for enabled in [false, true] {
        site.graph().send(Method::PATCH, &path, Some(&json!({"accountEnabled": enabled}))).await.unwrap().unwrap();
    }
    // Enabled again, but what was issued before is gone: it begins with the account.
    let page = noor.go(site.url("Payroll", "").as_str(), "account").await.unwrap();
    assert_eq!(page.kind, "account", "{}", page.text);
    site.demo.stop().await;
}
