//! What clients read first: the discovery document and the key set.

use crate::oauth::token::error_response;
use crate::sign_in::attempt::Attempt;
use crate::state::ControlPlane;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use protocol::oidc::DiscoveryDocument;

pub(crate) async fn document(State(state): State<ControlPlane>, attempt: Attempt) -> Response {
    match attempt.tenant() {
        // Always by the tenant's id: `issuer` must be what clients find in tokens.
        Ok(tenant) => {
            cacheable(Json(DiscoveryDocument::new(state.config.base(), tenant.as_str())).into_response(), "public, max-age=3600")
        }
        Err(fault) => error_response(&state, &attempt, fault.into(), None),
    }
}

pub(crate) async fn keys(State(state): State<ControlPlane>, attempt: Attempt) -> Response {
    match attempt.tenant() {
        // Far shorter than the lead with which a new key is published.
        Ok(_) => cacheable(Json(state.keys.published(state.clock.now())).into_response(), "public, max-age=3600"),
        Err(fault) => error_response(&state, &attempt, fault.into(), None),
    }
}

fn cacheable(mut response: Response, value: &'static str) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(value));
    response
}
