//! The OpenID Connect relying party: authorization code with PKCE (RFC 7636), `state`, `nonce` and `iss` (RFC 9207). A
//! sign-in under way lives in a sealed cookie of the browser that began it; nothing is kept here.

use crate::answer::{self, Caller, Message};
use crate::application::PublishedApplication;
use crate::control_plane::Discovery;
use crate::cookies;
use crate::feed::Admission;
use crate::gateway::Gateway;
use crate::issuer_keys::TokenKind;
use crate::session::{self, Claims, Expected, Session};
use crate::target::Target;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use runtime::client::Body;
use runtime::{hash, random};
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(crate) const CALLBACK: &str = "/.auth/callback";

/// Seconds that a person may take.
const TRANSACTION_LIFE: i64 = 600;
/// Sign-ins under way in one browser, for one application.
const TRANSACTIONS: usize = 5;
/// Longer paths are not come back to.
const RETURN_SIZE: usize = 1024;
/// Times that a sign-in begins anew because its session was refused at once.
const ATTEMPTS: u8 = 3;
const STATE_SHOWN: usize = 8;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Transaction {
    state: String,
    nonce: String,
    verifier: String,
    /// Path and query on this host.
    return_to: String,
    begun: i64,
    attempt: u8,
}

#[derive(Debug, thiserror::Error)]
enum CallbackError {
    #[error("this sign-in was not begun in this browser, or took too long")]
    NoTransaction,
    #[error("the answer comes from another issuer")]
    Issuer,
    #[error("the answer carries no code")]
    NoCode,
    #[error("the control plane could not be asked")]
    Unreachable,
    #[error("the control plane did not accept the code")]
    CodeRefused,
    #[error("the tokens could not be accepted: {0}")]
    Token(String),
    #[error("the session does not fit into a cookie")]
    TooLarge,
    #[error("the new session was ended at once")]
    Ended,
}

/// Sends a browser to sign in, to come back to `return_to`.
pub(crate) fn begin(
    gateway: &Gateway,
    application: &PublishedApplication,
    headers: &HeaderMap,
    target: &Target,
) -> Response<Body> {
    let path = target.path_and_query();
    let return_to = if path.len() > RETURN_SIZE || path.starts_with("/.auth/") { "/".to_owned() } else { path };
    begin_attempt(gateway, application, headers, return_to, 1)
}

fn begin_attempt(
    gateway: &Gateway,
    application: &PublishedApplication,
    headers: &HeaderMap,
    return_to: String,
    attempt: u8,
) -> Response<Body> {
    let Ok(discovery) = gateway.inner.control_plane.discovery() else { return not_ready() };
    let transaction = Transaction {
        state: random::token(),
        nonce: random::token(),
        verifier: random::token(),
        return_to,
        begun: gateway.inner.clock.now().seconds(),
        attempt,
    };
    let address = authorization_address(gateway, application, &discovery, &transaction);
    let sealed = serde_json::to_vec(&transaction).map(|plain| gateway.inner.sealer.seal_text(&purpose(application), &plain));
    let (Some(mut answer), Ok(sealed)) = (answer::redirect(StatusCode::FOUND, &address), sealed) else { return not_ready() };
    for name in surplus(gateway, application, headers) {
        append(&mut answer, cookies::clear(&name));
    }
    append(&mut answer, cookies::set(&cookie_name(&transaction.state), &sealed, Some(TRANSACTION_LIFE)));
    answer
}

/// `GET /.auth/callback` (RFC 6749 §4.1.2).
pub(crate) async fn callback(
    gateway: &Gateway,
    application: &PublishedApplication,
    headers: &HeaderMap,
    target: &Target,
    caller: Caller,
) -> Response<Body> {
    let query = Query::read(target.query.as_deref().unwrap_or_default());
    let transaction = match find(gateway, application, headers, query.state.as_deref()) {
        Ok(transaction) => transaction,
        Err(error) => return refuse(caller, StatusCode::BAD_REQUEST, &error),
    };
    let mut answer = match finish(gateway, application, &query, &transaction).await {
        Ok(Outcome::Refused { code, description }) => {
            let title = "Access was not granted";
            answer::message(caller, Message { status: StatusCode::FORBIDDEN, code: &code, title, text: &description })
        }
        Ok(Outcome::SignedIn(session)) => arrive(gateway, application, headers, &transaction, &session, caller).await,
        Err(error @ CallbackError::Unreachable) => refuse(caller, StatusCode::BAD_GATEWAY, &error),
        Err(error) => {
            tracing::warn!(application = application.app_id.as_str(), %error, "a sign-in was refused");
            refuse(caller, StatusCode::FORBIDDEN, &error)
        }
    };
    // A code is good once; so is what belongs to it.
    append(&mut answer, cookies::clear(&cookie_name(&transaction.state)));
    answer
}

enum Outcome {
    SignedIn(Box<Session>),
    /// RFC 6749 §4.1.2.1.
    Refused {
        code: String,
        description: String,
    },
}

