//! The issuer's public keys, and the signature check of everything it signs: RS256 and nothing else, by `kid`, with RSA
//! keys of 2048 bits or more. What a token *claims* is judged elsewhere.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Request;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use runtime::Clock;
use runtime::client::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// An unknown `kid` is a reason to fetch the keys again, but not more often than this.
const FETCH_PAUSE: Duration = Duration::from_secs(3);
const KEYS: usize = 64;
const TOKEN_SIZE: usize = 32 * 1024;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    #[error("the token is not a signed one in compact form")]
    Malformed,
    #[error("the token is signed with another algorithm than RS256, or with extensions that are not understood")]
    Algorithm,
    #[error("the token is of another type")]
    Type,
    #[error("the token is signed with a key that the issuer does not publish")]
    UnknownKey,
    #[error("the signature of the token does not match")]
    Signature,
}

/// What kind of token it has to be: tokens of one kind are worthless as another (RFC 8725 §3.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// `JWT`: an ID token or an access token.
    Jwt,
    /// `secevent+jwt`.
    SecurityEvent,
}

impl TokenKind {
    fn accepts(self, typ: Option<&str>) -> bool {
        let typ = typ.map(str::to_ascii_lowercase);
        match self {
            Self::Jwt => typ.as_deref() == Some("jwt"),
            Self::SecurityEvent => matches!(typ.as_deref(), Some("secevent+jwt" | "application/secevent+jwt")),
        }
    }
}

pub(crate) struct IssuerKeys {
    client: Client,
    clock: Clock,
    keys: RwLock<Arc<BTreeMap<String, DecodingKey>>>,
    /// When the keys were last asked for, and of whom. Held while asking, so that one asks for all.
    fetch: tokio::sync::Mutex<Option<Duration>>,
    address: RwLock<Option<String>>,
}

impl std::fmt::Debug for IssuerKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("IssuerKeys").field("known", &self.known().len()).finish_non_exhaustive()
    }
}

impl IssuerKeys {
    pub(crate) fn new(client: Client, clock: Clock) -> Self {
        Self { client, clock, keys: RwLock::default(), fetch: tokio::sync::Mutex::new(None), address: RwLock::default() }
    }

    /// The signed claims, if the issuer signed them. Nothing in them has been judged yet.
    pub(crate) async fn verify<T: DeserializeOwned + Clone>(&self, token: &str, kind: TokenKind) -> Result<T, SignatureError> {
        if token.len() > TOKEN_SIZE {
            return Err(SignatureError::Malformed);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| SignatureError::Malformed)?;
        // RFC 8725 §3.1, §3.10: the algorithm and the key are ours to choose, never the token's; `crit` names what would
        // have to be understood (RFC 7515 §4.1.11), and nothing is.
        if header.alg != Algorithm::RS256 || header.crit.is_some() {
            return Err(SignatureError::Algorithm);
        }
        if !kind.accepts(header.typ.as_deref()) {
            return Err(SignatureError::Type);
        }
        let key_id = header.kid.ok_or(SignatureError::UnknownKey)?;
        let mut key = self.known().get(&key_id).cloned();
        if key.is_none() {
            self.fetch_unless_recent().await;
            key = self.known().get(&key_id).cloned();
        }
        let key = key.ok_or(SignatureError::UnknownKey)?;
        let mut validation = Validation::new(Algorithm::RS256);
        // The claims are judged against our own clock.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let decoded = jsonwebtoken::decode::<T>(token, &key, &validation);
        decoded.map(|decoded| decoded.claims).map_err(|error| match error.kind() {
            jsonwebtoken::errors::ErrorKind::InvalidSignature => SignatureError::Signature,
            _ => SignatureError::Malformed,
        })
    }

    pub(crate) fn set_address(&self, jwks_uri: &str) {
        *self.address.write().unwrap_or_else(PoisonError::into_inner) = Some(jwks_uri.to_owned());
    }

    /// Replaces what is known by what the issuer publishes now: a key that was taken back no longer counts.
    pub(crate) async fn fetch(&self) -> bool {
        let mut last = self.fetch.lock().await;
        *last = Some(self.clock.monotonic());
        self.ask().await
    }

    async fn fetch_unless_recent(&self) {
        let mut last = self.fetch.lock().await;
        let now = self.clock.monotonic();
        if last.is_some_and(|last| now.saturating_sub(last) < FETCH_PAUSE) {
            return;
        }
        *last = Some(now);
        self.ask().await;
    }

    async fn ask(&self) -> bool {
        let Some(address) = self.address.read().unwrap_or_else(PoisonError::into_inner).clone() else { return false };
        let Ok(request) = Request::get(&address).body(bytes::Bytes::new()) else { return false };
        let answer = match self.client.send(request).await {
            Ok(answer) if answer.status().is_success() => answer,
            Ok(answer) => {
                tracing::warn!(status = answer.status().as_u16(), "the issuer's keys could not be read");
                return false;
            }
            Err(error) => {
                tracing::warn!(%error, "the issuer's keys could not be read");
                return false;
            }
        };
        let keys = read_keys(answer.body());
        if keys.is_empty() {
            tracing::warn!("the issuer publishes no usable key");
            return false;
        }
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        true
    }

    fn known(&self) -> Arc<BTreeMap<String, DecodingKey>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Debug, Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

/// RFC 7517 §4, RFC 7518 §6.3.
#[derive(Debug, Deserialize)]
struct RsaKey {
    kty: String,
    kid: String,
    #[serde(rename = "use")]
    key_use: Option<String>,
    alg: Option<String>,
    n: String,
    e: String,
}

/// The keys that may sign for the issuer; others in the set are not for us.
fn read_keys(json: &[u8]) -> BTreeMap<String, DecodingKey> {
    let Ok(set) = serde_json::from_slice::<KeySet>(json) else { return BTreeMap::new() };
    set.keys.into_iter().take(KEYS).filter_map(read_key).collect()
}

fn read_key(value: serde_json::Value) -> Option<(String, DecodingKey)> {
    let key: RsaKey = serde_json::from_value(value).ok()?;
    let signs =
        key.key_use.as_deref().is_none_or(|key_use| key_use == "sig") && key.alg.as_deref().is_none_or(|alg| alg == "RS256");
    let modulus = URL_SAFE_NO_PAD.decode(&key.n).ok()?;
    let exponent = URL_SAFE_NO_PAD.decode(&key.e).ok()?;
    let strong = modulus.iter().skip_while(|byte| **byte == 0).count() >= 256;
    (key.kty == "RSA" && signs && strong).then(|| (key.kid, DecodingKey::from_rsa_raw_components(&modulus, &exponent)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_strong_rsa_signing_keys_are_taken() {
        let key = |change: serde_json::Value| {
            let mut key = json!({"kty": "RSA", "kid": "1", "use": "sig", "alg": "RS256", "n": URL_SAFE_NO_PAD.encode([0xff; 256]), "e": "AQAB"});
            key.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            read_keys(json!({ "keys": [key] }).to_string().as_bytes()).len()
        };
        assert_eq!(key(json!({})), 1);
        assert_eq!(key(json!({"n": URL_SAFE_NO_PAD.encode([0xff; 255])})), 0);
        assert_eq!(key(json!({"n": URL_SAFE_NO_PAD.encode([&[0; 10][..], &[0xff; 250]].concat())})), 0);
        assert_eq!(key(json!({"use": "enc"})), 0);
        assert_eq!(key(json!({"alg": "RS512"})), 0);
        assert_eq!(key(json!({"kty": "oct", "k": "AAAA"})), 0);
        assert_eq!(read_keys(b"not json").len(), 0);
    }
}
