//! Signals: what others must hear of at once, as Security Event Tokens (RFC 8417) over Shared Signals streams (SSF 1.0).
//!
//! `raise` writes an event into the outbox, inside the transaction of what caused it; `dispatcher` delivers in commit
//! order until it is acknowledged; `transmitter` is the interface on which receivers manage their streams.
//! INVARIANT: nothing here drops an event for a stream that is enabled. A receiver that refuses one hears nothing else
//! until it takes it, and its own silence rule then closes it.

pub(crate) mod dispatcher;
pub(crate) mod stream;
pub(crate) mod transmitter;

pub use dispatcher::run;
pub use transmitter::routes;

use crate::state::ControlPlane;
use model::{SessionId, TenantId, Timestamp, UserId};
use protocol::secevent::{SubjectId, event_type};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use store::{StoreError, Tx};

/// Something that happened to a subject.
#[derive(Clone, Debug, PartialEq)]
pub struct SecurityEvent {
    pub subject: SubjectId,
    /// One of `protocol::secevent::event_type`.
    pub event_type: &'static str,
    /// `event_timestamp` is added when it is raised.
    pub claims: Map<String, Value>,
}

/// An outbox row's body: a token without what differs from stream to stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Envelope {
    pub(crate) iat: i64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) txn: Option<String>,
    pub(crate) sub_id: SubjectId,
    pub(crate) events: BTreeMap<String, Value>,
    /// Only this stream is to have it (a verification that it asked for).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) stream: Option<String>,
}

/// Who or what made it happen (CAEP 1.0 §2, `initiating_entity`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitiatingEntity {
    Admin,
    User,
    Policy,
}

impl InitiatingEntity {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::User => "user",
            Self::Policy => "policy",
        }
    }
}

impl SecurityEvent {
    /// About a person as a whole.
    pub fn about_user(
        state: &ControlPlane,
        tenant: &TenantId,
        user: &UserId,
        event_type: &'static str,
        initiating_entity: InitiatingEntity,
    ) -> Self {
        let subject = SubjectId::user(&state.issuer(tenant), user.as_str());
        Self { subject, event_type, claims: claims(initiating_entity) }
    }

    /// One session is over: signed out, or its refresh token was used twice.
    pub fn session_revoked(
        state: &ControlPlane,
        tenant: &TenantId,
        user: &UserId,
        session: &SessionId,
        initiating_entity: InitiatingEntity,
    ) -> Self {
        let subject = SubjectId::session(&state.issuer(tenant), user.as_str(), session.as_str());
        Self { subject, event_type: event_type::SESSION_REVOKED, claims: claims(initiating_entity) }
    }

    /// Adds one claim of the event's own.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }
}

fn claims(initiating_entity: InitiatingEntity) -> Map<String, Value> {
    Map::from_iter([("initiating_entity".to_owned(), json!(initiating_entity.as_str()))])
}

/// Writes `event` into the outbox. `now` must have been read after `tx` began: a token issued by a transaction that
/// committed before this one is then never stamped later than the event.
/// `cause` (a correlation id) becomes the token's `txn`, the same for all events of one cause.
pub async fn raise(tx: &mut Tx, event: SecurityEvent, now: Timestamp, cause: &str) -> Result<(), StoreError> {
    let SecurityEvent { subject, event_type, mut claims } = event;
    claims.entry("event_timestamp").or_insert_with(|| json!(now.seconds()));
    let events = BTreeMap::from([(event_type.to_owned(), Value::Object(claims))]);
    let envelope = Envelope { iat: now.seconds(), txn: Some(cause.to_owned()), sub_id: subject, events, stream: None };
    append(tx, &envelope, now).await
}

pub(crate) async fn append(tx: &mut Tx, envelope: &Envelope, now: Timestamp) -> Result<(), StoreError> {
    // Maps with string keys and plain members: serde_json has no reason to fail.
    let body = serde_json::to_string(envelope).unwrap_or_default();
    store::outbox::append(tx, &runtime::random::guid(), &body, now).await?;
    Ok(())
}
