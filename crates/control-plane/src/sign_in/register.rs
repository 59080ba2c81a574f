//! Registering a method: during a sign-in that needs one, or from the person's own page.
//!
//! INVARIANT: who has a second factor needs one to add or remove another, used within the last ten minutes, whatever the
//! policies say; else a stolen password or cookie would be enough to make oneself at home. Beyond that, policies on the user action *Register security information* decide.

use crate::passkeys;
use crate::sign_in::attempt::Attempt;
use crate::sign_in::authenticate::{self, Decided, Notice, Step};
use crate::sign_in::failure::Failure;
use crate::sign_in::flow::{Flow, Pending, Purpose};
use crate::sign_in::next::{self, Next, Way};
use crate::sign_in::owed;
use crate::sign_in::password::begin_session;
use crate::sign_in::security_info::{self, Changed};
use crate::sign_in::session::{self, SignedIn};
use crate::sign_in::steps::form;
use crate::sign_in::throttle::Buckets;
use crate::sign_in::{enforce, pages};
use crate::snapshot::Snapshot;
use crate::state::ControlPlane;
use crate::totp;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use model::{SessionId, Timestamp, User};
use policy::answer::{Condition, Outcome, ResultKind};
use policy::request::{Method, MethodUse};
use protocol::aadsts::{Aadsts, Fault};
use std::collections::BTreeSet;
use std::time::Duration;
use store::Tx;
use store::credential::{Credential, CredentialKind};

const WRONG_CODE: &str = "That code didn't match. Check that the clock of your device is right, and enter the code shown now.";
const LOCKED: &str = "There were too many wrong codes. Try again in a few minutes.";
const WRONG_PASSKEY: &str = "The passkey could not be registered. Try again.";
/// For how long a proof counts towards changing one's own methods: a session lasts much longer, and may be stolen.
const FRESH: Duration = Duration::from_secs(600);
/// Of each kind, for one person.
const MOST_CREDENTIALS: usize = 10;

/// May this person register a method now?
#[derive(Debug)]
pub(crate) enum Gate {
    Open(Box<Decided>),
    /// After proving one of these.
    Prove(Box<Decided>, BTreeSet<Way>),
    Closed(Box<Decided>),
}

pub(crate) async fn gate(state: &ControlPlane, attempt: &Attempt, flow: &Flow, signed_in: SignedIn) -> Result<Gate, Failure> {
    let asked = authenticate::asked_security_info();
    let decided = Box::new(authenticate::decide(state, attempt, flow, signed_in, asked).await?);
    let now = state.clock.now();
    let strongest = strongest(&decided.credentials);
    let is_fresh = is_fresh(&strongest, &decided.request.methods, now);
    Ok(match &decided.next {
        Next::LetIn if is_fresh => Gate::Open(decided),
        Next::LetIn => Gate::Prove(decided, strongest),
        Next::Ask(ways) => {
            let ways = ways.clone();
            Gate::Prove(decided, ways)
        }
        Next::Register(ways)
            if !has_second_factor(&strongest)
                && ways.contains(&Way::Totp)
                && is_asked_of_everything(&attempt.snapshot, &decided, now) =>
        {
            if is_fresh {
                Gate::Open(decided)
            } else {
                Gate::Prove(decided, strongest)
            }
        }
        Next::Register(_) | Next::Refuse => Gate::Closed(decided),
    })
}

/// What a person must have proven: one of the second factors, or the password of who has none.
fn strongest(credentials: &[Credential]) -> BTreeSet<Way> {
    let registered = next::registered(credentials);
    let second_factors: BTreeSet<Way> = registered.iter().copied().filter(|way| *way != Way::Password).collect();
    if second_factors.is_empty() { registered } else { second_factors }
}

fn has_second_factor(strongest: &BTreeSet<Way>) -> bool {
    strongest.iter().any(|way| *way != Way::Password)
}

