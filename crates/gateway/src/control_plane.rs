//! Calls to the control plane that any client with the same rights could make: discovery, an app-only token, the list of
//! published applications. There is no private side door.

use crate::config::{Config, Names};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode};
use model::Application;
use runtime::Clock;
use runtime::client::{Client, ClientError};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const GRAPH_SCOPE: &str = "https://graph.microsoft.com/.default";
const PAGES: usize = 100;
/// Tokens are renewed this long before they end.
const RENEWAL: Duration = Duration::from_secs(60);

/// OpenID Connect Discovery 1.0 §3, RFC 9207 §3.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Discovery {
    pub(crate) issuer: String,
    pub(crate) authorization_endpoint: String,
    pub(crate) token_endpoint: String,
    pub(crate) jwks_uri: String,
    pub(crate) end_session_endpoint: Option<String>,
    #[serde(default)]
    pub(crate) authorization_response_iss_parameter_supported: bool,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("the control plane could not be reached")]
    Unreachable(#[source] ClientError),
    #[error("the control plane answered {0}")]
    Status(StatusCode),
    #[error("the control plane's answer could not be read")]
    Unreadable,
    #[error("the discovery document is of issuer `{found}`, not `{wanted}`")]
    OtherIssuer { found: String, wanted: String },
    #[error("the address `{0}` is not https")]
    Insecure(String),
    #[error("the transmitter's stream does not deliver every event that revokes access")]
    MissingEvents,
    #[error("sign-in addresses are not known yet")]
    NotReady,
}

pub(crate) struct ControlPlane {
    client: Client,
    clock: Clock,
    names: Names,
    client_id: String,
    client_secret: SecretString,
    discovery: watch::Sender<Option<Arc<Discovery>>>,
    /// Held while asking, so that one asks for all.
    token: tokio::sync::Mutex<Option<Token>>,
}

struct Token {
    value: SecretString,
    renew: Duration,
}

impl std::fmt::Debug for ControlPlane {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ControlPlane").field("issuer", &self.names.issuer).finish_non_exhaustive()
    }
}

#[derive(Debug, Deserialize)]
struct TokenAnswer {
    access_token: String,
    expires_in: u64,
}

#[derive(Debug, Deserialize)]
struct ApplicationPage {
    value: Vec<serde_json::Value>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
}

impl ControlPlane {
    pub(crate) fn new(config: &Config, names: Names, client: Client, clock: Clock) -> Self {
        Self {
            client,
            clock,
            names,
            client_id: config.client_id.as_str().to_owned(),
            client_secret: config.client_secret.clone(),
            discovery: watch::Sender::new(None),
            token: tokio::sync::Mutex::new(None),
        }
    }

    pub(crate) fn discovery(&self) -> Result<Arc<Discovery>, CallError> {
        self.discovery.borrow().clone().ok_or(CallError::NotReady)
    }

    /// Waits until the discovery document has been read.
    pub(crate) async fn discovered(&self) {
        // The sender lives as long as we do, so the wait cannot fail.
        let _ = self.discovery.subscribe().wait_for(Option::is_some).await;
    }

    /// Reads the discovery document, and believes it only for the issuer that was configured (OpenID Connect Discovery
    /// 1.0 §4.3).
    pub(crate) async fn discover(&self) -> Result<Arc<Discovery>, CallError> {
        let address = format!("{}/.well-known/openid-configuration", self.names.issuer);
        let discovery: Discovery = self.read(&address).await?;
        if discovery.issuer != self.names.issuer {
            return Err(CallError::OtherIssuer { found: discovery.issuer, wanted: self.names.issuer.clone() });
        }
        for address in [&discovery.authorization_endpoint, &discovery.token_endpoint, &discovery.jwks_uri]
            .into_iter()
            .chain(&discovery.end_session_endpoint)
        {
            check_secure(address)?;
        }
        let discovery = Arc::new(discovery);
        self.discovery.send_replace(Some(discovery.clone()));
        Ok(discovery)
    }

