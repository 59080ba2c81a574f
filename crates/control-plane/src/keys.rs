//! Signing keys: RSA-2048, made here, kept sealed in the store, rotated with an overlap. RS256 and nothing else.
//!
//! The private half never leaves this module. `exp`, `nbf`, `iss` and `aud` are checked against the `now` that the caller
//! passes, not against a clock of the JWT library's own.

pub(crate) mod rotation;

use crate::state::ControlPlane;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use model::{AppId, Timestamp};
use protocol::oidc::AccessTokenClaims;
use rotation::KeyTimes;
use runtime::Clock;
use runtime::seal::Sealer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use store::signing_key::SigningKey;
use store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

/// `typ` of access and ID tokens.
pub(crate) const TOKEN_TYPE: &str = "JWT";
const SEAL_PURPOSE: &str = "signing key";
/// How often the rows are looked at: far more often than `rotation` needs.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// No token of ours is longer; what is, is not parsed.
const LONGEST_TOKEN_TEXT: usize = 16 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("the store cannot be used")]
    Store(#[from] StoreError),
    #[error("signing key `{0}` in the store is unreadable")]
    Unreadable(String),
    #[error("a signing key could not be made")]
    Generation,
    #[error("no signing key is in force")]
    NoKey,
    #[error("the claims could not be signed")]
    Signing,
}

/// Why a token is not ours, or not for this audience, or not for this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the token is malformed")]
    Malformed,
    #[error("the token's algorithm or type is not accepted")]
    Algorithm,
    #[error("the token is signed with an unknown key")]
    UnknownKey,
    #[error("the token's signature is wrong")]
    Signature,
    #[error("the token is from another issuer")]
    Issuer,
    #[error("the token is for another audience")]
    Audience,
    #[error("the token has expired or is not valid yet")]
    Lifetime,
}

/// The keys in force, read from the store and read again every minute.
#[derive(Debug)]
pub struct SigningKeys {
    loaded: RwLock<Arc<Loaded>>,
    clock: Clock,
    period: Duration,
}

#[derive(Default)]
struct Loaded {
    times: Vec<KeyTimes>,
    keys: BTreeMap<String, LoadedKey>,
}

struct LoadedKey {
    pair: RsaKeyPair,
    public_jwk: Value,
}

impl SigningKeys {
    pub async fn open(store: &Store, sealer: &Sealer, clock: &Clock, period: Duration) -> Result<Self, KeyError> {
        let keys = Self { loaded: RwLock::default(), clock: clock.clone(), period };
        keys.maintain(store, sealer).await?;
        Ok(keys)
    }

