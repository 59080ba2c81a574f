//! The logs over Graph: filters, pages, and following a log as it grows.

use crate::admin_fixture::{ALEX, CLIENT, GRAPH, LEE, MAIL, Platform};
use model::sign_in::{DeviceDetail, SignIn, SignInStatus};
use model::{AppId, UserId};
use serde_json::{Value, json};
use std::time::Duration;

const SIGN_INS: &str = "/v1.0/auditLogs/signIns";

async fn attempt(platform: &Platform, id: &str, user: &str, error_code: u32) {
    platform.clock.advance(Duration::from_secs(60));
    let now = platform.clock.now();
    let sign_in = SignIn {
        id: id.to_owned(),
        created_date_time: now,
        correlation_id: format!("correlation-{id}"),
        user_id: Some(UserId::new(user)),
        user_principal_name: format!("{user}@woodgrove.example"),
        user_display_name: String::new(),
        app_id: AppId::new(CLIENT),
        app_display_name: String::new(),
        resource_id: AppId::new(if error_code == 0 { GRAPH } else { MAIL }),
        resource_display_name: String::new(),
        ip_address: "127.0.0.1".to_owned(),
        client_app_used: "Browser".to_owned(),
        user_agent: String::new(),
        is_interactive: true,
        sign_in_event_types: Vec::new(),
        authentication_protocol: "oAuth2".to_owned(),
        authentication_requirement: "singleFactorAuthentication".to_owned(),
        authentication_details: Vec::new(),
        conditional_access_status: "success".to_owned(),
        applied_conditional_access_policies: Vec::new(),
        status: SignInStatus { error_code, failure_reason: String::new(), additional_details: None },
        device_detail: DeviceDetail::default(),
        session_id: None,
        unique_token_identifier: None,
        risk_level_during_sign_in: "none".to_owned(),
        risk_level_aggregated: "none".to_owned(),
        original_transfer_method: "none".to_owned(),
    };
    let mut tx = platform.state.store.begin().await.unwrap();
    store::sign_in::append(&mut tx, &sign_in, "{}", "{}").await.unwrap();
    tx.commit().await.unwrap();
}

