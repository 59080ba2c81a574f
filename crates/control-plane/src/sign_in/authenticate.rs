//! Where a sign-in stands, and the answer that follows: a page that asks, a refusal, or what was asked for.
//!
//! Every request of a sign-in ends here, so there is one place where it is decided that somebody is let in.

use crate::oauth::{answer, scopes};
use crate::sign_in::attempt::Attempt;
use crate::sign_in::failure::Failure;
use crate::sign_in::flow::{Flow, Pending, Purpose};
use crate::sign_in::next::{self, Next, Way};
use crate::sign_in::owed::{self, Means};
use crate::sign_in::record::{self, Attempted, EventType, Who};
use crate::sign_in::session::SignedIn;
use crate::sign_in::{enforce, gather, issue, pages, register, security_info};
use crate::state::ControlPlane;
use axum::response::Response;
use http::StatusCode;
use model::{AppId, Timestamp};
use policy::answer::Decision;
use policy::request::{AccessRequest, Client, ClientAppType, Target};
use protocol::aadsts::{Aadsts, Fault};
use protocol::oauth::{ClientKind, Prompt};
use std::collections::BTreeSet;
use store::credential::Credential;

/// Where a sign-in stands.
#[derive(Debug)]
pub(crate) enum Step {
    /// Nobody has said who they are.
    ExpectAccount,
    /// Somebody is signed in; the client wants it confirmed.
    ExpectAccountChoice(Box<SignedIn>),
    /// A name was given; nothing is proven.
    ExpectFirstFactor,
    Decided(Box<Decided>),
}

/// A decision about somebody who is signed in.
#[derive(Debug)]
pub(crate) struct Decided {
    pub signed_in: SignedIn,
    pub asked: Asked,
    pub request: AccessRequest,
    pub decision: Decision,
    pub decided_at: Timestamp,
    pub next: Next,
    pub credentials: Vec<Credential>,
}

impl Decided {
    /// The error that says why it is not granted.
    pub(crate) fn fault(&self, attempt: &Attempt) -> Fault {
        let means = match &self.next {
            Next::LetIn | Next::Ask(_) => Means::Registered,
            Next::Register(_) => Means::ToRegister,
            Next::Refuse => Means::None,
        };
        let policies = &attempt.snapshot.policies;
        enforce::fault(policies, &self.request, &self.decision, means, &self.asked.resource_name, self.decided_at)
    }
}

/// What is asked for, by whom.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub target: Target,
    pub client: Client,
    pub client_id: AppId,
    pub resource: AppId,
    pub resource_name: String,
}

/// What a page says beyond what it always says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notice<'a> {
    pub status: StatusCode,
    pub message: Option<&'a str>,
}

impl Notice<'_> {
    pub(crate) const NONE: Self = Self { status: StatusCode::OK, message: None };
}

/// Looks at the session and decides; the answer to any request of a sign-in that changed nothing else.
pub(crate) async fn go_on(state: &ControlPlane, attempt: &mut Attempt, flow: Flow) -> Result<Response, Failure> {
    let signed_in = super::session::current(state, attempt).await?;
    go_on_as(state, attempt, flow, signed_in).await
}

/// The same with the session that this very request made or advanced.
pub(crate) async fn go_on_as(
    state: &ControlPlane,
    attempt: &mut Attempt,
    mut flow: Flow,
    signed_in: Option<SignedIn>,
) -> Result<Response, Failure> {
    let step = step(state, attempt, &mut flow, signed_in).await?;
    render(state, attempt, flow, step).await
}

pub(crate) async fn step(
    state: &ControlPlane,
    attempt: &Attempt,
    flow: &mut Flow,
    signed_in: Option<SignedIn>,
) -> Result<Step, Failure> {
    let is_account = |signed_in: &SignedIn| match &flow.account {
        Some(name) => name.trim().eq_ignore_ascii_case(&signed_in.user.user_principal_name),
        None => !flow.other_account,
    };
    let signed_in = signed_in.filter(is_account);
    let wants_choice = flow.request().is_some_and(|request| request.asks(Prompt::SelectAccount)) && !flow.account_chosen;
    let Some(signed_in) = signed_in else {
        return Ok(if flow.account.is_some() { Step::ExpectFirstFactor } else { Step::ExpectAccount });
    };
    if wants_choice {
        return Ok(Step::ExpectAccountChoice(Box::new(signed_in)));
    }
    if flow.must_authenticate || signed_in.proven(flow.fresh_since).signed_in_at.is_none() {
        flow.account = Some(signed_in.user.user_principal_name.clone());
        return Ok(Step::ExpectFirstFactor);
    }
    let asked = asked(attempt, flow)?;
    decide(state, attempt, flow, signed_in, asked).await.map(|decided| Step::Decided(Box::new(decided)))
}

