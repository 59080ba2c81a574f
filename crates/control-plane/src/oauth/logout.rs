//! RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0). Without an ID token that belongs to this session the person is
//! asked first, so that no page elsewhere can sign them out; and they are sent on only to a registered address.

use crate::keys::TOKEN_TYPE;
use crate::sign_in::attempt::Attempt;
use crate::sign_in::failure::Failure;
use crate::sign_in::flow::{Flow, Purpose};
use crate::sign_in::session::{self, SignedIn};
use crate::sign_in::steps::form;
use crate::sign_in::{cookies, pages, session_end};
use crate::signals::InitiatingEntity;
use crate::state::ControlPlane;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use model::AppId;
use protocol::aadsts::Aadsts;
use protocol::oauth::Parameters;
use protocol::oauth::redirect::registered_kind;
use protocol::oidc::IdTokenClaims;

pub(crate) async fn ask(State(state): State<ControlPlane>, mut attempt: Attempt, RawQuery(query): RawQuery) -> Response {
    let result = begin(&state, &mut attempt, query.unwrap_or_default().as_bytes()).await;
    pages::respond(&state, attempt, result)
}

/// Our own page's confirmation; or a client that asks by POST, which is then asked like any other.
pub(crate) async fn confirm(State(state): State<ControlPlane>, mut attempt: Attempt, body: Bytes) -> Response {
    let result = submit(&state, &mut attempt, &body).await;
    pages::respond(&state, attempt, result)
}

async fn begin(state: &ControlPlane, attempt: &mut Attempt, query: &[u8]) -> Result<Response, Failure> {
    let issuer = state.issuer(attempt.tenant()?);
    let parameters = Parameters::parse(query)?;
    let now = state.clock.now();
    // Expired or not (§4): it says which client and session are meant, and lets nobody in.
    let hint = parameters
        .optional("id_token_hint")
        .and_then(|token| state.keys.verify_signature::<IdTokenClaims>(token, TOKEN_TYPE, now).ok())
        .filter(|claims| claims.iss == issuer);
    let client = hint.as_ref().map(|claims| claims.aud.as_str()).or_else(|| parameters.optional("client_id"));
    let redirect = redirect(attempt, &parameters, client);
    let Some(signed_in) = session::current(state, attempt).await? else {
        attempt.set_cookies.push(cookies::clear_session());
        return leave(attempt, redirect.as_deref());
    };
    if hint.is_some_and(|claims| claims.sid == signed_in.session.id.as_str()) {
        return end(state, attempt, &signed_in, redirect.as_deref()).await;
    }
    let flow = Flow::begin(attempt, Purpose::SignOut { redirect }, now);
    pages::sign_out(state, attempt, &flow, &signed_in.user)
}

async fn submit(state: &ControlPlane, attempt: &mut Attempt, body: &[u8]) -> Result<Response, Failure> {
    if Parameters::parse(body)?.optional("flow").is_none() {
        return begin(state, attempt, body).await;
    }
    let (flow, _) = form(state, attempt, body)?;
    let Purpose::SignOut { redirect } = flow.purpose else { return Err(Aadsts::FlowMismatch.into()) };
    match session::current(state, attempt).await? {
        Some(signed_in) => end(state, attempt, &signed_in, redirect.as_deref()).await,
        None => leave(attempt, redirect.as_deref()),
    }
}

async fn end(
    state: &ControlPlane,
    attempt: &mut Attempt,
    signed_in: &SignedIn,
    redirect: Option<&str>,
) -> Result<Response, Failure> {
    let mut tx = state.store.begin().await?;
    let now = state.clock.now();
    session_end::end(state, attempt, &mut tx, &signed_in.session, InitiatingEntity::User, now).await?;
    state.commit(tx).await?;
    attempt.set_cookies.push(cookies::clear_session());
    leave(attempt, redirect)
}

fn leave(attempt: &Attempt, redirect: Option<&str>) -> Result<Response, Failure> {
    match redirect {
        Some(address) => Ok(pages::redirect(address)),
        None => pages::signed_out(attempt),
    }
}

/// `post_logout_redirect_uri`, if the client registered it, with `state`.
fn redirect(attempt: &Attempt, parameters: &Parameters, client: Option<&str>) -> Option<String> {
    let wanted = parameters.optional("post_logout_redirect_uri")?;
    let client = attempt.snapshot.directory.applications.get(&AppId::new(client?))?;
    let web = client.web.iter().flat_map(|web| &web.redirect_uris);
    let public = client.public_client.iter().flat_map(|public| &public.redirect_uris);
    registered_kind(wanted, web, public)?;
    let Some(state) = parameters.optional("state") else { return Some(wanted.to_owned()) };
    let state: String = form_urlencoded::byte_serialize(state.as_bytes()).collect();
    let separator = if wanted.contains('?') { '&' } else { '?' };
    Some(format!("{wanted}{separator}state={state}"))
}
