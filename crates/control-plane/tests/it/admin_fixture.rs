//! A control plane in this process, over a database of its own, with a small tenant; and tokens for it.

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use control_plane::apply::{self, Mode, Report};
use control_plane::{Config, ControlPlane};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use model::audit::Initiator;
use model::{SessionId, Timestamp, UserId};
use protocol::oidc::AccessTokenClaims;
use runtime::Clock;
use runtime::client::Client;
use serde_json::{Value, json};
use std::time::Duration;
use store::{Store, StoreOptions};
use tower::ServiceExt;

pub(crate) const BASE: &str = "https://localhost:8443";
pub(crate) const TENANT: &str = "3ceaaf30-8142-48ea-91d9-3080f9b439fc";
pub(crate) const GRAPH: &str = "00000003-0000-0000-c000-000000000000";
pub(crate) const CLIENT: &str = "0a000000-0000-0000-0000-000000000001";
pub(crate) const OTHER_CLIENT: &str = "0a000000-0000-0000-0000-000000000002";
pub(crate) const MAIL: &str = "0a000000-0000-0000-0000-000000000003";
pub(crate) const WEB: &str = "0a000000-0000-0000-0000-000000000004";
/// Global Administrator.
pub(crate) const ADA: &str = "00000000-0000-0000-0000-0000000000a1";
/// User Administrator.
pub(crate) const UMA: &str = "00000000-0000-0000-0000-0000000000a2";
pub(crate) const ALEX: &str = "00000000-0000-0000-0000-0000000000b1";
pub(crate) const LEE: &str = "00000000-0000-0000-0000-0000000000b2";
pub(crate) const STAFF: &str = "00000000-0000-0000-0000-0000000000c1";
pub(crate) const ASSIGNMENT: &str = "00000000-0000-0000-0000-0000000000d1";
pub(crate) const BLOCK_LEGACY: &str = "00000000-0000-0000-0000-0000000000e1";
pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const SECRET: &str = "a client secret that only a machine would make";
pub(crate) const TOTP: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";
const USER_ADMINISTRATOR: &str = "fe930be7-5e62-47db-91af-98c3a49a38b1";

pub(crate) const EVERY_PERMISSION: [&str; 11] = [
    "User.ReadWrite.All",
    "User.Read.All",
    "AuditLog.Read.All",
    "Policy.Read.All",
    "Policy.ReadWrite.ConditionalAccess",
    "Application.Read.All",
    "Application.ReadWrite.All",
    "Directory.ReadWrite.All",
    "UserAuthenticationMethod.ReadWrite.All",
    "Gateway.Enforce",
    "SharedSignals.Manage",
];
pub(crate) const EVERY_SCOPE: &str = "User.Read User.ReadWrite.All AuditLog.Read.All Policy.Read.All \
     Policy.ReadWrite.ConditionalAccess Directory.ReadWrite.All Application.Read.All ssf.manage UserAuthenticationMethod.Read.All UserAuthenticationMethod.ReadWrite.All";

pub(crate) struct Platform {
    pub(crate) state: ControlPlane,
    pub(crate) router: Router,
    pub(crate) clock: Clock,
    folder: tempfile::TempDir,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{} {:?}", self.status, self.body))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }
}

impl Platform {
    /// With the tenant.
    pub(crate) async fn start() -> Self {
        let platform = Self::empty().await;
        let report = platform.apply(tenant()).await;
        assert!(!report.is_refused(), "{report:?}");
        platform
    }

    /// With nothing in its store.
    pub(crate) async fn empty() -> Self {
        Self::with(None, |_| {}).await
    }

    /// With nothing in its store, which is full after so many pages.
    pub(crate) async fn on_a_small_disk(pages: u32) -> Self {
        Self::over(StoreOptions { max_pages: Some(pages) }, None, |_| {}).await
    }

    pub(crate) async fn with(authority: Option<&[u8]>, configure: impl FnOnce(&mut Config)) -> Self {
        Self::over(StoreOptions::default(), authority, configure).await
    }

    async fn over(options: StoreOptions, authority: Option<&[u8]>, configure: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db"), options).await.unwrap();
        let mut config = Config::new(BASE.parse().unwrap());
        config.password_threads = 1;
        configure(&mut config);
        let clock = Clock::manual(Timestamp::parse("2026-11-22T12:00:00Z").unwrap());
        let client = Client::new(authority).unwrap();
        let state = ControlPlane::start(config, store, clock.clone(), &[7; 32], client).await.unwrap();
        let router = control_plane::router(state.clone());
        Self { state, router, clock, folder }
    }

