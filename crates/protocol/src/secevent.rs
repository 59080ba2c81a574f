//! Security Event Tokens (RFC 8417), their subjects (RFC 9493), push delivery (RFC 8935) and the Shared Signals
//! Framework 1.0's stream objects. Shapes only: signing, sending and storing are the shells'.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// `typ` of a SET (RFC 8417 §2.3).
pub const TOKEN_TYPE: &str = "secevent+jwt";
/// `Content-Type` of a pushed SET (RFC 8935 §2.1).
pub const CONTENT_TYPE: &str = "application/secevent+jwt";
/// Delivery by push (SSF 1.0 §6.1.1).
pub const DELIVERY_PUSH: &str = "urn:ietf:rfc:8935";

/// Event types: CAEP 1.0, RISC 1.0 and the framework's own.
pub mod event_type {
    pub const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
    pub const CREDENTIAL_CHANGE: &str = "https://schemas.openid.net/secevent/caep/event-type/credential-change";
    pub const ACCOUNT_DISABLED: &str = "https://schemas.openid.net/secevent/risc/event-type/account-disabled";
    pub const ACCOUNT_ENABLED: &str = "https://schemas.openid.net/secevent/risc/event-type/account-enabled";
    pub const ACCOUNT_PURGED: &str = "https://schemas.openid.net/secevent/risc/event-type/account-purged";
    pub const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";
    pub const STREAM_UPDATED: &str = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated";

    /// What this transmitter can send.
    pub const SUPPORTED: [&str; 5] = [SESSION_REVOKED, CREDENTIAL_CHANGE, ACCOUNT_DISABLED, ACCOUNT_ENABLED, ACCOUNT_PURGED];
}

/// The claims of a SET. There is no `sub` and no `exp` (SSF 1.0 §4): a SET tells what happened, it does not expire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SecurityEventToken {
    pub iss: String,
    pub jti: String,
    pub iat: i64,
    pub aud: String,
    /// One for each transaction: events with the same `txn` come from one cause.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub txn: Option<String>,
    pub sub_id: SubjectId,
    /// Event type → its claims. SSF 1.0 sends exactly one.
    pub events: BTreeMap<String, Value>,
}

/// A subject identifier (RFC 9493 §3), and SSF's `complex` (SSF 1.0 §3.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "format", rename_all = "snake_case")]
pub enum SubjectId {
    IssSub { iss: String, sub: String },
    Opaque { id: String },
    Email { email: String },
    Complex(ComplexSubject),
}

/// Every member given must match (SSF 1.0 §3.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct ComplexSubject {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Box<SubjectId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Box<SubjectId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<Box<SubjectId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application: Option<Box<SubjectId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Box<SubjectId>>,
}

impl SubjectId {
    pub fn user(issuer: &str, subject: &str) -> Self {
        Self::IssSub { iss: issuer.to_owned(), sub: subject.to_owned() }
    }

    pub fn session(issuer: &str, subject: &str, session: &str) -> Self {
        Self::Complex(ComplexSubject {
            user: Some(Box::new(Self::user(issuer, subject))),
            session: Some(Box::new(Self::Opaque { id: session.to_owned() })),
            ..ComplexSubject::default()
        })
    }
}

/// The body of a 400 answer to a pushed SET (RFC 8935 §2.3), with `invalid_state` of SSF 1.0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryError {
    pub err: DeliveryErrorCode,
    pub description: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryErrorCode {
    InvalidRequest,
    InvalidKey,
    InvalidIssuer,
    InvalidAudience,
    AuthenticationFailed,
    AccessDenied,
    InvalidState,
}

/// `/.well-known/ssf-configuration` (SSF 1.0 §7.1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransmitterMetadata {
    pub spec_version: String,
    pub issuer: String,
    pub jwks_uri: String,
    pub delivery_methods_supported: Vec<String>,
    pub configuration_endpoint: String,
    pub status_endpoint: String,
    pub verification_endpoint: String,
    pub authorization_schemes: Vec<AuthorizationScheme>,
    pub default_subjects: String,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuthorizationScheme {
    pub spec_urn: String,
}

/// A stream (SSF 1.0 §8.1.1): what the receiver sends to create it, and what it gets back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamConfiguration {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stream_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub iss: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub aud: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events_supported: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events_requested: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events_delivered: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_verification_interval: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub method: String,
    pub endpoint_url: String,
    /// What the transmitter puts into `Authorization` when it pushes. Never read back from the transmitter.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub authorization_header: Option<String>,
}

/// `POST` to the verification endpoint (SSF 1.0 §8.1.4.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerificationRequest {
    pub stream_id: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub state: Option<String>,
}

/// A stream's status (SSF 1.0 §8.1.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamStatus {
    pub stream_id: String,
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Events are delivered.
    Enabled,
    /// Events are held until it is enabled again.
    Paused,
    /// Events are dropped.
    Disabled,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_session_revoked_token_has_the_shape_of_caep() {
        let token = SecurityEventToken {
            iss: "https://idp.example/123/".to_owned(),
            jti: "24c63fb56e5a2d77a6b512616ca9fa24".to_owned(),
            iat: 1_615_305_159,
            aud: "https://sp.example/caep".to_owned(),
            txn: Some("8675309".to_owned()),
            sub_id: SubjectId::session("https://idp.example/123/", "jane", "dMTlD"),
            events: BTreeMap::from([(event_type::SESSION_REVOKED.to_owned(), json!({"event_timestamp": 1_615_304_991}))]),
        };
        let value = serde_json::to_value(&token).unwrap();
        assert_eq!(
            value,
            json!({
                "iss": "https://idp.example/123/",
                "jti": "24c63fb56e5a2d77a6b512616ca9fa24",
                "iat": 1_615_305_159,
                "aud": "https://sp.example/caep",
                "txn": "8675309",
                "sub_id": {
                    "format": "complex",
                    "user": {"format": "iss_sub", "iss": "https://idp.example/123/", "sub": "jane"},
                    "session": {"format": "opaque", "id": "dMTlD"}
                },
                "events": {"https://schemas.openid.net/secevent/caep/event-type/session-revoked": {"event_timestamp": 1_615_304_991}}
            })
        );
        assert_eq!(serde_json::from_value::<SecurityEventToken>(value).unwrap(), token);
    }
}
