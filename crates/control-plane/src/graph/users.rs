//! Graph `user`: read, create, change, delete, revoke sessions, reset the password.
//! <https://learn.microsoft.com/graph/api/resources/user>

use super::collection::{self, Property};
use super::privilege::UserAction;
use super::query::QueryOption;
use super::{both, request, versions, view};
use crate::api::{Caller, Permission, Route};
use crate::error::ApiError;
use crate::passwords::PasswordHash;
use crate::snapshot::Snapshot;
use crate::state::ControlPlane;
use crate::users::{self, UserPatch};
use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post};
use bytes::Bytes;
use http::{Method, StatusCode, Uri};
use model::role::template;
use model::{Kind, Object, User, UserId};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

const READERS: &[&str] = &[
    template::GLOBAL_ADMINISTRATOR,
    template::GLOBAL_READER,
    template::USER_ADMINISTRATOR,
    template::AUTHENTICATION_ADMINISTRATOR,
    template::PRIVILEGED_AUTHENTICATION_ADMINISTRATOR,
    template::SECURITY_ADMINISTRATOR,
    template::SECURITY_READER,
    template::CONDITIONAL_ACCESS_ADMINISTRATOR,
];
const WRITE_SCOPES: &[&str] = &["User.ReadWrite.All", "Directory.ReadWrite.All"];
const ME: Permission =
    Permission { scopes: &["User.Read", "User.ReadWrite.All", "Directory.ReadWrite.All"], roles: &[], application: &[] };
const READ: Permission = Permission {
    scopes: WRITE_SCOPES,
    roles: READERS,
    application: &["User.Read.All", "User.ReadWrite.All", "Directory.ReadWrite.All"],
};
const WRITE: Permission = Permission { scopes: WRITE_SCOPES, roles: UserAction::Update.roles(), application: WRITE_SCOPES };
/// Changing an account may be no more than setting its password, which more may do: `users::update` tells them apart.
const CHANGE: Permission =
    Permission { scopes: WRITE_SCOPES, roles: UserAction::ResetPassword.roles(), application: WRITE_SCOPES };

/// The one password of an account, as Graph names it everywhere.
/// <https://learn.microsoft.com/graph/api/resources/passwordauthenticationmethod>
pub(crate) const PASSWORD_METHOD: &str = "28c10230-6103-485e-b985-444c60001490";

const PROPERTIES: [Property; 6] = [
    Property::Text("id"),
    Property::Text("userPrincipalName"),
    Property::Text("displayName"),
    Property::Text("mail"),
    Property::Text("userType"),
    Property::Boolean("accountEnabled"),
];

