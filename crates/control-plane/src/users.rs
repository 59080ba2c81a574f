//! What an administrator does to a person's account. Each is one transaction: the object, what hangs on it (sessions,
//! grants, credentials), the audit record and the events.
//!
//! INVARIANT: an account that was disabled, deleted, revoked or given another password has no session and no grant left
//! from before, and every stream has an event that says so. `save` is the one place where a user object is written.

use crate::api::Caller;
use crate::audit::{Activity, Actor, Change, target};
use crate::error::ApiError;
use crate::graph::privilege::{self, UserAction};
use crate::passwords::PasswordHash;
use crate::sign_in::security_info;
use crate::signals::{InitiatingEntity, SecurityEvent};
use crate::state::ControlPlane;
use model::audit::{ModifiedProperty, TargetResource};
use model::{Directory, Kind, Object, RoleAssignment, User, UserId};
use protocol::secevent::event_type;
use store::credential::CredentialKind;

/// What `PATCH /users/{id}` may change. `None`: left as it is.
#[derive(Clone, Debug, Default)]
pub struct UserPatch {
    pub account_enabled: Option<bool>,
    pub display_name: Option<String>,
    pub password: Option<PasswordHash>,
}

/// Changes an account; all of it or nothing.
pub async fn update(state: &ControlPlane, caller: &Caller, user: &UserId, patch: UserPatch) -> Result<User, ApiError> {
    let mut change = Change::begin(state, Actor::of(caller, &state.snapshot())).await?;
    let before = known(&change.snapshot.directory, user)?;
    if patch.account_enabled.is_some() || patch.display_name.is_some() {
        privilege::check(&change.snapshot.directory, caller, UserAction::Update, user)?;
    }
    if patch.password.is_some() {
        privilege::check(&change.snapshot.directory, caller, UserAction::ResetPassword, user)?;
    }
    if before.account_enabled && patch.account_enabled == Some(false) {
        privilege::check_not_last(&change.snapshot.directory, user)?;
    }
    let mut after = before.clone();
    after.account_enabled = patch.account_enabled.unwrap_or(before.account_enabled);
    after.display_name = patch.display_name.unwrap_or_else(|| before.display_name.clone());
    let after = if after == before && patch.password.is_none() {
        after
    } else {
        save(&mut change, Some(&before), after, patch.password).await?
    };
    change.commit().await?;
    Ok(after)
}

/// A new account. Its password, if any, is good at once.
pub async fn create(state: &ControlPlane, caller: &Caller, user: User, password: Option<PasswordHash>) -> Result<User, ApiError> {
    let mut change = Change::begin(state, Actor::of(caller, &state.snapshot())).await?;
    privilege::check(&change.snapshot.directory, caller, UserAction::Update, &user.id)?;
    let user = save(&mut change, None, user, password).await?;
    change.commit().await?;
    Ok(user)
}

/// Voids every session and refresh token of before (`revokeSignInSessions`).
pub async fn revoke_sessions(state: &ControlPlane, caller: &Caller, user: &UserId) -> Result<(), ApiError> {
    let mut change = Change::begin(state, Actor::of(caller, &state.snapshot())).await?;
    let before = known(&change.snapshot.directory, user)?;
    privilege::check(&change.snapshot.directory, caller, UserAction::RevokeSessions, user)?;
    let mut after = before.clone();
    end_sessions(&mut change, &mut after).await?;
    let (before, after) = (Object::User(before), Object::User(after));
    change.put(Activity::UpdateStsRefreshTokenValidFrom, Some(&before), &after).await?;
    change.commit().await
}

/// Removes a second factor, and ends whatever it may have let in.
pub async fn remove_method(
    state: &ControlPlane,
    caller: &Caller,
    user: &UserId,
    kind: CredentialKind,
    credential_id: &str,
) -> Result<(), ApiError> {
    let mut change = Change::begin(state, Actor::of(caller, &state.snapshot())).await?;
    let before = known(&change.snapshot.directory, user)?;
    privilege::check(&change.snapshot.directory, caller, UserAction::RemoveMethod, user)?;
    let credentials = store::credential::of_user_in(&mut change.tx, user).await?;
    if kind == CredentialKind::Password || !credentials.iter().any(|row| row.kind == kind && row.id == credential_id) {
        return Err(ApiError::not_found(credential_id));
    }
    store::credential::delete(&mut change.tx, credential_id).await?;
    let (method, credential_type) = security_info::names(kind);
    let property = ModifiedProperty {
        display_name: "authenticationMethod".to_owned(),
        old_value: serde_json::to_string(method).ok(),
        new_value: None,
    };
    let before = Object::User(before);
    change.record(Activity::DeleteSecurityInfo, target(&before, vec![property])).await?;
    let tenant = change.tenant()?;
    let event = SecurityEvent::about_user(state, &tenant, user, event_type::CREDENTIAL_CHANGE, InitiatingEntity::Admin);
    change.raise(event.with("credential_type", credential_type).with("change_type", "delete")).await?;
    let mut after = known(&change.snapshot.directory, user)?;
    end_sessions(&mut change, &mut after).await?;
    change.put(Activity::UpdateStsRefreshTokenValidFrom, Some(&before), &Object::User(after)).await?;
    change.commit().await
}

