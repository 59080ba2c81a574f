//! From a verified token to a session, and from a session to a sealed cookie and back. A session says what the token said;
//! it adds no right and outlives nothing.

use crate::application::PublishedApplication;
use crate::flow::FlowFacts;
use model::{AppId, SessionId, Timestamp, UserId};
use runtime::seal::Sealer;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How far the issuer's clock may be ahead of ours.
const SKEW: i64 = 60;
/// Browsers drop cookies of more than 4096 bytes, silently; that would be a loop of sign-ins.
const COOKIE_SIZE: usize = 3800;
const NAME_SIZE: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    #[serde(rename = "u")]
    pub user: UserId,
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<SessionId>,
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<String>,
    #[serde(rename = "n", default)]
    pub(crate) name: String,
    #[serde(rename = "p", default)]
    pub(crate) preferred_username: String,
    /// Seconds.
    #[serde(rename = "i")]
    pub(crate) issued_at: i64,
    /// Seconds.
    #[serde(rename = "e")]
    pub(crate) expires: i64,
    /// `uti`: tells two tokens of one second apart.
    #[serde(rename = "t", default)]
    pub(crate) token_id: String,
    #[serde(rename = "r", default)]
    pub(crate) resilience_disabled: bool,
}

impl Session {
    pub(crate) fn facts(&self, application: &PublishedApplication) -> FlowFacts {
        FlowFacts {
            user: self.user.clone(),
            session: self.session.clone(),
            device: self.device.clone(),
            application: application.app_id.clone(),
            issued_at: self.issued_at,
            expires: self.expires,
            grace: application.resilience.filter(|_| !self.resilience_disabled),
        }
    }

    /// `None` when it would not fit into a cookie.
    pub(crate) fn seal(&self, sealer: &Sealer, application: &AppId) -> Option<String> {
        let plain = serde_json::to_vec(self).ok()?;
        Some(sealer.seal_text(&purpose(application), &plain)).filter(|sealed| sealed.len() <= COOKIE_SIZE)
    }

    /// `None` for a cookie that this gateway did not seal, for this application.
    pub(crate) fn open(sealed: &str, sealer: &Sealer, application: &AppId) -> Option<Self> {
        if sealed.len() > COOKIE_SIZE {
            return None;
        }
        serde_json::from_slice(&sealer.open_text(&purpose(application), sealed)?).ok()
    }
}

/// A cookie is good for one application: taken to another it does not open.
fn purpose(application: &AppId) -> String {
    format!("access:{application}")
}

/// Claims that this gateway judges, of ID and access tokens (Entra v2 names).
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Claims {
    iss: String,
    /// One audience; a token for several is for nobody in particular (RFC 8725 §3.9).
    aud: String,
    exp: i64,
    iat: i64,
    nbf: Option<i64>,
    oid: Option<UserId>,
    sid: Option<SessionId>,
    azp: Option<AppId>,
    uti: Option<String>,
    idtyp: Option<String>,
    nonce: Option<String>,
    name: Option<String>,
    preferred_username: Option<String>,
    deviceid: Option<String>,
    resilience_defaults: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClaimsError {
    #[error("the token is of another issuer")]
    Issuer,
    #[error("the token is for another audience")]
    Audience,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYet,
    #[error("the token lives longer than this gateway remembers revocations")]
    TooLong,
    #[error("the token is not of the kind that is needed here")]
    Kind,
    #[error("the token answers another request")]
    Nonce,
    #[error("the token names nobody")]
    Nobody,
}

/// What a token is judged against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) audience: &'a AppId,
    pub(crate) longest_life: Duration,
    pub(crate) now: Timestamp,
}

/// An access token for one of our applications.
pub(crate) fn from_access_token(claims: &Claims, expected: Expected<'_>) -> Result<Session, ClaimsError> {
    check(claims, expected)?;
    // An ID token of an application that is itself a client has the same audience, but a nonce and no `azp`.
    if claims.azp.is_none() || claims.nonce.is_some() {
        return Err(ClaimsError::Kind);
    }
    let user = claims.oid.clone().filter(|user| !user.as_str().is_empty()).ok_or(ClaimsError::Nobody)?;
    // Only a program that acts as itself has no session to revoke.
    if claims.sid.is_none() && claims.idtyp.as_deref() != Some("app") {
        return Err(ClaimsError::Nobody);
    }
    let short = |text: &Option<String>| text.as_deref().unwrap_or_default().chars().take(NAME_SIZE).collect();
    Ok(Session {
        user,
        session: claims.sid.clone(),
        device: claims.deviceid.as_deref().map(str::to_lowercase),
        name: short(&claims.name),
        preferred_username: short(&claims.preferred_username),
        issued_at: claims.iat,
        expires: claims.exp,
        token_id: short(&claims.uti),
        resilience_disabled: claims.resilience_defaults.as_deref() == Some("disabled"),
    })
}

