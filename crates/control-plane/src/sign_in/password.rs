//! The password form. Wrong password, unknown account and account without a password look the same: same page, same status,
//! same work. A disabled account is told only to who knows its password.

use crate::passwords::Verdict;
use crate::sign_in::attempt::Attempt;
use crate::sign_in::authenticate::{self, Asked, Notice, attempted};
use crate::sign_in::cookies;
use crate::sign_in::failure::Failure;
use crate::sign_in::flow::Flow;
use crate::sign_in::pages;
use crate::sign_in::record::{self, Attempted, Step, Who};
use crate::sign_in::session::{self, SignedIn};
use crate::sign_in::steps::form;
use crate::sign_in::throttle::{self, Buckets};
use crate::signals::InitiatingEntity;
use crate::state::ControlPlane;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use model::{Timestamp, User, UserId};
use policy::request::{Method, MethodUse};
use protocol::aadsts::{Aadsts, Fault};
use store::credential::{Credential, CredentialKind};
use store::{StoreError, Tx};

const WRONG: &str = "Your account or password is incorrect. If you don't remember your password, ask your administrator.";
const LOCKED: &str = "There were too many attempts. Try again in a few minutes.";
const BUSY: &str = "Too many people are signing in right now. Try again in a moment.";

pub(crate) async fn submit(State(state): State<ControlPlane>, mut attempt: Attempt, body: Bytes) -> Response {
    let result = submit_password(&state, &mut attempt, &body).await;
    pages::respond(&state, attempt, result)
}

/// How checking a password ended. What the person hears of it is the page's to say.
#[derive(Debug)]
pub(crate) enum Checked {
    /// The transaction is open: what follows commits with it. Boxed, since it is much larger than the others.
    Right(Box<RightPassword>),
    Wrong,
    /// Right, but the account is disabled.
    Disabled,
    /// Until then.
    Locked(Timestamp),
}

#[derive(Debug)]
pub(crate) struct RightPassword {
    pub tx: Tx,
    pub now: Timestamp,
    /// As the transaction sees it.
    pub user: User,
}

async fn submit_password(state: &ControlPlane, attempt: &mut Attempt, body: &[u8]) -> Result<Response, Failure> {
    let (flow, parameters) = form(state, attempt, body)?;
    let Some(name) = flow.account.clone() else { return authenticate::go_on(state, attempt, flow).await };
    let asked = authenticate::asked(attempt, &flow)?;
    let password = parameters.optional("password").unwrap_or_default();
    if password.is_empty() {
        let message = Some("Enter your password.");
        return pages::password(state, attempt, flow, &[], Notice { status: StatusCode::BAD_REQUEST, message });
    }
    let checked = check(state, attempt, &asked, &name, password).await;
    match checked {
        Ok(Checked::Right(right)) => sign_in(state, attempt, flow, *right).await,
        Ok(Checked::Wrong) => again(state, attempt, flow, StatusCode::UNAUTHORIZED, WRONG),
        Ok(Checked::Locked(until)) => {
            let answer = again(state, attempt, flow, StatusCode::TOO_MANY_REQUESTS, LOCKED)?;
            Ok(pages::retry_after(answer, until.since(state.clock.now())))
        }
        Ok(Checked::Disabled) => Err(Aadsts::AccountDisabled.into()),
        Err(Failure::Told(fault)) if fault.aadsts == Aadsts::Throttled => {
            again(state, attempt, flow, StatusCode::TOO_MANY_REQUESTS, BUSY)
        }
        Err(failure) => Err(failure),
    }
}

/// Checks `password` for whoever goes by `name`, throttled and recorded; a failure is committed here.
pub(crate) async fn check(
    state: &ControlPlane,
    attempt: &Attempt,
    asked: &Asked,
    name: &str,
    password: &str,
) -> Result<Checked, Failure> {
    let user = attempt.snapshot.directory.user_by_principal_name(name).cloned();
    let known = user.as_ref().and_then(|user| attempt.known.for_password(&user.id));
    let buckets = Buckets::of_password(name, attempt.address, known);
    let failed = Failed { state, attempt, asked, name, user: user.as_ref() };
    if let Some(until) = buckets.locked(&state.store, state.clock.now()).await? {
        return Ok(Checked::Locked(until));
    }
    // Looked for whoever it is, even nobody: a look is time, and time tells.
    let id = user.as_ref().map_or_else(|| UserId::new("nobody"), |user| user.id.clone());
    let credential = password_of(&store::credential::of_user(&state.store, &id).await?);
    let stored = credential.as_ref().map(|credential| credential.secret.as_slice());
    let verdict = state.passwords.verify(password, stored, attempt.address).await?;
    let mut tx = state.store.begin().await?;
    let now = state.clock.now();
    if let Some(until) = buckets.locked_in(&mut tx, now).await? {
        return Ok(Checked::Locked(until));
    }
    let renewed = match verdict {
        Verdict::Wrong => return failed.wrong(tx, &buckets, now).await,
        Verdict::Right => None,
        Verdict::RightButOutdated(hash) => Some(hash),
    };
    // The account and its password as they are now: either may have changed while the hash was computed.
    let (Some(user), Some(credential)) = (&user, credential) else { return failed.wrong(tx, &buckets, now).await };
    if !is_still_password_of(&mut tx, &user.id, &credential).await? {
        return failed.wrong(tx, &buckets, now).await;
    }
    let Some(user) = session::user_in(&mut tx, &user.id).await? else { return failed.wrong(tx, &buckets, now).await };
    buckets.clear(&mut tx).await?;
    match renewed {
        Some(hash) => store::credential::set_secret(&mut tx, &credential.id, hash.as_bytes(), now).await?,
        None => store::credential::touch(&mut tx, &credential.id, now).await?,
    };
    if !user.account_enabled {
        let fault = Aadsts::AccountDisabled.into();
        failed.record(&mut tx, Who::User(&user), &fault, now, Some(Step { method: Method::Password, succeeded: true })).await?;
        state.commit(tx).await?;
        return Ok(Checked::Disabled);
    }
    Ok(Checked::Right(Box::new(RightPassword { tx, now, user })))
}

