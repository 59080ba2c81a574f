//! The form for an authenticator code. A code is good once, guessing is throttled, and a code that was used before looks like
//! a wrong one.

use crate::sign_in::attempt::Attempt;
use crate::sign_in::authenticate::{self, Decided, Notice, Step, attempted};
use crate::sign_in::failure::Failure;
use crate::sign_in::next::Way;
use crate::sign_in::password::begin_session;
use crate::sign_in::record::{self, Attempted, Who};
use crate::sign_in::steps::form;
use crate::sign_in::throttle::{self, Buckets};
use crate::sign_in::{pages, session};
use crate::state::ControlPlane;
use crate::totp;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use model::Timestamp;
use policy::request::{Method, MethodUse};
use protocol::aadsts::Aadsts;
use store::Tx;
use store::credential::CredentialKind;

const WRONG: &str = "That code didn't work. Codes are good once and for about a minute: enter the one that is shown now.";
const LOCKED: &str = "There were too many wrong codes. Try again in a few minutes.";

pub(crate) async fn submit(State(state): State<ControlPlane>, mut attempt: Attempt, body: Bytes) -> Response {
    let result = submit_code(&state, &mut attempt, &body).await;
    pages::respond(&state, attempt, result)
}

async fn submit_code(state: &ControlPlane, attempt: &mut Attempt, body: &[u8]) -> Result<Response, Failure> {
    let (mut flow, parameters) = form(state, attempt, body)?;
    let signed_in = session::current(state, attempt).await?;
    // A code alone signs nobody in: the first factor comes before.
    let decided = match authenticate::step(state, attempt, &mut flow, signed_in.clone()).await? {
        Step::Decided(decided) => decided,
        Step::ExpectAccount | Step::ExpectAccountChoice(_) | Step::ExpectFirstFactor => {
            return authenticate::go_on_as(state, attempt, flow, signed_in).await;
        }
    };
    let code = parameters.optional("otp").unwrap_or_default();
    let id = &decided.signed_in.user.id;
    let buckets = Buckets::of_second_factor(id, attempt.address, attempt.known.for_second_factor(id));
    let locked = Notice { status: StatusCode::TOO_MANY_REQUESTS, message: Some(LOCKED) };
    if let Some(until) = buckets.locked(&state.store, state.clock.now()).await? {
        let answer = authenticate::ask_for(state, attempt, flow, &decided, Way::Totp, locked)?;
        return Ok(pages::retry_after(answer, until.since(state.clock.now())));
    }
    let mut tx = state.store.begin().await?;
    let now = state.clock.now();
    if let Some(until) = buckets.locked_in(&mut tx, now).await? {
        let answer = authenticate::ask_for(state, attempt, flow, &decided, Way::Totp, locked)?;
        return Ok(pages::retry_after(answer, until.since(now)));
    }
    // A session that was revoked meanwhile has no second step, nor has an account that was disabled.
    let user = session::current_in(&mut tx, &decided.signed_in.session.id, now).await?.map_err(Failure::from)?.user;
    if !take(state, &mut tx, &decided, code, now).await? {
        let aadsts = match buckets.fail(&mut tx, now).await? {
            throttle::Failed::Locked => Aadsts::AccountLocked,
            throttle::Failed::Counted => Aadsts::StrongAuthenticationFailed,
        };
        record_failure(state, attempt, &decided, tx, aadsts, now).await?;
        let wrong = Notice { status: StatusCode::UNAUTHORIZED, message: Some(WRONG) };
        return authenticate::ask_for(state, attempt, flow, &decided, Way::Totp, wrong);
    }
    buckets.clear(&mut tx).await?;
    let used = MethodUse { method: Method::SoftwareOath, at: now, aaguid: None };
    let signed_in = begin_session(state, attempt, &mut tx, user, used).await?;
    state.commit(tx).await?;
    authenticate::go_on_as(state, attempt, flow, Some(signed_in)).await
}

/// Takes the code's step from one of the person's authenticators; one caller for each step.
async fn take(state: &ControlPlane, tx: &mut Tx, decided: &Decided, code: &str, now: Timestamp) -> Result<bool, Failure> {
    for credential in store::credential::of_user_in(tx, &decided.signed_in.user.id).await? {
        if credential.kind != CredentialKind::Totp {
            continue;
        }
        let Some(secret) = totp::open_secret(&state.sealer, &credential.secret) else {
            tracing::error!(credential = credential.id, "a stored TOTP secret cannot be opened");
            continue;
        };
        if let Some(step) = totp::matching_step(&secret, code, now)
            && store::credential::advance_counter(tx, &credential.id, step, now).await?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn record_failure(
    state: &ControlPlane,
    attempt: &Attempt,
    decided: &Decided,
    mut tx: Tx,
    aadsts: Aadsts,
    now: Timestamp,
) -> Result<(), Failure> {
    let fault = aadsts.into();
    let attempted = Attempted {
        decided: Some((&decided.request, &decided.decision)),
        fault: Some(&fault),
        step: Some(record::Step { method: Method::SoftwareOath, succeeded: false }),
        session: Some(&decided.signed_in.session.id),
        ..attempted(attempt, &decided.asked, Who::User(&decided.signed_in.user))
    };
    record::sign_in(&mut tx, &attempted, now).await?;
    Ok(state.commit(tx).await?)
}
