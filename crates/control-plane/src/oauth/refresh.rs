//! `grant_type=refresh_token`. A token is `GRANT.SECRET`; each use gives a new secret by one conditional update. An old secret
//! that comes again means that two hold the family: all of it is revoked, the session with it, and whoever listens is told.
//!
//! Every refresh is decided anew; one that is refused leaves the token as it was, for after the step-up.

use crate::audit::{self, Activity, Actor};
use crate::oauth::client::Authenticated;
use crate::oauth::code_detail::GrantDetail;
use crate::oauth::scopes::{self, Granted};
use crate::oauth::token::Refusal;
use crate::oauth::tokens::{self, Issuance};
use crate::sign_in::attempt::Attempt;
use crate::sign_in::failure::Failure;
use crate::sign_in::owed::Means;
use crate::sign_in::record::{self, Attempted, EventType, Who};
use crate::sign_in::session::{self, SignedIn};
use crate::sign_in::{enforce, gather, session_end};
use crate::signals::InitiatingEntity;
use crate::state::ControlPlane;
use model::audit::{Initiator, TargetResource};
use model::{AppId, SessionId, Timestamp, User};
use policy::answer::Outcome;
use protocol::aadsts::{Aadsts, Fault};
use protocol::oauth::{RequestedScopes, Secret, claims};
use protocol::oidc::TokenResponse;
use std::collections::BTreeSet;
use store::Tx;
use store::grant::Grant;
use store::session::Session;

/// A refresh token: the row that it belongs to, and a secret of which the row has the hash.
#[derive(Clone)]
pub(crate) struct RefreshToken {
    pub grant_id: String,
    secret: String,
}

/// What the client asks for beside the token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub scopes: Option<&'a RequestedScopes>,
    pub claims: Option<&'a str>,
}

impl RefreshToken {
    pub(crate) fn new() -> Self {
        Self { grant_id: runtime::random::guid(), secret: runtime::random::token() }
    }

    pub(crate) fn text(&self) -> String {
        format!("{}.{}", self.grant_id, self.secret)
    }

    pub(crate) fn hash(&self) -> String {
        runtime::hash::sha256_hex(self.secret.as_bytes())
    }

    fn parse(text: &str) -> Option<Self> {
        let (grant_id, secret) = text.split_once('.')?;
        let sound = grant_id.len() == 36 && secret.len() == 43;
        sound.then(|| Self { grant_id: grant_id.to_owned(), secret: secret.to_owned() })
    }

    fn renewed(&self) -> Self {
        Self { grant_id: self.grant_id.clone(), secret: runtime::random::token() }
    }
}

impl std::fmt::Debug for RefreshToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "RefreshToken({})", self.grant_id)
    }
}

pub(crate) async fn refresh(
    state: &ControlPlane,
    attempt: &Attempt,
    client: Authenticated<'_>,
    shown: &Secret,
    asked: Asked<'_>,
) -> Result<TokenResponse, Refusal> {
    let token = RefreshToken::parse(shown.expose()).ok_or(Aadsts::InvalidGrant)?;
    // Guesses do not take the write lock.
    store::grant::get(&state.store, &token.grant_id).await?.ok_or(Aadsts::InvalidGrant)?;
    let mut tx = state.store.begin().await?;
    let now = state.clock.now();
    let grant = store::grant::get_in(&mut tx, &token.grant_id).await?.ok_or(Aadsts::InvalidGrant)?;
    let detail: GrantDetail = serde_json::from_str(&grant.detail)?;
    if grant.client_id != client.application.app_id {
        return Err(Aadsts::ClientMismatch.into());
    }
    client.require(detail.client_kind)?;
    if grant.revoked_at.is_none() && !runtime::hash::equal(grant.current_hash.as_bytes(), token.hash().as_bytes()) {
        compromised(state, attempt, tx, &grant.session_id, &grant.client_id, "refresh token used twice", now).await?;
        return Err(Aadsts::GrantRevoked.into());
    }
    let requested = RequestedScopes {
        // What was offline stays so; a new set of scopes does not have to say it again.
        oidc: detail.scopes.oidc,
        ..asked.scopes.filter(|scopes| scopes.resource.is_some()).unwrap_or(&detail.scopes).clone()
    };
    let directory = &attempt.snapshot.directory;
    let granted = scopes::delegated(directory, client.application, &requested, None)?;
    let current = match standing(&mut tx, &grant, now).await? {
        Ok(current) => current,
        Err((user, aadsts)) => {
            let fault = Fault::from(aadsts);
            if let Some(user) = user {
                let attempted = Attempted { fault: Some(&fault), ..attempted(attempt, &grant, &granted, &detail, &user) };
                record::sign_in(&mut tx, &attempted, now).await?;
                state.commit(tx).await?;
            }
            return Err(fault.into());
        }
    };
    let contexts = contexts(asked.claims);
    let target = gather::target(
        directory,
        &granted.resource,
        &grant.client_id,
        detail.client_kind,
        requested.oidc.openid,
        contexts.clone(),
    );
    let policy_client = gather::client(&grant.client_id, detail.client_kind);
    let circumstances = attempt.circumstances();
    let proven = current.proven(None);
    let request = gather::for_user(directory, &current.user, target, policy_client, &circumstances, &proven);
    let policies = &attempt.snapshot.policies;
    let decision = enforce::decide(policies, &request, now);
    let unique_token_identifier = runtime::random::token();
    let mut attempted = Attempted {
        decided: Some((&request, &decision)),
        session: Some(&current.session.id),
        ..attempted(attempt, &grant, &granted, &detail, &current.user)
    };
    if decision.outcome != Outcome::Granted {
        let name = scopes::display_name(directory, &granted.resource);
        let fault = enforce::fault(policies, &request, &decision, Means::Registered, &name, now);
        attempted.fault = Some(&fault);
        record::sign_in(&mut tx, &attempted, now).await?;
        state.commit(tx).await?;
        return Err(Refusal { failure: fault.into(), decision: Some(decision) });
    }
    let renewed = token.renewed();
    if !store::grant::rotate(&mut tx, &grant.id, &token.hash(), &renewed.hash(), now).await? {
        return Err(Aadsts::GrantRevoked.into());
    }
    let used =
        Session { expires: current.session.expires.max(now.plus(state.config.session_lifetime)), ..current.session.clone() };
    if !store::session::update(&mut tx, &used).await? {
        return Err(Aadsts::GrantRevoked.into());
    }
    attempted.unique_token_identifier = Some(&unique_token_identifier);
    record::sign_in(&mut tx, &attempted, now).await?;
    state.commit(tx).await?;
    let issuance = Issuance {
        tenant: attempt.tenant()?,
        directory,
        client: client.application,
        client_kind: detail.client_kind,
        user: &current.user,
        session: &current.session.id,
        signed_in_at: current.session.signed_in_at,
        methods: &current.methods,
        granted: &granted,
        nonce: None,
        authentication_contexts: &contexts,
        controls: &decision.session,
        unique_token_identifier: &unique_token_identifier,
        refresh_token: Some(renewed.text()),
        now,
    };
    Ok(tokens::for_person(state, &issuance)?)
}