    /// A public document.
    pub(crate) async fn read<T: DeserializeOwned>(&self, address: &str) -> Result<T, CallError> {
        check_secure(address)?;
        let request = Request::get(address).body(Bytes::new()).map_err(|_| CallError::Unreadable)?;
        let answer = self.client.send(request).await.map_err(CallError::Unreachable)?;
        successful(&answer)?;
        serde_json::from_slice(answer.body()).map_err(|_| CallError::Unreadable)
    }

    /// A form to the token endpoint, with the client's secret (RFC 6749 §2.3.1, `client_secret_post`). Any status.
    pub(crate) async fn ask_token(&self, fields: &[(&str, &str)]) -> Result<Response<Bytes>, CallError> {
        let discovery = self.discovery()?;
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", &self.client_id)
            .append_pair("client_secret", self.client_secret.expose_secret())
            .extend_pairs(fields)
            .finish();
        let request = Request::post(&discovery.token_endpoint)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(Bytes::from(form))
            .map_err(|_| CallError::Unreadable)?;
        self.client.send(request).await.map_err(CallError::Unreachable)
    }

    /// A call with the gateway's own app-only token; once more with a fresh one where the first was refused. Any status.
    pub(crate) async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, CallError> {
        check_secure(&request.uri().to_string())?;
        let answer = self.call_once(request.clone()).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        *self.token.lock().await = None;
        self.call_once(request).await
    }

    /// Every application of the tenant that is published, unread ones left out.
    pub(crate) async fn applications(&self) -> Result<Vec<Application>, CallError> {
        let base = &self.names.control_plane;
        let mut address = format!("{base}/beta/applications?$filter=onPremisesPublishing%20ne%20null");
        let mut applications = Vec::new();
        for _ in 0..PAGES {
            let request = Request::get(&address).body(Bytes::new()).map_err(|_| CallError::Unreadable)?;
            let answer = self.call(request).await?;
            successful(&answer)?;
            let page: ApplicationPage = serde_json::from_slice(answer.body()).map_err(|_| CallError::Unreadable)?;
            for value in page.value {
                match serde_json::from_value(value) {
                    Ok(application) => applications.push(application),
                    Err(error) => tracing::warn!(%error, "an application of the tenant could not be read"),
                }
            }
            match page.next {
                // Our token goes nowhere but to the control plane.
                Some(next) if next.starts_with(&format!("{base}/")) => address = next,
                Some(_) => return Err(CallError::Unreadable),
                None => return Ok(applications),
            }
        }
        Err(CallError::Unreadable)
    }

    async fn call_once(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, CallError> {
        let token = self.token().await?;
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).map_err(|_| CallError::Unreadable)?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
        self.client.send(request).await.map_err(CallError::Unreachable)
    }

    /// RFC 6749 §4.4.
    async fn token(&self) -> Result<SecretString, CallError> {
        let mut token = self.token.lock().await;
        let now = self.clock.monotonic();
        if let Some(token) = token.as_ref().filter(|token| now < token.renew) {
            return Ok(token.value.clone());
        }
        let answer = self.ask_token(&[("grant_type", "client_credentials"), ("scope", GRAPH_SCOPE)]).await?;
        successful(&answer)?;
        let read: TokenAnswer = serde_json::from_slice(answer.body()).map_err(|_| CallError::Unreadable)?;
        let value = SecretString::from(read.access_token);
        let life = Duration::from_secs(read.expires_in).saturating_sub(RENEWAL);
        *token = Some(Token { value: value.clone(), renew: now.saturating_add(life) });
        Ok(value)
    }
}

pub(crate) fn successful(answer: &Response<Bytes>) -> Result<(), CallError> {
    if answer.status().is_success() { Ok(()) } else { Err(CallError::Status(answer.status())) }
}

fn check_secure(address: &str) -> Result<(), CallError> {
    if address.starts_with("https://") { Ok(()) } else { Err(CallError::Insecure(address.to_owned())) }
}