async fn sign_in(state: &ControlPlane, attempt: &mut Attempt, mut flow: Flow, right: RightPassword) -> Result<Response, Failure> {
    let RightPassword { mut tx, now, user } = right;
    let used = MethodUse { method: Method::Password, at: now, aaguid: None };
    let signed_in = begin_session(state, attempt, &mut tx, user, used).await?;
    state.commit(tx).await?;
    flow.authenticated(now);
    authenticate::go_on_as(state, attempt, flow, Some(signed_in)).await
}

/// Goes on with the browser's session, if it stands in this very transaction, or begins one; a session of somebody else in
/// this browser ends, and is told to end.
pub(crate) async fn begin_session(
    state: &ControlPlane,
    attempt: &mut Attempt,
    tx: &mut Tx,
    user: User,
    used: MethodUse,
) -> Result<SignedIn, Failure> {
    let now = used.at;
    let is_second_factor = used.method != Method::Password;
    let before = session::current(state, attempt).await?;
    if let Some(other) = before.as_ref().filter(|before| before.user.id != user.id) {
        super::session_end::end(state, attempt, tx, &other.session, InitiatingEntity::User, now).await?;
    }
    // Read again inside: whatever was proven in a session that was revoked since is void.
    let before = match before.filter(|before| before.user.id == user.id) {
        Some(before) => session::current_in(tx, &before.session.id, now).await?.ok(),
        None => None,
    };
    let before = before.map(|before| before.session);
    let lifetime = state.config.session_lifetime;
    let (session, cookie) = session::advance(tx, before.as_ref(), &user.id, used, lifetime).await?.map_err(Failure::from)?;
    attempt.set_cookies.push(cookies::set_session(&cookie, None));
    attempt.set_cookies.extend(attempt.known.after(&state.sealer, &user.id, is_second_factor, now));
    attempt.session = Some(cookie);
    Ok(SignedIn { methods: session::methods(&session), session, user })
}

fn again(
    state: &ControlPlane,
    attempt: &mut Attempt,
    flow: Flow,
    status: StatusCode,
    message: &str,
) -> Result<Response, Failure> {
    pages::password(state, attempt, flow, &[], Notice { status, message: Some(message) })
}

fn password_of(credentials: &[Credential]) -> Option<Credential> {
    credentials.iter().find(|credential| credential.kind == CredentialKind::Password).cloned()
}

async fn is_still_password_of(tx: &mut Tx, user: &UserId, checked: &Credential) -> Result<bool, StoreError> {
    let now = store::credential::of_user_in(tx, user).await?;
    Ok(password_of(&now).is_some_and(|credential| credential.secret == checked.secret))
}

/// What the records of failures have in common.
struct Failed<'a> {
    state: &'a ControlPlane,
    attempt: &'a Attempt,
    asked: &'a Asked,
    name: &'a str,
    user: Option<&'a User>,
}

impl Failed<'_> {
    async fn wrong(&self, mut tx: Tx, buckets: &Buckets, now: Timestamp) -> Result<Checked, Failure> {
        // The log knows which it was; the person does not.
        let aadsts = match (buckets.fail(&mut tx, now).await?, self.user) {
            (throttle::Failed::Locked, _) => Aadsts::AccountLocked,
            (throttle::Failed::Counted, Some(_)) => Aadsts::WrongPassword,
            (throttle::Failed::Counted, None) => Aadsts::UserNotFound,
        };
        let step = self.user.map(|_| Step { method: Method::Password, succeeded: false });
        self.record(&mut tx, self.who(), &aadsts.into(), now, step).await?;
        self.state.commit(tx).await?;
        Ok(Checked::Wrong)
    }

    fn who(&self) -> Who<'_> {
        self.user.map_or(Who::Nobody(self.name), Who::User)
    }

    async fn record(
        &self,
        tx: &mut Tx,
        who: Who<'_>,
        fault: &Fault,
        now: Timestamp,
        step: Option<Step>,
    ) -> Result<(), StoreError> {
        let attempted = Attempted { fault: Some(fault), step, ..attempted(self.attempt, self.asked, who) };
        record::sign_in(tx, &attempted, now).await
    }
}
