//! Who is calling: a bearer token, HTTP Basic credentials where the application takes them, or our session cookie.
//! Exactly one of them counts, and a wrong one is never made up for by another.

use crate::application::PublishedApplication;
use crate::cookies;
use crate::gateway::Gateway;
use crate::issuer_keys::TokenKind;
use crate::legacy::{self, LegacyError};
use crate::session::{self, Claims, Expected, Session};
use http::HeaderMap;
use http::header::{AUTHORIZATION, ORIGIN, USER_AGENT};
use runtime::hash;
use runtime::listen::Peer;

/// By what means a caller authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    Cookie,
    Bearer,
    Basic,
}

#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) session: Session,
    pub(crate) means: Means,
}

#[derive(Debug)]
pub(crate) enum AuthenticationError {
    /// Nothing was offered, or a cookie that no longer opens.
    Nothing,
    /// A bearer token that does not hold, and why (for its holder to read).
    Bearer(String),
    /// More than one credential in `Authorization`.
    Ambiguous,
    Legacy(LegacyError),
}

pub(crate) async fn authenticate(
    gateway: &Gateway,
    application: &PublishedApplication,
    headers: &HeaderMap,
    peer: Peer,
) -> Result<Identity, AuthenticationError> {
    let mut credentials = headers.get_all(AUTHORIZATION).iter();
    let credential = credentials.next();
    if credentials.next().is_some() {
        return Err(AuthenticationError::Ambiguous);
    }
    let text = credential.map(|value| value.to_str().map_err(|_| AuthenticationError::Ambiguous)).transpose()?;
    match text.map(|text| text.split_once(' ').unwrap_or((text, ""))) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => bearer(gateway, application, token.trim()).await,
        Some((scheme, encoded)) if scheme.eq_ignore_ascii_case("basic") && application.accepts_basic => {
            let user_agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
            // There is nothing established that could go on in a grace.
            if gateway.is_silent() {
                return Err(AuthenticationError::Nothing);
            }
            let session = legacy::check(gateway, application, encoded.trim(), user_agent, peer.address.ip()).await;
            session.map(|session| Identity { session, means: Means::Basic }).map_err(AuthenticationError::Legacy)
        }
        // Of a scheme that this application does not take: as if it were not there, and it goes no further either.
        Some(_) | None => cookie(gateway, application, headers),
    }
}

/// Does the one `Authorization` say exactly this?
pub(crate) fn presents(headers: &HeaderMap, authorization: &str) -> bool {
    let mut credentials = headers.get_all(AUTHORIZATION).iter();
    match (credentials.next(), credentials.next()) {
        (Some(credential), None) => hash::equal(credential.as_bytes(), authorization.as_bytes()),
        (None, _) | (Some(_), Some(_)) => false,
    }
}

/// Was the request made by a page of another origin? Browsers tell with every POST and every WebSocket (RFC 6454 §7); what
/// sends no `Origin` is no browser, and has no cookies but its own.
pub(crate) fn is_foreign(headers: &HeaderMap, application: &PublishedApplication) -> bool {
    headers.get_all(ORIGIN).iter().any(|origin| origin.as_bytes() != application.origin.as_bytes())
}

fn cookie(gateway: &Gateway, application: &PublishedApplication, headers: &HeaderMap) -> Result<Identity, AuthenticationError> {
    let sealed = cookies::one(headers, cookies::ACCESS).ok_or(AuthenticationError::Nothing)?;
    let session = Session::open(sealed, &gateway.inner.sealer, &application.app_id).ok_or(AuthenticationError::Nothing)?;
    Ok(Identity { session, means: Means::Cookie })
}

async fn bearer(gateway: &Gateway, application: &PublishedApplication, token: &str) -> Result<Identity, AuthenticationError> {
    let claims: Claims = gateway
        .inner
        .issuer_keys
        .verify(token, TokenKind::Jwt)
        .await
        .map_err(|error| AuthenticationError::Bearer(error.to_string()))?;
    let expected = Expected {
        issuer: &gateway.inner.names.issuer,
        audience: &application.app_id,
        longest_life: gateway.inner.config.limits.token_life,
        now: gateway.inner.clock.now(),
    };
    let session =
        session::from_access_token(&claims, expected).map_err(|error| AuthenticationError::Bearer(error.to_string()))?;
    Ok(Identity { session, means: Means::Bearer })
}
