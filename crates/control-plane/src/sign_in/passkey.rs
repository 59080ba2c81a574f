//! The form that a passkey answers: signing in without a name, instead of a password, or as a second step.

use crate::passkeys::{self, Ceremony, PasskeyError};
use crate::sign_in::attempt::Attempt;
use crate::sign_in::authenticate::{self, Asked, Notice, Step, attempted};
use crate::sign_in::failure::Failure;
use crate::sign_in::flow::{Flow, Pending};
use crate::sign_in::next::Way;
use crate::sign_in::password::begin_session;
use crate::sign_in::record::{self, Attempted, Who};
use crate::sign_in::steps::form;
use crate::sign_in::{pages, session};
use crate::state::ControlPlane;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use model::{Timestamp, User};
use policy::request::{Method, MethodUse};
use protocol::aadsts::{Aadsts, Fault};
use store::Tx;
use store::credential::{Credential, CredentialKind};

const WRONG: &str = "That passkey didn't work here. Try again, or use another way to sign in.";

pub(crate) async fn submit(State(state): State<ControlPlane>, mut attempt: Attempt, body: Bytes) -> Response {
    let result = submit_answer(&state, &mut attempt, &body).await;
    pages::respond(&state, attempt, result)
}

async fn submit_answer(state: &ControlPlane, attempt: &mut Attempt, body: &[u8]) -> Result<Response, Failure> {
    let (mut flow, parameters) = form(state, attempt, body)?;
    let Some(Pending::Passkey(ceremony)) = flow.pending.take() else {
        return Err(Aadsts::FlowMismatch.into());
    };
    let answer = parameters.optional("credential").unwrap_or_default();
    let asked = authenticate::asked(attempt, &flow)?;
    // An answer that names nobody's passkey is turned away without a write: anybody can send one.
    let Some(id) = known(state, answer).await? else { return again(state, attempt, flow, &ceremony).await };
    let mut tx = state.store.begin().await?;
    let now = state.clock.now();
    flow.use_up(&mut tx).await?;
    let proof = match prove(state, &mut tx, &ceremony, (answer, &id), now).await? {
        Ok(proof) => proof,
        Err(refused) => {
            tracing::info!(correlation_id = attempt.correlation_id, reason = %refused.error, "a passkey was refused");
            let fault: Fault = Aadsts::StrongAuthenticationFailed.into();
            record_failure(attempt, &asked, &mut tx, refused.user.as_ref(), &fault, now).await?;
            state.commit(tx).await?;
            return again(state, attempt, flow, &ceremony).await;
        }
    };
    if !proof.account_enabled {
        let fault: Fault = Aadsts::AccountDisabled.into();
        record_failure(attempt, &asked, &mut tx, Some(&proof), &fault, now).await?;
        state.commit(tx).await?;
        return Err(fault.into());
    }
    // The page was for somebody: an answer for somebody else would be a switch of account behind the person's back.
    if let Ceremony::Usernameless(_) = ceremony {
        flow.account = Some(proof.user_principal_name.clone());
        flow.account_chosen = true;
    }
    let used = MethodUse { method: Method::Fido2, at: now, aaguid: None };
    let signed_in = begin_session(state, attempt, &mut tx, proof, used).await?;
    state.commit(tx).await?;
    flow.authenticated(now);
    authenticate::go_on_as(state, attempt, flow, Some(signed_in)).await
}

struct Refused {
    /// Whose passkey it was, if it was anybody's.
    user: Option<User>,
    error: PasskeyError,
}

/// The stored credential that `answer` names.
async fn known(state: &ControlPlane, answer: &str) -> Result<Option<Credential>, Failure> {
    match passkeys::credential_id(answer) {
        Ok(id) => Ok(store::credential::by_id(&state.store, &id).await?),
        Err(_) => Ok(None),
    }
}

/// Whose passkey answered, if it did: checked against the row as the transaction sees it, its counter moved on.
///
/// An authenticator's model (AAGUID) is not taken from it: without attestation it is a claim, and a strength that lists
/// models must not be met by one.
async fn prove(
    state: &ControlPlane,
    tx: &mut Tx,
    ceremony: &Ceremony,
    (answer, found): (&str, &Credential),
    now: Timestamp,
) -> Result<Result<User, Refused>, Failure> {
    let nobody = |error| Ok(Err(Refused { user: None, error }));
    // Read again inside: it may have been removed since.
    let rows = store::credential::of_user_in(tx, &found.user_id).await?;
    let is_it = |row: &&Credential| row.id == found.id && row.kind == CredentialKind::Passkey;
    let (Some(row), Some(user)) = (rows.iter().find(is_it), session::user_in(tx, &found.user_id).await?) else {
        return nobody(PasskeyError::Unknown);
    };
    let proof = match passkeys::finish(&state.webauthn, ceremony.clone(), answer, row) {
        Ok(proof) => proof,
        Err(error) => return Ok(Err(Refused { user: Some(user), error })),
    };
    // A counter that does not grow means that the key exists twice (WebAuthn §6.1.1). Zero: it has no counter.
    let counter = i64::from(proof.counter);
    let is_fresh = if counter > 0 || row.counter > 0 {
        store::credential::advance_counter(tx, &row.id, counter, now).await?
    } else {
        store::credential::touch(tx, &row.id, now).await?
    };
    if !is_fresh {
        return Ok(Err(Refused { user: Some(user), error: PasskeyError::Unknown }));
    }
    if let Some(changed) = &proof.changed {
        store::credential::set_secret(tx, &row.id, changed, now).await?;
    }
    Ok(Ok(user))
}

async fn record_failure(
    attempt: &Attempt,
    asked: &Asked,
    tx: &mut Tx,
    user: Option<&User>,
    fault: &Fault,
    now: Timestamp,
) -> Result<(), Failure> {
    let attempted = Attempted {
        fault: Some(fault),
        step: user.map(|_| record::Step { method: Method::Fido2, succeeded: false }),
        ..attempted(attempt, asked, user.map_or(Who::Nobody(""), Who::User))
    };
    Ok(record::sign_in(tx, &attempted, now).await?)
}

/// The page that the answer came from, with a new challenge.
async fn again(state: &ControlPlane, attempt: &mut Attempt, mut flow: Flow, ceremony: &Ceremony) -> Result<Response, Failure> {
    let notice = Notice { status: StatusCode::UNAUTHORIZED, message: Some(WRONG) };
    if let Ceremony::Usernameless(_) = ceremony {
        return match flow.account {
            Some(_) => pages::password(state, attempt, flow, &[], notice),
            None => pages::account(state, attempt, flow, notice),
        };
    }
    let signed_in = session::current(state, attempt).await?;
    match authenticate::step(state, attempt, &mut flow, signed_in).await? {
        Step::Decided(decided) => authenticate::ask_for(state, attempt, flow, &decided, Way::Passkey, notice),
        Step::ExpectAccount | Step::ExpectAccountChoice(_) | Step::ExpectFirstFactor => {
            authenticate::go_on(state, attempt, flow).await
        }
    }
}
