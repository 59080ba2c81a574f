//! Graph `authenticationMethod`: what a person can prove who they are with, and the removal of one.
//! <https://learn.microsoft.com/graph/api/resources/authenticationmethods-overview>
//!
//! This is how an account is cleaned up after a compromise: a method that an intruder added outlives every password reset.
//! Secrets are never shown.

use super::privilege::UserAction;
use super::users::{self, PASSWORD_METHOD};
use super::{both, request, versions};
use crate::api::{Caller, Permission, Route};
use crate::error::ApiError;
use crate::state::ControlPlane;
use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::routing::{delete, get};
use http::{Method, StatusCode, Uri};
use model::role::template;
use serde_json::{Value, json};
use store::credential::{Credential, CredentialKind};

const READ: Permission = Permission {
    scopes: &["UserAuthenticationMethod.Read.All", "UserAuthenticationMethod.ReadWrite.All"],
    roles: &[
        template::GLOBAL_ADMINISTRATOR,
        template::GLOBAL_READER,
        template::AUTHENTICATION_ADMINISTRATOR,
        template::PRIVILEGED_AUTHENTICATION_ADMINISTRATOR,
    ],
    application: &["UserAuthenticationMethod.ReadWrite.All"],
};
const WRITE: Permission = Permission {
    scopes: &["UserAuthenticationMethod.ReadWrite.All"],
    roles: UserAction::RemoveMethod.roles(),
    application: &["UserAuthenticationMethod.ReadWrite.All"],
};

pub(crate) fn routes() -> Vec<Route> {
    let fido2 = versions!("/users/{id}/authentication/fido2Methods/{method}");
    let software_oath = versions!("/users/{id}/authentication/softwareOathMethods/{method}");
    [
        both(&Method::GET, versions!("/users/{id}/authentication/methods"), READ, &get(list)),
        both(&Method::GET, versions!("/users/{id}/authentication/fido2Methods"), READ, &get(list_fido2)),
        both(&Method::GET, versions!("/users/{id}/authentication/softwareOathMethods"), READ, &get(list_software_oath)),
        both(&Method::DELETE, fido2, WRITE, &delete(delete_fido2)),
        both(&Method::DELETE, software_oath, WRITE, &delete(delete_software_oath)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

async fn list(State(state): State<ControlPlane>, Path(name): Path<String>, uri: Uri) -> Result<Json<Value>, ApiError> {
    shown(&state, &uri, &name, None).await
}

async fn list_fido2(State(state): State<ControlPlane>, Path(name): Path<String>, uri: Uri) -> Result<Json<Value>, ApiError> {
    shown(&state, &uri, &name, Some(CredentialKind::Passkey)).await
}

async fn list_software_oath(
    State(state): State<ControlPlane>,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Json<Value>, ApiError> {
    shown(&state, &uri, &name, Some(CredentialKind::Totp)).await
}

async fn delete_fido2(
    State(state): State<ControlPlane>,
    Extension(caller): Extension<Caller>,
    Path((name, method)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    remove(&state, &caller, &name, CredentialKind::Passkey, &method).await
}

async fn delete_software_oath(
    State(state): State<ControlPlane>,
    Extension(caller): Extension<Caller>,
    Path((name, method)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    remove(&state, &caller, &name, CredentialKind::Totp, &method).await
}

async fn remove(
    state: &ControlPlane,
    caller: &Caller,
    name: &str,
    kind: CredentialKind,
    method: &str,
) -> Result<StatusCode, ApiError> {
    let user = users::find(&state.snapshot(), name)?;
    crate::users::remove_method(state, caller, &user, kind, method).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Of one kind, or all of them. A person has at most some twenty, so there are no pages.
async fn shown(state: &ControlPlane, uri: &Uri, name: &str, kind: Option<CredentialKind>) -> Result<Json<Value>, ApiError> {
    request::query(uri, &[], 1)?;
    let user = users::find(&state.snapshot(), name)?;
    let credentials = store::credential::of_user(&state.store, &user).await?;
    let wanted = credentials.iter().filter(|credential| kind.is_none_or(|kind| kind == credential.kind));
    let values: Vec<Value> = wanted.map(method).collect();
    let context = request::context(state, uri, &format!("users('{user}')/authentication/{}", collection(kind)));
    Ok(Json(json!({"@odata.context": context, "value": values})))
}

const fn collection(kind: Option<CredentialKind>) -> &'static str {
    match kind {
        Some(CredentialKind::Passkey) => "fido2Methods",
        Some(CredentialKind::Totp) => "softwareOathMethods",
        Some(CredentialKind::Password) => "passwordMethods",
        None => "methods",
    }
}

fn method(credential: &Credential) -> Value {
    let Credential { id, label, created, .. } = credential;
    match credential.kind {
        CredentialKind::Password => json!({
            "@odata.type": "#microsoft.graph.passwordAuthenticationMethod",
            "id": PASSWORD_METHOD, "password": null, "createdDateTime": created,
        }),
        CredentialKind::Passkey => json!({
            "@odata.type": "#microsoft.graph.fido2AuthenticationMethod",
            "id": id, "displayName": label, "createdDateTime": created,
        }),
        CredentialKind::Totp => json!({
            "@odata.type": "#microsoft.graph.softwareOathAuthenticationMethod",
            "id": id, "secretKey": null, "createdDateTime": created,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Timestamp, UserId};

    #[test]
    fn no_method_shows_its_secret() {
        for kind in [CredentialKind::Password, CredentialKind::Totp, CredentialKind::Passkey] {
            let shown = method(&Credential {
                id: "the id".to_owned(),
                user_id: UserId::new("alex"),
                kind,
                label: "Key".to_owned(),
                secret: b"hunter2 hunter2".to_vec(),
                created: Timestamp::from_seconds(0),
                last_used: None,
                counter: 7,
            });
            assert!(shown["@odata.type"].as_str().unwrap().starts_with("#microsoft.graph."), "{shown}");
            assert!(!shown.to_string().contains("hunter2"), "{shown}");
        }
    }
}
