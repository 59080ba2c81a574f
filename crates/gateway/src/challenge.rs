//! What a caller is told who may not go on: a browser is sent to sign in, a program gets a status, a reason it can read
//! and the challenge of its scheme (RFC 6750 §3, RFC 7617 §2, and Entra's claims challenge for a revoked token).

use crate::answer::{self, Caller, Message};
use crate::application::PublishedApplication;
use crate::authenticate::{AuthenticationError, Means};
use crate::authorize::Refusal;
use crate::gateway::Gateway;
use crate::legacy::LegacyError;
use crate::sign_in;
use crate::target::Target;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use protocol::revocation;
use runtime::client::Body;
use serde_json::json;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Challenge<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) application: &'a PublishedApplication,
    pub(crate) caller: Caller,
    pub(crate) websocket: bool,
}

/// The error of a bearer challenge.
#[derive(Clone, Copy, Debug)]
enum BearerError<'a> {
    /// Nothing was presented (RFC 6750 §3.1: no error code then).
    None,
    InvalidToken(&'a str),
    /// A newer token would do: issued after this second.
    InsufficientClaims {
        issued_after: i64,
    },
}

impl Challenge<'_> {
    pub(crate) fn unauthenticated(self, error: &AuthenticationError, headers: &HeaderMap, target: &Target) -> Response<Body> {
        match error {
            AuthenticationError::Nothing => self.sign_in(headers, target),
            AuthenticationError::Bearer(reason) => self.unauthorized(BearerError::InvalidToken(reason), reason),
            AuthenticationError::Ambiguous => {
                let text = "The request carries credentials that can be read in more than one way.";
                self.say(StatusCode::BAD_REQUEST, "invalid_request", "Not served", text)
            }
            AuthenticationError::Legacy(error) => self.legacy(error),
        }
    }

    pub(crate) fn refused(self, refusal: Refusal, means: Means, headers: &HeaderMap, target: &Target) -> Response<Body> {
        let text = match refusal {
            Refusal::Expired => "The session has ended.",
            Refusal::Revoked(_) => "Access was revoked.",
            Refusal::BeforeStream => "The session is older than this gateway's event stream.",
            Refusal::Silent => return self.gateway.silent(self.caller),
            Refusal::Busy => {
                let mut answer = self.say(
                    StatusCode::TOO_MANY_REQUESTS,
                    "too_many_requests",
                    "Too much at once",
                    "Too many requests are in flight.",
                );
                answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
                return answer;
            }
            Refusal::Unassertable => {
                let text = "The request could not be passed on.";
                return self.say(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "Not available right now", text);
            }
            Refusal::Unpublished => {
                return self.say(StatusCode::NOT_FOUND, "not_found", "Not found", "There is nothing at this address.");
            }
            Refusal::Stopping => {
                return answer::unavailable(self.caller, "temporarily_unavailable", "This gateway is stopping.", 5);
            }
        };
        if means == Means::Cookie && self.caller.navigates && !self.websocket {
            return self.sign_in(headers, target);
        }
        match refusal {
            Refusal::Revoked(revocation::Refusal::Revoked { revoked_before }) => {
                self.unauthorized(BearerError::InsufficientClaims { issued_after: revoked_before }, text)
            }
            Refusal::Revoked(revocation::Refusal::Disabled)
            | Refusal::Expired
            | Refusal::BeforeStream
            | Refusal::Silent
            | Refusal::Busy
            | Refusal::Unassertable
            | Refusal::Unpublished
            | Refusal::Stopping => self.unauthorized(BearerError::InvalidToken(text), text),
        }
    }

    fn sign_in(self, headers: &HeaderMap, target: &Target) -> Response<Body> {
        if self.caller.navigates && !self.websocket {
            return sign_in::begin(self.gateway, self.application, headers, target);
        }
        self.unauthorized(BearerError::None, "This application asks for a signed-in person or an access token.")
    }

    fn legacy(self, error: &LegacyError) -> Response<Body> {
        match error {
            LegacyError::Malformed => self.unauthorized(BearerError::None, "The credentials cannot be read."),
            LegacyError::Refused(refusal) => {
                let status = if refusal.is_wrong_credentials() { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN };
                let body = json!({"error": refusal.error, "error_description": refusal.error_description});
                let mut answer = answer::json(status, &body);
                if status == StatusCode::UNAUTHORIZED {
                    self.append_basic(&mut answer);
                }
                answer
            }
            LegacyError::Busy => {
                let mut answer = self.say(
                    StatusCode::TOO_MANY_REQUESTS,
                    "too_many_requests",
                    "Too much at once",
                    "Too many sign-ins are being checked.",
                );
                answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
                answer
            }
            LegacyError::Undecided => answer::unavailable(
                self.caller,
                "temporarily_unavailable",
                "The sign-in could not be decided, so it is refused.",
                5,
            ),
        }
    }

    /// 401 with the challenges of every scheme that would be taken.
    fn unauthorized(self, error: BearerError<'_>, text: &str) -> Response<Body> {
        let code = match error {
            BearerError::None => "unauthorized",
            BearerError::InvalidToken(_) => "invalid_token",
            BearerError::InsufficientClaims { .. } => "insufficient_claims",
        };
        let mut answer = self.say(StatusCode::UNAUTHORIZED, code, "Sign-in needed", text);
        if let Ok(value) = HeaderValue::from_str(&self.bearer_challenge(error)) {
            answer.headers_mut().append(WWW_AUTHENTICATE, value);
        }
        self.append_basic(&mut answer);
        answer
    }

    fn bearer_challenge(self, error: BearerError<'_>) -> String {
        let authorization_uri = self.gateway.inner.control_plane.discovery().map_or_else(
            |_| String::new(),
            |discovery| format!(", authorization_uri=\"{}\"", quotable(&discovery.authorization_endpoint)),
        );
        let detail = match error {
            BearerError::None => String::new(),
            BearerError::InvalidToken(reason) => format!(", error=\"invalid_token\", error_description=\"{}\"", quotable(reason)),
            BearerError::InsufficientClaims { issued_after } => {
                // Equal seconds count as revoked, so the next one is asked for.
                let not_before = issued_after.saturating_add(1).to_string();
                let claims = json!({"access_token": {"nbf": {"essential": true, "value": not_before}}}).to_string();
                format!(", error=\"insufficient_claims\", claims=\"{}\"", STANDARD.encode(claims))
            }
        };
        format!("Bearer realm=\"\"{authorization_uri}{detail}")
    }

    fn append_basic(self, answer: &mut Response<Body>) {
        if self.application.accepts_basic {
            answer
                .headers_mut()
                .append(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"countersign\", charset=\"UTF-8\""));
        }
    }

    fn say(self, status: StatusCode, code: &str, title: &str, text: &str) -> Response<Body> {
        answer::message(self.caller, Message { status, code, title, text })
    }
}

/// What may stand between quotes in a header (RFC 6750 §3: no `"` and no `\`).
fn quotable(text: &str) -> String {
    text.chars().filter(|character| matches!(character, ' '..='~') && !matches!(character, '"' | '\\')).collect()
}