fn is_fresh(strongest: &BTreeSet<Way>, used: &[MethodUse], now: Timestamp) -> bool {
    let since = now.minus(FRESH);
    used.iter().any(|used| used.at >= since && strongest.iter().any(|way| way.method() == used.method))
}

/// The session and the person's credentials, as this transaction sees them, when a method was proven recently enough to
/// change them: what the page saw may be over, or somebody else's second factor may have been added since.
pub(crate) async fn recheck(tx: &mut Tx, session: &SessionId, now: Timestamp) -> Result<(User, Vec<Credential>), Failure> {
    let current = session::current_in(tx, session, now).await?.map_err(Failure::from)?;
    let credentials = store::credential::of_user_in(tx, &current.user.id).await?;
    if !is_fresh(&strongest(&credentials), &current.methods, now) {
        return Err(Aadsts::RegistrationBlocked.into());
    }
    Ok((current.user, credentials))
}

/// Is what is owed owed because a policy is for all resources, and not because one is for registering? Then the first
/// second factor may be registered with the password: nobody could ever have one otherwise. (Entra calls it the
/// registration interrupt.) Whoever wants more names the user action in a policy.
fn is_asked_of_everything(snapshot: &Snapshot, decided: &Decided, now: Timestamp) -> bool {
    enforce::explain(&snapshot.policies, &decided.request, now)
        .iter()
        .filter(|result| result.result == ResultKind::Failure)
        .all(|result| result.met.contains(&Condition::Application) && !result.met.contains(&Condition::UserActions))
}

/// Nothing that is registered satisfies what is asked. Says so, and offers to register where that may be done.
pub(crate) async fn offer_or_refuse(
    state: &ControlPlane,
    attempt: &mut Attempt,
    mut flow: Flow,
    decided: Decided,
) -> Result<Response, Failure> {
    let fault = decided.fault(attempt);
    let Next::Register(would_do) = &decided.next else { return refuse(state, attempt, flow, &decided, fault).await };
    let mut would_do = would_do.clone();
    would_do.remove(&Way::Password);
    let gate = gate(state, attempt, &flow, decided.signed_in.clone()).await?;
    if let (Gate::Open(_), Some(way)) = (&gate, flow.wants_to_register)
        && would_do.contains(&way)
    {
        return show(state, attempt, flow, decided.signed_in.clone(), &decided.credentials, way, Notice::NONE);
    }
    authenticate::record_refusal(state, attempt, &decided, &fault).await?;
    flow.interruption_recorded = true;
    let may_register = if matches!(gate, Gate::Closed(_)) { BTreeSet::new() } else { would_do };
    let policies = owed::words(&decided.decision.owed);
    pages::refused(state, attempt, &flow, &fault, &decided.asked.resource_name, &policies, &may_register)
}

async fn refuse(
    state: &ControlPlane,
    attempt: &mut Attempt,
    flow: Flow,
    decided: &Decided,
    fault: Fault,
) -> Result<Response, Failure> {
    let is_registration = matches!(flow.purpose, Purpose::SecurityInfo);
    let fault = if is_registration { Aadsts::RegistrationBlocked.into() } else { fault };
    authenticate::record_refusal(state, attempt, decided, &fault).await?;
    let policies = if decided.decision.outcome == Outcome::Blocked {
        let now = state.clock.now();
        owed::blocking(&attempt.snapshot.policies, &decided.request, now)
    } else {
        owed::words(&decided.decision.owed)
    };
    let nothing = BTreeSet::new();
    pages::refused(state, attempt, &flow, &fault, &decided.asked.resource_name, &policies, &nothing)
}