/// Somebody used what only the rightful client should have, and had used. Revokes the session with all that hangs on it,
/// tells whoever listens, writes the audit record, and commits.
pub(crate) async fn compromised(
    state: &ControlPlane,
    attempt: &Attempt,
    mut tx: Tx,
    session: &SessionId,
    client: &AppId,
    what: &str,
    now: Timestamp,
) -> Result<(), Failure> {
    tracing::warn!(correlation_id = attempt.correlation_id, %session, what, "a session is revoked");
    let row = store::session::get_in(&mut tx, session).await?;
    // The session may be gone already; what it was is all that can be said then.
    let (id, resource_type) = match &row {
        Some(row) => (row.user_id.to_string(), "user"),
        None => (session.to_string(), "session"),
    };
    match &row {
        Some(row) => session_end::end(state, attempt, &mut tx, row, InitiatingEntity::Policy, now).await?,
        None => {
            store::grant::revoke_of_session(&mut tx, session, now).await?;
        }
    }
    let display_name = scopes::display_name(&attempt.snapshot.directory, client);
    let actor = Actor {
        initiator: Initiator::App { app_id: client.to_string(), display_name },
        correlation_id: attempt.correlation_id.clone(),
    };
    let target = TargetResource {
        id,
        display_name: String::new(),
        resource_type: resource_type.to_owned(),
        modified_properties: Vec::new(),
    };
    audit::append(&mut tx, &actor, Activity::RevokeSession, target, what, now).await?;
    state.commit(tx).await?;
    Ok(())
}

/// Does what the token hangs on still stand? Of the reasons why not, the one that the person can act on comes first.
async fn standing(tx: &mut Tx, grant: &Grant, now: Timestamp) -> Result<Result<SignedIn, (Option<User>, Aadsts)>, Failure> {
    let user = session::user_in(tx, &grant.user_id).await?;
    let Some(user) = user else { return Ok(Err((None, Aadsts::GrantRevoked))) };
    let aadsts = if !user.account_enabled {
        Aadsts::AccountDisabled
    } else if grant.revoked_at.is_some() {
        Aadsts::GrantRevoked
    } else if grant.expires <= now {
        Aadsts::RefreshTokenExpired
    } else {
        match session::current_in(tx, &grant.session_id, now).await? {
            Ok(current) => return Ok(Ok(current)),
            Err(aadsts) => aadsts,
        }
    };
    Ok(Err((Some(user), aadsts)))
}

fn contexts(claims: Option<&str>) -> BTreeSet<String> {
    let claims = claims.and_then(|text| claims::parse(text).ok());
    claims.map(|claims| claims::authentication_contexts(&claims)).unwrap_or_default()
}

fn attempted<'a>(
    attempt: &'a Attempt,
    grant: &'a Grant,
    granted: &'a Granted,
    detail: &GrantDetail,
    user: &'a User,
) -> Attempted<'a> {
    Attempted {
        snapshot: &attempt.snapshot,
        correlation_id: &attempt.correlation_id,
        address: attempt.address,
        user_agent: &attempt.user_agent,
        who: Who::User(user),
        client: &grant.client_id,
        resource: &granted.resource,
        app_type: gather::client(&grant.client_id, detail.client_kind).app_type,
        event_type: EventType::NonInteractiveUser,
        protocol: "oAuth2",
        decided: None,
        fault: None,
        step: None,
        session: Some(&grant.session_id),
        unique_token_identifier: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_never_printed() {
        let token = RefreshToken::new();
        let read = RefreshToken::parse(&token.text()).unwrap();
        assert_eq!((read.grant_id.as_str(), read.hash()), (token.grant_id.as_str(), token.hash()));
        assert!(!format!("{token:?}").contains(&token.secret));
        assert_ne!(token.renewed().hash(), token.hash());
        for text in ["", ".", "a.b", &token.grant_id, &format!("{}.", token.grant_id), &format!("{}x", token.text())] {
            assert!(RefreshToken::parse(text).is_none(), "{text}");
        }
    }
}
