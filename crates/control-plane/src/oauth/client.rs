//! Client authentication (RFC 6749 §2.3): a secret for confidential clients, none for public ones. Secrets are compared through
//! their hashes, in constant time.

use crate::sign_in::attempt::Attempt;
use crate::sign_in::failure::Failure;
use crate::sign_in::record::{self, Attempted, EventType, Who};
use crate::sign_in::throttle;
use crate::state::ControlPlane;
use model::{AppId, Application, Directory, Timestamp};
use policy::request::ClientAppType;
use protocol::aadsts::{Aadsts, Fault};
use protocol::oauth::{ClientAuthentication, ClientKind, Secret};
use store::throttle::Throttle;

/// The client that asks, and whether it proved to be it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Authenticated<'a> {
    pub application: &'a Application,
    pub kind: ClientKind,
}

/// Finds the client and checks its secret, if it shows one; `kind` says whether it did. Guesses are counted, slowed down and
/// recorded, never with what was shown.
pub(crate) async fn authenticate<'a>(
    state: &ControlPlane,
    attempt: &'a Attempt,
    shown: &ClientAuthentication,
) -> Result<Authenticated<'a>, Failure> {
    let key = throttle::client_key(&AppId::new(&shown.client_id), attempt.address);
    let before = if shown.secret.is_some() { store::throttle::get(&state.store, &key).await? } else { Throttle::default() };
    let now = state.clock.now();
    if throttle::locked(&before, now).is_some() {
        return Err(Aadsts::Throttled.into());
    }
    match identify(&attempt.snapshot.directory, shown, now) {
        Ok(client) => {
            if before.failures > 0 {
                let mut tx = state.store.begin().await?;
                store::throttle::clear(&mut tx, &key).await?;
                state.commit(tx).await?;
            }
            Ok(client)
        }
        Err(fault) => {
            if fault.aadsts == Aadsts::InvalidClientSecret {
                record_guess(state, attempt, &AppId::new(&shown.client_id), &key, &fault).await?;
            }
            Err(fault.into())
        }
    }
}

async fn record_guess(state: &ControlPlane, attempt: &Attempt, client: &AppId, key: &str, fault: &Fault) -> Result<(), Failure> {
    tracing::warn!(correlation_id = attempt.correlation_id, %client, "a client showed a wrong secret");
    let mut tx = state.store.begin().await?;
    let now = state.clock.now();
    if throttle::locked(&store::throttle::get_in(&mut tx, key).await?, now).is_some() {
        return Err(Aadsts::Throttled.into());
    }
    throttle::fail_client(&mut tx, key, now).await?;
    let attempted = Attempted {
        snapshot: &attempt.snapshot,
        correlation_id: &attempt.correlation_id,
        address: attempt.address,
        user_agent: &attempt.user_agent,
        who: Who::Application,
        client,
        // It did not come to what was asked for.
        resource: &AppId::new(""),
        app_type: ClientAppType::MobileAppsAndDesktopClients,
        event_type: EventType::ServicePrincipal,
        protocol: "oAuth2",
        decided: None,
        fault: Some(fault),
        step: None,
        session: None,
        unique_token_identifier: None,
    };
    record::sign_in(&mut tx, &attempted, now).await?;
    Ok(state.commit(tx).await?)
}

fn identify<'a>(directory: &'a Directory, shown: &ClientAuthentication, now: Timestamp) -> Result<Authenticated<'a>, Fault> {
    let tenant = directory.organization.as_ref().map_or("", |organization| organization.id.as_str());
    let not_found = || Aadsts::ApplicationNotFound.fault(&[&shown.client_id, tenant]);
    let application = directory.applications.get(&AppId::new(&shown.client_id)).ok_or_else(not_found)?;
    let kind = match &shown.secret {
        None => ClientKind::Public,
        Some(_) if !application.is_confidential() => return Err(Aadsts::PublicClientWithSecret.into()),
        Some(secret) => {
            check(application, secret, now)?;
            ClientKind::Confidential
        }
    };
    Ok(Authenticated { application, kind })
}

impl Authenticated<'_> {
    /// A grant made for one kind of client is not given to the other.
    pub(crate) fn require(&self, kind: ClientKind) -> Result<(), Fault> {
        match (kind, self.kind) {
            (ClientKind::Confidential, ClientKind::Public) => Err(Aadsts::ClientSecretMissing.into()),
            (ClientKind::Public, ClientKind::Confidential) => Err(Aadsts::PublicClientWithSecret.into()),
            (ClientKind::Confidential, ClientKind::Confidential) | (ClientKind::Public, ClientKind::Public) => Ok(()),
        }
    }
}

fn check(application: &Application, secret: &Secret, now: Timestamp) -> Result<(), Fault> {
    let shown = runtime::hash::sha256_hex(secret.expose().as_bytes());
    // Each is compared, whichever matches.
    let matching = application.password_credentials.iter().fold(None, |found, credential| {
        let stored = credential.secret_sha256.as_deref().unwrap_or_default();
        if runtime::hash::equal(stored.as_bytes(), shown.as_bytes()) { Some(credential) } else { found }
    });
    let credential = matching.ok_or_else(|| Aadsts::InvalidClientSecret.fault(&[application.app_id.as_str()]))?;
    // An end that cannot be read is over.
    let is_over = credential
        .rest
        .get("endDateTime")
        .filter(|value| !value.is_null())
        .is_some_and(|value| value.as_str().and_then(Timestamp::parse).is_none_or(|end| end <= now));
    if is_over { Err(Aadsts::ClientSecretExpired.fault(&[application.app_id.as_str()])) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn directory() -> Directory {
        let hash = |secret: &str| runtime::hash::sha256_hex(secret.as_bytes());
        let applications = [
            json!({"id": "o1", "appId": "web", "passwordCredentials": [
                {"keyId": "k1", "secretSha256": hash("good")},
                {"keyId": "k2", "secretSha256": hash("old"), "endDateTime": "2020-01-01T00:00:00Z"},
                {"keyId": "k3", "secretSha256": hash("odd"), "endDateTime": "some day"},
                {"keyId": "k4"}]}),
            json!({"id": "o2", "appId": "native"}),
        ];
        Directory::new(None, [], [], [], applications.map(|value| serde_json::from_value(value).unwrap()))
    }

    #[test]
    fn a_table_of_clients() {
        let directory = directory();
        for (client_id, secret, expected) in [
            ("web", Some("good"), Ok(ClientKind::Confidential)),
            ("WEB", Some("good"), Ok(ClientKind::Confidential)),
            ("web", Some("bad"), Err(7_000_215)),
            ("web", Some(""), Err(7_000_215)),
            ("web", Some("old"), Err(7_000_222)),
            ("web", Some("odd"), Err(7_000_222)),
            ("web", None, Ok(ClientKind::Public)),
            ("native", None, Ok(ClientKind::Public)),
            ("native", Some("good"), Err(700_025)),
            ("nobody", Some("good"), Err(700_016)),
        ] {
            let shown = ClientAuthentication { client_id: client_id.to_owned(), secret: secret.map(Secret::new) };
            let answer = identify(&directory, &shown, Timestamp::from_seconds(1_800_000_000));
            assert_eq!(answer.map(|client| client.kind).map_err(|fault| fault.number()), expected, "{client_id} {secret:?}");
        }
    }
}
