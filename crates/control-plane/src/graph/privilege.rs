//! Who may administer whom. A route's `Permission` says who may call it at all; this says over whom.
//!
//! Pure: the directory in, an answer out. It is asked inside the transaction of the change, with the directory as it is
//! there, so that two administrators who disable each other at once cannot both succeed.

use crate::api::Caller;
use crate::error::ApiError;
use model::role::template;
use model::{Directory, GroupId, ObjectId, RoleTemplateId, UserId};
use std::collections::BTreeSet;

/// What somebody wants to do to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UserAction {
    /// Names, and whether the account is enabled.
    Update,
    ResetPassword,
    RevokeSessions,
    /// A second factor.
    RemoveMethod,
    Delete,
}

/// May change users who hold a directory role themselves.
/// <https://learn.microsoft.com/entra/identity/role-based-access-control/privileged-roles-permissions#who-can-perform-sensitive-actions>
const OVER_ADMINISTRATORS: [&str; 2] = [template::GLOBAL_ADMINISTRATOR, template::PRIVILEGED_AUTHENTICATION_ADMINISTRATOR];
/// The application permission that stands for the same: it may also write role assignments (`apply`).
const APPLICATION_OVER_ADMINISTRATORS: &str = "Directory.ReadWrite.All";

impl UserAction {
    /// Every role with which some user may be subjected to this: also for a route's `Permission`.
    pub(crate) const fn roles(self) -> &'static [&'static str] {
        match self {
            Self::Update | Self::Delete => {
                &[template::GLOBAL_ADMINISTRATOR, template::PRIVILEGED_AUTHENTICATION_ADMINISTRATOR, template::USER_ADMINISTRATOR]
            }
            Self::RemoveMethod => &[
                template::GLOBAL_ADMINISTRATOR,
                template::PRIVILEGED_AUTHENTICATION_ADMINISTRATOR,
                template::AUTHENTICATION_ADMINISTRATOR,
            ],
            Self::ResetPassword | Self::RevokeSessions => &[
                template::GLOBAL_ADMINISTRATOR,
                template::PRIVILEGED_AUTHENTICATION_ADMINISTRATOR,
                template::USER_ADMINISTRATOR,
                template::AUTHENTICATION_ADMINISTRATOR,
            ],
        }
    }

    const fn phrase(self) -> &'static str {
        match self {
            Self::Update => "change",
            Self::ResetPassword => "reset the password of",
            Self::RevokeSessions => "revoke the sessions of",
            Self::RemoveMethod => "remove a method of",
            Self::Delete => "delete",
        }
    }
}

/// Whether `caller` may do `action` to `target`, as `directory` stands.
pub(crate) fn check(directory: &Directory, caller: &Caller, action: UserAction, target: &UserId) -> Result<(), ApiError> {
    let is_protected = holds_any_role(directory, target);
    let Some(user) = &caller.user else {
        return if !is_protected || caller.application_permissions.contains(APPLICATION_OVER_ADMINISTRATORS) {
            Ok(())
        } else {
            Err(denied(action, &format!("an application needs {APPLICATION_OVER_ADMINISTRATORS} for that")))
        };
    };
    if !directory.users.get(&user.id).is_some_and(|user| user.account_enabled) {
        return Err(ApiError::Unauthenticated("the signed-in user's account is no longer enabled".to_owned()));
    }
    let roles = directory.active_roles(&user.id);
    if !holds_one_of(&roles, action.roles()) {
        return Err(ApiError::Forbidden("the signed-in user holds no directory role that allows this".to_owned()));
    }
    if is_protected && !holds_one_of(&roles, &OVER_ADMINISTRATORS) {
        return Err(denied(action, "a Global Administrator or Privileged Authentication Administrator is needed for that"));
    }
    Ok(())
}

fn denied(action: UserAction, who: &str) -> ApiError {
    ApiError::Forbidden(format!("you may not {} a user who holds a directory role: {who}", action.phrase()))
}

/// A tenant without an enabled Global Administrator can no longer be administered by a person.
pub(crate) fn check_not_last(directory: &Directory, target: &UserId) -> Result<(), ApiError> {
    let enabled = enabled_global_administrators(directory);
    if enabled.len() == 1 && enabled.contains(target) {
        return Err(ApiError::BadRequest(
            "this is the last enabled Global Administrator; hint: give another enabled account that role first".to_owned(),
        ));
    }
    Ok(())
}

pub(crate) fn enabled_global_administrators(directory: &Directory) -> BTreeSet<UserId> {
    let role = RoleTemplateId::new(template::GLOBAL_ADMINISTRATOR);
    let enabled = directory.users.values().filter(|user| user.account_enabled);
    enabled.filter(|user| directory.active_roles(&user.id).contains(&role)).map(|user| user.id.clone()).collect()
}

/// Any role in any scope, directly or through a group: administrators of a part are administrators too.
fn holds_any_role(directory: &Directory, user: &UserId) -> bool {
    let mut principals: BTreeSet<ObjectId> = directory.transitive_groups(user).iter().map(GroupId::object).collect();
    principals.insert(user.object());
    directory.role_assignments.iter().any(|assignment| principals.contains(&assignment.principal_id))
}

