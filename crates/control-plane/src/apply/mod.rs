//! `apply`: a tenant, or a part of one, as Graph objects; created and updated in one transaction, or not at all.
//!
//! Objects that are not mentioned are left alone; objects that are already so are not written. Every problem is reported
//! with its place, not only the first. What a policy holds that the engine does not understand is a remark, since such a
//! policy applies; a reference to nothing is a problem.

mod plan;
mod read;
mod validate;

use crate::api::{Access, Caller, Permission, Route};
use crate::audit::{Activity, Actor, Change};
use crate::error::ApiError;
use crate::graph::request::{body, password_error};
use crate::passwords::PasswordHash;
use crate::state::ControlPlane;
use crate::users;
use axum::Json;
use axum::extract::{Extension, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use http::{Method, StatusCode};
use model::audit::Initiator;
use model::role::template;
use model::{Kind, Object, Timestamp, User, UserId};
use plan::{Plan, Planned};
use read::Item;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::credential::{Credential, CredentialKind};

/// Whether anything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Plan,
    Apply,
}

/// What was, or would be, done; or why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Of the directory afterwards.
    pub revision: i64,
    pub changes: Vec<Line>,
    pub problems: Vec<Problem>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The Graph resource's name.
    pub kind: &'static str,
    pub id: String,
    pub display_name: String,
    pub action: Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    Create,
    Update,
    Unchanged,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// `$.objects[3].members[0]`.
    pub place: String,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    pub severity: Severity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Nothing is applied.
    Error,
    /// Whoever wrote it should know; it is applied.
    Remark,
}

impl Report {
    pub fn is_refused(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }
}

/// Applying a tenant can make anybody an administrator: only those who could do that anyway may.
const APPLY: Permission = Permission {
    scopes: &["Directory.ReadWrite.All"],
    roles: &[template::GLOBAL_ADMINISTRATOR],
    application: &["Directory.ReadWrite.All"],
};

pub fn routes() -> Vec<Route> {
    vec![Route { method: Method::POST, path: "/v1.0/countersign/apply", access: Access::Graph(APPLY), handler: post(handle) }]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    objects: Vec<Value>,
}

async fn handle(
    State(state): State<ControlPlane>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    let mode = mode(query.as_deref().unwrap_or_default())?;
    let Body { objects } = body(&bytes)?;
    let actor = Actor::of(&caller, &state.snapshot());
    let report = apply(&state, actor.initiator, objects, mode).await?;
    if !report.is_refused() {
        return Ok(Json(report).into_response());
    }
    let message = format!("{} problems; nothing was applied", errors(&report));
    let error = json!({"code": "Request_BadRequest", "message": message});
    let body = json!({"error": error, "revision": report.revision, "changes": [], "problems": report.problems});
    Ok((StatusCode::BAD_REQUEST, Json(body)).into_response())
}

fn mode(query: &str) -> Result<Mode, ApiError> {
    let mut mode = Mode::Apply;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        mode = match (name.as_ref(), value.as_ref()) {
            ("plan", "true") => Mode::Plan,
            ("plan", "false") => Mode::Apply,
            _ => return Err(ApiError::BadRequest(format!("`{name}={value}` is not `plan=true` or `plan=false`"))),
        };
    }
    Ok(mode)
}

fn errors(report: &Report) -> usize {
    report.problems.iter().filter(|problem| problem.severity == Severity::Error).count()
}

/// Applies `objects`, or says what applying them would do. A report with errors means that nothing was done.
pub async fn apply(state: &ControlPlane, initiator: Initiator, objects: Vec<Value>, mode: Mode) -> Result<Report, ApiError> {
    let (items, problems) = read::items(objects);
    let snapshot = state.snapshot();
    let plan = Plan::new(&items, problems.clone(), &snapshot);
    let report = plan.report(snapshot.revision);
    if mode == Mode::Plan || report.is_refused() {
        return Ok(report);
    }
    let hashes = hash_passwords(state, &items).await?;
    let mut change = Change::begin(state, Actor::new(initiator)).await?;
    // Planned anew with the directory as it is inside the transaction: what was found above may have changed since.
    let snapshot = change.snapshot.clone();
    let plan = Plan::new(&items, problems, &snapshot);
    if plan.report(snapshot.revision).is_refused() {
        return Ok(plan.report(snapshot.revision));
    }
    for planned in &plan.planned {
        write(&mut change, planned, &hashes).await?;
    }
    let revision = store::object::revision_in(&mut change.tx).await?;
    change.commit().await?;
    Ok(plan.report(revision))
}