async fn finish(
    gateway: &Gateway,
    application: &PublishedApplication,
    query: &Query,
    transaction: &Transaction,
) -> Result<Outcome, CallbackError> {
    let discovery = gateway.inner.control_plane.discovery().map_err(|_| CallbackError::Unreachable)?;
    // RFC 9207 §2.4: against mix-up.
    match &query.iss {
        Some(issuer) if *issuer != discovery.issuer => return Err(CallbackError::Issuer),
        None if discovery.authorization_response_iss_parameter_supported => return Err(CallbackError::Issuer),
        Some(_) | None => {}
    }
    if let Some(code) = &query.error {
        let description = query.error_description.clone().unwrap_or_else(|| code.clone());
        return Ok(Outcome::Refused { code: code.clone(), description });
    }
    let code = query.code.as_deref().ok_or(CallbackError::NoCode)?;
    let answer = gateway
        .inner
        .control_plane
        .ask_token(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &redirect_uri(application)),
            ("code_verifier", &transaction.verifier),
        ])
        .await
        .map_err(|error| {
            tracing::warn!(%error, "a code could not be redeemed");
            CallbackError::Unreachable
        })?;
    if !answer.status().is_success() {
        return match serde_json::from_slice::<TokenError>(answer.body()) {
            Ok(error) if answer.status().is_client_error() => Ok(Outcome::Refused {
                description: error.error_description.unwrap_or_else(|| error.error.clone()),
                code: error.error,
            }),
            Ok(_) | Err(_) => Err(CallbackError::CodeRefused),
        };
    }
    let tokens: Tokens = serde_json::from_slice(answer.body()).map_err(|_| CallbackError::CodeRefused)?;
    accept(gateway, application, transaction, &tokens).await.map(|session| Outcome::SignedIn(Box::new(session)))
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    access_token: String,
}

#[derive(Deserialize)]
struct TokenError {
    error: String,
    error_description: Option<String>,
}

/// Both tokens, every claim, and that they speak of the same sign-in.
async fn accept(
    gateway: &Gateway,
    application: &PublishedApplication,
    transaction: &Transaction,
    tokens: &Tokens,
) -> Result<Session, CallbackError> {
    let refused = |error: &dyn std::fmt::Display| CallbackError::Token(error.to_string());
    let keys = &gateway.inner.issuer_keys;
    let id: Claims = keys.verify(&tokens.id_token, TokenKind::Jwt).await.map_err(|error| refused(&error))?;
    let access: Claims = keys.verify(&tokens.access_token, TokenKind::Jwt).await.map_err(|error| refused(&error))?;
    let client = &gateway.inner.config.client_id;
    let expected = Expected {
        issuer: &gateway.inner.names.issuer,
        audience: client,
        longest_life: gateway.inner.config.limits.token_life,
        now: gateway.inner.clock.now(),
    };
    let (user, session_id) = session::from_id_token(&id, &transaction.nonce, expected).map_err(|error| refused(&error))?;
    let session = session::from_access_token(&access, Expected { audience: &application.app_id, ..expected })
        .map_err(|error| refused(&error))?;
    let same = session.user == *user && session_id.is_none_or(|id| session.session.as_ref() == Some(id));
    if same && session::is_given_to(&access, client) {
        Ok(session)
    } else {
        Err(CallbackError::Token("they belong to different sign-ins".to_owned()))
    }
}

/// Sets the session's cookie and goes where the person wanted to. A session that would be refused there is not given out:
/// the sign-in begins again, a few times, once the second has passed that the refusal is about.
async fn arrive(
    gateway: &Gateway,
    application: &PublishedApplication,
    headers: &HeaderMap,
    transaction: &Transaction,
    session: &Session,
    caller: Caller,
) -> Response<Body> {
    match gateway.inner.signals.judge(&session.facts(application), gateway.inner.clock.monotonic()) {
        Ok(Admission::Live | Admission::Grace) => {}
        Ok(Admission::Silent) => return gateway.silent(caller),
        Ok(Admission::BeforeStream) | Err(_) if transaction.attempt < ATTEMPTS => {
            let past_second = gateway.inner.clock.now().micros().rem_euclid(1_000_000).unsigned_abs();
            tokio::time::sleep(Duration::from_micros(1_001_000_u64.saturating_sub(past_second))).await;
            return begin_attempt(
                gateway,
                application,
                headers,
                transaction.return_to.clone(),
                transaction.attempt.saturating_add(1),
            );
        }
        Ok(Admission::BeforeStream) | Err(_) => return refuse(caller, StatusCode::FORBIDDEN, &CallbackError::Ended),
    }
    let Some(sealed) = session.seal(&gateway.inner.sealer, &application.app_id) else {
        return refuse(caller, StatusCode::FORBIDDEN, &CallbackError::TooLarge);
    };
    // With the origin in front, no path can lead to another host.
    let address = format!("{}{}", application.origin, transaction.return_to);
    let Some(mut answer) = answer::redirect(StatusCode::SEE_OTHER, &address) else { return not_ready() };
    append(&mut answer, cookies::set(cookies::ACCESS, &sealed, None));
    tracing::debug!(user = session.user.as_str(), application = application.app_id.as_str(), "signed in");
    answer
}

