//! Answers of the authorization endpoint, to a redirect address that was checked: `code`, or an error, with `state` and `iss`
//! (RFC 9207, against mix-up).

use crate::sign_in::attempt::Attempt;
use crate::sign_in::failure::Failure;
use crate::sign_in::pages;
use crate::state::ControlPlane;
use axum::response::Response;
use protocol::aadsts::Fault;
use protocol::oauth::Envelope;
use protocol::oauth::authorize::answer_address;

pub(crate) fn code(state: &ControlPlane, attempt: &Attempt, envelope: &Envelope, code: &str) -> Result<Response, Failure> {
    answer(state, attempt, envelope, &[("code", code)])
}

pub(crate) fn fault(state: &ControlPlane, attempt: &Attempt, envelope: &Envelope, fault: &Fault) -> Result<Response, Failure> {
    let occurrence = attempt.occurrence(state.config.base(), state.clock.now());
    let description = fault.description(&occurrence);
    let error_uri = format!("{}?code={}", occurrence.error_page, fault.number());
    let members = [("error", fault.aadsts.authorize_error()), ("error_description", &description), ("error_uri", &error_uri)];
    answer(state, attempt, envelope, &members)
}

fn answer(state: &ControlPlane, attempt: &Attempt, envelope: &Envelope, members: &[(&str, &str)]) -> Result<Response, Failure> {
    let issuer = state.issuer(attempt.tenant()?);
    let mut members = members.to_vec();
    members.extend(envelope.state.as_deref().map(|value| ("state", value)));
    members.push(("iss", &issuer));
    match answer_address(envelope, &members) {
        Some(address) => Ok(pages::redirect(&address)),
        None => pages::form_post(attempt, &envelope.redirect_uri, &members),
    }
}
