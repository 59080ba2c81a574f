//! One administrative change: its transaction, its audit records, its events.
//!
//! INVARIANT: state, audit record and outbox event are written in one transaction (architecture, invariant 5). Whoever
//! changes the directory does it through a `Change`, which cannot be committed without a record.

use crate::api::Caller;
use crate::error::ApiError;
use crate::signals::{self, SecurityEvent};
use crate::snapshot::Snapshot;
use crate::state::ControlPlane;
use model::audit::{DirectoryAudit, Initiator, ModifiedProperty, TargetResource};
use model::{Kind, Object, TenantId, Timestamp};
use serde_json::Value;
use std::sync::Arc;
use store::{StoreError, Tx};

/// How often a change starts again because another process changed the directory between its reading and its writing.
const ATTEMPTS: usize = 8;

/// Who makes a change, and under which correlation id it is recorded.
#[derive(Clone, Debug)]
pub struct Actor {
    pub initiator: Initiator,
    pub correlation_id: String,
}

/// What a directory audit says happened. The words are Entra's own, so that queries written for its logs work.
/// <https://learn.microsoft.com/entra/identity/monitoring-health/reference-audit-activities>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    AddUser,
    UpdateUser,
    DisableAccount,
    EnableAccount,
    DeleteUser,
    ResetUserPassword,
    RegisterSecurityInfo,
    DeleteSecurityInfo,
    /// By the person themselves.
    RegisterOwnSecurityInfo,
    DeleteOwnSecurityInfo,
    /// Somebody used what only the rightful client should have.
    RevokeSession,
    UpdateStsRefreshTokenValidFrom,
    AddObject(Kind),
    UpdateObject(Kind),
    DeleteObject(Kind),
    CreateStream,
    UpdateStream,
    DeleteStream,
}

/// An administrative change under way: a transaction that holds the store's write lock, the moment it happens at, and
/// the directory exactly as it is inside the transaction.
#[derive(Debug)]
pub struct Change<'a> {
    pub state: &'a ControlPlane,
    pub tx: Tx,
    /// Read after the lock was taken, so it is not earlier than the moment of anything committed before.
    pub now: Timestamp,
    pub snapshot: Arc<Snapshot>,
    actor: Actor,
    recorded: usize,
    raised: usize,
    wrote_objects: bool,
}

impl Actor {
    pub fn new(initiator: Initiator) -> Self {
        Self { initiator, correlation_id: runtime::random::guid() }
    }

    /// The caller of a Graph request.
    pub fn of(caller: &Caller, snapshot: &Snapshot) -> Self {
        let initiator = match &caller.user {
            Some(user) => Initiator::User { id: user.id.to_string(), user_principal_name: user.user_principal_name.clone() },
            None => {
                let application = snapshot.directory.applications.get(&caller.client);
                let display_name = application.map(|application| application.display_name.clone()).unwrap_or_default();
                Initiator::App { app_id: caller.client.to_string(), display_name }
            }
        };
        Self::new(initiator)
    }
}

impl Activity {
    fn display_name(self) -> String {
        match self {
            Self::AddUser => "Add user".to_owned(),
            Self::UpdateUser => "Update user".to_owned(),
            Self::DisableAccount => "Disable account".to_owned(),
            Self::EnableAccount => "Enable account".to_owned(),
            Self::DeleteUser => "Delete user".to_owned(),
            Self::ResetUserPassword => "Reset user password".to_owned(),
            Self::RegisterSecurityInfo => "Admin registered security info".to_owned(),
            Self::DeleteSecurityInfo => "Admin deleted security info".to_owned(),
            Self::RegisterOwnSecurityInfo => "User registered security info".to_owned(),
            Self::DeleteOwnSecurityInfo => "User deleted security info".to_owned(),
            Self::RevokeSession => "Revoke session".to_owned(),
            Self::UpdateStsRefreshTokenValidFrom => "Update StsRefreshTokenValidFrom Timestamp".to_owned(),
            Self::AddObject(kind) => format!("Add {}", noun(kind)),
            Self::UpdateObject(kind) => format!("Update {}", noun(kind)),
            Self::DeleteObject(kind) => format!("Delete {}", noun(kind)),
            Self::CreateStream => "Add event stream".to_owned(),
            Self::UpdateStream => "Update event stream".to_owned(),
            Self::DeleteStream => "Delete event stream".to_owned(),
        }
    }

    const fn category(self) -> &'static str {
        match self {
            Self::AddUser
            | Self::UpdateUser
            | Self::DisableAccount
            | Self::EnableAccount
            | Self::DeleteUser
            | Self::ResetUserPassword
            | Self::RegisterSecurityInfo
            | Self::DeleteSecurityInfo
            | Self::RegisterOwnSecurityInfo
            | Self::DeleteOwnSecurityInfo
            | Self::RevokeSession
            | Self::UpdateStsRefreshTokenValidFrom => "UserManagement",
            Self::CreateStream | Self::UpdateStream | Self::DeleteStream => "SharedSignals",
            Self::AddObject(kind) | Self::UpdateObject(kind) | Self::DeleteObject(kind) => match kind {
                Kind::Organization => "DirectoryManagement",
                Kind::User => "UserManagement",
                Kind::Group => "GroupManagement",
                Kind::RoleAssignment => "RoleManagement",
                Kind::Application => "ApplicationManagement",
                Kind::NamedLocation | Kind::AuthenticationStrengthPolicy | Kind::ConditionalAccessPolicy => "Policy",
            },
        }
    }
}

const fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::Organization => "organization",
        Kind::User => "user",
        Kind::Group => "group",
        Kind::RoleAssignment => "role assignment",
        Kind::Application => "application",
        Kind::NamedLocation => "named location",
        Kind::AuthenticationStrengthPolicy => "authentication strength",
        Kind::ConditionalAccessPolicy => "conditional access policy",
    }
}