fn authorization_address(
    gateway: &Gateway,
    application: &PublishedApplication,
    discovery: &Discovery,
    transaction: &Transaction,
) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", gateway.inner.config.client_id.as_str())
        .append_pair("response_type", "code")
        .append_pair("response_mode", "query")
        .append_pair("redirect_uri", &redirect_uri(application))
        .append_pair("scope", &format!("openid profile {}/.default", application.app_id))
        .append_pair("state", &transaction.state)
        .append_pair("nonce", &transaction.nonce)
        .append_pair("code_challenge", &hash::sha256_base64url(transaction.verifier.as_bytes()))
        .append_pair("code_challenge_method", "S256")
        .finish();
    let joint = if discovery.authorization_endpoint.contains('?') { '&' } else { '?' };
    format!("{}{joint}{query}", discovery.authorization_endpoint)
}

fn redirect_uri(application: &PublishedApplication) -> String {
    format!("{}{CALLBACK}", application.origin)
}

#[derive(Clone, Debug, Default)]
struct Query {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

impl Query {
    fn read(text: &str) -> Self {
        let mut query = Self::default();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            let place = match name.as_ref() {
                "code" => &mut query.code,
                "state" => &mut query.state,
                "iss" => &mut query.iss,
                "error" => &mut query.error,
                "error_description" => &mut query.error_description,
                _ => continue,
            };
            // RFC 6749 §3.1: a parameter that comes twice makes the whole answer invalid; without its state it is nothing.
            if place.replace(value.into_owned()).is_some() {
                return Self::default();
            }
        }
        query
    }
}

/// The transaction that `state` belongs to: begun in this browser, for this application, not long ago.
fn find(
    gateway: &Gateway,
    application: &PublishedApplication,
    headers: &HeaderMap,
    state: Option<&str>,
) -> Result<Transaction, CallbackError> {
    let state = state.filter(|state| state.len() >= STATE_SHOWN).ok_or(CallbackError::NoTransaction)?;
    let sealed = cookies::one(headers, &cookie_name(state)).ok_or(CallbackError::NoTransaction)?;
    let transaction = open(gateway, application, sealed).ok_or(CallbackError::NoTransaction)?;
    let same = hash::equal(transaction.state.as_bytes(), state.as_bytes());
    let age = gateway.inner.clock.now().seconds().saturating_sub(transaction.begun);
    if same && (0..=TRANSACTION_LIFE).contains(&age) { Ok(transaction) } else { Err(CallbackError::NoTransaction) }
}

fn open(gateway: &Gateway, application: &PublishedApplication, sealed: &str) -> Option<Transaction> {
    serde_json::from_slice(&gateway.inner.sealer.open_text(&purpose(application), sealed)?).ok()
}

/// Names of the transaction cookies that must go to make room for one more: what is not ours first, then the oldest.
fn surplus(gateway: &Gateway, application: &PublishedApplication, headers: &HeaderMap) -> Vec<String> {
    if !headers.contains_key(COOKIE) {
        return Vec::new();
    }
    let mut begun: Vec<(i64, &str)> = cookies::all(headers)
        .filter(|(name, _)| name.starts_with(cookies::SIGN_IN_PREFIX))
        .map(|(name, sealed)| (open(gateway, application, sealed).map_or(i64::MIN, |transaction| transaction.begun), name))
        .collect();
    begun.sort_unstable();
    let too_many = begun.len().saturating_sub(TRANSACTIONS - 1);
    begun.into_iter().take(too_many).map(|(_, name)| name.to_owned()).collect()
}

fn cookie_name(state: &str) -> String {
    format!("{}{}", cookies::SIGN_IN_PREFIX, state.get(..STATE_SHOWN).unwrap_or_default())
}

fn purpose(application: &PublishedApplication) -> String {
    format!("signin:{}", application.app_id)
}

fn refuse(caller: Caller, status: StatusCode, error: &CallbackError) -> Response<Body> {
    let title = "Sign-in did not succeed";
    answer::message(
        caller,
        Message { status, code: "sign_in_failed", title, text: &format!("Sign-in did not succeed: {error}.") },
    )
}

fn not_ready() -> Response<Body> {
    let caller = Caller { reads_pages: true, navigates: true };
    answer::unavailable(caller, "temporarily_unavailable", "The sign-in service cannot be reached at the moment.", 5)
}

fn append(answer: &mut Response<Body>, cookie: Option<HeaderValue>) {
    if let Some(cookie) = cookie {
        answer.headers_mut().append(SET_COOKIE, cookie);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_comes_twice_makes_the_answer_void() {
        let query = Query::read("code=a&state=b&session_state=x&iss=i");
        assert_eq!((query.code.as_deref(), query.state.as_deref(), query.iss.as_deref()), (Some("a"), Some("b"), Some("i")));
        let query = Query::read("code=a&state=b&code=c");
        assert_eq!((query.code, query.state), (None, None));
    }
}
