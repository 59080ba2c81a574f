//! The signed assertion: how an application behind the gateway learns who is calling. A JWT (ES256), good for a minute,
//! for one application, checked with the keys at `/.auth/keys`.

use crate::config::StartError;
use crate::session::Session;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use http::header::HeaderValue;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use model::{AppId, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Seconds.
const LIFE: i64 = 60;
/// How long, in seconds, one assertion is given out for the same session.
const REUSE: i64 = 30;
const CACHE_SIZE: usize = 8192;

#[derive(Debug, thiserror::Error)]
#[error("an assertion could not be signed")]
pub(crate) struct AssertionError;

pub(crate) struct Assertions {
    issuer: String,
    key: EncodingKey,
    header: Header,
    public: Jwk,
    cache: Mutex<BTreeMap<CacheKey, Cached>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct CacheKey {
    application: AppId,
    user: String,
    session: Option<String>,
    token_id: String,
    issued_at: i64,
}

#[derive(Clone, Debug)]
struct Cached {
    at: i64,
    value: HeaderValue,
}

#[derive(Debug, Serialize)]
struct AssertionClaims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    preferred_username: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: String,
}

impl std::fmt::Debug for Assertions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Assertions").field("key", &self.header.kid).finish_non_exhaustive()
    }
}

impl Assertions {
    /// With a fresh key, which is known to this process alone.
    pub(crate) fn new(issuer: &str) -> Result<Self, StartError> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_| StartError::AssertionKey)?;
        let key = EncodingKey::from_ec_der(pkcs8.as_ref());
        let mut public = Jwk::from_encoding_key(&key, Algorithm::ES256).map_err(|_| StartError::AssertionKey)?;
        // RFC 7638: the key's name follows from the key.
        let key_id = public.thumbprint(ThumbprintHash::SHA256).map_err(|_| StartError::AssertionKey)?;
        public.common.key_id = Some(key_id.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(key_id);
        Ok(Self { issuer: issuer.to_owned(), key, header, public, cache: Mutex::default() })
    }

    /// A JWK set (RFC 7517 §5).
    pub(crate) fn key_set(&self) -> serde_json::Value {
        serde_json::json!({ "keys": [self.public] })
    }

    /// Who `session` is, for `application`.
    pub(crate) fn assert(&self, session: &Session, application: &AppId, now: Timestamp) -> Result<HeaderValue, AssertionError> {
        let now = now.seconds();
        let key = CacheKey {
            application: application.clone(),
            user: session.user.as_str().to_owned(),
            session: session.session.as_ref().map(|session| session.as_str().to_owned()),
            token_id: session.token_id.clone(),
            issued_at: session.issued_at,
        };
        let is_fresh = |cached: &Cached| now >= cached.at && now < cached.at.saturating_add(REUSE);
        let reused = self.cache().get(&key).filter(|cached| is_fresh(cached)).map(|cached| cached.value.clone());
        if let Some(value) = reused {
            return Ok(value);
        }
        let value = self.sign(session, application, now)?;
        let mut cache = self.cache();
        if cache.len() >= CACHE_SIZE {
            cache.retain(|_, cached| is_fresh(cached));
        }
        if cache.len() >= CACHE_SIZE {
            cache.clear();
        }
        cache.insert(key, Cached { at: now, value: value.clone() });
        Ok(value)
    }

    fn sign(&self, session: &Session, application: &AppId, now: i64) -> Result<HeaderValue, AssertionError> {
        let claims = AssertionClaims {
            iss: &self.issuer,
            aud: application.as_str(),
            sub: session.user.as_str(),
            name: &session.name,
            preferred_username: &session.preferred_username,
            sid: session.session.as_ref().map(model::SessionId::as_str),
            iat: now,
            nbf: now,
            exp: now.saturating_add(LIFE).min(session.expires),
            jti: runtime::random::guid(),
        };
        let token = jsonwebtoken::encode(&self.header, &claims, &self.key).map_err(|_| AssertionError)?;
        let mut value = HeaderValue::try_from(token).map_err(|_| AssertionError)?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, BTreeMap<CacheKey, Cached>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{DecodingKey, Validation};
    use model::{SessionId, UserId};

    fn session(token_id: &str) -> Session {
        Session {
            user: UserId::new("u"),
            session: Some(SessionId::new("s")),
            device: None,
            name: "Alex".to_owned(),
            preferred_username: "alex@w".to_owned(),
            issued_at: 1,
            expires: 5000,
            token_id: token_id.to_owned(),
            resilience_disabled: false,
        }
    }

    #[test]
    fn an_application_can_check_it_with_the_published_key() {
        let assertions = Assertions::new("https://gateway").unwrap();
        let app = AppId::new("app");
        let value = assertions.assert(&session("t"), &app, Timestamp::from_seconds(1000)).unwrap();
        let jwk: Jwk = serde_json::from_value(assertions.key_set()["keys"][0].clone()).unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&["app"]);
        validation.set_issuer(&["https://gateway"]);
        validation.validate_exp = false;
        let decoded =
            jsonwebtoken::decode::<serde_json::Value>(value.as_bytes(), &DecodingKey::from_jwk(&jwk).unwrap(), &validation)
                .unwrap();
        assert_eq!(decoded.header.kid, jwk.common.key_id);
        assert_eq!(decoded.claims["sub"], "u");
        assert_eq!(decoded.claims["sid"], "s");
        assert_eq!(decoded.claims["preferred_username"], "alex@w");
        assert_eq!(decoded.claims["exp"], 1060);
    }

    #[test]
    fn one_is_reused_for_the_same_token_for_half_a_minute() {
        let assertions = Assertions::new("https://gateway").unwrap();
        let app = AppId::new("app");
        let at = |seconds, token_id| assertions.assert(&session(token_id), &app, Timestamp::from_seconds(seconds)).unwrap();
        assert_eq!(at(1000, "t"), at(1029, "t"));
        assert_ne!(at(1000, "t"), at(1030, "t"));
        assert_ne!(at(1030, "t"), at(1030, "other"));
        assert_ne!(at(1030, "t"), assertions.assert(&session("t"), &AppId::new("b"), Timestamp::from_seconds(1030)).unwrap());
    }
}