/// Gathers and decides, for somebody who is signed in.
pub(crate) async fn decide(
    state: &ControlPlane,
    attempt: &Attempt,
    flow: &Flow,
    signed_in: SignedIn,
    asked: Asked,
) -> Result<Decided, Failure> {
    let credentials = store::credential::of_user(&state.store, &signed_in.user.id).await?;
    let now = state.clock.now();
    let proven = signed_in.proven(flow.fresh_since);
    let (target, client) = (asked.target.clone(), asked.client.clone());
    let directory = &attempt.snapshot.directory;
    let request = gather::for_user(directory, &signed_in.user, target, client, &attempt.circumstances(), &proven);
    let decision = enforce::decide(&attempt.snapshot.policies, &request, now);
    let next = next::next(&attempt.snapshot, &request, &decision, &next::registered(&credentials), now);
    Ok(Decided { signed_in, asked, request, decision, decided_at: now, next, credentials })
}

/// What `flow` is for, as a decision sees it. Checked anew each time: the client may have lost what it asks for.
pub(crate) fn asked(attempt: &Attempt, flow: &Flow) -> Result<Asked, Failure> {
    let directory = &attempt.snapshot.directory;
    match &flow.purpose {
        Purpose::Authorize(request) => {
            let client_id = AppId::new(&request.envelope.client_id);
            let client = directory.applications.get(&client_id);
            let not_found = || Aadsts::ApplicationNotFound.fault(&[&request.envelope.client_id, attempt.tenant_segment()]);
            let client = client.ok_or_else(not_found)?;
            let granted = scopes::delegated(directory, client, &request.scopes, Some(&request.envelope.redirect_uri))?;
            let target = gather::target(
                directory,
                &granted.resource,
                &client_id,
                request.client_kind,
                request.scopes.oidc.openid,
                request.authentication_contexts(),
            );
            Ok(Asked {
                target,
                client: gather::client(&client_id, request.client_kind),
                resource_name: scopes::display_name(directory, &granted.resource),
                resource: granted.resource,
                client_id,
            })
        }
        Purpose::SecurityInfo => Ok(asked_security_info()),
        // Signing out asks for nothing that could be decided.
        Purpose::SignOut { .. } => Err(Aadsts::FlowMismatch.into()),
    }
}

/// Registering a method of one's own, from sign-in's own pages.
pub(crate) fn asked_security_info() -> Asked {
    let own = AppId::new(security_info::APP_ID);
    Asked {
        target: gather::register_security_info(),
        client: gather::client(&own, ClientKind::Confidential),
        resource: own.clone(),
        resource_name: "My Security Info".to_owned(),
        client_id: own,
    }
}

async fn render(state: &ControlPlane, attempt: &mut Attempt, mut flow: Flow, step: Step) -> Result<Response, Failure> {
    if flow.is_silent() {
        return silent(state, attempt, &flow, step).await;
    }
    match step {
        Step::ExpectAccount => pages::account(state, attempt, flow, Notice::NONE),
        Step::ExpectAccountChoice(signed_in) => pages::select_account(state, attempt, &flow, &signed_in),
        Step::ExpectFirstFactor => pages::password(state, attempt, flow, &[], Notice::NONE),
        Step::Decided(decided) => match &decided.next {
            Next::LetIn => let_in(state, attempt, &flow, *decided).await,
            Next::Ask(ways) => {
                let fault = decided.fault(attempt);
                record_once(state, attempt, &mut flow, &decided, &fault).await?;
                ask(state, attempt, flow, &decided, ways, Notice::NONE)
            }
            Next::Register(_) | Next::Refuse => register::offer_or_refuse(state, attempt, flow, *decided).await,
        },
    }
}

/// The page for the one way there is, or the choice between them.
pub(crate) fn ask(
    state: &ControlPlane,
    attempt: &mut Attempt,
    mut flow: Flow,
    decided: &Decided,
    ways: &BTreeSet<Way>,
    notice: Notice<'_>,
) -> Result<Response, Failure> {
    if ways.len() == 1
        && let Some(way) = ways.first()
    {
        return ask_for(state, attempt, flow, decided, *way, notice);
    }
    flow.pending = None;
    pages::method(state, attempt, &flow, ways, &owed::words(&decided.decision.owed))
}

