//! Who a request is from: the gateway's assertion, a JWT signed with a key that the gateway publishes on this
//! application's own host. Nothing else in the request is believed.

use super::SampleConfig;
use http::{HeaderMap, HeaderName};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, TokenData, Validation};
use runtime::Clock;
use runtime::client::Client;
use serde::Deserialize;
use std::time::Duration;
use tokio::sync::Mutex;

/// Where the gateway puts it.
const ASSERTION: HeaderName = HeaderName::from_static("countersign-assertion");
/// The keys are asked for again at most this often, whatever key id a request names.
const REFETCH: Duration = Duration::from_millis(100);
/// Clocks on one machine agree; across machines they nearly do.
const LEEWAY_SECONDS: i64 = 5;

#[derive(Debug, thiserror::Error)]
pub(super) enum AssertionError {
    #[error("the request carries no assertion")]
    None,
    #[error("the assertion is unreadable, or signed with a key that the gateway does not publish")]
    Signature,
    #[error("the assertion is for another application, or from another gateway")]
    Audience,
    #[error("the assertion is not valid at this time")]
    Time,
    #[error("the gateway's keys are out of reach")]
    Keys,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Identity {
    #[serde(rename = "sub")]
    pub(super) user_id: String,
    #[serde(rename = "preferred_username", default)]
    pub(super) user_principal_name: String,
    #[serde(rename = "name", default)]
    pub(super) display_name: String,
    #[serde(rename = "sid", default)]
    pub(super) session_id: String,
    iss: String,
    aud: String,
    iat: i64,
    exp: i64,
}

#[derive(Debug)]
pub(super) struct Verifier {
    keys_url: String,
    issuer: String,
    app_id: String,
    client: Client,
    clock: Clock,
    keys: Mutex<Keys>,
}

#[derive(Debug, Default)]
struct Keys {
    set: Option<JwkSet>,
    fetched: Option<Duration>,
}

impl Verifier {
    pub(super) fn new(config: &SampleConfig, client: Client, clock: Clock) -> Self {
        let keys_url = format!("{}.auth/keys", config.external_url);
        let issuer = config.gateway_url.as_str().trim_end_matches('/').to_owned();
        Self { keys_url, issuer, app_id: config.app_id.clone(), client, clock, keys: Mutex::default() }
    }

    pub(super) async fn identify(&self, headers: &HeaderMap) -> Result<Identity, AssertionError> {
        let mut assertions = headers.get_all(&ASSERTION).iter();
        let (Some(assertion), None) = (assertions.next(), assertions.next()) else { return Err(AssertionError::None) };
        let assertion = assertion.to_str().map_err(|_| AssertionError::None)?;
        let header = jsonwebtoken::decode_header(assertion).map_err(|_| AssertionError::Signature)?;
        let kid = header.kid.ok_or(AssertionError::Signature)?;
        let key = self.key(&kid).await?;
        let identity = self.verify(assertion, &key)?;
        let now = self.clock.now().seconds();
        if identity.aud != self.app_id || identity.iss != self.issuer {
            return Err(AssertionError::Audience);
        }
        if now >= identity.exp + LEEWAY_SECONDS || now + LEEWAY_SECONDS < identity.iat {
            return Err(AssertionError::Time);
        }
        Ok(identity)
    }

    /// The signature alone: audience and times are checked against values of our own.
    fn verify(&self, assertion: &str, key: &DecodingKey) -> Result<Identity, AssertionError> {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let TokenData { claims, .. } =
            jsonwebtoken::decode(assertion, key, &validation).map_err(|_| AssertionError::Signature)?;
        Ok(claims)
    }

    async fn key(&self, kid: &str) -> Result<DecodingKey, AssertionError> {
        let mut keys = self.keys.lock().await;
        let find =
            |set: &Option<JwkSet>| set.as_ref().and_then(|set| set.find(kid)).and_then(|jwk| DecodingKey::from_jwk(jwk).ok());
        if let Some(key) = find(&keys.set) {
            return Ok(key);
        }
        // A gateway that was just restarted signs with a new key: whoever comes too soon waits, and is not refused.
        let asked = keys.fetched.map_or(Duration::ZERO, |fetched| self.clock.monotonic().saturating_sub(fetched));
        if keys.fetched.is_some() {
            tokio::time::sleep(REFETCH.saturating_sub(asked)).await;
        }
        let request = http::Request::get(&self.keys_url).body(bytes::Bytes::new()).map_err(|_| AssertionError::Keys)?;
        let answer = self.client.send(request).await.map_err(|_| AssertionError::Keys)?;
        keys.set = Some(serde_json::from_slice(answer.body()).map_err(|_| AssertionError::Keys)?);
        keys.fetched = Some(self.clock.monotonic());
        find(&keys.set).ok_or(AssertionError::Signature)
    }
}
