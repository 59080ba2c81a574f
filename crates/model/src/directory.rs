//! The directory as one immutable value: what policy conditions are looked up in.

use crate::{AppId, Application, Group, GroupId, ObjectId, Organization, RoleAssignment, RoleTemplateId, User, UserId};
use std::collections::{BTreeMap, BTreeSet};

/// Everything the tenant holds but policies. Built from `Object`s; never changed in place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Directory {
    pub organization: Option<Organization>,
    pub users: BTreeMap<UserId, User>,
    pub groups: BTreeMap<GroupId, Group>,
    pub role_assignments: Vec<RoleAssignment>,
    pub applications: BTreeMap<AppId, Application>,
    containers: BTreeMap<ObjectId, BTreeSet<GroupId>>,
    upns: BTreeMap<String, UserId>,
}

impl Directory {
    pub fn new(
        organization: Option<Organization>,
        users: impl IntoIterator<Item = User>,
        groups: impl IntoIterator<Item = Group>,
        role_assignments: impl IntoIterator<Item = RoleAssignment>,
        applications: impl IntoIterator<Item = Application>,
    ) -> Self {
        let users: BTreeMap<_, _> = users.into_iter().map(|user| (user.id.clone(), user)).collect();
        let groups: BTreeMap<_, _> = groups.into_iter().map(|group| (group.id.clone(), group)).collect();
        let upns = users.values().map(|user| (user.user_principal_name.to_lowercase(), user.id.clone())).collect();
        let mut containers: BTreeMap<ObjectId, BTreeSet<GroupId>> = BTreeMap::new();
        for group in groups.values() {
            for member in &group.members {
                containers.entry(member.id.clone()).or_default().insert(group.id.clone());
            }
        }
        Self {
            organization,
            users,
            groups,
            role_assignments: role_assignments.into_iter().collect(),
            applications: applications.into_iter().map(|application| (application.app_id.clone(), application)).collect(),
            containers,
            upns,
        }
    }

    /// User principal names are compared without regard to case.
    pub fn user_by_principal_name(&self, name: &str) -> Option<&User> {
        self.users.get(self.upns.get(&name.trim().to_lowercase())?)
    }

    /// Every group that holds `user`, directly or through other groups. Cycles of groups are harmless.
    pub fn transitive_groups(&self, user: &UserId) -> BTreeSet<GroupId> {
        let mut found = BTreeSet::new();
        let mut open = vec![user.object()];
        while let Some(member) = open.pop() {
            for group in self.containers.get(&member).into_iter().flatten() {
                if found.insert(group.clone()) {
                    open.push(group.object());
                }
            }
        }
        found
    }

    /// Active roles over the whole tenant, held directly or through a group: the only ones Conditional Access sees.
    pub fn active_roles(&self, user: &UserId) -> BTreeSet<RoleTemplateId> {
        let mut principals: BTreeSet<ObjectId> = self.transitive_groups(user).iter().map(GroupId::object).collect();
        principals.insert(user.object());
        self.role_assignments
            .iter()
            .filter(|assignment| assignment.directory_scope_id == "/" && principals.contains(&assignment.principal_id))
            .map(|assignment| assignment.role_definition_id.clone())
            .collect()
    }

    /// The resource that goes by `name`: an app id or an identifier URI.
    pub fn application_named(&self, name: &str) -> Option<&Application> {
        self.applications
            .get(&AppId::new(name))
            .or_else(|| self.applications.values().find(|application| application.is_named(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Object;
    use serde_json::{Value, json};

    fn directory(values: impl IntoIterator<Item = Value>) -> Directory {
        let (mut users, mut groups, mut roles) = (Vec::new(), Vec::new(), Vec::new());
        for value in values {
            match Object::from_value(value).unwrap() {
                Object::User(user) => users.push(user),
                Object::Group(group) => groups.push(group),
                Object::RoleAssignment(role) => roles.push(role),
                other @ (Object::Organization(_)
                | Object::Application(_)
                | Object::NamedLocation(_)
                | Object::AuthenticationStrengthPolicy(_)
                | Object::ConditionalAccessPolicy(_)) => panic!("unexpected {}", other.kind()),
            }
        }
        Directory::new(None, users, groups, roles, [])
    }

    fn names(groups: BTreeSet<GroupId>) -> Vec<String> {
        groups.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn membership_goes_through_groups_and_survives_a_cycle() {
        let directory = directory([
            json!({"id": "ALEX", "userPrincipalName": "Alex@x.example"}),
            json!({"id": "inner", "displayName": "Inner", "members": [{"id": "alex"}, {"id": "outer"}]}),
            json!({"id": "outer", "displayName": "Outer", "members": [{"id": "Inner"}]}),
            json!({"id": "other", "displayName": "Other", "members": [{"id": "sam"}]}),
        ]);
        assert_eq!(names(directory.transitive_groups(&UserId::new("alex"))), ["inner", "outer"]);
        assert_eq!(directory.user_by_principal_name(" ALEX@X.EXAMPLE ").unwrap().id, UserId::new("alex"));
    }

    #[test]
    fn roles_come_directly_or_through_a_group_and_only_over_the_whole_tenant() {
        let directory = directory([
            json!({"id": "alex", "userPrincipalName": "alex@x.example"}),
            json!({"id": "admins", "displayName": "Admins", "members": [{"id": "alex"}]}),
            json!({"id": "1", "principalId": "alex", "roleDefinitionId": "Direct", "directoryScopeId": "/"}),
            json!({"id": "2", "principalId": "admins", "roleDefinitionId": "through-group"}),
            json!({"id": "3", "principalId": "alex", "roleDefinitionId": "unit", "directoryScopeId": "/administrativeUnits/7"}),
            json!({"id": "4", "principalId": "sam", "roleDefinitionId": "other", "directoryScopeId": "/"}),
        ]);
        let roles = directory.active_roles(&UserId::new("alex"));
        assert_eq!(roles, [RoleTemplateId::new("direct"), RoleTemplateId::new("through-group")].into());
    }
}
