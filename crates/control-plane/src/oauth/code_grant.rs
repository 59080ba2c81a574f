//! `grant_type=authorization_code`. A code is good once, for the client, redirect address and verifier that it was made for. One
//! that comes a second time is taken for stolen: everything that it led to is revoked (RFC 9700 §4.5.2).

use crate::oauth::client::Authenticated;
use crate::oauth::code_detail::{CodeDetail, GrantDetail};
use crate::oauth::refresh::{self, RefreshToken};
use crate::oauth::scopes;
use crate::oauth::token::Refusal;
use crate::oauth::tokens::{self, Issuance};
use crate::sign_in::attempt::Attempt;
use crate::sign_in::failure::Failure;
use crate::sign_in::owed::Means;
use crate::sign_in::record::{self, Attempted, EventType, Who};
use crate::sign_in::session::{self, SignedIn};
use crate::sign_in::{enforce, gather};
use crate::state::ControlPlane;
use model::{AppId, Timestamp};
use policy::answer::Outcome;
use policy::request::AccessRequest;
use protocol::aadsts::{Aadsts, Fault};
use protocol::oauth::{ClientKind, Secret};
use protocol::oidc::TokenResponse;
use std::time::Duration;
use store::code::{AuthorizationCode, Redeemed};
use store::grant::Grant;

/// However often it is used, a family of refresh tokens ends then.
const GRANT_LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);

/// What the client shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a> {
    pub code: &'a Secret,
    pub redirect_uri: &'a str,
    pub code_verifier: Option<&'a Secret>,
}

pub(crate) async fn redeem(
    state: &ControlPlane,
    attempt: &Attempt,
    client: Authenticated<'_>,
    shown: &Shown<'_>,
) -> Result<TokenResponse, Refusal> {
    let hash = runtime::hash::sha256_hex(shown.code.expose().as_bytes());
    let code = store::code::get(&state.store, &hash).await?.ok_or(Aadsts::CodeMalformed)?;
    let detail: CodeDetail = serde_json::from_str(&code.detail)?;
    // Before it is used up: who stole a code but cannot redeem it must not be able to spoil it either.
    check(&code, &detail, client, shown)?;

    let refresh_token = detail.scopes.oidc.offline_access.then(RefreshToken::new);
    let mut tx = state.store.begin().await?;
    let now = state.clock.now();
    match store::code::redeem(&mut tx, &hash, now).await? {
        Redeemed::Fresh => {}
        Redeemed::Expired => return Err(Aadsts::CodeExpired.into()),
        Redeemed::Unknown => return Err(Aadsts::CodeMalformed.into()),
        Redeemed::Used => {
            refresh::compromised(state, attempt, tx, &code.session_id, &code.client_id, "authorization code used twice", now)
                .await?;
            return Err(Aadsts::CodeRedeemed.into());
        }
    }
    let current = match session::current_in(&mut tx, &code.session_id, now).await? {
        Ok(current) => current,
        Err(aadsts) => {
            // The code is used up all the same.
            state.commit(tx).await?;
            return Err(aadsts.into());
        }
    };
    let directory = &attempt.snapshot.directory;
    let granted = scopes::delegated(directory, client.application, &detail.scopes, Some(&detail.redirect_uri))?;
    let request = request(attempt, &detail, &client.application.app_id, &granted.resource, &current);
    let policies = &attempt.snapshot.policies;
    let decision = enforce::decide(policies, &request, now);
    if decision.outcome != Outcome::Granted {
        let name = scopes::display_name(directory, &granted.resource);
        let fault = enforce::fault(policies, &request, &decision, Means::Registered, &name, now);
        let attempted = Attempted {
            decided: Some((&request, &decision)),
            fault: Some(&fault),
            ..attempted(attempt, &code, &granted.resource, &request, &current)
        };
        record::sign_in(&mut tx, &attempted, now).await?;
        state.commit(tx).await?;
        return Err(Refusal { failure: fault.into(), decision: Some(decision) });
    }
    if let Some(token) = &refresh_token {
        store::grant::insert(&mut tx, &grant(token, &code, &detail, now)?).await?;
    }
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
        nonce: detail.nonce.as_deref(),
        authentication_contexts: &detail.authentication_contexts,
        controls: &decision.session,
        unique_token_identifier: &detail.unique_token_identifier,
        refresh_token: refresh_token.map(|token| token.text()),
        now,
    };
    Ok(tokens::for_person(state, &issuance)?)
}

fn check(code: &AuthorizationCode, detail: &CodeDetail, client: Authenticated<'_>, shown: &Shown<'_>) -> Result<(), Fault> {
    if code.client_id != client.application.app_id {
        return Err(Aadsts::ClientMismatch.into());
    }
    client.require(detail.client_kind)?;
    if detail.redirect_uri != shown.redirect_uri {
        return Err(Aadsts::RedirectMismatch.fault(&[shown.redirect_uri, client.application.app_id.as_str()]));
    }
    match (&detail.code_challenge, shown.code_verifier) {
        (Some(challenge), Some(verifier)) if challenge.is_met_by(verifier.expose()) => Ok(()),
        (Some(_), None) => Err(Aadsts::MissingParameter.fault(&["code_verifier"])),
        // A verifier where there was no challenge: somebody took the challenge out of the request (RFC 9700 §2.1.1).
        (Some(_), Some(_)) | (None, Some(_)) => Err(Aadsts::CodeVerifierMismatch.into()),
        (None, None) if detail.client_kind == ClientKind::Public => Err(Aadsts::CodeVerifierMismatch.into()),
        (None, None) => Ok(()),
    }
}

/// Decided anew with what the session has proven by now, from where the person was.
fn request(attempt: &Attempt, detail: &CodeDetail, client_id: &AppId, resource: &AppId, current: &SignedIn) -> AccessRequest {
    let directory = &attempt.snapshot.directory;
    let contexts = detail.authentication_contexts.clone();
    let target = gather::target(directory, resource, client_id, detail.client_kind, detail.scopes.oidc.openid, contexts);
    let client = gather::client(client_id, detail.client_kind);
    let circumstances = gather::Circumstances::default();
    let request = gather::for_user(directory, &current.user, target, client, &circumstances, &current.proven(None));
    AccessRequest { platform: detail.platform, network: detail.network.clone(), ..request }
}

fn attempted<'a>(
    attempt: &'a Attempt,
    code: &'a AuthorizationCode,
    resource: &'a AppId,
    request: &AccessRequest,
    current: &'a SignedIn,
) -> Attempted<'a> {
    Attempted {
        snapshot: &attempt.snapshot,
        correlation_id: &attempt.correlation_id,
        address: attempt.address,
        user_agent: &attempt.user_agent,
        who: Who::User(&current.user),
        client: &code.client_id,
        resource,
        app_type: request.client.app_type,
        event_type: EventType::NonInteractiveUser,
        protocol: "oAuth2",
        decided: None,
        fault: None,
        step: None,
        session: Some(&current.session.id),
        unique_token_identifier: None,
    }
}

fn grant(token: &RefreshToken, code: &AuthorizationCode, detail: &CodeDetail, now: Timestamp) -> Result<Grant, Failure> {
    let kept = GrantDetail { client_kind: detail.client_kind, scopes: detail.scopes.clone() };
    Ok(Grant {
        id: token.grant_id.clone(),
        session_id: code.session_id.clone(),
        user_id: code.user_id.clone(),
        client_id: code.client_id.clone(),
        detail: serde_json::to_string(&kept)?,
        current_hash: token.hash(),
        created: now,
        last_used: now,
        expires: now.plus(GRANT_LIFETIME),
        revoked_at: None,
    })
}
