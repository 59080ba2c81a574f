//! Legacy authentication: a gateway hands over the HTTP Basic credentials of a client that can do no better.
//!
//! The password is checked as any other is (same pool, same throttle, same record), and the request is decided as client
//! app `other`, which can answer no challenge: whatever is owed refuses it. Only gateways may ask, by an application
//! permission; they alone are believed about the client's address. Wrong password and unknown account answer alike.

use crate::api::{Access, Permission, Route};
use crate::error::ApiError;
use crate::graph::request::body;
use crate::sign_in::attempt::Attempt;
use crate::sign_in::authenticate::{Asked, attempted};
use crate::sign_in::failure::Failure;
use crate::sign_in::gather::{self, Proven};
use crate::sign_in::password::{self, Checked, RightPassword};
use crate::sign_in::record::{self, Attempted, Who};
use crate::sign_in::{enforce, owed};
use crate::state::ControlPlane;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use http::{Method, StatusCode};
use model::application::tag;
use model::{AppId, Timestamp, User};
use policy::answer::Outcome;
use policy::request::{Client, ClientAppType, Method as AuthenticationMethod, MethodUse, Target};
use protocol::aadsts::{Aadsts, Fault};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::time::Duration;

/// How long a gateway may go by one answer.
const SESSION: Duration = Duration::from_secs(300);
const LONGEST_NAME: usize = 256;
const LONGEST_USER_AGENT: usize = 512;

const ENFORCE: Permission = Permission { scopes: &[], roles: &[], application: &["Gateway.Enforce"] };

pub(crate) fn routes() -> Vec<Route> {
    vec![Route { method: Method::POST, path: "/{tenant}/gateway/basic", access: Access::Graph(ENFORCE), handler: post(basic) }]
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Presented {
    application: AppId,
    username: String,
    password: String,
    ip_address: IpAddr,
    #[serde(default)]
    user_agent: String,
}

async fn basic(State(state): State<ControlPlane>, mut attempt: Attempt, bytes: Bytes) -> Result<Response, ApiError> {
    if let Err(fault) = attempt.tenant() {
        let body = fault.body(&attempt.occurrence(state.config.base(), state.clock.now()));
        return Ok((StatusCode::BAD_REQUEST, Json(body)).into_response());
    }
    let presented: Presented = body(&bytes)?;
    if presented.username.len() > LONGEST_NAME {
        return Err(ApiError::BadRequest(format!("`username` is longer than {LONGEST_NAME} bytes")));
    }
    let asked = asked(&attempt, &presented.application)?;
    attempt.address = Some(presented.ip_address.to_canonical());
    attempt.user_agent = presented.user_agent.chars().take(LONGEST_USER_AGENT).collect();
    let password = SecretString::from(presented.password);
    match password::check(&state, &attempt, &asked, &presented.username, password.expose_secret()).await {
        Ok(Checked::Right(right)) => decide(&state, &attempt, &asked, *right).await,
        Ok(Checked::Wrong) => Ok(refused(&state, &attempt, &Aadsts::WrongPassword.into(), Vec::new())),
        Ok(Checked::Locked(_)) => Ok(refused(&state, &attempt, &Aadsts::AccountLocked.into(), Vec::new())),
        Ok(Checked::Disabled) => Ok(refused(&state, &attempt, &Aadsts::AccountDisabled.into(), Vec::new())),
        Err(Failure::Told(fault)) if fault.aadsts == Aadsts::Throttled => Err(ApiError::Busy),
        Err(Failure::Told(fault)) => Ok(refused(&state, &attempt, &fault, Vec::new())),
        Err(Failure::Ours(error)) => Err(ApiError::Internal(error)),
    }
}

/// The application itself, for a client that has no identity of its own.
fn asked(attempt: &Attempt, application: &AppId) -> Result<Asked, ApiError> {
    let directory = &attempt.snapshot.directory;
    let found = directory.applications.get(application);
    let found = found.filter(|found| found.on_premises_publishing.is_some() && found.tags.iter().any(|it| it == tag::HTTP_BASIC));
    let found = found.ok_or_else(|| {
        let name: String = application.as_str().chars().take(64).collect();
        ApiError::BadRequest(format!(
            "no published application `{name}` takes HTTP Basic; hint: its tags hold `{}`",
            tag::HTTP_BASIC
        ))
    })?;
    Ok(Asked {
        target: Target { audiences: vec![gather::audience(directory, application)], ..Target::default() },
        client: Client { app_id: None, app_type: ClientAppType::Other },
        client_id: application.clone(),
        resource: application.clone(),
        resource_name: found.display_name.clone(),
    })
}

/// The transaction of the check is still open: the account is as it was when the password was found right.
async fn decide(state: &ControlPlane, attempt: &Attempt, asked: &Asked, right: RightPassword) -> Result<Response, ApiError> {
    let RightPassword { mut tx, now, user } = right;
    let used = MethodUse { method: AuthenticationMethod::Password, at: now, aaguid: None };
    let proven = Proven { session: None, methods: vec![used], signed_in_at: Some(now) };
    let (target, client) = (asked.target.clone(), asked.client.clone());
    let directory = &attempt.snapshot.directory;
    let request = gather::for_user(directory, &user, target, client, &attempt.circumstances(), &proven);
    let policies = &attempt.snapshot.policies;
    let decision = enforce::decide(policies, &request, now);
    // Nothing that is owed can be asked of such a client.
    let fault = (decision.outcome != Outcome::Granted)
        .then(|| enforce::fault(policies, &request, &decision, owed::Means::Registered, &asked.resource_name, now));
    let attempted =
        Attempted { decided: Some((&request, &decision)), fault: fault.as_ref(), ..attempted(attempt, asked, Who::User(&user)) };
    record::sign_in(&mut tx, &attempted, now).await?;
    state.commit(tx).await?;
    let Some(fault) = fault else { return Ok(allowed(&user, now)) };
    let named = owed::blocking(policies, &request, now)
        .into_iter()
        .map(|policy| json!({"id": policy.id, "displayName": policy.display_name}));
    Ok(refused(state, attempt, &fault, named.collect()))
}

/// `issued_at` is the moment of the decision: a gateway compares it with what it hears of revocations, since this answer
/// and an event that was committed after it may overtake each other.
fn allowed(user: &User, now: Timestamp) -> Response {
    let who = json!({"id": user.id, "userPrincipalName": user.user_principal_name, "displayName": user.display_name});
    let body = json!({"allowed": true, "user": who, "issued_at": now.seconds(), "session_expires_in": SESSION.as_secs()});
    Json(body).into_response()
}

fn refused(state: &ControlPlane, attempt: &Attempt, fault: &Fault, policies: Vec<Value>) -> Response {
    let mut error = json!(fault.body(&attempt.occurrence(state.config.base(), state.clock.now())));
    if let Some(members) = error.as_object_mut() {
        members.insert("policies".to_owned(), Value::Array(policies));
    }
    Json(json!({"allowed": false, "error": error})).into_response()
}