    /// The same server, stopped and started again.
    pub(crate) async fn restarted(self) -> Self {
        let Self { state, router, clock, folder } = self;
        drop((state, router));
        let store = Store::open(&folder.path().join("store.db"), StoreOptions::default()).await.unwrap();
        let config = Config { password_threads: 1, ..Config::new(BASE.parse().unwrap()) };
        let state = ControlPlane::start(config, store, clock.clone(), &[7; 32], Client::new(None).unwrap()).await.unwrap();
        let router = control_plane::router(state.clone());
        Self { state, router, clock, folder }
    }

    /// Another process over the same store.
    pub(crate) async fn second_process(&self) -> ControlPlane {
        let store = Store::open(&self.folder.path().join("store.db"), StoreOptions::default()).await.unwrap();
        let config = Config::new(BASE.parse().unwrap());
        ControlPlane::start(config, store, self.clock.clone(), &[7; 32], Client::new(None).unwrap()).await.unwrap()
    }

    pub(crate) async fn apply(&self, objects: Vec<Value>) -> Report {
        apply::apply(&self.state, operator(), objects, Mode::Apply).await.unwrap()
    }

    pub(crate) async fn send(&self, method: Method, path: &str, token: Option<&str>, body: Option<Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.raw(request.body(body).unwrap()).await
    }

    pub(crate) async fn raw(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.send(Method::GET, path, Some(token), None).await
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(token), Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, token: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(token), Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str, token: &str) -> Answer {
        self.send(Method::DELETE, path, Some(token), None).await
    }

    /// A Graph token of an application for itself.
    pub(crate) fn application_token(&self, permissions: &[&str]) -> String {
        self.application_token_of(CLIENT, permissions)
    }

    pub(crate) fn application_token_of(&self, client: &str, permissions: &[&str]) -> String {
        self.sign(
            &self.claims(
                json!({"idtyp": "app", "oid": client, "sub": client, "azp": client, "azpacr": "1", "roles": permissions}),
            ),
        )
    }

    /// A Graph token of a person, with a session behind it.
    pub(crate) async fn user_token(&self, user: &str, scopes: &str) -> String {
        let session = self.session(user).await;
        self.sign(&self.claims(json!({"oid": user, "sub": user, "sid": session, "scp": scopes})))
    }

