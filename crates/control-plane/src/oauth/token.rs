//! The token endpoint (RFC 6749 §3.2): which grant it is, and its answer or error in Entra's shape. The grants themselves are in
//! `code_grant`, `refresh` and `client_credentials`.

use crate::oauth::{client, client_credentials, code_grant, refresh};
use crate::sign_in::attempt::Attempt;
use crate::sign_in::failure::Failure;
use crate::state::ControlPlane;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use policy::answer::Decision;
use protocol::aadsts::{Aadsts, Fault};
use protocol::oauth::{Parameters, TokenGrant, TokenRequest};
use protocol::oidc::TokenResponse;
use serde_json::json;

pub(crate) async fn token(State(state): State<ControlPlane>, attempt: Attempt, body: Bytes) -> Response {
    match answer(&state, &attempt, &body).await {
        Ok(tokens) => (StatusCode::OK, no_store(), Json(tokens)).into_response(),
        Err(refusal) => error_response(&state, &attempt, refusal.failure, refusal.decision.as_ref()),
    }
}

pub(crate) async fn only_post(State(state): State<ControlPlane>, attempt: Attempt, method: Method) -> Response {
    error_response(&state, &attempt, Aadsts::OnlyPost.fault(&[method.as_str()]).into(), None)
}

/// Why there is no token; and the decision that did it, for the claims challenge.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub failure: Failure,
    pub decision: Option<Decision>,
}

impl<F: Into<Failure>> From<F> for Refusal {
    fn from(failure: F) -> Self {
        Self { failure: failure.into(), decision: None }
    }
}

async fn answer(state: &ControlPlane, attempt: &Attempt, body: &[u8]) -> Result<TokenResponse, Refusal> {
    attempt.tenant()?;
    let parameters = Parameters::parse(body)?;
    let request = TokenRequest::read(&parameters, attempt.authorization.as_deref())?;
    let client = client::authenticate(state, attempt, &request.client).await?;
    match &request.grant {
        TokenGrant::AuthorizationCode { code, redirect_uri, code_verifier } => {
            let shown = code_grant::Shown { code, redirect_uri, code_verifier: code_verifier.as_ref() };
            code_grant::redeem(state, attempt, client, &shown).await
        }
        TokenGrant::RefreshToken { refresh_token, scopes } => {
            let asked = refresh::Asked { scopes: scopes.as_ref(), claims: request.claims.as_deref() };
            refresh::refresh(state, attempt, client, refresh_token, asked).await
        }
        TokenGrant::ClientCredentials { scopes, scope_text } => {
            client_credentials::grant(state, attempt, client, scopes, scope_text).await
        }
    }
}

/// The error body; also for the other endpoints that speak JSON.
pub(crate) fn error_response(state: &ControlPlane, attempt: &Attempt, failure: Failure, decision: Option<&Decision>) -> Response {
    let fault = failure.into_fault(&attempt.correlation_id);
    let mut body = fault.body(&attempt.occurrence(state.config.base(), state.clock.now()));
    body.claims = decision.and_then(|decision| claims_challenge(&fault, decision));
    let status = StatusCode::from_u16(fault.aadsts.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = (status, no_store(), Json(body)).into_response();
    let headers = response.headers_mut();
    match status {
        // RFC 6749 §5.2: a client that used the header hears in it what is accepted.
        StatusCode::UNAUTHORIZED if attempt.authorization.is_some() => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"token\""));
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        _ => {}
    }
    response
}

/// What the client sends back as `claims` when it takes the person to sign in again: the policies that ask.
fn claims_challenge(fault: &Fault, decision: &Decision) -> Option<String> {
    if fault.aadsts.token_error() != "interaction_required" || decision.owed.is_empty() {
        return None;
    }
    let policies: Vec<&str> = decision.owed.iter().map(|owed| owed.policy_id.as_str()).collect();
    Some(json!({"access_token": {"capolids": {"essential": true, "values": policies}}}).to_string())
}

fn no_store() -> [(header::HeaderName, HeaderValue); 2] {
    [(header::CACHE_CONTROL, HeaderValue::from_static("no-store")), (header::PRAGMA, HeaderValue::from_static("no-cache"))]
}