/// Checks and writes one object within a change, as `apply` would. Errors are told together.
pub(crate) async fn one(change: &mut Change<'_>, kind: Kind, value: Value) -> Result<Object, ApiError> {
    let (items, problems) = read::items(vec![value]);
    let snapshot = change.snapshot.clone();
    let plan = Plan::new(&items, problems, &snapshot);
    let report = plan.report(snapshot.revision);
    if report.is_refused() {
        let told = report.problems.iter().filter(|problem| problem.severity == Severity::Error);
        let told: Vec<String> =
            told.map(|problem| format!("{}: {}", problem.place.replacen("$.objects[0]", "$", 1), problem.message)).collect();
        return Err(ApiError::BadRequest(told.join("; ")));
    }
    match plan.planned.as_slice() {
        [planned] if planned.after.kind() == kind => {
            write(change, planned, &BTreeMap::new()).await?;
            Ok(planned.after.clone())
        }
        _ => Err(ApiError::BadRequest(format!("the body is not a {kind}"))),
    }
}

async fn write(change: &mut Change<'_>, planned: &Planned<'_>, hashes: &BTreeMap<UserId, PasswordHash>) -> Result<(), ApiError> {
    let Planned { item, before, after, action } = planned;
    let kind = after.kind();
    match (after, before) {
        (Object::User(user), before) => {
            let before = before.as_ref().and_then(as_user);
            if *action != Action::Unchanged {
                users::save(change, before, user.clone(), None).await?;
            }
            seed(change, item, user, hashes).await
        }
        (_, _) if *action == Action::Unchanged => Ok(()),
        (after, None) => change.put(Activity::AddObject(kind), None, after).await,
        (after, before) => change.put(Activity::UpdateObject(kind), before.as_ref(), after).await,
    }
}

const fn as_user(object: &Object) -> Option<&User> {
    match object {
        Object::User(user) => Some(user),
        Object::Organization(_)
        | Object::Group(_)
        | Object::RoleAssignment(_)
        | Object::Application(_)
        | Object::NamedLocation(_)
        | Object::AuthenticationStrengthPolicy(_)
        | Object::ConditionalAccessPolicy(_) => None,
    }
}

/// Passwords and TOTP secrets in a tenant begin an account; they never replace what its owner has.
async fn seed(
    change: &mut Change<'_>,
    item: &Item,
    user: &User,
    hashes: &BTreeMap<UserId, PasswordHash>,
) -> Result<(), ApiError> {
    if item.seed.is_empty() {
        return Ok(());
    }
    let existing = store::credential::of_user_in(&mut change.tx, &user.id).await?;
    let has = |kind: CredentialKind| existing.iter().any(|credential| credential.kind == kind);
    if let Some(hash) = hashes.get(&user.id)
        && !has(CredentialKind::Password)
    {
        store::credential::set_password(&mut change.tx, &user.id, hash.as_bytes(), change.now).await?;
        change.record(Activity::RegisterSecurityInfo, users::credential_record(user, "password")).await?;
    }
    if has(CredentialKind::Totp) {
        return Ok(());
    }
    for secret in &item.seed.totp {
        let credential = totp_credential(change.state, &user.id, secret.expose_secret(), change.now);
        store::credential::insert(&mut change.tx, &credential).await?;
        change.record(Activity::RegisterSecurityInfo, users::credential_record(user, "softwareOath")).await?;
    }
    Ok(())
}

/// As the sign-in pages keep one that a person registers.
fn totp_credential(state: &ControlPlane, user: &UserId, secret: &[u8], now: Timestamp) -> Credential {
    Credential {
        id: runtime::random::guid(),
        user_id: user.clone(),
        kind: CredentialKind::Totp,
        label: "Authenticator application".to_owned(),
        secret: crate::totp::seal_secret(&state.sealer, secret),
        created: now,
        last_used: None,
        counter: 0,
    }
}

/// Hashed before the transaction begins: hashing is slow on purpose, and the store has one writer.
async fn hash_passwords(state: &ControlPlane, items: &[Item]) -> Result<BTreeMap<UserId, PasswordHash>, ApiError> {
    let mut hashes = BTreeMap::new();
    for item in items {
        let (Object::User(user), Some(password)) = (&item.object, &item.seed.password) else { continue };
        let existing = store::credential::of_user(&state.store, &user.id).await?;
        if !existing.iter().any(|credential| credential.kind == CredentialKind::Password) {
            let hash = state.passwords.hash(password.expose_secret()).await.map_err(password_error)?;
            hashes.insert(user.id.clone(), hash);
        }
    }
    Ok(hashes)
}