    pub(crate) async fn session(&self, user: &str) -> SessionId {
        let id = SessionId::new(&runtime::random::guid());
        let now = self.clock.now();
        let session = store::session::Session {
            id: id.clone(),
            user_id: UserId::new(user),
            secret_hash: runtime::hash::sha256_hex(b"secret"),
            created: now,
            signed_in_at: now,
            expires: now.plus(Duration::from_secs(86_400)),
            methods: "[]".to_owned(),
            transfer_method: "none".to_owned(),
            revoked_at: None,
        };
        let mut tx = self.state.store.begin().await.unwrap();
        store::session::insert(&mut tx, &session).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// Claims of a Graph token that is good now; `over` replaces or adds.
    pub(crate) fn claims(&self, over: Value) -> Value {
        let now = self.clock.now().seconds();
        let mut claims = json!({
            "aud": GRAPH, "iss": format!("{BASE}/{TENANT}/v2.0"), "iat": now, "nbf": now, "exp": now + 3600,
            "sub": ALEX, "oid": ALEX, "tid": TENANT, "uti": runtime::random::token(), "ver": "2.0",
            "azp": CLIENT, "azpacr": "0",
        });
        for (name, value) in over.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let claims: AccessTokenClaims = serde_json::from_value(claims.clone()).unwrap();
        self.state.keys.sign(&claims, "JWT").unwrap()
    }

    /// The activities of the audit log, oldest first.
    pub(crate) async fn activities(&self) -> Vec<String> {
        let query = store::audit::AuditQuery { after_sequence: Some(0), limit: 1000, ..Default::default() };
        let rows = store::audit::list(&self.state.store, &query).await.unwrap();
        rows.into_iter().map(|row| row.audit.activity_display_name).collect()
    }

    /// Type (its last part) and subject of every event after `sequence`.
    pub(crate) async fn events_after(&self, sequence: i64) -> Vec<(String, String)> {
        let events = store::outbox::after(&self.state.store, sequence, 1000).await.unwrap();
        let read = |event: store::outbox::OutboxEvent| {
            let body: Value = serde_json::from_str(&event.body).unwrap();
            let kind = body["events"].as_object().unwrap().keys().next().unwrap().rsplit('/').next().unwrap().to_owned();
            (kind, body["sub_id"]["sub"].as_str().unwrap_or_default().to_owned())
        };
        events.into_iter().map(read).collect()
    }

    pub(crate) async fn last_event(&self) -> i64 {
        store::outbox::last_sequence(&self.state.store).await.unwrap()
    }
}

pub(crate) fn operator() -> Initiator {
    Initiator::App { app_id: String::new(), display_name: "operator".to_owned() }
}

pub(crate) fn user(id: &str, name: &str) -> Value {
    json!({
        "id": id, "userPrincipalName": format!("{name}@woodgrove.example"), "displayName": name, "accountEnabled": true,
        "userType": "Member", "passwordProfile": {"password": PASSWORD},
    })
}

pub(crate) fn tenant() -> Vec<Value> {
    let graph: Value =
        serde_json::from_str(include_str!("../../../../examples/tenant/applications/2eb73728-2fea-475e-b536-5e1458294a90.json"))
            .unwrap();
    let roles: Vec<Value> =
        graph["appRoles"].as_array().unwrap().iter().map(|role| json!({"id": role["id"], "type": "Role"})).collect();
    let scopes: Vec<Value> = graph["api"]["oauth2PermissionScopes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|scope| json!({"id": scope["id"], "type": "Scope"}))
        .collect();
    let client = |id: &str, name: &str| {
        json!({
            "id": id.replace("0a0", "0b0"), "appId": id, "displayName": name,
            "passwordCredentials": [{"keyId": id, "displayName": "secret", "secretText": SECRET}],
            "requiredResourceAccess": [{"resourceAppId": GRAPH, "resourceAccess": roles}],
        })
    };
    let mut alex = user(ALEX, "alex");
    alex["authentication"] = json!({"softwareOathMethods": [{"secretKey": TOTP}]});
    vec![
        json!({"id": TENANT, "displayName": "Woodgrove", "verifiedDomains": [{"name": "woodgrove.example", "isDefault": true}]}),
        user(ADA, "ada"),
        user(UMA, "uma"),
        alex,
        user(LEE, "lee"),
        json!({"id": STAFF, "displayName": "Staff", "members": [{"id": ALEX}, {"id": LEE}], "securityEnabled": true}),
        json!({"id": ASSIGNMENT, "principalId": ADA, "roleDefinitionId": GLOBAL_ADMINISTRATOR, "directoryScopeId": "/"}),
        json!({
            "id": "00000000-0000-0000-0000-0000000000d2", "principalId": UMA, "roleDefinitionId": USER_ADMINISTRATOR,
            "directoryScopeId": "/",
        }),
        graph,
        client(CLIENT, "Automation"),
        client(OTHER_CLIENT, "Other"),
        json!({
            "id": MAIL.replace("0a0", "0b0"), "appId": MAIL, "displayName": "Legacy Mail", "tags": ["countersign:httpBasic"],
            "onPremisesPublishing": {"externalUrl": "https://mail.localhost:8444/", "internalUrl": "http://127.0.0.1:9003/"},
        }),
        json!({
            "id": WEB.replace("0a0", "0b0"), "appId": WEB, "displayName": "Web",
            "web": {"redirectUris": ["https://client.localhost/callback"]},
            "passwordCredentials": [{"keyId": WEB, "secretText": SECRET}],
            "requiredResourceAccess": [{"resourceAppId": GRAPH, "resourceAccess": scopes}],
        }),
        block_legacy("enabled"),
    ]
}

pub(crate) fn block_legacy(state: &str) -> Value {
    json!({
        "id": BLOCK_LEGACY, "displayName": "Block legacy authentication", "state": state,
        "conditions": {
            "users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]},
            "clientAppTypes": ["exchangeActiveSync", "other"],
        },
        "grantControls": {"operator": "OR", "builtInControls": ["block"]},
    })
}
