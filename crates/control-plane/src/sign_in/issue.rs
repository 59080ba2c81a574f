//! Issue: an authorization code for somebody who was let in. One transaction: the session and the account are looked at again,
//! the code is written, the sign-in is recorded.

use crate::oauth::{answer, code_detail::CodeDetail};
use crate::sign_in::attempt::Attempt;
use crate::sign_in::authenticate::{Decided, attempted};
use crate::sign_in::cookies;
use crate::sign_in::failure::Failure;
use crate::sign_in::record::{self, Attempted, Who};
use crate::sign_in::session;
use crate::state::ControlPlane;
use axum::response::Response;
use protocol::oauth::AuthorizeRequest;
use std::time::Duration;
use store::code::AuthorizationCode;
use store::session::Session;

/// RFC 6749 §4.1.2 recommends ten minutes at most; nobody needs more than a moment.
const CODE_LIFETIME: Duration = Duration::from_secs(120);

/// The answer that brings a code to the client.
pub(crate) async fn code(
    state: &ControlPlane,
    attempt: &mut Attempt,
    request: &AuthorizeRequest,
    decided: Decided,
) -> Result<Response, Failure> {
    let code = runtime::random::token();
    let unique_token_identifier = runtime::random::token();
    let detail = CodeDetail {
        redirect_uri: request.envelope.redirect_uri.clone(),
        client_kind: request.client_kind,
        code_challenge: request.code_challenge.clone(),
        nonce: request.nonce.clone(),
        scopes: request.scopes.clone(),
        authentication_contexts: decided.request.target.authentication_contexts.clone(),
        platform: decided.request.platform,
        network: decided.request.network.clone(),
        unique_token_identifier: unique_token_identifier.clone(),
    };
    let mut tx = state.store.begin().await?;
    // Read after the write lock was taken: nothing that was revoked before is stamped earlier than this.
    let now = state.clock.now();
    let current = session::current_in(&mut tx, &decided.signed_in.session.id, now).await?;
    let current = current.map_err(Failure::from)?;
    let used = Session { expires: now.plus(state.config.session_lifetime), ..current.session.clone() };
    if !store::session::update(&mut tx, &used).await? {
        return Err(protocol::aadsts::Aadsts::GrantRevoked.into());
    }
    let row = AuthorizationCode {
        hash: runtime::hash::sha256_hex(code.as_bytes()),
        session_id: current.session.id.clone(),
        user_id: current.user.id.clone(),
        client_id: decided.asked.client_id.clone(),
        detail: serde_json::to_string(&detail)?,
        expires: now.plus(CODE_LIFETIME),
    };
    store::code::insert(&mut tx, &row).await?;
    let attempted = Attempted {
        decided: Some((&decided.request, &decided.decision)),
        session: Some(&current.session.id),
        unique_token_identifier: Some(&unique_token_identifier),
        ..attempted(attempt, &decided.asked, Who::User(&current.user))
    };
    record::sign_in(&mut tx, &attempted, now).await?;
    state.commit(tx).await?;
    keep_cookie(attempt, decided.decision.session.persistent_browser, state.config.session_lifetime);
    answer::code(state, attempt, &request.envelope, &code)
}

/// `persistentBrowser`: a policy may ask that the session outlives the browser's, or that it does not. Without one it does not,
/// so `always` is a convenience, and `never` takes back what another policy's `always` gave.
fn keep_cookie(attempt: &mut Attempt, persistent: Option<bool>, lifetime: Duration) {
    if let (Some(always), Some(cookie)) = (persistent, &attempt.session) {
        attempt.set_cookies.push(cookies::set_session(cookie, always.then_some(lifetime)));
    }
}