/// Removes an account with its credentials, sessions, grants, memberships and roles.
pub async fn delete(state: &ControlPlane, caller: &Caller, user: &UserId) -> Result<(), ApiError> {
    let mut change = Change::begin(state, Actor::of(caller, &state.snapshot())).await?;
    let mut before = known(&change.snapshot.directory, user)?;
    privilege::check(&change.snapshot.directory, caller, UserAction::Delete, user)?;
    privilege::check_not_last(&change.snapshot.directory, user)?;
    forget_references(&mut change, user).await?;
    store::credential::delete_of_user(&mut change.tx, user).await?;
    let object = Object::User(before.clone());
    end_sessions(&mut change, &mut before).await?;
    change.delete(Activity::DeleteUser, &object).await?;
    raise(&mut change, user, event_type::ACCOUNT_PURGED).await?;
    change.commit().await
}

/// Writes a user object and, if given, a password, with everything that follows from what changed. Gives what was
/// written. An account's first password ends nothing: there is nothing to end.
pub async fn save(
    change: &mut Change<'_>,
    before: Option<&User>,
    mut after: User,
    password: Option<PasswordHash>,
) -> Result<User, ApiError> {
    let id = after.id.clone();
    let is_reset = before.is_some() && password.is_some();
    let activity = match (before.map(|user| user.account_enabled), after.account_enabled) {
        (None, _) => Activity::AddUser,
        (Some(true), false) => Activity::DisableAccount,
        (Some(false), true) => Activity::EnableAccount,
        (Some(_), _) if is_reset => Activity::ResetUserPassword,
        (Some(_), _) => Activity::UpdateUser,
    };
    if let Some(hash) = password {
        store::credential::set_password(&mut change.tx, &id, hash.as_bytes(), change.now).await?;
    }
    if activity == Activity::DisableAccount {
        raise(change, &id, event_type::ACCOUNT_DISABLED).await?;
    }
    if activity == Activity::EnableAccount {
        raise(change, &id, event_type::ACCOUNT_ENABLED).await?;
    }
    if is_reset {
        let tenant = change.tenant()?;
        let kind = event_type::CREDENTIAL_CHANGE;
        let event = SecurityEvent::about_user(change.state, &tenant, &id, kind, InitiatingEntity::Admin);
        change.raise(event.with("credential_type", "password").with("change_type", "update")).await?;
        if activity != Activity::ResetUserPassword {
            change.record(Activity::ResetUserPassword, credential_record(&after, "password")).await?;
        }
    }
    if is_reset || activity == Activity::DisableAccount {
        end_sessions(change, &mut after).await?;
    }
    let before = before.cloned().map(Object::User);
    change.put(activity, before.as_ref(), &Object::User(after.clone())).await?;
    Ok(after)
}

/// Ends every session and grant, moves the moment from which sessions count, and raises `session-revoked`. The caller
/// writes `user`, or removes it.
async fn end_sessions(change: &mut Change<'_>, user: &mut User) -> Result<(), ApiError> {
    store::session::revoke_of_user(&mut change.tx, &user.id, change.now).await?;
    store::grant::revoke_of_user(&mut change.tx, &user.id, change.now).await?;
    user.sign_in_sessions_valid_from_date_time = Some(change.now);
    raise(change, &user.id, event_type::SESSION_REVOKED).await
}

async fn raise(change: &mut Change<'_>, user: &UserId, event_type: &'static str) -> Result<(), ApiError> {
    let tenant = change.tenant()?;
    change.raise(SecurityEvent::about_user(change.state, &tenant, user, event_type, InitiatingEntity::Admin)).await
}

/// Takes `user` out of groups and role assignments: an account made later with the same id inherits nothing.
async fn forget_references(change: &mut Change<'_>, user: &UserId) -> Result<(), ApiError> {
    let snapshot = change.snapshot.clone();
    let assignments = snapshot.directory.role_assignments.iter();
    for assignment in assignments.filter(|assignment: &&RoleAssignment| assignment.principal_id == user.object()) {
        let object = Object::RoleAssignment(assignment.clone());
        change.delete(Activity::DeleteObject(Kind::RoleAssignment), &object).await?;
    }
    for group in snapshot.directory.groups.values() {
        if group.members.iter().any(|member| member.id == user.object()) {
            let mut without = group.clone();
            without.members.retain(|member| member.id != user.object());
            let (before, after) = (Object::Group(group.clone()), Object::Group(without));
            change.put(Activity::UpdateObject(Kind::Group), Some(&before), &after).await?;
        }
    }
    Ok(())
}

fn known(directory: &Directory, user: &UserId) -> Result<User, ApiError> {
    directory.users.get(user).cloned().ok_or_else(|| ApiError::not_found(user.as_str()))
}

/// `name@domain`, without spaces and control characters.
pub fn is_principal_name(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && part.chars().all(|character| !character.is_whitespace() && !character.is_control() && character != '@')
    };
    text.len() <= 256 && text.split_once('@').is_some_and(|(name, domain)| is_part(name) && is_part(domain))
}

/// What a record of a credential that was set says: which kind, never what.
pub fn credential_record(user: &User, kind: &str) -> TargetResource {
    let property = ModifiedProperty {
        display_name: "authenticationMethod".to_owned(),
        old_value: None,
        new_value: serde_json::to_string(kind).ok(),
    };
    target(&Object::User(user.clone()), vec![property])
}
