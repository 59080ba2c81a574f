//! A delegated token is good for what the person's role allows, and no further.

use crate::site::Site;
use http::{Method, StatusCode};
use serde_json::json;

/// CA007 of the example tenant.
const ADMINISTRATORS_ONLY: &str = "a3d0f4b7-62c5-4e19-8f7b-5c21d9be4a06";
const LOG: &str = "/v1.0/auditLogs/signIns";

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_without_the_role_opens_nothing() {
    let site = Site::start().await;
    let scopes =
        ["User.Read", "AuditLog.Read.All", "User.ReadWrite.All"].map(|scope| format!("https://graph.microsoft.com/{scope}"));
    let scope = format!("openid offline_access {}", scopes.join(" "));
    let alex = format!("/v1.0/users/{}", site.account("alex")["id"].as_str().unwrap());
    let disable = json!({"accountEnabled": false});
    for (name, log, change) in [
        ("alex", StatusCode::FORBIDDEN, StatusCode::FORBIDDEN),
        ("mia", StatusCode::OK, StatusCode::FORBIDDEN),
        ("noor", StatusCode::OK, StatusCode::FORBIDDEN),
        ("emergency", StatusCode::OK, StatusCode::NO_CONTENT),
    ] {
        let mut person = site.person(name);
        let tokens = site.tokens(&mut person, "Countersign Command Line", &scope).await;
        let oauth = site.oauth("Countersign Command Line");
        let tokens = oauth.refresh(&site.client, tokens.refresh_token.as_deref().unwrap()).await.unwrap();
        let graph = site.graph_with(&tokens.access_token);
        let me = graph.get("/v1.0/me").await.unwrap().unwrap();
        assert_eq!(me["userPrincipalName"], site.account(name)["userPrincipalName"]);
        let read = graph.get(LOG).await.unwrap();
        assert_eq!(read.map_or_else(|refusal| refusal.status, |_| StatusCode::OK), log, "{name} reads the log");
        let changed = graph.send(Method::PATCH, &alex, Some(&disable)).await.unwrap();
        assert_eq!(changed.map_or_else(|refusal| refusal.status, |_| StatusCode::NO_CONTENT), change, "{name} disables Alex");
    }
    site.demo.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_application_may_do_for_itself_is_what_it_was_given() {
    let site = Site::start().await;
    let scope = "https://graph.microsoft.com/.default";
    let tokens = site.oauth("Countersign Gateway").client_credentials(&site.client, scope).await.unwrap();
    let graph = site.graph_with(&tokens.access_token);
    assert!(graph.get("/beta/applications").await.unwrap().is_ok());
    assert_eq!(graph.get(LOG).await.unwrap().unwrap_err().status, StatusCode::FORBIDDEN);
    assert_eq!(graph.get("/v1.0/users").await.unwrap().unwrap_err().status, StatusCode::FORBIDDEN);
    let mut wrong = site.oauth("Countersign Gateway");
    wrong.client_secret = Some("wrong".to_owned());
    let refused = wrong.client_credentials(&site.client, scope).await.unwrap_err();
    assert_eq!(refused.codes(), [7_000_215]);
    site.demo.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_portal_is_for_administrators() {
    let site = Site::start().await;
    let portal = site.url("Admin Portal", "");
    for name in ["alex", "mia"] {
        let page = site.person(name).go(portal.as_str(), "").await.unwrap();
        assert_eq!(page.kind, "refused", "{name}: {}", page.text);
        assert!(page.policies.iter().any(|(id, _)| id == ADMINISTRATORS_ONLY), "{name}: {:?}", page.policies);
    }
    site.enter(&mut site.person("emergency"), "Admin Portal").await;
    site.demo.stop().await;
}
