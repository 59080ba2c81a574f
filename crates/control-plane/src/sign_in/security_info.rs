//! “My security info”: a person's own methods, and adding or removing one. Needs a session, and what policies ask of the user
//! action *Register security information*.

use crate::audit::{self, Activity, Actor};
use crate::sign_in::attempt::Attempt;
use crate::sign_in::authenticate::{self, Notice};
use crate::sign_in::failure::Failure;
use crate::sign_in::flow::{Flow, Purpose};
use crate::sign_in::next::Way;
use crate::sign_in::pages;
use crate::sign_in::register::{self, Gate};
use crate::sign_in::session;
use crate::sign_in::steps::form;
use crate::signals::{InitiatingEntity, SecurityEvent};
use crate::state::ControlPlane;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use model::audit::{Initiator, ModifiedProperty, TargetResource};
use model::{Timestamp, User};
use protocol::aadsts::Aadsts;
use protocol::secevent::event_type;
use store::Tx;
use store::credential::CredentialKind;

/// Entra's own id of the page (“My Signins”), under which it appears in the log.
pub(crate) const APP_ID: &str = "19db86c3-b2b9-44cc-b339-36da233a3be2";

/// What happened to a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    Added,
    Removed,
}

pub(crate) fn address(attempt: &Attempt) -> String {
    format!("/{}/mysecurityinfo", attempt.tenant_segment())
}

pub(crate) async fn show(State(state): State<ControlPlane>, mut attempt: Attempt) -> Response {
    let result = page(&state, &mut attempt).await;
    pages::respond(&state, attempt, result)
}

async fn page(state: &ControlPlane, attempt: &mut Attempt) -> Result<Response, Failure> {
    attempt.tenant()?;
    let flow = Flow::begin(attempt, Purpose::SecurityInfo, state.clock.now());
    let Some(signed_in) = session::current(state, attempt).await? else {
        return authenticate::go_on_as(state, attempt, flow, None).await;
    };
    match register::gate(state, attempt, &flow, signed_in.clone()).await? {
        Gate::Open(gate) => pages::security_info(state, attempt, &flow, &gate.signed_in.user, &gate.credentials),
        Gate::Prove(gate, ways) => authenticate::ask(state, attempt, flow, &gate, &ways, Notice::NONE),
        Gate::Closed(_) => authenticate::go_on_as(state, attempt, flow, Some(signed_in)).await,
    }
}

pub(crate) async fn change(State(state): State<ControlPlane>, mut attempt: Attempt, body: Bytes) -> Response {
    let result = submit(&state, &mut attempt, &body).await;
    pages::respond(&state, attempt, result)
}

async fn submit(state: &ControlPlane, attempt: &mut Attempt, body: &[u8]) -> Result<Response, Failure> {
    let (flow, parameters) = form(state, attempt, body)?;
    if !matches!(flow.purpose, Purpose::SecurityInfo) {
        return Err(Aadsts::FlowMismatch.into());
    }
    let signed_in = session::current(state, attempt).await?;
    match (parameters.required("action")?, signed_in) {
        ("add-totp", signed_in) => register::begin(state, attempt, flow, signed_in, Way::Totp).await,
        ("add-passkey", signed_in) => register::begin(state, attempt, flow, signed_in, Way::Passkey).await,
        ("remove", Some(signed_in)) => match register::gate(state, attempt, &flow, signed_in).await? {
            Gate::Open(gate) => {
                remove(state, attempt, &gate.signed_in.session.id, parameters.required("credential_id")?).await?;
                Ok(pages::redirect(&address(attempt)))
            }
            Gate::Prove(gate, ways) => authenticate::ask(state, attempt, flow, &gate, &ways, Notice::NONE),
            Gate::Closed(_) => Err(Aadsts::RegistrationBlocked.into()),
        },
        _ => authenticate::go_on(state, attempt, flow).await,
    }
}

/// Removes one of the person's own second factors; what is not theirs does not exist.
async fn remove(state: &ControlPlane, attempt: &Attempt, session: &model::SessionId, credential_id: &str) -> Result<(), Failure> {
    let mut tx = state.store.begin().await?;
    let now = state.clock.now();
    let (user, own) = register::recheck(&mut tx, session, now).await?;
    let found = own.iter().find(|row| row.id == credential_id && row.kind != CredentialKind::Password);
    let Some(credential) = found else { return Ok(()) };
    store::credential::delete(&mut tx, &credential.id).await?;
    record(state, attempt, &mut tx, &user, credential.kind, Changed::Removed, now).await?;
    state.commit(tx).await?;
    Ok(())
}

/// The audit record and the event (CAEP `credential-change`) of a change that a person made to their own credentials.
pub(crate) async fn record(
    state: &ControlPlane,
    attempt: &Attempt,
    tx: &mut Tx,
    user: &User,
    kind: CredentialKind,
    changed: Changed,
    now: Timestamp,
) -> Result<(), Failure> {
    let (activity, change_type) = match changed {
        Changed::Added => (Activity::RegisterOwnSecurityInfo, "create"),
        Changed::Removed => (Activity::DeleteOwnSecurityInfo, "delete"),
    };
    let (method, credential_type) = names(kind);
    let property = |old: bool| (old == (changed == Changed::Removed)).then(|| format!("\"{method}\""));
    let actor = Actor {
        initiator: Initiator::User { id: user.id.to_string(), user_principal_name: user.user_principal_name.clone() },
        correlation_id: attempt.correlation_id.clone(),
    };
    let target = TargetResource {
        id: user.id.to_string(),
        display_name: user.user_principal_name.clone(),
        resource_type: "user".to_owned(),
        modified_properties: vec![ModifiedProperty {
            display_name: "authenticationMethod".to_owned(),
            old_value: property(true),
            new_value: property(false),
        }],
    };
    audit::append(tx, &actor, activity, target, "", now).await?;
    let tenant = attempt.tenant()?;
    let event = SecurityEvent::about_user(state, tenant, &user.id, event_type::CREDENTIAL_CHANGE, InitiatingEntity::User)
        .with("credential_type", credential_type)
        .with("change_type", change_type);
    Ok(crate::signals::raise(tx, event, now, &attempt.correlation_id).await?)
}

/// What the audit log and CAEP §3.2 (`credential_type`) call a kind of credential.
pub(crate) const fn names(kind: CredentialKind) -> (&'static str, &'static str) {
    match kind {
        CredentialKind::Password => ("password", "password"),
        CredentialKind::Totp => ("softwareOath", "app"),
        CredentialKind::Passkey => ("fido2", "fido2-roaming"),
    }
}
