//! `grant_type=client_credentials`: a client asks for itself. Policies for workload identities decide.

use crate::oauth::client::Authenticated;
use crate::oauth::scopes;
use crate::oauth::token::Refusal;
use crate::oauth::tokens;
use crate::sign_in::attempt::Attempt;
use crate::sign_in::owed::Means;
use crate::sign_in::record::{self, Attempted, EventType, Who};
use crate::sign_in::{enforce, gather};
use crate::state::ControlPlane;
use policy::answer::Outcome;
use policy::request::Target;
use protocol::oauth::{ClientKind, RequestedScopes};
use protocol::oidc::TokenResponse;

pub(crate) async fn grant(
    state: &ControlPlane,
    attempt: &Attempt,
    client: Authenticated<'_>,
    requested: &RequestedScopes,
    scope_text: &str,
) -> Result<TokenResponse, Refusal> {
    client.require(ClientKind::Confidential)?;
    let directory = &attempt.snapshot.directory;
    let application = client.application;
    let (resource, roles) = scopes::application(directory, application, requested, scope_text)?;
    let target = Target { audiences: vec![gather::audience(directory, &resource)], ..Target::default() };
    let request = gather::for_application(application, target, &attempt.circumstances());
    let unique_token_identifier = runtime::random::token();
    let mut tx = state.store.begin().await?;
    let now = state.clock.now();
    let policies = &attempt.snapshot.policies;
    let decision = enforce::decide(policies, &request, now);
    let refused = (decision.outcome != Outcome::Granted).then(|| {
        enforce::fault(policies, &request, &decision, Means::Registered, &scopes::display_name(directory, &resource), now)
    });
    let attempted = Attempted {
        snapshot: &attempt.snapshot,
        correlation_id: &attempt.correlation_id,
        address: attempt.address,
        user_agent: &attempt.user_agent,
        who: Who::Application,
        client: &application.app_id,
        resource: &resource,
        app_type: request.client.app_type,
        event_type: EventType::ServicePrincipal,
        protocol: "oAuth2",
        decided: Some((&request, &decision)),
        fault: refused.as_ref(),
        step: None,
        session: None,
        unique_token_identifier: refused.is_none().then_some(unique_token_identifier.as_str()),
    };
    record::sign_in(&mut tx, &attempted, now).await?;
    state.commit(tx).await?;
    if let Some(fault) = refused {
        return Err(Refusal { failure: fault.into(), decision: Some(decision) });
    }
    let tenant = attempt.tenant()?;
    Ok(tokens::for_application(state, tenant, application, &resource, &roles, &unique_token_identifier, now)?)
}
