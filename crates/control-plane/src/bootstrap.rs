//! The first administrator: on an empty store, whoever holds the one-time code that `serve` printed makes the tenant.
//!
//! The code has 100 random bits, is good once and for an hour, and guesses at it are slowed down like guesses at a
//! password. Nothing is hashed, and nothing is written but the failure, before the code was right. Once a tenant
//! exists the page is gone.

use crate::api::{Access, Route};
use crate::audit::{Activity, Actor, Change};
use crate::error::ApiError;
use crate::passwords::{self, PasswordHash};
use crate::sign_in::pages::{self, Shell};
use crate::sign_in::throttle;
use crate::state::ControlPlane;
use crate::users;
use askama::Template;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::{Method, StatusCode};
use model::audit::Initiator;
use model::role::template;
use model::{Application, Kind, Object, Organization, RoleAssignment, User};
use protocol::aadsts::Fault;
use protocol::oauth::Parameters;
use runtime::listen::Peer;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

const PURPOSE: &str = "setup";
const LIFETIME: Duration = Duration::from_secs(3600);
/// Crockford's base 32: no letter is mistaken for another.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LETTERS: usize = 20;

/// The applications that every tenant has: the resource that administration goes through, and the command line that
/// asks for it. The same objects as in the example tenant.
const BUILT_IN: [&str; 2] = [
    include_str!("../../../examples/tenant/applications/2eb73728-2fea-475e-b536-5e1458294a90.json"),
    include_str!("../../../examples/tenant/applications/9280ba2e-1534-43fd-b357-71b237d047c9.json"),
];

pub fn routes() -> Vec<Route> {
    let route = |method, handler| Route { method, path: "/setup", access: Access::Public, handler };
    vec![route(Method::GET, get(show)), route(Method::POST, post(submit))]
}

/// Is there no tenant yet?
pub fn needed(state: &ControlPlane) -> bool {
    state.snapshot().objects.is_empty()
}

/// A new code, to be shown to whoever started the server and to nobody else. Codes issued before stay good.
pub async fn issue_code(state: &ControlPlane) -> Result<String, ApiError> {
    let code = new_code();
    let mut tx = state.store.begin().await?;
    let expires = state.clock.now().plus(LIFETIME);
    store::one_time::insert(&mut tx, &hash(&code), PURPOSE, expires).await?;
    state.commit(tx).await?;
    Ok(code)
}

#[derive(Template)]
#[template(path = "setup.html")]
struct SetupPage<'a> {
    shell: Shell,
    /// Once the tenant is made: what clients are pointed at, and where a second factor is registered.
    done: Option<Tenancy<'a>>,
    message: &'a str,
    /// Field → what is wrong with it.
    problems: &'a BTreeMap<&'static str, String>,
    organization: &'a str,
    domain: &'a str,
    username: &'a str,
    display_name: &'a str,
}

struct Tenancy<'a> {
    issuer: &'a str,
    security_info: &'a str,
}

#[derive(Debug, Default)]
struct Form {
    code: String,
    organization: String,
    domain: String,
    username: String,
    display_name: String,
    password: SecretString,
}

async fn show(State(state): State<ControlPlane>) -> Response {
    if needed(&state) { page(StatusCode::OK, &Form::default(), "", &BTreeMap::new()) } else { gone() }
}

