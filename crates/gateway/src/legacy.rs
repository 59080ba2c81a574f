//! HTTP Basic (RFC 7617), for applications that opted in: the credentials go to the control plane, which verifies them and
//! decides as client app `other`. Each request is decided anew; nothing about it is kept.

use crate::application::PublishedApplication;
use crate::gateway::Gateway;
use crate::session::Session;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use model::UserId;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

const USERNAME_SIZE: usize = 256;
const PASSWORD_SIZE: usize = 1024;
const USER_AGENT_SIZE: usize = 512;
/// Seconds. A request of a legacy client is short; what streams longer is decided again.
const LONGEST_RIGHT: i64 = 3600;
/// Wrong name or password, as opposed to a policy's refusal (AADSTS numbers).
const WRONG_CREDENTIALS: [i64; 4] = [50034, 50056, 50126, 50053];

#[derive(Debug)]
pub(crate) enum LegacyError {
    /// Not readable as credentials.
    Malformed,
    /// Decided: no.
    Refused(LegacyRefusal),
    /// Too many checks at once, here or there.
    Busy,
    /// No decision, so no access.
    Undecided,
}

/// An error body of the control plane.
#[derive(Debug, Deserialize)]
pub(crate) struct LegacyRefusal {
    #[serde(default)]
    pub(crate) error: String,
    #[serde(default)]
    pub(crate) error_description: String,
    #[serde(default)]
    error_codes: Vec<i64>,
}

impl LegacyRefusal {
    pub(crate) fn is_wrong_credentials(&self) -> bool {
        self.error_codes.iter().any(|code| WRONG_CREDENTIALS.contains(code))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    application: &'a str,
    username: &'a str,
    password: &'a str,
    ip_address: String,
    user_agent: &'a str,
}

#[derive(Deserialize)]
struct Decision {
    allowed: bool,
    user: Option<LegacyUser>,
    session_expires_in: Option<i64>,
    /// When it was decided, in seconds of the control plane's clock, which also stamps events.
    issued_at: Option<i64>,
    error: Option<LegacyRefusal>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LegacyUser {
    id: UserId,
    #[serde(default)]
    user_principal_name: String,
    #[serde(default)]
    display_name: String,
}

pub(crate) async fn check(
    gateway: &Gateway,
    application: &PublishedApplication,
    encoded: &str,
    user_agent: &str,
    address: IpAddr,
) -> Result<Session, LegacyError> {
    let credentials = decode(encoded).ok_or(LegacyError::Malformed)?;
    let (username, password) = credentials.split_once(':').ok_or(LegacyError::Malformed)?;
    if username.is_empty() || username.len() > USERNAME_SIZE || password.len() > PASSWORD_SIZE {
        return Err(LegacyError::Malformed);
    }
    let _turn = gateway.inner.legacy_turns.try_acquire().map_err(|_| LegacyError::Busy)?;
    gateway.inner.metrics.legacy_checks.increment();
    // Without a time of its own, the right is as old as the question: a revocation while it is decided counts.
    let asked = gateway.inner.clock.now().seconds();
    let question = Question {
        application: application.app_id.as_str(),
        username,
        password,
        ip_address: address.to_canonical().to_string(),
        user_agent: user_agent
            .char_indices()
            .nth(USER_AGENT_SIZE)
            .map_or(user_agent, |(end, _)| user_agent.get(..end).unwrap_or_default()),
    };
    let decision = ask(gateway, &question).await?;
    match decision {
        Decision { allowed: true, user: Some(user), session_expires_in: Some(seconds), issued_at, .. } if seconds > 0 => {
            Ok(Session {
                user: user.id,
                session: None,
                device: None,
                name: user.display_name,
                preferred_username: user.user_principal_name,
                issued_at: issued_at.unwrap_or(asked),
                expires: asked.saturating_add(seconds.min(LONGEST_RIGHT)),
                token_id: runtime::random::guid(),
                resilience_disabled: true,
            })
        }
        Decision { allowed: false, error: Some(refusal), .. } => Err(LegacyError::Refused(refusal)),
        Decision { .. } => Err(LegacyError::Undecided),
    }
}

async fn ask(gateway: &Gateway, question: &Question<'_>) -> Result<Decision, LegacyError> {
    let address = format!("{}/{}/gateway/basic", gateway.inner.names.control_plane, gateway.inner.names.tenant);
    let body = serde_json::to_vec(question).map_err(|_| LegacyError::Undecided)?;
    let request = Request::post(address)
        .header(CONTENT_TYPE, "application/json")
        .body(Bytes::from(body))
        .map_err(|_| LegacyError::Undecided)?;
    let answer = gateway.inner.control_plane.call(request).await.map_err(|error| {
        tracing::warn!(%error, "a legacy client could not be decided");
        LegacyError::Undecided
    })?;
    match answer.status() {
        StatusCode::OK => serde_json::from_slice(answer.body()).map_err(|_| LegacyError::Undecided),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Err(LegacyError::Busy),
        status => {
            tracing::warn!(status = status.as_u16(), "a legacy client could not be decided");
            Err(LegacyError::Undecided)
        }
    }
}

fn decode(encoded: &str) -> Option<String> {
    if encoded.len() > 4 * (USERNAME_SIZE + PASSWORD_SIZE) {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    // RFC 7617 §2: no control characters.
    (!text.chars().any(char::is_control)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_base64_utf8_without_control_characters() {
        assert_eq!(decode(&STANDARD.encode("lee@w:pässword:x")), Some("lee@w:pässword:x".to_owned()));
        assert_eq!(decode(&STANDARD.encode("lee\0:x")), None);
        assert_eq!(decode(&STANDARD.encode([0xff, 0xfe])), None);
        assert_eq!(decode("!"), None);
    }
}
