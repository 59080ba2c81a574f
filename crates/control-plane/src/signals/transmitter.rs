//! The transmitter's interface (Shared Signals Framework 1.0 §7 and §8): what it is, and how a receiver makes, changes,
//! pauses, verifies and removes its streams. A stream is its client's alone; to any other it does not exist.

use super::stream::{self, StreamError, Wanted};
use super::{Envelope, append};
use crate::api::{Access, Caller, Permission, Route};
use crate::audit::{Activity, Actor, Change};
use crate::error::ApiError;
use crate::graph::request::body;
use crate::state::ControlPlane;
use axum::Json;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post};
use bytes::Bytes;
use http::{Method, StatusCode};
use model::audit::TargetResource;
use model::role::template;
use protocol::secevent::{
    AuthorizationScheme, DELIVERY_PUSH, Status, StreamConfiguration, StreamStatus, SubjectId, TransmitterMetadata,
    VerificationRequest, event_type,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use store::stream::Stream;

const MANAGE: Permission = Permission {
    scopes: &["ssf.manage"],
    roles: &[template::GLOBAL_ADMINISTRATOR, template::SECURITY_ADMINISTRATOR],
    application: &["SharedSignals.Manage"],
};

pub fn routes() -> Vec<Route> {
    const STREAMS: &str = "/ssf/streams";
    const STATUS: &str = "/ssf/status";
    let managed = |method, path, handler| Route { method, path, access: Access::Graph(MANAGE), handler };
    let public = |path, handler| Route { method: Method::GET, path, access: Access::Public, handler };
    vec![
        public("/.well-known/ssf-configuration", get(metadata)),
        public("/.well-known/ssf-configuration/{tenant}/v2.0", get(metadata_of)),
        managed(Method::POST, STREAMS, post(create)),
        managed(Method::GET, STREAMS, get(read)),
        managed(Method::PATCH, STREAMS, patch(change)),
        managed(Method::DELETE, STREAMS, delete(remove)),
        managed(Method::GET, STATUS, get(read_status)),
        managed(Method::POST, STATUS, post(change_status)),
        managed(Method::POST, "/ssf/verify", post(verify)),
    ]
}

async fn metadata(State(state): State<ControlPlane>) -> Result<Json<TransmitterMetadata>, ApiError> {
    let base = state.config.base();
    let snapshot = state.snapshot();
    let tenant = snapshot.tenant().ok_or_else(|| ApiError::not_found("ssf-configuration"))?;
    Ok(Json(TransmitterMetadata {
        spec_version: "1_0".to_owned(),
        issuer: state.issuer(tenant),
        jwks_uri: format!("{base}/{tenant}/discovery/v2.0/keys"),
        delivery_methods_supported: vec![DELIVERY_PUSH.to_owned()],
        configuration_endpoint: format!("{base}/ssf/streams"),
        status_endpoint: format!("{base}/ssf/status"),
        verification_endpoint: format!("{base}/ssf/verify"),
        authorization_schemes: vec![AuthorizationScheme { spec_urn: "urn:ietf:rfc:6749".to_owned() }],
        default_subjects: "ALL".to_owned(),
        rest: Map::new(),
    }))
}

/// The issuer's path follows the well-known part (SSF 1.0 §7.2).
async fn metadata_of(
    State(state): State<ControlPlane>,
    Path(tenant): Path<String>,
) -> Result<Json<TransmitterMetadata>, ApiError> {
    let snapshot = state.snapshot();
    if snapshot.tenant().is_none_or(|known| known.as_str() != tenant) {
        return Err(ApiError::not_found("ssf-configuration"));
    }
    metadata(State(state)).await
}

/// A stream to an endpoint that this client already has a stream to takes the old one's place: a receiver that was
/// started anew, and no longer knows its old stream, does not leave it behind.
async fn create(
    State(state): State<ControlPlane>,
    Extension(caller): Extension<Caller>,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    let wanted = Wanted::to_create(&body::<StreamConfiguration>(&bytes)?)?;
    let mut change = Change::begin(&state, Actor::of(&caller, &state.snapshot())).await?;
    let issuer = state.issuer(&change.tenant()?);
    // The lock is held: nothing is committed until the stream is.
    let last = store::outbox::last_sequence_in(&mut change.tx).await?;
    let stream = wanted.applied(stream::new(&caller.client, change.now, last), &state.sealer);
    let existing = store::stream::of_client_in(&mut change.tx, &caller.client).await?;
    let replaced: Vec<Stream> = existing.iter().filter(|other| other.endpoint == stream.endpoint).cloned().collect();
    if existing.len() - replaced.len() >= stream::MOST_PER_CLIENT {
        return Err(ApiError::Conflict(format!("this client already has {} streams", stream::MOST_PER_CLIENT)));
    }
    for other in &replaced {
        store::stream::delete(&mut change.tx, &other.id).await?;
        change.record(Activity::DeleteStream, target(other)).await?;
    }
    store::stream::insert(&mut change.tx, &stream).await?;
    change.record(Activity::CreateStream, target(&stream)).await?;
    change.commit().await?;
    Ok((StatusCode::CREATED, Json(stream::configuration(&stream, &issuer))).into_response())
}

async fn read(
    State(state): State<ControlPlane>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, ApiError> {
    let issuer = issuer(&state)?;
    let shown = |stream: &Stream| json!(stream::configuration(stream, &issuer));
    Ok(Json(match stream_id(query.as_deref()) {
        Some(id) => shown(&own(&state, &caller, &id).await?),
        None => store::stream::of_client(&state.store, &caller.client).await?.iter().map(shown).collect(),
    }))
}

async fn change(
    State(state): State<ControlPlane>,
    Extension(caller): Extension<Caller>,
    bytes: Bytes,
) -> Result<Json<StreamConfiguration>, ApiError> {
    let given: StreamConfiguration = body(&bytes)?;
    let wanted = Wanted::to_change(&given)?;
    let mut change = Change::begin(&state, Actor::of(&caller, &state.snapshot())).await?;
    let issuer = state.issuer(&change.tenant()?);
    let before = own_in(&mut change, &caller, &given.stream_id).await?;
    stream::check_repeated(&given, &stream::configuration(&before, &issuer))?;
    let after = wanted.applied(before, &state.sealer);
    store::stream::update(&mut change.tx, &after).await?;
    change.record(Activity::UpdateStream, target(&after)).await?;
    change.commit().await?;
    Ok(Json(stream::configuration(&after, &issuer)))
}

async fn remove(
    State(state): State<ControlPlane>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, ApiError> {
    let id = stream_id(query.as_deref()).ok_or_else(no_stream_id)?;
    let mut change = Change::begin(&state, Actor::of(&caller, &state.snapshot())).await?;
    let stream = own_in(&mut change, &caller, &id).await?;
    store::stream::delete(&mut change.tx, &stream.id).await?;
    change.record(Activity::DeleteStream, target(&stream)).await?;
    change.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn read_status(
    State(state): State<ControlPlane>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<Json<StreamStatus>, ApiError> {
    let id = stream_id(query.as_deref()).ok_or_else(no_stream_id)?;
    Ok(Json(stream::stream_status(&own(&state, &caller, &id).await?)))
}

/// A disabled stream lost what happened meanwhile; enabled again, it begins at the present end (SSF 1.0 §8.1.2).
async fn change_status(
    State(state): State<ControlPlane>,
    Extension(caller): Extension<Caller>,
    bytes: Bytes,
) -> Result<Json<StreamStatus>, ApiError> {
    let StreamStatus { stream_id, status, reason } = body(&bytes)?;
    if reason.as_deref().is_some_and(|reason| reason.len() > 1024) {
        return Err(ApiError::BadRequest("`reason` is longer than 1024 bytes".to_owned()));
    }
    let mut change = Change::begin(&state, Actor::of(&caller, &state.snapshot())).await?;
    let before = own_in(&mut change, &caller, &stream_id).await?;
    let was_disabled = stream::status(&before) == Status::Disabled;
    let detail = stream::Detail { reason, ..stream::detail(&before) };
    let mut after = stream::with_detail(before, &detail);
    stream::status_text(status).clone_into(&mut after.status);
    store::stream::update(&mut change.tx, &after).await?;
    if was_disabled && status == Status::Enabled {
        let last = store::outbox::last_sequence_in(&mut change.tx).await?;
        store::stream::acknowledge(&mut change.tx, &after.id, last).await?;
    }
    change.record(Activity::UpdateStream, target(&after)).await?;
    change.commit().await?;
    Ok(Json(stream::stream_status(&after)))
}

/// The verification goes through the outbox, to this stream alone: after everything that was committed before it was
/// asked for (SSF 1.0 §8.1.4).
async fn verify(
    State(state): State<ControlPlane>,
    Extension(caller): Extension<Caller>,
    bytes: Bytes,
) -> Result<StatusCode, ApiError> {
    let VerificationRequest { stream_id, state: echoed } = body(&bytes)?;
    if echoed.as_deref().is_some_and(|echoed| echoed.len() > stream::MOST_STATE) {
        return Err(ApiError::BadRequest(format!("`state` is longer than {} bytes", stream::MOST_STATE)));
    }
    // Nothing administrative changes here: it is the feed's own traffic, and leaves no audit record.
    let mut tx = state.store.begin().await?;
    let now = state.clock.now();
    let mine = store::stream::of_client_in(&mut tx, &caller.client).await?;
    let stream = mine.into_iter().find(|stream| stream.id == stream_id).ok_or_else(|| unknown(&stream_id))?;
    let mut detail = stream::detail(&stream);
    if !detail.may_verify(now) {
        return Err(ApiError::Busy);
    }
    let stream = stream::with_detail(stream, &detail);
    store::stream::update(&mut tx, &stream).await?;
    append(&mut tx, &verification(&stream, echoed, now.seconds()), now).await?;
    state.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// SSF 1.0 §8.1.4.1. Without `state` it is the heartbeat.
pub(super) fn verification(stream: &Stream, state: Option<String>, iat: i64) -> Envelope {
    let claims = state.map_or_else(|| json!({}), |state| json!({"state": state}));
    Envelope {
        iat,
        txn: None,
        sub_id: SubjectId::Opaque { id: stream.id.clone() },
        events: BTreeMap::from([(event_type::VERIFICATION.to_owned(), claims)]),
        stream: Some(stream.id.clone()),
    }
}

fn issuer(state: &ControlPlane) -> Result<String, ApiError> {
    let snapshot = state.snapshot();
    let tenant = snapshot.tenant().ok_or_else(|| ApiError::not_found("organization"))?;
    Ok(state.issuer(tenant))
}

async fn own(state: &ControlPlane, caller: &Caller, id: &str) -> Result<Stream, ApiError> {
    let stream = store::stream::get(&state.store, id).await?;
    stream.filter(|stream| stream.client_id == caller.client).ok_or_else(|| unknown(id))
}

async fn own_in(change: &mut Change<'_>, caller: &Caller, id: &str) -> Result<Stream, ApiError> {
    let mine = store::stream::of_client_in(&mut change.tx, &caller.client).await?;
    mine.into_iter().find(|stream| stream.id == id).ok_or_else(|| unknown(id))
}

fn unknown(id: &str) -> ApiError {
    ApiError::not_found(id)
}

fn no_stream_id() -> ApiError {
    ApiError::BadRequest("`stream_id` is missing".to_owned())
}

fn stream_id(query: Option<&str>) -> Option<String> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .find(|(name, _)| name == "stream_id")
        .map(|(_, value)| value.into_owned())
}

pub(super) fn target(stream: &Stream) -> TargetResource {
    TargetResource {
        id: stream.id.clone(),
        display_name: stream.endpoint.clone(),
        resource_type: "eventStream".to_owned(),
        modified_properties: Vec::new(),
    }
}

impl From<StreamError> for ApiError {
    fn from(error: StreamError) -> Self {
        Self::BadRequest(error.to_string())
    }
}