pub(crate) fn routes() -> Vec<Route> {
    let user = versions!("/users/{id}");
    let reset = versions!("/users/{id}/authentication/methods/{method}/resetPassword");
    [
        both(&Method::GET, versions!("/me"), ME, &get(me)),
        both(&Method::GET, versions!("/users"), READ, &get(list)),
        both(&Method::POST, versions!("/users"), WRITE, &post(create)),
        both(&Method::GET, user, READ, &get(read)),
        both(&Method::PATCH, user, CHANGE, &patch(change)),
        both(&Method::DELETE, user, WRITE, &delete(remove)),
        both(&Method::POST, versions!("/users/{id}/revokeSignInSessions"), CHANGE, &post(revoke)),
        both(&Method::POST, reset, CHANGE, &post(reset_password)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

async fn me(State(state): State<ControlPlane>, Extension(caller): Extension<Caller>, uri: Uri) -> Result<Json<Value>, ApiError> {
    let user = caller.user.ok_or_else(|| ApiError::BadRequest("/me needs a signed-in user".to_owned()))?;
    shown(&state, &uri, user.id.as_str())
}

async fn list(State(state): State<ControlPlane>, uri: Uri) -> Result<Json<Value>, ApiError> {
    let query = request::query(&uri, &collection::OPTIONS, collection::MOST)?;
    let snapshot = state.snapshot();
    let page = collection::page(collection::of_kind(&snapshot, Kind::User), &PROPERTIES, &query)?;
    let context = request::context(&state, &uri, "users");
    Ok(Json(collection::answer(&context, page, |token| request::continued(&state, &uri, token))))
}

async fn read(State(state): State<ControlPlane>, Path(name): Path<String>, uri: Uri) -> Result<Json<Value>, ApiError> {
    shown(&state, &uri, &name)
}

async fn create(
    State(state): State<ControlPlane>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    let (user, password) = new_user(request::body(&bytes)?)?;
    let domain = user.user_principal_name.rsplit_once('@').map(|(_, domain)| domain.to_owned()).unwrap_or_default();
    let snapshot = state.snapshot();
    let organization = snapshot.directory.organization.as_ref();
    if !organization.is_some_and(|organization| {
        organization.verified_domains.iter().any(|verified| verified.name.eq_ignore_ascii_case(&domain))
    }) {
        return Err(ApiError::BadRequest(format!("the domain `{domain}` of `userPrincipalName` is not verified here")));
    }
    let hash = hash(&state, password).await?;
    let user = users::create(&state, &caller, user, hash).await?;
    let value = view::public(Object::User(user).to_value());
    let entity = view::entity(&request::context(&state, &uri, "users"), value);
    Ok((StatusCode::CREATED, Json(entity)).into_response())
}

async fn change(
    State(state): State<ControlPlane>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    bytes: Bytes,
) -> Result<StatusCode, ApiError> {
    let id = find(&state.snapshot(), &name)?;
    let Change { account_enabled, display_name, password } = changed(request::body(&bytes)?)?;
    let password = hash(&state, password).await?;
    users::update(&state, &caller, &id, UserPatch { account_enabled, display_name, password }).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove(
    State(state): State<ControlPlane>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = find(&state.snapshot(), &name)?;
    users::delete(&state, &caller, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn revoke(
    State(state): State<ControlPlane>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Json<Value>, ApiError> {
    let id = find(&state.snapshot(), &name)?;
    users::revoke_sessions(&state, &caller, &id).await?;
    let context = request::context(&state, &uri, "Edm.Boolean");
    Ok(Json(json!({"@odata.context": context, "value": true})))
}

/// <https://learn.microsoft.com/graph/api/authenticationmethod-resetpassword>. Done when answered, so there is no
/// long-running operation to point at. Without `newPassword`, one is made and told this once.
async fn reset_password(
    State(state): State<ControlPlane>,
    Extension(caller): Extension<Caller>,
    Path((name, method)): Path<(String, String)>,
    uri: Uri,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    if !method.eq_ignore_ascii_case(PASSWORD_METHOD) {
        return Err(ApiError::not_found(&method));
    }
    let id = find(&state.snapshot(), &name)?;
    let mut members: Map<String, Value> = if bytes.is_empty() { Map::new() } else { request::body(&bytes)? };
    let given = text_member(&mut members, "newPassword")?;
    nothing_left(&members)?;
    let made = given.is_none().then(runtime::random::token);
    let password = given.or_else(|| made.clone()).map(SecretString::from);
    let password = hash(&state, password).await?;
    users::update(&state, &caller, &id, UserPatch { password, ..UserPatch::default() }).await?;
    let context = request::context(&state, &uri, "microsoft.graph.passwordResetResponse");
    let body = match made {
        Some(made) => json!({"@odata.context": context, "newPassword": made}),
        None => json!({"@odata.context": context}),
    };
    Ok((StatusCode::ACCEPTED, Json(body)).into_response())
}

fn shown(state: &ControlPlane, uri: &Uri, name: &str) -> Result<Json<Value>, ApiError> {
    let query = request::query(uri, &[QueryOption::Select], collection::MOST)?;
    let snapshot = state.snapshot();
    let id = find(&snapshot, name)?;
    let value = collection::object(&snapshot, Kind::User, id.as_str()).ok_or_else(|| ApiError::not_found(id.as_str()))?;
    let value = view::select(view::public(value.clone()), query.select.as_deref());
    Ok(Json(view::entity(&request::context(state, uri, "users"), value)))
}

/// A user by id or user principal name.
pub(crate) fn find(snapshot: &Snapshot, name: &str) -> Result<UserId, ApiError> {
    let id = UserId::new(name);
    if snapshot.directory.users.contains_key(&id) {
        return Ok(id);
    }
    let user = snapshot.directory.user_by_principal_name(name);
    user.map(|user| user.id.clone()).ok_or_else(|| ApiError::not_found(name))
}

/// Hashed before any transaction begins: hashing is slow on purpose, and the store has one writer.
async fn hash(state: &ControlPlane, password: Option<SecretString>) -> Result<Option<PasswordHash>, ApiError> {
    match password {
        Some(password) => Ok(Some(state.passwords.hash(password.expose_secret()).await.map_err(request::password_error)?)),
        None => Ok(None),
    }
}

/// What a `PATCH` asks for.
#[derive(Debug, Default)]
struct Change {
    account_enabled: Option<bool>,
    display_name: Option<String>,
    password: Option<SecretString>,
}

/// Every member is understood and written, or the request is refused by the member's name.
fn changed(mut members: Map<String, Value>) -> Result<Change, ApiError> {
    let account_enabled = boolean_member(&mut members, "accountEnabled")?;
    let display_name = text_member(&mut members, "displayName")?;
    let password = password_member(&mut members)?;
    nothing_left(&members)?;
    Ok(Change { account_enabled, display_name, password })
}

/// Plain members of a new user that mean nothing to this server and are kept as they are.
const PLAIN: [&str; 9] = [
    "mailNickname",
    "givenName",
    "surname",
    "jobTitle",
    "department",
    "officeLocation",
    "mobilePhone",
    "preferredLanguage",
    "usageLocation",
];

fn new_user(mut members: Map<String, Value>) -> Result<(User, Option<SecretString>), ApiError> {
    let missing = |name: &str| ApiError::BadRequest(format!("`{name}` is missing"));
    let account_enabled = boolean_member(&mut members, "accountEnabled")?.ok_or_else(|| missing("accountEnabled"))?;
    let display_name = text_member(&mut members, "displayName")?.ok_or_else(|| missing("displayName"))?;
    let user_principal_name = text_member(&mut members, "userPrincipalName")?.ok_or_else(|| missing("userPrincipalName"))?;
    if !users::is_principal_name(&user_principal_name) {
        return Err(ApiError::BadRequest(format!("`{user_principal_name}` is not a userPrincipalName (`name@domain`)")));
    }
    let mail = text_member(&mut members, "mail")?;
    let user_type = match members.shift_remove("userType") {
        None | Some(Value::Null) => model::UserType::Member,
        Some(value) => serde_json::from_value(value)
            .map_err(|_| ApiError::BadRequest("`userType` is neither `Member` nor `Guest`".to_owned()))?,
    };
    let password = password_member(&mut members)?;
    let mut rest = Map::new();
    for name in PLAIN {
        if let Some(text) = text_member(&mut members, name)? {
            rest.insert(name.to_owned(), Value::String(text));
        }
    }
    nothing_left(&members)?;
    let user = User {
        id: UserId::new(&runtime::random::guid()),
        user_principal_name,
        display_name,
        account_enabled,
        user_type,
        mail,
        sign_in_sessions_valid_from_date_time: None,
        rest,
    };
    Ok((user, password))
}

/// `passwordProfile`. A forced change at the next sign-in is not served, so it is refused rather than forgotten.
fn password_member(members: &mut Map<String, Value>) -> Result<Option<SecretString>, ApiError> {
    let mut profile = match members.shift_remove("passwordProfile") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(profile)) => profile,
        Some(_) => return Err(ApiError::BadRequest("`passwordProfile` is not an object".to_owned())),
    };
    let password = text_member(&mut profile, "password")?
        .ok_or_else(|| ApiError::BadRequest("`passwordProfile` has no `password`".to_owned()))?;
    for name in ["forceChangePasswordNextSignIn", "forceChangePasswordNextSignInWithMfa"] {
        if boolean_member(&mut profile, name)? == Some(true) {
            return Err(ApiError::BadRequest(format!("`passwordProfile/{name}` is not supported")));
        }
    }
    nothing_left(&profile)?;
    Ok(Some(SecretString::from(password)))
}

fn text_member(members: &mut Map<String, Value>, name: &str) -> Result<Option<String>, ApiError> {
    match members.shift_remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() <= 1024 => Ok(Some(text)),
        Some(_) => Err(ApiError::BadRequest(format!("`{name}` is not a text of at most 1024 bytes"))),
    }
}

fn boolean_member(members: &mut Map<String, Value>, name: &str) -> Result<Option<bool>, ApiError> {
    match members.shift_remove(name) {
        None => Ok(None),
        Some(Value::Bool(boolean)) => Ok(Some(boolean)),
        Some(_) => Err(ApiError::BadRequest(format!("`{name}` is neither true nor false"))),
    }
}

fn nothing_left(members: &Map<String, Value>) -> Result<(), ApiError> {
    let left: Vec<&str> = members.keys().map(String::as_str).filter(|name| !name.contains('@')).collect();
    if left.is_empty() {
        return Ok(());
    }
    Err(ApiError::BadRequest(format!("cannot write `{}`", left.join("`, `"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn a_change_is_understood_whole_or_refused_by_name() {
        let told = |value| changed(members(value)).map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(told(json!({"accountEnabled": false, "displayName": "x"})), Ok(()));
        assert_eq!(
            told(json!({"accountEnabled": false, "onPremisesSyncEnabled": true, "id": "x"})),
            Err("cannot write `onPremisesSyncEnabled`, `id`".to_owned())
        );
        assert_eq!(told(json!({"accountEnabled": "false"})), Err("`accountEnabled` is neither true nor false".to_owned()));
        assert_eq!(told(json!({"accountEnabled": null})), Err("`accountEnabled` is neither true nor false".to_owned()));
        assert_eq!(
            told(json!({"passwordProfile": {"password": "p", "forceChangePasswordNextSignIn": true}})),
            Err("`passwordProfile/forceChangePasswordNextSignIn` is not supported".to_owned())
        );
    }

    #[test]
    fn a_password_is_taken_out() {
        let change =
            changed(members(json!({"passwordProfile": {"password": "correct horse", "forceChangePasswordNextSignIn": false}})));
        assert_eq!(change.unwrap().password.unwrap().expose_secret(), "correct horse");
    }

    #[test]
    fn a_new_user_needs_a_name_and_keeps_plain_members() {
        let (user, password) = new_user(members(json!({
            "accountEnabled": true, "displayName": "Kim", "userPrincipalName": "kim@woodgrove.example", "mailNickname": "kim",
        })))
        .unwrap();
        assert!(password.is_none() && user.rest["mailNickname"] == "kim");
        let told = new_user(members(json!({"accountEnabled": true, "displayName": "Kim", "userPrincipalName": "kim"})));
        assert_eq!(told.unwrap_err().to_string(), "`kim` is not a userPrincipalName (`name@domain`)");
    }
}
