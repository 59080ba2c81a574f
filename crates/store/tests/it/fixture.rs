//! Values to store, and a database to store them in.

use model::audit::{DirectoryAudit, Initiator, TargetResource};
use model::sign_in::{DeviceDetail, SignIn, SignInStatus};
use model::{AppId, Object, SessionId, Timestamp, UserId};
use serde_json::json;
use sqlx::{ConnectOptions, SqliteConnection, sqlite::SqliteConnectOptions};
use std::path::{Path, PathBuf};
use store::code::AuthorizationCode;
use store::credential::{Credential, CredentialKind};
use store::grant::Grant;
use store::session::Session;
use store::{Store, StoreOptions};
use tempfile::TempDir;

pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("countersign.db")
    }

    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.path(), StoreOptions::default()).await.unwrap()
    }

    pub(crate) async fn open_limited(&self, max_pages: u32) -> Store {
        Store::open(&self.path(), StoreOptions { max_pages: Some(max_pages) }).await.unwrap()
    }
}

/// The file behind the store's back.
pub(crate) async fn raw(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.unwrap()
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000 + seconds)
}

pub(crate) fn user(id: &str, name: &str) -> Object {
    Object::from_value(json!({"id": id, "userPrincipalName": name, "accountEnabled": true, "jobTitle": "Clerk"})).unwrap()
}

pub(crate) fn application(id: &str, app_id: &str) -> Object {
    Object::from_value(json!({"id": id, "appId": app_id, "displayName": "Payroll"})).unwrap()
}

pub(crate) fn group(id: &str) -> Object {
    Object::from_value(json!({"id": id, "displayName": "Payroll", "securityEnabled": true})).unwrap()
}

pub(crate) fn credential(id: &str, user: &str, kind: CredentialKind) -> Credential {
    Credential {
        id: id.to_owned(),
        user_id: UserId::new(user),
        kind,
        label: "blue key".to_owned(),
        secret: vec![0, 1, 2, 255],
        created: NOW,
        last_used: None,
        counter: 0,
    }
}

pub(crate) fn session(id: &str, user: &str) -> Session {
    Session {
        id: SessionId::new(id),
        user_id: UserId::new(user),
        secret_hash: "secret hash".to_owned(),
        created: NOW,
        signed_in_at: at(1),
        expires: at(3600),
        methods: r#"[{"method":"password"}]"#.to_owned(),
        transfer_method: "none".to_owned(),
        revoked_at: None,
    }
}

pub(crate) fn code(hash: &str, user: &str) -> AuthorizationCode {
    AuthorizationCode {
        hash: hash.to_owned(),
        session_id: SessionId::new("session-1"),
        user_id: UserId::new(user),
        client_id: AppId::new("client-1"),
        detail: r#"{"nonce":"n"}"#.to_owned(),
        expires: at(600),
    }
}

pub(crate) fn grant(id: &str, user: &str) -> Grant {
    Grant {
        id: id.to_owned(),
        session_id: SessionId::new("session-1"),
        user_id: UserId::new(user),
        client_id: AppId::new("client-1"),
        detail: r#"{"scope":"openid"}"#.to_owned(),
        current_hash: "hash-0".to_owned(),
        created: NOW,
        last_used: at(1),
        expires: at(3600),
        revoked_at: None,
    }
}

pub(crate) fn audit(id: &str, seconds: i64, activity: &str, category: &str, targets: &[&str]) -> DirectoryAudit {
    DirectoryAudit {
        id: id.to_owned(),
        activity_date_time: at(seconds),
        activity_display_name: activity.to_owned(),
        category: category.to_owned(),
        correlation_id: "correlation".to_owned(),
        result: "success".to_owned(),
        result_reason: String::new(),
        initiated_by: Initiator::User { id: "ada".to_owned(), user_principal_name: "ada@woodgrove.example".to_owned() },
        target_resources: targets
            .iter()
            .map(|id| TargetResource {
                id: (*id).to_owned(),
                display_name: (*id).to_owned(),
                resource_type: "user".to_owned(),
                modified_properties: Vec::new(),
            })
            .collect(),
    }
}

pub(crate) fn sign_in(id: &str, seconds: i64, name: &str, app: &str, error_code: u32) -> SignIn {
    SignIn {
        id: id.to_owned(),
        created_date_time: at(seconds),
        correlation_id: format!("correlation-{id}"),
        user_id: Some(UserId::new(&format!("id-of-{name}"))),
        user_principal_name: name.to_owned(),
        user_display_name: name.to_owned(),
        app_id: AppId::new(app),
        app_display_name: app.to_owned(),
        resource_id: AppId::new("graph"),
        resource_display_name: "Graph".to_owned(),
        ip_address: "192.0.2.1".to_owned(),
        client_app_used: "Browser".to_owned(),
        user_agent: "test".to_owned(),
        is_interactive: true,
        sign_in_event_types: vec!["interactiveUser".to_owned()],
        authentication_protocol: "none".to_owned(),
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
    }
}