/// The ID token of a sign-in that we began with `nonce` (OpenID Connect Core §3.1.3.7): who signed in, in which session.
pub(crate) fn from_id_token<'a>(
    claims: &'a Claims,
    nonce: &str,
    expected: Expected<'_>,
) -> Result<(&'a UserId, Option<&'a SessionId>), ClaimsError> {
    check(claims, expected)?;
    if claims.azp.as_ref().is_some_and(|azp| azp != expected.audience) {
        return Err(ClaimsError::Audience);
    }
    let same = claims.nonce.as_deref().is_some_and(|claimed| runtime::hash::equal(claimed.as_bytes(), nonce.as_bytes()));
    if !same {
        return Err(ClaimsError::Nonce);
    }
    Ok((claims.oid.as_ref().ok_or(ClaimsError::Nobody)?, claims.sid.as_ref()))
}

/// Was the access token given to this client?
pub(crate) fn is_given_to(claims: &Claims, client: &AppId) -> bool {
    claims.azp.as_ref() == Some(client)
}

fn check(claims: &Claims, expected: Expected<'_>) -> Result<(), ClaimsError> {
    let now = expected.now.seconds();
    let life = i64::try_from(expected.longest_life.as_secs()).unwrap_or(i64::MAX);
    if claims.iss != expected.issuer {
        return Err(ClaimsError::Issuer);
    }
    if AppId::new(&claims.aud) != *expected.audience {
        return Err(ClaimsError::Audience);
    }
    if claims.exp <= now {
        return Err(ClaimsError::Expired);
    }
    if claims.iat > now.saturating_add(SKEW) || claims.nbf.is_some_and(|nbf| nbf > now.saturating_add(SKEW)) {
        return Err(ClaimsError::NotYet);
    }
    if claims.exp.saturating_sub(claims.iat) > life { Err(ClaimsError::TooLong) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn judged(change: Value) -> Result<Session, ClaimsError> {
        let mut value = json!({
            "iss": "https://i", "aud": "APP", "exp": 2000, "iat": 1000, "nbf": 1000, "oid": "U", "sid": "S", "azp": "g",
            "name": "Alex", "preferred_username": "alex@w", "uti": "t"
        });
        for (name, change) in change.as_object().unwrap() {
            value.as_object_mut().unwrap().insert(name.clone(), change.clone());
        }
        let audience = AppId::new("app");
        let expected = Expected {
            issuer: "https://i",
            audience: &audience,
            longest_life: Duration::from_secs(3600),
            now: Timestamp::from_seconds(1500),
        };
        from_access_token(&serde_json::from_value(value).unwrap(), expected)
    }

    #[test]
    fn an_access_token_is_judged_by_every_claim() {
        let session = judged(json!({})).unwrap();
        assert_eq!((session.user.as_str(), session.expires), ("u", 2000));
        assert_eq!(judged(json!({"iss": "https://i/"})), Err(ClaimsError::Issuer));
        assert_eq!(judged(json!({"aud": "g"})), Err(ClaimsError::Audience));
        assert_eq!(judged(json!({"exp": 1500})), Err(ClaimsError::Expired));
        assert_eq!(judged(json!({"nbf": 1561})), Err(ClaimsError::NotYet));
        assert_eq!(judged(json!({"iat": 1561})), Err(ClaimsError::NotYet));
        assert_eq!(judged(json!({"iat": -9000})), Err(ClaimsError::TooLong));
        assert_eq!(judged(json!({"azp": null})), Err(ClaimsError::Kind));
        assert_eq!(judged(json!({"nonce": "n"})), Err(ClaimsError::Kind));
        assert_eq!(judged(json!({"oid": null})), Err(ClaimsError::Nobody));
        assert_eq!(judged(json!({"sid": null})), Err(ClaimsError::Nobody));
        assert_eq!(judged(json!({"sid": null, "idtyp": "app"})).unwrap().session, None);
        assert!(judged(json!({"resilience_defaults": "disabled"})).unwrap().resilience_disabled);
    }

    #[test]
    fn a_cookie_opens_for_its_application_alone() {
        let session = judged(json!({})).unwrap();
        let sealer = Sealer::new(&[1; 32]);
        let sealed = session.seal(&sealer, &AppId::new("app")).unwrap();
        assert_eq!(Session::open(&sealed, &sealer, &AppId::new("app")), Some(session));
        assert_eq!(Session::open(&sealed, &sealer, &AppId::new("other")), None);
        assert_eq!(Session::open(&sealed, &Sealer::new(&[2; 32]), &AppId::new("app")), None);
        assert_eq!(Session::open("nonsense", &sealer, &AppId::new("app")), None);
    }
}
