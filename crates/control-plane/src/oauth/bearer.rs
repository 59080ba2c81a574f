//! Who calls Graph: a valid token for it, of an account that is enabled and a session that stands *now*. What the token says
//! about roles and permissions is looked up again; it only ever narrows.

use crate::api::{Caller, CallerUser};
use crate::error::ApiError;
use crate::oauth::scopes;
use crate::snapshot::Snapshot;
use crate::state::ControlPlane;
use http::{HeaderMap, header};
use model::application::well_known;
use model::{AppId, SessionId, UserId};
use protocol::oidc::AccessTokenClaims;
use std::collections::BTreeSet;

/// The caller of a Graph request, or why the token is not accepted.
pub(crate) async fn caller(state: &ControlPlane, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let refused = |reason: &str| ApiError::Unauthenticated(reason.to_owned());
    let token = token(headers).ok_or_else(|| refused("access token is empty"))?;
    let snapshot = state.snapshot();
    let tenant = snapshot.tenant().ok_or_else(|| refused("this server has no tenant yet"))?;
    let now = state.clock.now();
    let graph = AppId::new(well_known::MICROSOFT_GRAPH);
    let claims = state
        .keys
        .verify_access_token(token, &state.issuer(tenant), &graph, now)
        .map_err(|error| ApiError::Unauthenticated(error.to_string()))?;
    let client = AppId::new(&claims.azp);
    if !snapshot.directory.applications.contains_key(&client) {
        return Err(refused("the token's client is not registered any more"));
    }
    match claims.idtyp.as_deref() {
        Some("app") => Ok(application(&snapshot, client, &claims)),
        None => person(state, &snapshot, client, &claims).await,
        Some(_) => Err(refused("the token's type is not accepted")),
    }
}

fn application(snapshot: &Snapshot, client: AppId, claims: &AccessTokenClaims) -> Caller {
    let applications = &snapshot.directory.applications;
    let graph = applications.get(&AppId::new(well_known::MICROSOFT_GRAPH));
    let has_now = match (applications.get(&client), graph) {
        (Some(client), Some(graph)) => scopes::application_roles(client, graph),
        _ => BTreeSet::new(),
    };
    let application_permissions = claims.roles.iter().filter(|role| has_now.contains(*role)).cloned().collect();
    Caller { user: None, client, application_permissions }
}

async fn person(
    state: &ControlPlane,
    snapshot: &Snapshot,
    client: AppId,
    claims: &AccessTokenClaims,
) -> Result<Caller, ApiError> {
    let refused = |reason: &str| ApiError::Unauthenticated(reason.to_owned());
    let id = UserId::new(&claims.oid);
    let user = snapshot.directory.users.get(&id).ok_or_else(|| refused("the token's account does not exist"))?;
    let session = SessionId::new(claims.sid.as_deref().unwrap_or_default());
    let row = store::session::get(&state.store, &session).await?;
    let row = row.filter(|row| row.user_id == id).ok_or_else(|| refused("the token's session does not exist"))?;
    // The session may have been left unused for long; the token lives its own life.
    let valid_from = user.sign_in_sessions_valid_from_date_time;
    if !user.account_enabled {
        return Err(refused("the token's account is disabled"));
    }
    if row.revoked_at.is_some() || valid_from.is_some_and(|from| row.created < from || claims.iat < from.seconds()) {
        return Err(refused("the token's session has been revoked"));
    }
    let scopes = claims.scp.as_deref().unwrap_or_default().split(' ').filter(|scope| !scope.is_empty());
    Ok(Caller {
        user: Some(CallerUser {
            user_principal_name: user.user_principal_name.clone(),
            session,
            scopes: scopes.map(str::to_owned).collect(),
            roles: snapshot.directory.active_roles(&id),
            id,
        }),
        client,
        application_permissions: BTreeSet::new(),
    })
}

/// `Authorization: Bearer …`, once (RFC 6750 §2.1).
fn token(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (only, None) = (all.next()?, all.next()) else { return None };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}
