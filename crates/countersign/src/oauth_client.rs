//! A client of the control plane, as any application is one: authorization code with PKCE (RFC 6749 §4.1, RFC 7636),
//! refresh, client credentials. It knows addresses and parameters, and believes nothing without asking.

use crate::json::{list, text};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use runtime::client::{Client, ClientError};
use runtime::{hash, random};
use serde::Deserialize;
use serde_json::Value;
use testkit::Page;

/// One registered application.
#[derive(Clone, Debug)]
pub struct OauthClient {
    /// `{base}/{tenant}`.
    pub tenant_address: String,
    pub client_id: String,
    /// `None`: a public client.
    pub client_secret: Option<String>,
    pub redirect_uri: String,
}

/// What one authorization request must be answered with.
#[derive(Clone, Debug)]
pub struct Authorization {
    pub address: String,
    verifier: String,
    state: String,
}

#[derive(Clone, Deserialize)]
pub struct Tokens {
    pub access_token: String,
    pub refresh_token: Option<String>,
    pub id_token: Option<String>,
    pub expires_in: u64,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tokens").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum OauthError {
    #[error("the token endpoint refused with {status}: {error} ({description})")]
    Refused { status: StatusCode, error: String, description: String, codes: Vec<u64> },
    #[error("the authorization ended at {0} without a code")]
    NoCode(String),
    #[error("the authorization was answered with another request's state")]
    State,
    #[error("the token endpoint cannot be asked")]
    Unanswered(#[source] ClientError),
    #[error("the token endpoint's answer is unreadable: {0}")]
    Unreadable(String),
}

impl OauthError {
    /// The AADSTS numbers of a refusal.
    pub fn codes(&self) -> &[u64] {
        match self {
            Self::Refused { codes, .. } => codes,
            Self::NoCode(_) | Self::State | Self::Unanswered(_) | Self::Unreadable(_) => &[],
        }
    }
}

impl OauthClient {
    /// Where to send the browser.
    pub fn authorize(&self, scope: &str) -> Authorization {
        let (verifier, state) = (random::token(), random::token());
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", &self.client_id)
            .append_pair("response_type", "code")
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("scope", scope)
            .append_pair("state", &state)
            .append_pair("nonce", &random::token())
            .append_pair("code_challenge", &hash::sha256_base64url(verifier.as_bytes()))
            .append_pair("code_challenge_method", "S256")
            .finish();
        Authorization { address: format!("{}/oauth2/v2.0/authorize?{query}", self.tenant_address), verifier, state }
    }

    /// The browser came back to the redirect address: code for tokens.
    pub async fn redeem(&self, client: &Client, authorization: &Authorization, landed: &Page) -> Result<Tokens, OauthError> {
        let end = || landed.url.as_str().split('?').next().unwrap_or_default().to_owned();
        let code = landed.query("code").ok_or_else(|| OauthError::NoCode(end()))?;
        if landed.query("state").as_deref() != Some(authorization.state.as_str()) {
            return Err(OauthError::State);
        }
        let grant = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", &authorization.verifier),
        ];
        self.token(client, &grant).await
    }

    pub async fn refresh(&self, client: &Client, refresh_token: &str) -> Result<Tokens, OauthError> {
        self.token(client, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
    }

    /// The application for itself.
    pub async fn client_credentials(&self, client: &Client, scope: &str) -> Result<Tokens, OauthError> {
        self.token(client, &[("grant_type", "client_credentials"), ("scope", scope)]).await
    }

    async fn token(&self, client: &Client, fields: &[(&str, &str)]) -> Result<Tokens, OauthError> {
        let secret = self.client_secret.iter().map(|secret| ("client_secret", secret.as_str()));
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", &self.client_id)
            .extend_pairs(fields)
            .extend_pairs(secret)
            .finish();
        let unreadable = |error: &dyn std::fmt::Display| OauthError::Unreadable(error.to_string());
        let request = Request::post(format!("{}/oauth2/v2.0/token", self.tenant_address))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from(form))
            .map_err(|error| unreadable(&error))?;
        let answer = client.send(request).await.map_err(OauthError::Unanswered)?;
        if answer.status().is_success() {
            return serde_json::from_slice(answer.body()).map_err(|error| unreadable(&error));
        }
        let body: Value = serde_json::from_slice(answer.body()).map_err(|error| unreadable(&error))?;
        Err(OauthError::Refused {
            status: answer.status(),
            error: text(&body, "/error").to_owned(),
            description: text(&body, "/error_description").to_owned(),
            codes: list(&body, "/error_codes").iter().filter_map(Value::as_u64).collect(),
        })
    }
}