/// The person asked to register this.
pub(crate) async fn begin(
    state: &ControlPlane,
    attempt: &mut Attempt,
    mut flow: Flow,
    signed_in: Option<SignedIn>,
    way: Way,
) -> Result<Response, Failure> {
    flow.pending = None;
    flow.wants_to_register = Some(way);
    let step = authenticate::step(state, attempt, &mut flow, signed_in).await?;
    let Step::Decided(decided) = step else { return authenticate::go_on(state, attempt, flow).await };
    match gate(state, attempt, &flow, decided.signed_in).await? {
        Gate::Open(gate) => show(state, attempt, flow, gate.signed_in, &gate.credentials, way, Notice::NONE),
        Gate::Prove(gate, ways) => authenticate::ask(state, attempt, flow, &gate, &ways, Notice::NONE),
        Gate::Closed(gate) => refuse(state, attempt, flow, &gate, Aadsts::RegistrationBlocked.into()).await,
    }
}

fn show(
    state: &ControlPlane,
    attempt: &mut Attempt,
    mut flow: Flow,
    signed_in: SignedIn,
    credentials: &[Credential],
    way: Way,
    notice: Notice<'_>,
) -> Result<Response, Failure> {
    if way == Way::Passkey {
        let (options, ceremony) =
            passkeys::start_registration(&state.webauthn, &signed_in.user, credentials).map_err(Failure::ours)?;
        flow.pending = Some(Pending::Passkey(ceremony));
        pages::register_passkey(state, attempt, &flow, &options, notice)
    } else {
        let secret = match flow.pending.take() {
            // The page again after a wrong code: the secret that the person has entered already.
            Some(Pending::Totp { user, secret }) if user == signed_in.user.id => secret,
            Some(Pending::Totp { .. } | Pending::Passkey(_)) | None => totp::new_secret().to_vec(),
        };
        let address = totp::address(attempt.tenant_name(), &signed_in.user.user_principal_name, &secret);
        let text = totp::base32(&secret);
        flow.pending = Some(Pending::Totp { user: signed_in.user.id, secret });
        pages::register_totp(state, attempt, &flow, &text, &address, notice)
    }
}

pub(crate) async fn totp(State(state): State<ControlPlane>, mut attempt: Attempt, body: Bytes) -> Response {
    let result = submit_totp(&state, &mut attempt, &body).await;
    pages::respond(&state, attempt, result)
}

async fn submit_totp(state: &ControlPlane, attempt: &mut Attempt, body: &[u8]) -> Result<Response, Failure> {
    let (mut flow, parameters) = form(state, attempt, body)?;
    let Some(Pending::Totp { user, secret }) = flow.pending.clone() else { return Err(Aadsts::FlowMismatch.into()) };
    let signed_in = session::current(state, attempt).await?.filter(|signed_in| signed_in.user.id == user);
    let Some(signed_in) = signed_in else { return Err(Aadsts::FlowMismatch.into()) };
    let gate = match gate(state, attempt, &flow, signed_in).await? {
        Gate::Open(gate) => gate,
        Gate::Prove(gate, ways) => return authenticate::ask(state, attempt, flow, &gate, &ways, Notice::NONE),
        Gate::Closed(_) => return Err(Aadsts::RegistrationBlocked.into()),
    };
    let code = parameters.optional("otp").unwrap_or_default();
    let mut tx = state.store.begin().await?;
    let now = state.clock.now();
    let buckets = Buckets::of_registration(&user);
    let is_locked = buckets.locked_in(&mut tx, now).await?.is_some();
    let step = if is_locked { None } else { totp::matching_step(&secret, code, now) };
    let Some(step) = step else {
        let (status, message) =
            if is_locked { (StatusCode::TOO_MANY_REQUESTS, LOCKED) } else { (StatusCode::BAD_REQUEST, WRONG_CODE) };
        if !is_locked {
            buckets.fail(&mut tx, now).await?;
            state.commit(tx).await?;
        }
        let notice = Notice { status, message: Some(message) };
        return show(state, attempt, flow, gate.signed_in, &gate.credentials, Way::Totp, notice);
    };
    flow.use_up(&mut tx).await?;
    let credential = Credential {
        id: runtime::random::guid(),
        user_id: user,
        kind: CredentialKind::Totp,
        label: "Authenticator app".to_owned(),
        secret: totp::seal_secret(&state.sealer, &secret),
        created: now,
        last_used: Some(now),
        // The code that confirmed it is used up with it.
        counter: step,
    };
    let owner = gate.signed_in.user.clone();
    add(state, attempt, &mut tx, &gate, &credential).await?;
    let used = MethodUse { method: Method::SoftwareOath, at: now, aaguid: None };
    let signed_in = begin_session(state, attempt, &mut tx, owner, used).await?;
    state.commit(tx).await?;
    flow.pending = None;
    flow.wants_to_register = None;
    authenticate::go_on_as(state, attempt, flow, Some(signed_in)).await
}