async fn submit(State(state): State<ControlPlane>, peer: Option<Extension<Peer>>, bytes: Bytes) -> Response {
    if !needed(&state) {
        return gone();
    }
    let form = match Form::read(&bytes) {
        Ok(form) => form,
        Err(fault) => return page(StatusCode::BAD_REQUEST, &Form::default(), &fault.text, &BTreeMap::new()),
    };
    let answer = |status, message: &str| page(status, &form, message, &BTreeMap::new());
    let problems = form.problems();
    if !problems.is_empty() {
        return page(StatusCode::BAD_REQUEST, &form, "", &problems);
    }
    let key = throttle_key(peer.map(|Extension(peer)| peer));
    match make(&state, &form, &key).await {
        Ok(Made::Tenant) => made(&state, &form),
        Ok(Made::WrongCode) => {
            answer(StatusCode::UNAUTHORIZED, "This code is wrong, used or expired. Start the server again for another.")
        }
        Ok(Made::Locked) => answer(StatusCode::TOO_MANY_REQUESTS, "Too many wrong codes. Wait a while."),
        Ok(Made::Late) => gone(),
        Err(ApiError::Busy) => answer(StatusCode::TOO_MANY_REQUESTS, "Too much is going on. Try again shortly."),
        Err(ApiError::StorageFull) => answer(StatusCode::INSUFFICIENT_STORAGE, "The disk is full; nothing was made."),
        Err(error) => {
            tracing::error!(%error, "the first administrator could not be made");
            answer(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong; nothing was made.")
        }
    }
}

enum Made {
    Tenant,
    WrongCode,
    Locked,
    /// Somebody else made the tenant meanwhile.
    Late,
}

async fn make(state: &ControlPlane, form: &Form, key: &str) -> Result<Made, ApiError> {
    let code = hash(&form.code);
    // The code first, without using it up: only its holder may make this server hash a password.
    let mut tx = state.store.begin().await?;
    let now = state.clock.now();
    if throttle::locked(&store::throttle::get_in(&mut tx, key).await?, now).is_some() {
        return Ok(Made::Locked);
    }
    if !store::one_time::consume(&mut tx, &code, PURPOSE, now).await? {
        throttle::fail(&mut tx, key, now).await?;
        state.commit(tx).await?;
        return Ok(Made::WrongCode);
    }
    drop(tx);
    let password = state.passwords.hash(form.password.expose_secret()).await;
    let password = password.map_err(crate::graph::request::password_error)?;
    let initiator = Initiator::App { app_id: String::new(), display_name: "Countersign setup".to_owned() };
    let mut change = Change::begin(state, Actor::new(initiator)).await?;
    if !change.snapshot.objects.is_empty() {
        return Ok(Made::Late);
    }
    if !store::one_time::consume(&mut change.tx, &code, PURPOSE, change.now).await? {
        return Ok(Made::WrongCode);
    }
    write(&mut change, form, password).await?;
    store::throttle::clear(&mut change.tx, key).await?;
    change.commit().await?;
    Ok(Made::Tenant)
}

/// For each address, so that a stranger who guesses does not lock out whoever holds the code.
fn throttle_key(peer: Option<Peer>) -> String {
    let address = peer.map(|peer| peer.address.ip().to_canonical().to_string());
    format!("{PURPOSE}:{}", address.unwrap_or_default())
}

async fn write(change: &mut Change<'_>, form: &Form, password: PasswordHash) -> Result<(), ApiError> {
    let read = |error: serde_json::Error| ApiError::internal(error);
    let organization: Organization = serde_json::from_value(json!({
        "id": runtime::random::guid(),
        "displayName": form.organization,
        "verifiedDomains": [{"name": form.domain.to_lowercase(), "isDefault": true, "isInitial": true, "type": "Managed"}],
    }))
    .map_err(read)?;
    change.put(Activity::AddObject(Kind::Organization), None, &Object::Organization(organization)).await?;
    let user: User = serde_json::from_value(json!({
        "id": runtime::random::guid(),
        "userPrincipalName": form.username,
        "displayName": form.display_name,
        "accountEnabled": true,
        "userType": "Member",
    }))
    .map_err(read)?;
    let user = users::save(change, None, user, Some(password)).await?;
    let assignment: RoleAssignment = serde_json::from_value(json!({
        "id": runtime::random::guid(),
        "principalId": user.id,
        "roleDefinitionId": template::GLOBAL_ADMINISTRATOR,
        "directoryScopeId": "/",
    }))
    .map_err(read)?;
    change.put(Activity::AddObject(Kind::RoleAssignment), None, &Object::RoleAssignment(assignment)).await?;
    for text in BUILT_IN {
        let application: Application = serde_json::from_str(text).map_err(read)?;
        change.put(Activity::AddObject(Kind::Application), None, &Object::Application(Box::new(application))).await?;
    }
    Ok(())
}

impl Form {
    fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let parameters = Parameters::parse(bytes)?;
        let text = |name| parameters.optional(name).unwrap_or_default();
        let trimmed = |name| text(name).trim().to_owned();
        Ok(Self {
            code: trimmed("code"),
            organization: trimmed("organization"),
            domain: trimmed("domain"),
            username: trimmed("username"),
            display_name: trimmed("display_name"),
            // Not trimmed: a space may be part of it.
            password: SecretString::from(text("password")),
        })
    }

    fn problems(&self) -> BTreeMap<&'static str, String> {
        let mut problems = BTreeMap::new();
        let mut check = |is_right: bool, field, message: &str| {
            if !is_right {
                problems.insert(field, message.to_owned());
            }
        };
        let is_name = |text: &str| !text.is_empty() && text.chars().count() <= 128 && !text.chars().any(char::is_control);
        check(!self.code.is_empty(), "code", "Enter the code that the server printed when it started.");
        check(is_name(&self.organization), "organization", "Enter a name of at most 128 characters.");
        check(is_name(&self.display_name), "display_name", "Enter a name of at most 128 characters.");
        check(is_domain(&self.domain), "domain", "Enter a domain, such as woodgrove.example.");
        let is_in_domain = self.username.rsplit_once('@').is_some_and(|(_, domain)| domain.eq_ignore_ascii_case(&self.domain));
        check(
            users::is_principal_name(&self.username) && is_in_domain,
            "username",
            "Enter a name in the domain, such as ada@woodgrove.example.",
        );
        if let Err(error) = passwords::check_policy(self.password.expose_secret()) {
            problems.insert("password", format!("{error}."));
        }
        problems
    }
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(is_label)
}

