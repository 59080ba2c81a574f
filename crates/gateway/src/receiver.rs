//! `POST /ssf/events`: security event tokens pushed by the transmitter (RFC 8935), the way any Shared Signals receiver
//! gets them. Accepted means applied: the revocation is recorded, its flows are cut, and only then comes the 202.

use crate::answer;
use crate::authenticate::presents;
use crate::flow::CutReason;
use crate::gateway::Gateway;
use crate::issuer_keys::{SignatureError, TokenKind};
use crate::signals::VerificationState;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use protocol::revocation::{Action, Revocation};
use protocol::secevent::{self, DeliveryErrorCode, SecurityEventToken, event_type};
use runtime::client::Body;
use serde_json::Value;
use std::time::Duration;

pub(crate) const EVENTS: &str = "/ssf/events";

const BODY_TIME: Duration = Duration::from_secs(10);
/// How far, in seconds, an event's time may be ahead of ours.
const SKEW: i64 = 300;

#[derive(Debug, thiserror::Error)]
enum EventError {
    #[error("{description}")]
    Refused { code: DeliveryErrorCode, description: String },
    /// Not now; the transmitter tries again.
    #[error("no stream is open")]
    NotNow,
}

fn refused(code: DeliveryErrorCode, description: impl Into<String>) -> EventError {
    EventError::Refused { code, description: description.into() }
}

pub(crate) async fn receive(gateway: &Gateway, request: Request<Incoming>) -> Response<Body> {
    if request.method() != Method::POST {
        return answer::method_not_allowed("POST");
    }
    let accepted = match read(gateway, request).await {
        Ok(token) => accept(gateway, &token).await,
        Err(error) => Err(error),
    };
    match accepted {
        Ok(()) => answer::empty(StatusCode::ACCEPTED),
        Err(EventError::NotNow) => {
            let mut answer = answer::empty(StatusCode::SERVICE_UNAVAILABLE);
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            answer
        }
        Err(EventError::Refused { code, description }) => {
            gateway.inner.metrics.events_refused.increment();
            match code {
                // From strangers; anybody can make as many of these as they like.
                DeliveryErrorCode::AuthenticationFailed => {
                    tracing::debug!("a push without the stream's authorization was refused")
                }
                DeliveryErrorCode::InvalidRequest
                | DeliveryErrorCode::InvalidKey
                | DeliveryErrorCode::InvalidIssuer
                | DeliveryErrorCode::InvalidAudience
                | DeliveryErrorCode::AccessDenied
                | DeliveryErrorCode::InvalidState => tracing::warn!(?code, %description, "a pushed event was refused"),
            }
            answer::json(StatusCode::BAD_REQUEST, &serde_json::json!({"err": code, "description": description}))
        }
    }
}

/// The token's text, from the transmitter that we told our secret to.
async fn read(gateway: &Gateway, request: Request<Incoming>) -> Result<String, EventError> {
    if !presents(request.headers(), &gateway.inner.push_authorization) {
        return Err(refused(DeliveryErrorCode::AuthenticationFailed, "the authorization header is not the stream's"));
    }
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case(secevent::CONTENT_TYPE) {
        return Err(refused(DeliveryErrorCode::InvalidRequest, format!("the content type must be {}", secevent::CONTENT_TYPE)));
    }
    let body = Limited::new(request.into_body(), gateway.inner.config.limits.event_size).collect();
    let body = tokio::time::timeout(BODY_TIME, body).await;
    let body = body
        .ok()
        .and_then(Result::ok)
        .ok_or_else(|| refused(DeliveryErrorCode::InvalidRequest, "the body is unreadable or too large"))?;
    String::from_utf8(body.to_bytes().to_vec()).map_err(|_| refused(DeliveryErrorCode::InvalidRequest, "the body is not text"))
}

async fn accept(gateway: &Gateway, text: &str) -> Result<(), EventError> {
    let stream = gateway.inner.signals.stream().ok_or(EventError::NotNow)?;
    let claims: Value = gateway.inner.issuer_keys.verify(text.trim(), TokenKind::SecurityEvent).await.map_err(|error| {
        let code = match error {
            SignatureError::UnknownKey | SignatureError::Signature => DeliveryErrorCode::InvalidKey,
            SignatureError::Malformed | SignatureError::Algorithm | SignatureError::Type => DeliveryErrorCode::InvalidRequest,
        };
        refused(code, error.to_string())
    })?;
    if claims.get("sub").is_some() || claims.get("exp").is_some() {
        // SSF 1.0 §4: so that an access token or ID token can never pass for an event.
        return Err(refused(DeliveryErrorCode::InvalidRequest, "a security event token has no `sub` and no `exp`"));
    }
    let token: SecurityEventToken =
        serde_json::from_value(claims).map_err(|error| refused(DeliveryErrorCode::InvalidRequest, error.to_string()))?;
    if token.iss != gateway.inner.names.issuer {
        return Err(refused(DeliveryErrorCode::InvalidIssuer, "the issuer is not this stream's"));
    }
    if token.aud != stream.audience {
        return Err(refused(DeliveryErrorCode::InvalidAudience, "the audience is not this stream's"));
    }
    let now = gateway.inner.clock.now().seconds();
    if token.jti.is_empty() || token.iat > now.saturating_add(SKEW) {
        return Err(refused(DeliveryErrorCode::InvalidRequest, "the event has no identifier, or is from the future"));
    }
    if gateway.inner.signals.is_known(&token.jti) {
        return Ok(());
    }
    apply(gateway, &token, now)
}

fn apply(gateway: &Gateway, token: &SecurityEventToken, now: i64) -> Result<(), EventError> {
    let verification = verification_state(token);
    if gateway.inner.signals.verification_state(verification) == VerificationState::Unknown {
        return Err(refused(DeliveryErrorCode::InvalidState, "this receiver asked for no verification with that state"));
    }
    let revocation = Revocation::read(token).map_err(|error| refused(DeliveryErrorCode::InvalidRequest, error.to_string()))?;
    if let Some(revocation) = revocation {
        gateway.inner.signals.revoke(&revocation);
        // An `account-enabled` cuts nothing: it gives back what later tokens are for.
        let cut = match revocation.action {
            Action::Revoke | Action::Disable => gateway.inner.flows.cut(&revocation.subject, CutReason::Revoked),
            Action::Enable => 0,
        };
        gateway.inner.metrics.cut_revoked.add(cut);
        tracing::info!(event = %token.jti, action = ?revocation.action, cut, "a revocation was applied");
    }
    gateway.inner.metrics.events_accepted.increment();
    gateway.inner.signals.heard(&token.jti, verification, token.iat, now, gateway.inner.clock.monotonic());
    if says_stopped(token) {
        tracing::warn!("the transmitter stopped the event stream");
        gateway.inner.signals.end_stream();
    }
    Ok(())
}

fn verification_state(token: &SecurityEventToken) -> Option<&str> {
    token.events.get(event_type::VERIFICATION)?.get("state").and_then(Value::as_str)
}

/// A stream that is not enabled may lose events: it is made anew.
fn says_stopped(token: &SecurityEventToken) -> bool {
    let update = token.events.get(event_type::STREAM_UPDATED);
    update.is_some_and(|claims| claims.get("status").and_then(Value::as_str) != Some("enabled"))
}