pub(crate) async fn passkey(State(state): State<ControlPlane>, mut attempt: Attempt, body: Bytes) -> Response {
    let result = submit_passkey(&state, &mut attempt, &body).await;
    pages::respond(&state, attempt, result)
}

async fn submit_passkey(state: &ControlPlane, attempt: &mut Attempt, body: &[u8]) -> Result<Response, Failure> {
    let (mut flow, parameters) = form(state, attempt, body)?;
    let Some(Pending::Passkey(ceremony)) = flow.pending.take() else { return Err(Aadsts::FlowMismatch.into()) };
    let Some(signed_in) = session::current(state, attempt).await? else { return Err(Aadsts::FlowMismatch.into()) };
    let gate = match gate(state, attempt, &flow, signed_in).await? {
        Gate::Open(gate) => gate,
        Gate::Prove(gate, ways) => return authenticate::ask(state, attempt, flow, &gate, &ways, Notice::NONE),
        Gate::Closed(_) => return Err(Aadsts::RegistrationBlocked.into()),
    };
    let label: String = parameters.optional("label").unwrap_or("Passkey").chars().filter(|c| !c.is_control()).take(64).collect();
    let answer = parameters.optional("credential").unwrap_or_default();
    let mut tx = state.store.begin().await?;
    let now = state.clock.now();
    flow.use_up(&mut tx).await?;
    let user = &gate.signed_in.user.id;
    let credential = match passkeys::finish_registration(&state.webauthn, user, &ceremony, answer, &label, now) {
        Ok(credential) => credential,
        Err(error) => {
            tracing::info!(correlation_id = attempt.correlation_id, %error, "a passkey was not registered");
            state.commit(tx).await?;
            let notice = Notice { status: StatusCode::BAD_REQUEST, message: Some(WRONG_PASSKEY) };
            return show(state, attempt, flow, gate.signed_in, &gate.credentials, Way::Passkey, notice);
        }
    };
    add(state, attempt, &mut tx, &gate, &credential).await?;
    state.commit(tx).await?;
    flow.wants_to_register = None;
    // It is registered, not yet used: where it is asked for, it must still prove itself.
    authenticate::go_on(state, attempt, flow).await
}

/// Writes a credential with its audit record and its event; the session and account are looked at again.
async fn add(
    state: &ControlPlane,
    attempt: &Attempt,
    tx: &mut Tx,
    gate: &Decided,
    credential: &Credential,
) -> Result<(), Failure> {
    let now = credential.created;
    let (user, credentials) = recheck(tx, &gate.signed_in.session.id, now).await?;
    if credentials.iter().filter(|other| other.kind == credential.kind).count() >= MOST_CREDENTIALS {
        return Err(Aadsts::RegistrationBlocked.into());
    }
    store::credential::insert(tx, credential).await.map_err(|error| match error {
        store::StoreError::Conflict { .. } => Failure::from(Aadsts::RegistrationBlocked),
        other => Failure::from(other),
    })?;
    security_info::record(state, attempt, tx, &user, credential.kind, Changed::Added, now).await
}