fn page(status: StatusCode, form: &Form, message: &str, problems: &BTreeMap<&'static str, String>) -> Response {
    show_page(status, form, message, problems, None)
}

fn made(state: &ControlPlane, form: &Form) -> Response {
    let snapshot = state.snapshot();
    let Some(tenant) = snapshot.tenant() else { return gone() };
    let (issuer, security_info) = (state.issuer(tenant), format!("/{tenant}/mysecurityinfo"));
    let done = Tenancy { issuer: &issuer, security_info: &security_info };
    show_page(StatusCode::CREATED, form, "The tenant and its first administrator are made.", &BTreeMap::new(), Some(done))
}

fn show_page(
    status: StatusCode,
    form: &Form,
    message: &str,
    problems: &BTreeMap<&'static str, String>,
    done: Option<Tenancy<'_>>,
) -> Response {
    let page = SetupPage {
        shell: Shell::default(),
        done,
        message,
        problems,
        organization: &form.organization,
        domain: &form.domain,
        username: &form.username,
        display_name: &form.display_name,
    };
    pages::html(status, &page, None).unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

fn gone() -> Response {
    StatusCode::NOT_FOUND.into_response()
}

fn new_code() -> String {
    let letters: Vec<char> = runtime::random::bytes::<LETTERS>()
        .iter()
        .filter_map(|byte| ALPHABET.get(usize::from(byte & 31)))
        .map(|letter| char::from(*letter))
        .collect();
    letters.chunks(5).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

/// However it was typed: in lower case, with or without hyphens and spaces, `o` for zero, `i` or `l` for one.
fn hash(code: &str) -> String {
    let letters =
        code.chars().filter(|letter| letter.is_alphanumeric()).take(64).map(|letter| match letter.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        });
    runtime::hash::sha256_hex(letters.collect::<String>().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_may_be_typed_as_people_type() {
        let code = new_code();
        assert_eq!(code.len(), LETTERS + 3);
        assert_eq!(hash(&code), hash(&format!(" {} ", code.to_lowercase().replace('-', " "))));
        assert_eq!(hash("00011"), hash("oOoIl"));
        assert_ne!(hash(&code), hash(&new_code()));
    }

    #[test]
    fn domains() {
        for (text, expected) in
            [("woodgrove.example", true), ("localhost", false), ("a..b", false), ("a_b.c", false), ("<script>.x", false)]
        {
            assert_eq!(is_domain(text), expected, "{text}");
        }
    }

    #[test]
    fn every_field_is_checked_at_once() {
        let form = Form::read(b"code=&organization=&domain=x&username=y&display_name=&password=short").unwrap();
        let fields: Vec<_> = form.problems().into_keys().collect();
        assert_eq!(fields, ["code", "display_name", "domain", "organization", "password", "username"]);
        let form =
            Form::read(b"code=A&organization=W&domain=w.example&username=a%40w.example&display_name=A&password=correct+horse")
                .unwrap();
        assert!(form.problems().is_empty());
        assert!(Form::read(b"code=A&code=B").is_err(), "which of them counts?");
    }

    #[test]
    fn built_in_applications_can_be_read() {
        for text in BUILT_IN {
            let application: Application = serde_json::from_str(text).unwrap();
            assert!(!application.display_name.is_empty());
        }
    }
}
