//! The sample applications of the demo: what stands behind the gateway. Ordinary web applications that know nothing of
//! policies: they believe the gateway's signed assertion, and only after checking it.
//!
//! Each listens on its own loopback port in plain http. They hold no data worth protecting.

mod assertion;
mod page;
mod streams;

use crate::error::Problem;
use crate::platform;
use assertion::{Identity, Verifier};
use axum::Router;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode, header};
use runtime::Clock;
use runtime::client::Client;
use runtime::listen::{self, Limits, Listener};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use url::Url;

/// What kind of application it plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Payroll,
    AdminPortal,
    Mail,
}

/// One application, as the platform starts it.
#[derive(Debug)]
pub struct SampleConfig {
    pub kind: Kind,
    pub display_name: String,
    /// Its app id: who an assertion must be for.
    pub app_id: String,
    /// Where people see it; the gateway's keys are there too.
    pub external_url: Url,
    /// Whose assertions it believes.
    pub gateway_url: Url,
    /// Mail: user names and passwords that its own HTTP Basic would let in, if a request ever came with them.
    pub legacy_accounts: Vec<(String, SecretString)>,
}

/// A bound port, not served yet.
#[derive(Debug)]
pub struct Sample {
    listener: Listener,
    pub internal_url: Url,
}

impl Sample {
    pub async fn bind() -> Result<Self, Problem> {
        let unusable =
            |error: &(dyn std::error::Error + 'static)| Problem::caused_by("the sample application cannot listen", error);
        let listener = listen::bind(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))]).await.map_err(|error| unusable(&error))?;
        let port = listener.addresses().first().map_or(0, SocketAddr::port);
        let internal_url = Url::parse(&format!("http://127.0.0.1:{port}/")).map_err(|error| unusable(&error))?;
        Ok(Self { listener, internal_url })
    }

    /// Serves until `shutdown`.
    pub async fn serve(self, config: SampleConfig, client: Client, clock: Clock, shutdown: CancellationToken) {
        let verifier = Verifier::new(&config, client, clock);
        let application = Application(Arc::new(Inner { config, verifier, shutdown: shutdown.clone() }));
        let router = router(application);
        let service = move |request, peer| platform::answer(router.clone(), request, peer);
        listen::serve(self.listener, None, Limits::default(), service, shutdown).await;
    }
}

#[derive(Clone, Debug)]
struct Application(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: SampleConfig,
    verifier: Verifier,
    /// Streams end with the server.
    shutdown: CancellationToken,
}

fn router(application: Application) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/api/whoami", get(who_am_i))
        .route("/mail", get(mail))
        .route("/ws", get(streams::web_socket))
        .route("/events", get(streams::events))
        .route("/download", get(streams::download))
        .route("/app.js", get(|| async { ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], page::SCRIPT) }))
        .route("/app.css", get(|| async { ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], page::STYLE) }))
        .with_state(application)
}

async fn home(State(application): State<Application>, headers: HeaderMap) -> Response {
    match application.identity(&headers).await {
        Ok(identity) => Html(page::home(&application.0.config, &identity)).into_response(),
        Err(refusal) => refusal,
    }
}

async fn who_am_i(State(application): State<Application>, headers: HeaderMap) -> Response {
    match application.identity(&headers).await {
        Ok(identity) => axum::Json(json!({
            "application": application.0.config.display_name,
            "userId": identity.user_id,
            "userPrincipalName": identity.user_principal_name,
            "displayName": identity.display_name,
            "sessionId": identity.session_id,
            "verified": true,
        }))
        .into_response(),
        Err(refusal) => refusal,
    }
}

/// What an old mail client asks: it accepts HTTP Basic by itself. Only the gateway stands between it and a password.
async fn mail(State(application): State<Application>, headers: HeaderMap) -> Response {
    if let Ok(identity) = application.identity(&headers).await {
        return format!("2 new messages for {}\n", identity.user_principal_name).into_response();
    }
    match application.basic_user(&headers) {
        Some(user) => format!("2 new messages for {user}\n").into_response(),
        None => {
            let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"mail\", charset=\"UTF-8\"")];
            (StatusCode::UNAUTHORIZED, challenge, "sign in\n").into_response()
        }
    }
}

impl Application {
    async fn identity(&self, headers: &HeaderMap) -> Result<Identity, Response> {
        self.0.verifier.identify(headers).await.map_err(|error| {
            tracing::info!(application = %self.0.config.display_name, %error, "a request without a valid assertion");
            (StatusCode::FORBIDDEN, format!("{error}\n")).into_response()
        })
    }

    /// RFC 7617.
    fn basic_user(&self, headers: &HeaderMap) -> Option<String> {
        let (scheme, credentials) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        let credentials = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
        let (user, password) = credentials.split_once(':')?;
        let known = self.0.config.legacy_accounts.iter().find(|(name, _)| name.eq_ignore_ascii_case(user));
        let matches = known.is_some_and(|(_, known)| runtime::hash::equal(known.expose_secret().as_bytes(), password.as_bytes()));
        (scheme.eq_ignore_ascii_case("basic") && matches).then(|| user.to_owned())
    }
}