impl<'a> Change<'a> {
    /// Takes the store's write lock, with a snapshot that is true while it is held.
    pub async fn begin(state: &'a ControlPlane, actor: Actor) -> Result<Self, ApiError> {
        for _ in 0..ATTEMPTS {
            let snapshot = state.snapshot();
            let mut tx = state.store.begin().await?;
            if store::object::revision_in(&mut tx).await? == snapshot.revision {
                let now = state.clock.now();
                return Ok(Self { state, tx, now, snapshot, actor, recorded: 0, raised: 0, wrote_objects: false });
            }
            drop(tx);
            state.reload().await.map_err(ApiError::internal)?;
        }
        Err(ApiError::Busy)
    }

    /// The tenant; a store without one has nothing to change yet.
    pub fn tenant(&self) -> Result<TenantId, ApiError> {
        self.snapshot.tenant().cloned().ok_or_else(|| ApiError::not_found("organization"))
    }

    /// Writes `object` and the record of it. `before` is what it replaces.
    pub async fn put(&mut self, activity: Activity, before: Option<&Object>, object: &Object) -> Result<(), ApiError> {
        store::object::put(&mut self.tx, object, self.now).await?;
        self.wrote_objects = true;
        let changes = modified(before.map(Object::to_value).as_ref(), Some(&object.to_value()));
        self.record(activity, target(object, changes)).await
    }

    /// Removes `object`, with the record of it.
    pub async fn delete(&mut self, activity: Activity, object: &Object) -> Result<(), ApiError> {
        store::object::delete(&mut self.tx, object.kind(), object.id(), self.now).await?;
        self.wrote_objects = true;
        let changes = modified(Some(&object.to_value()), None);
        self.record(activity, target(object, changes)).await
    }

    /// A record of what is no object's change: a password, sessions.
    pub async fn record(&mut self, activity: Activity, target: TargetResource) -> Result<(), ApiError> {
        append(&mut self.tx, &self.actor, activity, target, "", self.now).await?;
        self.recorded += 1;
        Ok(())
    }

    pub async fn raise(&mut self, event: SecurityEvent) -> Result<(), ApiError> {
        signals::raise(&mut self.tx, event, self.now, &self.actor.correlation_id).await?;
        self.raised += 1;
        Ok(())
    }

    /// Commits; what follows sees the change, and receivers are told. A change without a record is refused.
    pub async fn commit(self) -> Result<(), ApiError> {
        if self.recorded == 0 && (self.wrote_objects || self.raised > 0) {
            return Err(ApiError::internal(UnrecordedError));
        }
        self.state.commit(self.tx).await?;
        if self.wrote_objects
            && let Err(error) = self.state.reload().await
        {
            // The change is durable and must not be reported as failed; `refresh` reads again within a second.
            tracing::error!(%error, "the directory could not be read again after a change");
        }
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a change was about to be committed without an audit record")]
struct UnrecordedError;

/// The one way in which a record is written: inside the transaction of what it tells.
pub(crate) async fn append(
    tx: &mut Tx,
    actor: &Actor,
    activity: Activity,
    target: TargetResource,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let record = DirectoryAudit {
        id: runtime::random::guid(),
        activity_date_time: now,
        activity_display_name: activity.display_name(),
        category: activity.category().to_owned(),
        correlation_id: actor.correlation_id.clone(),
        result: "success".to_owned(),
        result_reason: reason.to_owned(),
        initiated_by: actor.initiator.clone(),
        target_resources: vec![target],
    };
    store::audit::append(tx, &record).await?;
    Ok(())
}

pub(crate) fn target(object: &Object, modified_properties: Vec<ModifiedProperty>) -> TargetResource {
    TargetResource {
        id: object.id().to_owned(),
        display_name: object.display_name().to_owned(),
        resource_type: object.kind().as_str().to_owned(),
        modified_properties,
    }
}

/// Top-level members that differ, as JSON text. Secrets are taken out first: an audit log is read by many.
pub(crate) fn modified(before: Option<&Value>, after: Option<&Value>) -> Vec<ModifiedProperty> {
    let (before, after) = (before.cloned().map(crate::graph::view::public), after.cloned().map(crate::graph::view::public));
    let member = |value: &Option<Value>, name: &str| value.as_ref().and_then(|value| value.get(name)).map(Value::to_string);
    let mut names: Vec<&String> = Vec::new();
    for value in [&before, &after].into_iter().flatten().filter_map(Value::as_object) {
        names.extend(value.keys().filter(|name| name.as_str() != "id"));
    }
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .map(|name| ModifiedProperty {
            display_name: name.clone(),
            old_value: member(&before, name),
            new_value: member(&after, name),
        })
        .filter(|property| property.old_value != property.new_value)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_recorded() {
        let before = json!({"id": "1", "displayName": "a", "accountEnabled": true});
        let after = json!({"id": "1", "displayName": "a", "accountEnabled": false, "mail": "x"});
        let shown: Vec<_> = modified(Some(&before), Some(&after))
            .into_iter()
            .map(|property| (property.display_name, property.old_value, property.new_value))
            .collect();
        assert_eq!(
            shown,
            [
                ("accountEnabled".to_owned(), Some("true".to_owned()), Some("false".to_owned())),
                ("mail".to_owned(), None, Some("\"x\"".to_owned())),
            ]
        );
    }

    #[test]
    fn secrets_are_never_recorded() {
        let application = json!({"id": "1", "passwordCredentials": [{"keyId": "k", "secretSha256": "5e884898da28"}]});
        let record = format!("{:?}", modified(None, Some(&application)));
        assert!(record.contains("passwordCredentials") && !record.contains("5e884898da28"), "{record}");
    }
}