/// The page for `way`.
pub(crate) fn ask_for(
    state: &ControlPlane,
    attempt: &mut Attempt,
    mut flow: Flow,
    decided: &Decided,
    way: Way,
    notice: Notice<'_>,
) -> Result<Response, Failure> {
    let policies = owed::words(&decided.decision.owed);
    let has_other_ways = match &decided.next {
        Next::Ask(ways) => ways.len() > 1,
        Next::LetIn | Next::Register(_) | Next::Refuse => false,
    };
    flow.pending = None;
    match way {
        Way::Passkey => {
            let user = &decided.signed_in.user.id;
            let (options, ceremony) =
                crate::passkeys::start_for_account(&state.webauthn, user, &decided.credentials).map_err(Failure::ours)?;
            flow.pending = Some(Pending::Passkey(ceremony));
            pages::passkey(state, attempt, &flow, &options, &policies, has_other_ways, notice)
        }
        Way::Totp => pages::totp(state, attempt, &flow, &policies, has_other_ways, notice),
        Way::Password => {
            flow.account = Some(decided.signed_in.user.user_principal_name.clone());
            pages::password(state, attempt, flow, &policies, notice)
        }
    }
}

async fn let_in(state: &ControlPlane, attempt: &mut Attempt, flow: &Flow, decided: Decided) -> Result<Response, Failure> {
    match &flow.purpose {
        Purpose::Authorize(request) => issue::code(state, attempt, request, decided).await,
        Purpose::SecurityInfo => Ok(pages::redirect(&security_info::address(attempt))),
        Purpose::SignOut { .. } => Err(Aadsts::FlowMismatch.into()),
    }
}

/// `prompt=none`: no page, whatever is missing; the client hears what.
async fn silent(state: &ControlPlane, attempt: &mut Attempt, flow: &Flow, step: Step) -> Result<Response, Failure> {
    let fault = match step {
        Step::ExpectAccount | Step::ExpectFirstFactor => Aadsts::NotSignedIn.into(),
        Step::ExpectAccountChoice(_) => Aadsts::AccountSelection.into(),
        Step::Decided(decided) => {
            if decided.next == Next::LetIn {
                return let_in(state, attempt, flow, *decided).await;
            }
            let fault = decided.fault(attempt);
            record_refusal(state, attempt, &decided, &fault).await?;
            fault
        }
    };
    match flow.request() {
        Some(request) => answer::fault(state, attempt, &request.envelope, &fault),
        None => Err(fault.into()),
    }
}

async fn record_once(
    state: &ControlPlane,
    attempt: &Attempt,
    flow: &mut Flow,
    decided: &Decided,
    fault: &Fault,
) -> Result<(), Failure> {
    if !flow.interruption_recorded {
        record_refusal(state, attempt, decided, fault).await?;
        flow.interruption_recorded = true;
    }
    Ok(())
}

/// A sign-in that was held or refused, with the decision that did it.
pub(crate) async fn record_refusal(
    state: &ControlPlane,
    attempt: &Attempt,
    decided: &Decided,
    fault: &Fault,
) -> Result<(), Failure> {
    let mut tx = state.store.begin().await?;
    let now = state.clock.now();
    let attempted = Attempted {
        decided: Some((&decided.request, &decided.decision)),
        fault: Some(fault),
        session: Some(&decided.signed_in.session.id),
        ..attempted(attempt, &decided.asked, Who::User(&decided.signed_in.user))
    };
    record::sign_in(&mut tx, &attempted, now).await?;
    Ok(state.commit(tx).await?)
}

/// A record of an interactive sign-in, without its outcome.
pub(crate) fn attempted<'a>(attempt: &'a Attempt, asked: &'a Asked, who: Who<'a>) -> Attempted<'a> {
    Attempted {
        snapshot: &attempt.snapshot,
        correlation_id: &attempt.correlation_id,
        address: attempt.address,
        user_agent: &attempt.user_agent,
        who,
        client: &asked.client_id,
        resource: &asked.resource,
        app_type: asked.client.app_type,
        event_type: EventType::InteractiveUser,
        protocol: if asked.client.app_type == ClientAppType::Other { "basic" } else { "oAuth2" },
        decided: None,
        fault: None,
        step: None,
        session: None,
        unique_token_identifier: None,
    }
}
