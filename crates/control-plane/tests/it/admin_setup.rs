//! The first administrator: made once, by whoever holds the code.

use crate::admin_fixture::{Answer, Platform};
use axum::body::Body;
use control_plane::bootstrap;
use http::{Method, Request, header};
use std::time::Duration;

async fn post(platform: &Platform, code: &str, username: &str) -> Answer {
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("code", code)
        .append_pair("organization", "Woodgrove <script>")
        .append_pair("domain", "woodgrove.example")
        .append_pair("display_name", "Ada")
        .append_pair("username", username)
        .append_pair("password", "correct horse battery staple")
        .finish();
    let request = Request::post("/setup").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    platform.raw(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn the_code_makes_a_tenant_with_an_administrator_once() {
    let platform = Platform::empty().await;
    assert!(bootstrap::needed(&platform.state));
    let page = platform.send(Method::GET, "/setup", None, None).await.expect(200);
    assert!(page.text().contains(r#"data-page="setup""#) && page.headers.contains_key(header::CONTENT_SECURITY_POLICY));
    let code = bootstrap::issue_code(&platform.state).await.unwrap();
    let typed = code.to_lowercase().replace('-', " ");
    post(&platform, &typed, "ada@woodgrove.example").await.expect(201);
    let snapshot = platform.state.snapshot();
    let directory = &snapshot.directory;
    let ada = directory.user_by_principal_name("ada@woodgrove.example").unwrap();
    let role = model::RoleTemplateId::new(model::role::template::GLOBAL_ADMINISTRATOR);
    assert!(ada.account_enabled && directory.active_roles(&ada.id).contains(&role));
    assert_eq!(directory.organization.as_ref().unwrap().display_name, "Woodgrove <script>");
    let names: Vec<&str> = directory.applications.values().map(|application| application.display_name.as_str()).collect();
    assert_eq!(names, ["Microsoft Graph", "Countersign Command Line"]);
    assert_eq!(store::credential::of_user(&platform.state.store, &ada.id).await.unwrap().len(), 1);
    assert_eq!(
        platform.activities().await,
        ["Add organization", "Add user", "Add role assignment", "Add application", "Add application"]
    );
    // The code is used up, and the page is gone.
    assert!(!bootstrap::needed(&platform.state));
    post(&platform, &code, "eve@woodgrove.example").await.expect(404);
    platform.send(Method::GET, "/setup", None, None).await.expect(404);
}

#[tokio::test]
async fn a_wrong_or_late_code_makes_nothing_and_guessing_is_slowed_down() {
    let platform = Platform::empty().await;
    let code = bootstrap::issue_code(&platform.state).await.unwrap();
    let page = post(&platform, "AAAAA-AAAAA-AAAAA-AAAAA", "ada@woodgrove.example").await.expect(401).text();
    assert!(page.contains("This code is wrong, used or expired") && page.contains("Woodgrove &#60;script&#62;"), "{page}");
    assert!(!page.contains("correct horse"), "the password comes back");
    post(&platform, &code, "ada@elsewhere.example").await.expect(400);
    platform.clock.advance(Duration::from_secs(3600));
    post(&platform, &code, "ada@woodgrove.example").await.expect(401);
    // The failure of an hour ago is forgiven.
    for _ in 0..9 {
        post(&platform, "wrong", "ada@woodgrove.example").await.expect(401);
    }
    let code = bootstrap::issue_code(&platform.state).await.unwrap();
    post(&platform, &code, "ada@woodgrove.example").await.expect(429);
    assert!(platform.state.snapshot().objects.is_empty());
    platform.clock.advance(Duration::from_secs(61));
    post(&platform, &code, "ada@woodgrove.example").await.expect(201);
}

#[tokio::test]
async fn two_who_use_the_code_at_once_make_one_tenant() {
    let platform = Platform::empty().await;
    let code = bootstrap::issue_code(&platform.state).await.unwrap();
    let (first, second) =
        tokio::join!(post(&platform, &code, "ada@woodgrove.example"), post(&platform, &code, "eve@woodgrove.example"));
    let made = [first.status, second.status].into_iter().filter(|status| *status == 201).count();
    assert_eq!((made, platform.state.snapshot().directory.users.len()), (1, 1));
}
