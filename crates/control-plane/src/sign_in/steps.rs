//! The forms that prove nothing: who it is, which account, which method, never mind.

use crate::oauth::answer;
use crate::sign_in::attempt::Attempt;
use crate::sign_in::authenticate::{self, Notice, Step};
use crate::sign_in::failure::Failure;
use crate::sign_in::flow::{Flow, Purpose};
use crate::sign_in::next::{self, Next, Way};
use crate::sign_in::{pages, register, session};
use crate::state::ControlPlane;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use protocol::aadsts::Aadsts;
use protocol::oauth::Parameters;

/// Names are no longer than a principal name may be, and a little.
const LONGEST_NAME: usize = 256;

/// Reads a form: its flow, if it is this browser's, and the rest.
pub(crate) fn form(state: &ControlPlane, attempt: &mut Attempt, body: &[u8]) -> Result<(Flow, Parameters), Failure> {
    attempt.tenant()?;
    let parameters = Parameters::parse(body)?;
    let sealed = parameters.optional("flow").ok_or(Aadsts::FlowMismatch)?;
    let flow = Flow::open(&state.sealer, sealed, attempt, state.clock.now())?;
    Ok((flow, parameters))
}

/// Could this be the name of an account? Nothing else is looked up, shown or recorded.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= LONGEST_NAME && !text.chars().any(char::is_control)
}

pub(crate) async fn account(State(state): State<ControlPlane>, mut attempt: Attempt, body: Bytes) -> Response {
    let result = submit_account(&state, &mut attempt, &body).await;
    pages::respond(&state, attempt, result)
}

async fn submit_account(state: &ControlPlane, attempt: &mut Attempt, body: &[u8]) -> Result<Response, Failure> {
    let (mut flow, parameters) = form(state, attempt, body)?;
    let name = parameters.optional("username").map(str::trim).unwrap_or_default();
    if !is_name(name) {
        let message = Some("Enter the name of your account, such as someone@example.com.");
        return pages::account(state, attempt, flow, Notice { status: StatusCode::BAD_REQUEST, message });
    }
    flow.account = Some(name.to_owned());
    flow.account_chosen = true;
    authenticate::go_on(state, attempt, flow).await
}

/// Goes on as the person who is signed in.
pub(crate) async fn go_on(State(state): State<ControlPlane>, mut attempt: Attempt, body: Bytes) -> Response {
    let result = submit_continue(&state, &mut attempt, &body).await;
    pages::respond(&state, attempt, result)
}

async fn submit_continue(state: &ControlPlane, attempt: &mut Attempt, body: &[u8]) -> Result<Response, Failure> {
    let (mut flow, _) = form(state, attempt, body)?;
    flow.account_chosen = true;
    authenticate::go_on(state, attempt, flow).await
}

pub(crate) async fn other(State(state): State<ControlPlane>, mut attempt: Attempt, body: Bytes) -> Response {
    let result = submit_other(&state, &mut attempt, &body);
    pages::respond(&state, attempt, result)
}

fn submit_other(state: &ControlPlane, attempt: &mut Attempt, body: &[u8]) -> Result<Response, Failure> {
    let (mut flow, _) = form(state, attempt, body)?;
    flow.account = None;
    flow.account_chosen = true;
    flow.other_account = true;
    pages::account(state, attempt, flow, Notice::NONE)
}

/// Back to the client, without having signed in.
pub(crate) async fn cancel(State(state): State<ControlPlane>, mut attempt: Attempt, body: Bytes) -> Response {
    let result = submit_cancel(&state, &mut attempt, &body).await;
    pages::respond(&state, attempt, result)
}

async fn submit_cancel(state: &ControlPlane, attempt: &mut Attempt, body: &[u8]) -> Result<Response, Failure> {
    let (mut flow, _) = form(state, attempt, body)?;
    let signed_in = session::current(state, attempt).await?;
    // The client hears the reason, if there is one, rather than that the person gave up.
    let fault = match authenticate::step(state, attempt, &mut flow, signed_in).await? {
        Step::Decided(decided) if decided.next != Next::LetIn => decided.fault(attempt),
        Step::Decided(_) | Step::ExpectAccount | Step::ExpectAccountChoice(_) | Step::ExpectFirstFactor => {
            Aadsts::Declined.into()
        }
    };
    match flow.request() {
        Some(request) => answer::fault(state, attempt, &request.envelope, &fault),
        None => Err(fault.into()),
    }
}

/// The choice of a method to use, or to register.
pub(crate) async fn method(State(state): State<ControlPlane>, mut attempt: Attempt, body: Bytes) -> Response {
    let result = submit_method(&state, &mut attempt, &body).await;
    pages::respond(&state, attempt, result)
}

async fn submit_method(state: &ControlPlane, attempt: &mut Attempt, body: &[u8]) -> Result<Response, Failure> {
    let (mut flow, parameters) = form(state, attempt, body)?;
    let signed_in = session::current(state, attempt).await?;
    let chosen = match parameters.required("method")? {
        "register-totp" => return register::begin(state, attempt, flow, signed_in, Way::Totp).await,
        "register-passkey" => return register::begin(state, attempt, flow, signed_in, Way::Passkey).await,
        "totp" => Some(Way::Totp),
        "passkey" => Some(Way::Passkey),
        "password" => Some(Way::Password),
        _ => None,
    };
    let step = authenticate::step(state, attempt, &mut flow, signed_in.clone()).await?;
    if let (Step::Decided(decided), Some(way)) = (&step, chosen)
        && next::registered(&decided.credentials).contains(&way)
        // Who is let in needs no method, except to change their own.
        && (!matches!(decided.next, Next::LetIn) || matches!(flow.purpose, Purpose::SecurityInfo))
    {
        return authenticate::ask_for(state, attempt, flow, decided, way, Notice::NONE);
    }
    if let (Step::Decided(decided), None) = (&step, chosen)
        && let Next::Ask(ways) = &decided.next
    {
        // "Another way": the choice itself.
        return authenticate::ask(state, attempt, flow, decided, ways, Notice::NONE);
    }
    authenticate::go_on_as(state, attempt, flow, signed_in).await
}