    /// A JWS (RFC 7515 §7.1) with the header `{"typ":typ,"alg":"RS256","kid":…}`.
    ///
    /// The key pair is kept parsed: the JWT library would parse and check it anew for each signature.
    pub fn sign(&self, claims: &impl Serialize, typ: &str) -> Result<String, KeyError> {
        let loaded = self.loaded();
        let times = rotation::signing(&loaded.times, self.clock.now()).ok_or(KeyError::NoKey)?;
        let key = loaded.keys.get(&times.kid).ok_or(KeyError::NoKey)?;
        let header = json!({"typ": typ, "alg": "RS256", "kid": times.kid});
        let claims = serde_json::to_vec(claims).map_err(|_| KeyError::Signing)?;
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims));
        let mut signature = vec![0; key.pair.public_modulus_len()];
        key.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature)
            .map_err(|_| KeyError::Signing)?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The claims of an access token for `audience`, valid at `now`.
    pub fn verify_access_token(
        &self,
        token: &str,
        issuer: &str,
        audience: &AppId,
        now: Timestamp,
    ) -> Result<AccessTokenClaims, TokenError> {
        let claims: AccessTokenClaims = self.verify_signature(token, TOKEN_TYPE, now)?;
        if claims.iss != issuer {
            return Err(TokenError::Issuer);
        }
        if claims.aud != audience.as_str() {
            return Err(TokenError::Audience);
        }
        if claims.exp <= now.seconds() || claims.nbf > now.seconds() {
            return Err(TokenError::Lifetime);
        }
        Ok(claims)
    }

    /// The claims of a token that these keys signed; what they mean, and whether they still hold, is the caller's to ask.
    pub fn verify_signature<T: DeserializeOwned + Clone>(&self, token: &str, typ: &str, now: Timestamp) -> Result<T, TokenError> {
        if token.len() > LONGEST_TOKEN_TEXT {
            return Err(TokenError::Malformed);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
        if header.alg != Algorithm::RS256 || header.typ.as_deref() != Some(typ) || header.crit.is_some() {
            return Err(TokenError::Algorithm);
        }
        let kid = header.kid.ok_or(TokenError::UnknownKey)?;
        let loaded = self.loaded();
        if !rotation::published(&loaded.times, now).any(|times| times.kid == kid) {
            return Err(TokenError::UnknownKey);
        }
        let key = loaded.keys.get(&kid).ok_or(TokenError::UnknownKey)?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        let public = DecodingKey::from_rsa_der(key.pair.public_key().as_ref());
        jsonwebtoken::decode(token, &public, &validation).map(|data| data.claims).map_err(|_| TokenError::Signature)
    }

    /// The JWK Set (RFC 7517 §5): the key in use, the next one, and retired ones whose tokens may still live.
    pub fn published(&self, now: Timestamp) -> Value {
        let loaded = self.loaded();
        let keys = rotation::published(&loaded.times, now).filter_map(|times| loaded.keys.get(&times.kid));
        json!({"keys": keys.map(|key| key.public_jwk.clone()).collect::<Vec<_>>()})
    }

    /// Does what `rotation::plan` says, in one transaction, and reads the rows again.
    pub async fn maintain(&self, store: &Store, sealer: &Sealer) -> Result<(), KeyError> {
        let rows = store::signing_key::all(store).await?;
        let now = self.clock.now();
        let rows = if rotation::plan(&times(&rows), self.period, now) == rotation::Plan::default() {
            rows
        } else {
            self.carry_out(store, sealer, now).await?
        };
        let loaded = Arc::new(Loaded::open(&rows, &self.loaded(), sealer)?);
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(())
    }

    async fn carry_out(&self, store: &Store, sealer: &Sealer, now: Timestamp) -> Result<Vec<SigningKey>, KeyError> {
        // Made before the transaction: it takes a second, in which nobody else could write.
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Generation)?;
        let mut tx = store.begin().await?;
        // Planned anew inside: another process may have done it in between.
        let plan = rotation::plan(&times(&store::signing_key::all_in(&mut tx).await?), self.period, now);
        for kid in &plan.delete {
            store::signing_key::delete(&mut tx, kid).await?;
        }
        if let Some((active_from, retire_at)) = plan.create {
            let row = row(&pair, sealer, now, active_from, retire_at)?;
            store::signing_key::insert(&mut tx, &row).await?;
            tracing::info!(kid = row.kid, %active_from, "a signing key was made");
        }
        let rows = store::signing_key::all_in(&mut tx).await?;
        tx.commit().await?;
        Ok(rows)
    }

    fn loaded(&self) -> Arc<Loaded> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Keeps the keys in force until `shutdown`.
pub(crate) async fn run(state: ControlPlane, shutdown: CancellationToken) {
    let mut interval = tokio::time::interval(LOOK_AGAIN);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = interval.tick() => {}
        }
        if let Err(error) = state.keys.maintain(&state.store, &state.sealer).await {
            tracing::error!(%error, "signing keys could not be looked after; those in force stay");
        }
    }
}

impl Loaded {
    /// Keys that `before` holds are not unsealed again.
    fn open(rows: &[SigningKey], before: &Self, sealer: &Sealer) -> Result<Self, KeyError> {
        let mut keys = BTreeMap::new();
        for row in rows {
            let unreadable = || KeyError::Unreadable(row.kid.clone());
            let pair = match before.keys.get(&row.kid) {
                Some(known) => known.pair.clone(),
                None => {
                    let private = sealer.open(SEAL_PURPOSE, &row.sealed_private).ok_or_else(unreadable)?;
                    RsaKeyPair::from_pkcs8(&private).map_err(|_| unreadable())?
                }
            };
            let public_jwk = serde_json::from_str(&row.public_jwk).map_err(|_| unreadable())?;
            keys.insert(row.kid.clone(), LoadedKey { pair, public_jwk });
        }
        Ok(Self { times: times(rows), keys })
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.times.fmt(formatter)
    }
}

fn times(rows: &[SigningKey]) -> Vec<KeyTimes> {
    rows.iter().map(|row| KeyTimes { kid: row.kid.clone(), active_from: row.active_from, retire_at: row.retire_at }).collect()
}