fn holds_one_of(held: &BTreeSet<RoleTemplateId>, wanted: &[&str]) -> bool {
    wanted.iter().any(|role| held.contains(&RoleTemplateId::new(role)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::CallerUser;
    use model::{AppId, Group, Object, RoleAssignment, SessionId, User};
    use serde_json::json;

    const GLOBAL: &str = "00000000-0000-0000-0000-00000000000a";
    const USERS: &str = "00000000-0000-0000-0000-00000000000b";
    const HELP: &str = "00000000-0000-0000-0000-00000000000c";
    const MEMBER: &str = "00000000-0000-0000-0000-00000000000d";
    const THROUGH_GROUP: &str = "00000000-0000-0000-0000-00000000000e";
    const SCOPED: &str = "00000000-0000-0000-0000-00000000000f";
    const GROUP: &str = "00000000-0000-0000-0000-0000000000aa";

    fn directory() -> Directory {
        let user = |id: &str| User::try_from_id(id);
        let assignment = |principal: &str, role: &str, scope: &str| -> RoleAssignment {
            serde_json::from_value(json!({
                "id": format!("{principal}-{role}"), "principalId": principal, "roleDefinitionId": role, "directoryScopeId": scope
            }))
            .unwrap()
        };
        let group: Group =
            serde_json::from_value(json!({"id": GROUP, "displayName": "g", "members": [{"id": THROUGH_GROUP}]})).unwrap();
        Directory::new(
            None,
            [GLOBAL, USERS, HELP, MEMBER, THROUGH_GROUP, SCOPED].map(user),
            [group],
            [
                assignment(GLOBAL, template::GLOBAL_ADMINISTRATOR, "/"),
                assignment(USERS, template::USER_ADMINISTRATOR, "/"),
                assignment(HELP, template::AUTHENTICATION_ADMINISTRATOR, "/"),
                assignment(GROUP, template::SECURITY_READER, "/"),
                assignment(SCOPED, template::USER_ADMINISTRATOR, "/administrativeUnits/1"),
            ],
            [],
        )
    }

    trait FromId {
        fn try_from_id(id: &str) -> Self;
    }

    impl FromId for User {
        fn try_from_id(id: &str) -> Self {
            let value = json!({"id": id, "userPrincipalName": format!("{id}@x"), "accountEnabled": true});
            match Object::from_value(value).unwrap() {
                Object::User(user) => user,
                other => panic!("{other:?}"),
            }
        }
    }

    fn person(id: &str) -> Caller {
        let user = CallerUser {
            id: UserId::new(id),
            user_principal_name: String::new(),
            session: SessionId::new("s"),
            scopes: BTreeSet::new(),
            roles: BTreeSet::new(),
        };
        Caller { user: Some(user), client: AppId::new("c"), application_permissions: BTreeSet::new() }
    }

    fn application(permission: &str) -> Caller {
        Caller { user: None, client: AppId::new("c"), application_permissions: BTreeSet::from([permission.to_owned()]) }
    }

    #[test]
    fn who_may_do_what_to_whom() {
        use UserAction::{Delete, RemoveMethod, ResetPassword, Update};
        let directory = directory();
        let cases = [
            (person(GLOBAL), Update, MEMBER, true),
            (person(GLOBAL), Delete, USERS, true),
            (person(USERS), Update, MEMBER, true),
            (person(USERS), Update, GLOBAL, false),
            (person(USERS), Update, THROUGH_GROUP, false),
            (person(USERS), Update, SCOPED, false),
            (person(HELP), ResetPassword, MEMBER, true),
            (person(HELP), Update, MEMBER, false),
            (person(HELP), ResetPassword, USERS, false),
            (person(HELP), RemoveMethod, MEMBER, true),
            (person(HELP), RemoveMethod, USERS, false),
            (person(USERS), RemoveMethod, MEMBER, false),
            (application("UserAuthenticationMethod.ReadWrite.All"), RemoveMethod, GLOBAL, false),
            (person(MEMBER), Update, MEMBER, false),
            (person(SCOPED), Update, MEMBER, false),
            (application("User.ReadWrite.All"), Update, MEMBER, true),
            (application("User.ReadWrite.All"), ResetPassword, GLOBAL, false),
            (application("Directory.ReadWrite.All"), ResetPassword, GLOBAL, true),
        ];
        for (caller, action, target, expected) in cases {
            let allowed = check(&directory, &caller, action, &UserId::new(target));
            assert_eq!(allowed.is_ok(), expected, "{caller:?} {action:?} {target}: {allowed:?}");
        }
    }

    #[test]
    fn a_caller_who_was_disabled_meanwhile_may_nothing() {
        let mut directory = directory();
        directory.users.get_mut(&UserId::new(GLOBAL)).unwrap().account_enabled = false;
        let answer = check(&directory, &person(GLOBAL), UserAction::Update, &UserId::new(MEMBER));
        assert!(matches!(answer, Err(ApiError::Unauthenticated(_))), "{answer:?}");
    }

    #[test]
    fn the_last_global_administrator_is_kept() {
        let directory = directory();
        assert!(check_not_last(&directory, &UserId::new(GLOBAL)).is_err());
        assert!(check_not_last(&directory, &UserId::new(USERS)).is_ok());
    }
}
