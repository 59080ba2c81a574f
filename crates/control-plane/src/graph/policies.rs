//! Graph `conditionalAccessPolicy`: create, change, delete. They are read with the rest of the directory.
//! <https://learn.microsoft.com/graph/api/resources/conditionalaccesspolicy>
//!
//! What is written goes through the same checks as a folder that is applied.

use super::{both, collection, request, versions, view};
use crate::api::{Caller, Permission, Route};
use crate::apply;
use crate::audit::{Activity, Actor, Change};
use crate::error::ApiError;
use crate::state::ControlPlane;
use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, patch, post};
use bytes::Bytes;
use http::{Method, StatusCode, Uri};
use model::conditional_access::ConditionalAccessPolicy;
use model::role::template;
use model::{Kind, Object};
use policy::POLICY_STATES;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

const WRITE: Permission = Permission {
    scopes: &["Policy.ReadWrite.ConditionalAccess"],
    roles: &[template::GLOBAL_ADMINISTRATOR, template::SECURITY_ADMINISTRATOR, template::CONDITIONAL_ACCESS_ADMINISTRATOR],
    application: &["Policy.ReadWrite.ConditionalAccess"],
};
/// What a caller may write; the rest is the server's.
const WRITABLE: [&str; 6] = ["displayName", "state", "conditions", "grantControls", "sessionControls", "description"];

pub(crate) fn routes() -> Vec<Route> {
    let one = versions!("/identity/conditionalAccess/policies/{id}");
    [
        both(&Method::POST, versions!("/identity/conditionalAccess/policies"), WRITE, &post(create)),
        both(&Method::PATCH, one, WRITE, &patch(change)),
        both(&Method::DELETE, one, WRITE, &delete(remove)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

async fn create(
    State(state): State<ControlPlane>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    let members = writable(request::body(&bytes)?)?;
    for name in ["displayName", "state", "conditions"] {
        if members.get(name).is_none_or(Value::is_null) {
            return Err(ApiError::BadRequest(format!("`{name}` is missing")));
        }
    }
    let mut change = Change::begin(&state, Actor::of(&caller, &state.snapshot())).await?;
    let mut policy = Map::from_iter([("id".to_owned(), json!(runtime::random::guid()))]);
    policy.extend(members);
    policy.insert("createdDateTime".to_owned(), json!(change.now));
    policy.insert("modifiedDateTime".to_owned(), Value::Null);
    let object = apply::one(&mut change, Kind::ConditionalAccessPolicy, Value::Object(policy.clone())).await?;
    understood(&change, &policy, &policy)?;
    change.commit().await?;
    let context = request::context(&state, &uri, "identity/conditionalAccess/policies");
    let entity = view::entity(&context, view::public(object.to_value()));
    Ok((StatusCode::CREATED, Json(entity)).into_response())
}

async fn change(
    State(state): State<ControlPlane>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<StatusCode, ApiError> {
    let members = writable(request::body(&bytes)?)?;
    let mut change = Change::begin(&state, Actor::of(&caller, &state.snapshot())).await?;
    let Value::Object(mut policy) = stored(&change, &id)? else { return Err(not_found(&id)) };
    // A member that is given replaces the stored one whole, as in Graph.
    policy.extend(members.clone());
    policy.insert("modifiedDateTime".to_owned(), json!(change.now));
    apply::one(&mut change, Kind::ConditionalAccessPolicy, Value::Object(policy.clone())).await?;
    understood(&change, &policy, &members)?;
    change.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove(
    State(state): State<ControlPlane>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let mut change = Change::begin(&state, Actor::of(&caller, &state.snapshot())).await?;
    let policy = Object::of_kind(Kind::ConditionalAccessPolicy, stored(&change, &id)?).map_err(ApiError::internal)?;
    change.delete(Activity::DeleteObject(Kind::ConditionalAccessPolicy), &policy).await?;
    change.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

fn stored(change: &Change<'_>, id: &str) -> Result<Value, ApiError> {
    let value = collection::object(&change.snapshot, Kind::ConditionalAccessPolicy, &id.to_lowercase());
    value.cloned().ok_or_else(|| not_found(id))
}

/// Refuses to write what would not be understood, or would ask for nothing, naming each place: Graph answers so too, and
/// whoever writes over Graph is there to correct it. Only the `written` members count: a policy that was applied as it came
/// can still be switched off.
fn understood(change: &Change<'_>, policy: &Map<String, Value>, written: &Map<String, Value>) -> Result<(), ApiError> {
    let policy = ConditionalAccessPolicy::deserialize(Value::Object(policy.clone())).map_err(ApiError::internal)?;
    let locations = of_kind(change, Kind::NamedLocation)?;
    let strengths = of_kind(change, Kind::AuthenticationStrengthPolicy)?;
    let compiled = policy::compile(std::slice::from_ref(&policy), &locations, &strengths);
    let is_about = |place: &str| {
        let member = place.strip_prefix("$.").and_then(|place| place.split(['.', '[']).next()).unwrap_or_default();
        written.contains_key(member)
    };
    let not_understood = compiled.problems().iter().filter(|problem| {
        problem.kind == Kind::ConditionalAccessPolicy
            && problem.severity == policy::Severity::NotUnderstood
            && is_about(&problem.place)
    });
    let told: Vec<String> = not_understood.map(|problem| format!("{}: {}", problem.place, problem.reason)).collect();
    if told.is_empty() { Ok(()) } else { Err(ApiError::BadRequest(told.join("; "))) }
}

fn of_kind<T: DeserializeOwned>(change: &Change<'_>, kind: Kind) -> Result<Vec<T>, ApiError> {
    let values = change.snapshot.objects.iter().filter(|((stored, _), _)| *stored == kind);
    values.map(|(_, value)| T::deserialize(value).map_err(ApiError::internal)).collect()
}

fn not_found(id: &str) -> ApiError {
    ApiError::not_found(id)
}

/// Members that may be written; the first that may not refuses all, by name. `null` for one of the server's members is
/// what a client sends back from a template, and means nothing.
fn writable(members: Map<String, Value>) -> Result<Map<String, Value>, ApiError> {
    let mut written = Map::new();
    for (name, value) in members {
        if WRITABLE.contains(&name.as_str()) {
            written.insert(name, value);
        } else if !policy::is_annotation(&name) && !value.is_null() {
            return Err(ApiError::BadRequest(format!("cannot write `{name}`")));
        }
    }
    if let Some(state) = written.get("state")
        && !state.as_str().is_some_and(|state| POLICY_STATES.contains(&state))
    {
        return Err(ApiError::BadRequest(format!("`state` is {state}; hint: one of {}", POLICY_STATES.join(", "))));
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_be_written_is_refused_by_name() {
        let told = |value: Value| writable(value.as_object().cloned().unwrap()).map_err(|error| error.to_string());
        assert!(told(json!({"displayName": "x", "state": "enabled", "id": null, "@odata.type": "y"})).is_ok());
        assert_eq!(told(json!({"id": "1"})).unwrap_err(), "cannot write `id`");
        let bind = told(json!({"grantControls@odata.bind": "x"}));
        assert_eq!(bind.unwrap_err(), "cannot write `grantControls@odata.bind`");
        assert!(told(json!({"state": "on"})).unwrap_err().starts_with("`state` is \"on\"; hint: one of enabled"));
    }
}
