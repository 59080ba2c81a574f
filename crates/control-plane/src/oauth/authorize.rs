//! The authorization endpoint. Until client and redirect address are known to belong together, an error is a page: nobody is
//! ever sent to an address that a stranger wrote.

use crate::oauth::{answer, scopes};
use crate::sign_in::attempt::Attempt;
use crate::sign_in::authenticate;
use crate::sign_in::failure::Failure;
use crate::sign_in::flow::{Flow, Purpose};
use crate::sign_in::pages;
use crate::state::ControlPlane;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use model::AppId;
use protocol::aadsts::{Aadsts, Fault};
use protocol::oauth::{AuthorizeRequest, Envelope, Parameters, redirect};

pub(crate) async fn by_query(State(state): State<ControlPlane>, mut attempt: Attempt, RawQuery(query): RawQuery) -> Response {
    let result = authorize(&state, &mut attempt, query.unwrap_or_default().as_bytes()).await;
    pages::respond(&state, attempt, result)
}

/// OpenID Connect Core §3.1.2.1: POST must do as well.
pub(crate) async fn by_form(State(state): State<ControlPlane>, mut attempt: Attempt, body: Bytes) -> Response {
    let result = authorize(&state, &mut attempt, &body).await;
    pages::respond(&state, attempt, result)
}

async fn authorize(state: &ControlPlane, attempt: &mut Attempt, form: &[u8]) -> Result<Response, Failure> {
    attempt.tenant()?;
    let parameters = Parameters::parse(form)?;
    let envelope = Envelope::read(&parameters)?;
    let request = match read(attempt, &parameters, &envelope)? {
        Ok(request) => request,
        Err(fault) => return answer::fault(state, attempt, &envelope, &fault),
    };
    let flow = Flow::begin(attempt, Purpose::Authorize(Box::new(request)), state.clock.now());
    authenticate::go_on(state, attempt, flow).await
}

/// The outer error is for a page, the inner one for the client.
fn read(attempt: &Attempt, parameters: &Parameters, envelope: &Envelope) -> Result<Result<AuthorizeRequest, Fault>, Fault> {
    let directory = &attempt.snapshot.directory;
    let not_found = || Aadsts::ApplicationNotFound.fault(&[&envelope.client_id, attempt.tenant_segment()]);
    let client = directory.applications.get(&AppId::new(&envelope.client_id)).ok_or_else(not_found)?;
    let web = client.web.iter().flat_map(|web| &web.redirect_uris);
    let public = client.public_client.iter().flat_map(|public| &public.redirect_uris);
    let kind = redirect::registered_kind(&envelope.redirect_uri, web, public)
        .ok_or_else(|| Aadsts::RedirectMismatch.fault(&[&envelope.redirect_uri, &envelope.client_id]))?;
    let request = AuthorizeRequest::read(parameters, envelope.clone(), kind);
    Ok(request
        .and_then(|request| scopes::delegated(directory, client, &request.scopes, Some(&envelope.redirect_uri)).map(|_| request)))
}