fn row(
    pair: &RsaKeyPair,
    sealer: &Sealer,
    now: Timestamp,
    active_from: Timestamp,
    retire_at: Timestamp,
) -> Result<SigningKey, KeyError> {
    let private: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| KeyError::Generation)?;
    let modulus = URL_SAFE_NO_PAD.encode(modulus(pair.public_key().as_ref()).ok_or(KeyError::Generation)?);
    // The thumbprint (RFC 7638 §3): members in this order, without spaces.
    let kid = runtime::hash::sha256_base64url(format!(r#"{{"e":"AQAB","kty":"RSA","n":"{modulus}"}}"#).as_bytes());
    let public_jwk = json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": modulus, "e": "AQAB"});
    Ok(SigningKey {
        sealed_private: sealer.seal(SEAL_PURPOSE, private.as_ref()),
        public_jwk: public_jwk.to_string(),
        kid,
        created: now,
        active_from,
        retire_at,
    })
}

/// The modulus of a DER `RSAPublicKey` (RFC 8017 §A.1.1) of 2048 bits and exponent 65537: the only kind made here.
fn modulus(der: &[u8]) -> Option<&[u8]> {
    let rest = der.strip_prefix(&[0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00])?;
    let (modulus, exponent) = rest.split_at_checked(256)?;
    (exponent == [0x02, 0x03, 0x01, 0x00, 0x01]).then_some(modulus)
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::StoreOptions;

    struct Fixture {
        store: Store,
        sealer: Sealer,
        clock: Clock,
        _folder: tempfile::TempDir,
    }

    const PERIOD: Duration = Duration::from_secs(30 * 24 * 3600);
    const AUDIENCE: &str = "aaaaaaaa-0000-0000-0000-000000000000";
    const ISSUER: &str = "https://localhost:8443/t/v2.0";

    async fn fixture() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db"), StoreOptions::default()).await.unwrap();
        let clock = Clock::manual(Timestamp::from_seconds(1_800_000_000));
        Fixture { store, sealer: Sealer::new(&[3; 32]), clock, _folder: folder }
    }

    async fn open(fixture: &Fixture) -> SigningKeys {
        SigningKeys::open(&fixture.store, &fixture.sealer, &fixture.clock, PERIOD).await.unwrap()
    }

    fn claims(now: Timestamp) -> AccessTokenClaims {
        serde_json::from_value(json!({
            "aud": AUDIENCE, "iss": ISSUER, "iat": now.seconds(), "nbf": now.seconds(), "exp": now.seconds() + 3600,
            "sub": "u", "oid": "u", "tid": "t", "uti": "1", "ver": "2.0", "azp": "c", "azpacr": "0",
        }))
        .unwrap()
    }

    fn verify(keys: &SigningKeys, token: &str, now: Timestamp) -> Result<AccessTokenClaims, TokenError> {
        keys.verify_access_token(token, ISSUER, &AppId::new(AUDIENCE), now)
    }

    #[tokio::test]
    async fn a_token_is_verified_with_what_is_published_and_only_while_it_lives() {
        let fixture = fixture().await;
        let keys = open(&fixture).await;
        let now = fixture.clock.now();
        let token = keys.sign(&claims(now), TOKEN_TYPE).unwrap();
        assert_eq!(verify(&keys, &token, now).unwrap(), claims(now));
        assert_eq!(verify(&keys, &token, now.plus(Duration::from_secs(3600))), Err(TokenError::Lifetime));
        assert_eq!(verify(&keys, &token, now.minus(Duration::from_secs(1))), Err(TokenError::Lifetime));
        let other = AppId::new("bbbbbbbb-0000-0000-0000-000000000000");
        assert_eq!(keys.verify_access_token(&token, ISSUER, &other, now), Err(TokenError::Audience));
        let issuer = "https://evil.example/t/v2.0";
        assert_eq!(keys.verify_access_token(&token, issuer, &AppId::new(AUDIENCE), now), Err(TokenError::Issuer));
        // With the published key alone, by the JWT library.
        let published = keys.published(now);
        let jwk = serde_json::from_value(published["keys"][0].clone()).unwrap();
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&[AUDIENCE]);
        validation.validate_exp = false;
        let data = jsonwebtoken::decode::<Value>(&token, &DecodingKey::from_jwk(&jwk).unwrap(), &validation).unwrap();
        assert_eq!(data.claims["aud"], AUDIENCE);
        assert_eq!(data.header.kid.unwrap(), published["keys"][0]["kid"].as_str().unwrap());
    }

    #[tokio::test]
    async fn forgeries_are_refused() {
        let fixture = fixture().await;
        let keys = open(&fixture).await;
        let now = fixture.clock.now();
        let token = keys.sign(&claims(now), TOKEN_TYPE).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let kid = jsonwebtoken::decode_header(&token).unwrap().kid.unwrap();
        let with_header =
            |header: Value, signature: &str| format!("{}.{}.{signature}", URL_SAFE_NO_PAD.encode(header.to_string()), parts[1]);
        // `alg: none`, and a MAC keyed with the public key.
        assert_eq!(
            verify(&keys, &with_header(json!({"alg": "none", "typ": "JWT", "kid": kid}), ""), now),
            Err(TokenError::Malformed)
        );
        let confused = with_header(json!({"alg": "HS256", "typ": "JWT", "kid": kid}), parts[2]);
        assert_eq!(verify(&keys, &confused, now), Err(TokenError::Algorithm));
        let stronger = with_header(json!({"alg": "RS512", "typ": "JWT", "kid": kid}), parts[2]);
        assert_eq!(verify(&keys, &stronger, now), Err(TokenError::Algorithm));
        // Another type of token, signed with the same key.
        let event = keys.sign(&claims(now), "secevent+jwt").unwrap();
        assert_eq!(verify(&keys, &event, now), Err(TokenError::Algorithm));
        let unknown = with_header(json!({"alg": "RS256", "typ": "JWT", "kid": "other"}), parts[2]);
        assert_eq!(verify(&keys, &unknown, now), Err(TokenError::UnknownKey));
        let embedded =
            with_header(json!({"alg": "RS256", "typ": "JWT", "jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}}), parts[2]);
        assert_eq!(verify(&keys, &embedded, now), Err(TokenError::UnknownKey));
        let critical = with_header(json!({"alg": "RS256", "typ": "JWT", "kid": kid, "crit": ["x"]}), parts[2]);
        assert_eq!(verify(&keys, &critical, now), Err(TokenError::Algorithm));
        let mut bent = claims(now);
        bent.oid = "someone else".to_owned();
        let bent = format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(serde_json::to_vec(&bent).unwrap()), parts[2]);
        assert_eq!(verify(&keys, &bent, now), Err(TokenError::Signature));
        for text in ["", ".", "..", "a.b.c", &"x".repeat(LONGEST_TOKEN_TEXT + 1)] {
            assert!(verify(&keys, text, now).is_err());
        }
    }

    #[tokio::test]
    async fn keys_rotate_and_old_tokens_outlive_their_key() {
        let fixture = fixture().await;
        let keys = open(&fixture).await;
        let kids = |keys: &SigningKeys| -> Vec<String> {
            let published = keys.published(fixture.clock.now());
            published["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
        };
        let first = kids(&keys);
        assert_eq!(first.len(), 1);
        // A day before the period ends, the next key is published but does not sign.
        fixture.clock.advance(PERIOD - Duration::from_secs(20 * 3600));
        keys.maintain(&fixture.store, &fixture.sealer).await.unwrap();
        assert_eq!(kids(&keys).len(), 2);
        let old = keys.sign(&claims(fixture.clock.now()), TOKEN_TYPE).unwrap();
        assert_eq!(jsonwebtoken::decode_header(&old).unwrap().kid.unwrap(), first[0]);
        // Then it signs, and the old one still verifies. Another process reads the same.
        fixture.clock.advance(Duration::from_secs(20 * 3600 - 600));
        let late = keys.sign(&claims(fixture.clock.now()), TOKEN_TYPE).unwrap();
        fixture.clock.advance(Duration::from_secs(1200));
        let other_process = open(&fixture).await;
        let new = other_process.sign(&claims(fixture.clock.now()), TOKEN_TYPE).unwrap();
        assert_ne!(jsonwebtoken::decode_header(&new).unwrap().kid.unwrap(), first[0]);
        assert!(verify(&other_process, &late, fixture.clock.now()).is_ok());
        assert!(verify(&keys, &new, fixture.clock.now()).is_ok());
        // In the end the first key is gone from the store too.
        fixture.clock.advance(Duration::from_secs(3 * 3600));
        keys.maintain(&fixture.store, &fixture.sealer).await.unwrap();
        assert!(!kids(&keys).contains(&first[0]));
        assert_eq!(verify(&keys, &late, fixture.clock.now()), Err(TokenError::UnknownKey));
        assert_eq!(store::signing_key::all(&fixture.store).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn the_private_half_is_sealed_and_another_data_key_does_not_open_it() {
        let fixture = fixture().await;
        open(&fixture).await;
        let row = store::signing_key::all(&fixture.store).await.unwrap().remove(0);
        assert!(RsaKeyPair::from_pkcs8(&row.sealed_private).is_err());
        let other = SigningKeys::open(&fixture.store, &Sealer::new(&[4; 32]), &fixture.clock, PERIOD).await;
        assert!(matches!(other, Err(KeyError::Unreadable(_))));
    }
}