fn ids(page: &Value) -> Vec<&str> {
    page["value"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect()
}

fn link(page: &Value, name: &str) -> String {
    let address = page[name].as_str().unwrap_or_else(|| panic!("no {name} in {page}"));
    address.strip_prefix("https://localhost:8443").unwrap().to_owned()
}

#[tokio::test]
async fn sign_ins_are_filtered() {
    let platform = Platform::start().await;
    for (id, user, error_code) in [("a", ALEX, 0), ("b", ALEX, 50126), ("c", LEE, 53003), ("d", LEE, 0)] {
        attempt(&platform, id, user, error_code).await;
    }
    let token = platform.application_token(&["AuditLog.Read.All"]);
    for (filter, expected) in [
        (format!("userId eq '{ALEX}'"), vec!["b", "a"]),
        (format!("userPrincipalName eq '{LEE}@WOODGROVE.example'"), vec!["d", "c"]),
        ("status/errorCode eq 0".to_owned(), vec!["d", "a"]),
        ("status/errorCode ne 0".to_owned(), vec!["c", "b"]),
        (format!("status/errorCode ne 0 and userId eq '{ALEX}'"), vec!["b"]),
        (format!("resourceId eq '{MAIL}' and appId eq '{CLIENT}'"), vec!["c", "b"]),
        ("correlationId eq 'correlation-c'".to_owned(), vec!["c"]),
        ("createdDateTime ge 2026-11-22T12:02:00Z and createdDateTime le 2026-11-22T12:03:00Z".to_owned(), vec!["c", "b"]),
        ("createdDateTime gt 2026-11-22T12:02:00Z and createdDateTime lt 2026-11-22T12:04:00Z".to_owned(), vec!["c"]),
    ] {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("$filter", &filter).finish();
        let page = platform.get(&format!("{SIGN_INS}?{query}"), &token).await.expect(200).json();
        assert_eq!(ids(&page), expected, "{filter}");
    }
    let told = platform.get(&format!("{SIGN_INS}?$filter=riskLevel%20eq%20'high'"), &token).await.expect(400).json();
    assert_eq!(told["error"]["message"], "cannot filter this log by `riskLevel eq 'high'` (at 0)");
    let one = platform.get(&format!("{SIGN_INS}/c"), &token).await.expect(200).json();
    assert_eq!(one["status"]["errorCode"], 53003);
    platform.get(&format!("{SIGN_INS}/z"), &token).await.expect(404);
}

#[tokio::test]
async fn a_log_is_paged_newest_first() {
    let platform = Platform::start().await;
    for id in ["a", "b", "c", "d", "e"] {
        attempt(&platform, id, ALEX, 0).await;
    }
    let token = platform.application_token(&["AuditLog.Read.All"]);
    let first = platform.get(&format!("{SIGN_INS}?$top=2&$filter=status/errorCode%20eq%200"), &token).await.expect(200).json();
    assert_eq!(ids(&first), ["e", "d"]);
    // What is written meanwhile does not shift the pages.
    attempt(&platform, "f", ALEX, 0).await;
    let second = platform.get(&link(&first, "@odata.nextLink"), &token).await.expect(200).json();
    assert_eq!(ids(&second), ["c", "b"]);
    let third = platform.get(&link(&second, "@odata.nextLink"), &token).await.expect(200).json();
    assert_eq!(ids(&third), ["a"]);
    assert!(third.get("@odata.nextLink").is_none() && third.get("@odata.deltaLink").is_none());
}

#[tokio::test]
async fn a_log_is_followed_oldest_first() {
    let platform = Platform::start().await;
    let token = platform.application_token(&["AuditLog.Read.All"]);
    let path = format!("{SIGN_INS}?$orderby=createdDateTime%20asc&$top=2");
    let empty = platform.get(&path, &token).await.expect(200).json();
    assert_eq!(ids(&empty), Vec::<&str>::new());
    let mut at = link(&empty, "@odata.deltaLink");
    for id in ["a", "b", "c"] {
        attempt(&platform, id, ALEX, 0).await;
    }
    let page = platform.get(&at, &token).await.expect(200).json();
    assert_eq!(ids(&page), ["a", "b"]);
    let page = platform.get(&link(&page, "@odata.nextLink"), &token).await.expect(200).json();
    assert_eq!(ids(&page), ["c"]);
    at = link(&page, "@odata.deltaLink");
    let nothing = platform.get(&at, &token).await.expect(200).json();
    assert_eq!(ids(&nothing), Vec::<&str>::new());
    assert_eq!(link(&nothing, "@odata.deltaLink"), at);
    attempt(&platform, "d", ALEX, 0).await;
    assert_eq!(ids(&platform.get(&at, &token).await.expect(200).json()), ["d"]);
    platform.get(&format!("{SIGN_INS}?$orderby=userId"), &token).await.expect(400);
    platform.get(&format!("{SIGN_INS}?$skiptoken=made-up"), &token).await.expect(400);
}

#[tokio::test]
async fn changes_are_in_the_audit_log_with_who_made_them() {
    let platform = Platform::start().await;
    let token = platform.application_token(&["User.ReadWrite.All", "AuditLog.Read.All"]);
    platform.patch(&format!("/v1.0/users/{ALEX}"), &token, json!({"displayName": "Alex Reyes"})).await.expect(204);
    let path = format!("/v1.0/auditLogs/directoryAudits?$filter=targetResources/id%20eq%20'{ALEX}'&$top=1");
    let page = platform.get(&path, &token).await.expect(200).json();
    let record = &page["value"][0];
    assert_eq!(record["activityDisplayName"], "Update user");
    assert_eq!(record["category"], "UserManagement");
    assert_eq!(record["result"], "success");
    assert_eq!(record["initiatedBy"]["app"]["appId"], CLIENT);
    assert_eq!(record["initiatedBy"]["app"]["displayName"], "Automation");
    assert_eq!(
        record["targetResources"][0]["modifiedProperties"],
        json!([{"displayName": "displayName", "oldValue": "\"alex\"", "newValue": "\"Alex Reyes\""}])
    );
    let by_activity = "/v1.0/auditLogs/directoryAudits?$filter=activityDisplayName%20eq%20'Add%20user'%20and%20category%20eq%20'UserManagement'";
    assert_eq!(platform.get(by_activity, &token).await.expect(200).json()["value"].as_array().unwrap().len(), 4);
    let follow = "/v1.0/auditLogs/directoryAudits?$orderby=activityDateTime%20asc&$top=1000";
    let all = platform.get(follow, &token).await.expect(200).json();
    assert_eq!(all["value"][0]["activityDisplayName"], "Add organization");
    link(&all, "@odata.deltaLink");
}
