//! One Graph object of the tenant, recognised by its shape, never by the name of its file or folder.

use crate::conditional_access::{AuthenticationStrengthPolicy, ConditionalAccessPolicy, NamedLocation};
use crate::{Application, Group, Organization, RoleAssignment, User};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// The kinds of object a tenant is made of, in the order in which `apply` writes them: what others refer to comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    Organization,
    User,
    Group,
    RoleAssignment,
    Application,
    NamedLocation,
    AuthenticationStrengthPolicy,
    ConditionalAccessPolicy,
}

impl Kind {
    pub const ALL: [Self; 8] = [
        Self::Organization,
        Self::User,
        Self::Group,
        Self::RoleAssignment,
        Self::Application,
        Self::NamedLocation,
        Self::AuthenticationStrengthPolicy,
        Self::ConditionalAccessPolicy,
    ];

    /// The Graph resource's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::User => "user",
            Self::Group => "group",
            Self::RoleAssignment => "unifiedRoleAssignment",
            Self::Application => "application",
            Self::NamedLocation => "namedLocation",
            Self::AuthenticationStrengthPolicy => "authenticationStrengthPolicy",
            Self::ConditionalAccessPolicy => "conditionalAccessPolicy",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// What `value` is, by its members. The order matters: a policy also has a `displayName`, as a group has.
    pub fn of(value: &Value) -> Option<Self> {
        let has = |name: &str| value.get(name).is_some();
        let odata_type = value.get("@odata.type").and_then(Value::as_str).unwrap_or_default();
        if odata_type.ends_with("NamedLocation") || has("ipRanges") || has("countriesAndRegions") || has("compliantNetworkType") {
            Some(Self::NamedLocation)
        } else if has("allowedCombinations") {
            Some(Self::AuthenticationStrengthPolicy)
        } else if has("conditions") && (has("state") || has("grantControls") || has("sessionControls")) {
            Some(Self::ConditionalAccessPolicy)
        } else if has("userPrincipalName") {
            Some(Self::User)
        } else if has("principalId") && has("roleDefinitionId") {
            Some(Self::RoleAssignment)
        } else if has("appId") {
            Some(Self::Application)
        } else if has("verifiedDomains") {
            Some(Self::Organization)
        } else if has("displayName") && (has("members") || has("groupTypes") || has("securityEnabled") || has("mailEnabled")) {
            Some(Self::Group)
        } else {
            None
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A typed Graph object.
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    Organization(Organization),
    User(User),
    Group(Group),
    RoleAssignment(RoleAssignment),
    Application(Box<Application>),
    NamedLocation(NamedLocation),
    AuthenticationStrengthPolicy(AuthenticationStrengthPolicy),
    ConditionalAccessPolicy(Box<ConditionalAccessPolicy>),
}

/// Why a value is not an object that we can hold.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ObjectError {
    #[error("not a Graph object of a known kind (no member tells a user, group, application, policy, … apart)")]
    UnknownKind,
    #[error("unreadable {kind}: {reason}")]
    Unreadable { kind: Kind, reason: String },
    #[error("{kind} without an `id`")]
    NoId { kind: Kind },
}

impl Object {
    pub fn from_value(value: Value) -> Result<Self, ObjectError> {
        let kind = Kind::of(&value).ok_or(ObjectError::UnknownKind)?;
        Self::of_kind(kind, value)
    }

    pub fn of_kind(kind: Kind, value: Value) -> Result<Self, ObjectError> {
        let unreadable = |error: serde_json::Error| ObjectError::Unreadable { kind, reason: error.to_string() };
        let object = match kind {
            Kind::Organization => Self::Organization(serde_json::from_value(value).map_err(unreadable)?),
            Kind::User => Self::User(serde_json::from_value(value).map_err(unreadable)?),
            Kind::Group => Self::Group(serde_json::from_value(value).map_err(unreadable)?),
            Kind::RoleAssignment => Self::RoleAssignment(serde_json::from_value(value).map_err(unreadable)?),
            Kind::Application => Self::Application(serde_json::from_value(value).map_err(unreadable)?),
            Kind::NamedLocation => Self::NamedLocation(serde_json::from_value(value).map_err(unreadable)?),
            Kind::AuthenticationStrengthPolicy => {
                Self::AuthenticationStrengthPolicy(serde_json::from_value(value).map_err(unreadable)?)
            }
            Kind::ConditionalAccessPolicy => Self::ConditionalAccessPolicy(serde_json::from_value(value).map_err(unreadable)?),
        };
        if object.id().is_empty() { Err(ObjectError::NoId { kind }) } else { Ok(object) }
    }

    pub fn to_value(&self) -> Value {
        let value = match self {
            Self::Organization(object) => serde_json::to_value(object),
            Self::User(object) => serde_json::to_value(object),
            Self::Group(object) => serde_json::to_value(object),
            Self::RoleAssignment(object) => serde_json::to_value(object),
            Self::Application(object) => serde_json::to_value(object),
            Self::NamedLocation(object) => serde_json::to_value(object),
            Self::AuthenticationStrengthPolicy(object) => serde_json::to_value(object),
            Self::ConditionalAccessPolicy(object) => serde_json::to_value(object),
        };
        // Maps with string keys and plain members: serde_json has no reason to fail.
        value.unwrap_or(Value::Null)
    }

    pub fn kind(&self) -> Kind {
        match self {
            Self::Organization(_) => Kind::Organization,
            Self::User(_) => Kind::User,
            Self::Group(_) => Kind::Group,
            Self::RoleAssignment(_) => Kind::RoleAssignment,
            Self::Application(_) => Kind::Application,
            Self::NamedLocation(_) => Kind::NamedLocation,
            Self::AuthenticationStrengthPolicy(_) => Kind::AuthenticationStrengthPolicy,
            Self::ConditionalAccessPolicy(_) => Kind::ConditionalAccessPolicy,
        }
    }

    /// The object's `id`, in lower case.
    pub fn id(&self) -> &str {
        match self {
            Self::Organization(object) => object.id.as_str(),
            Self::User(object) => object.id.as_str(),
            Self::Group(object) => object.id.as_str(),
            Self::RoleAssignment(object) => object.id.as_str(),
            Self::Application(object) => object.id.as_str(),
            Self::NamedLocation(object) => object.id.as_str(),
            Self::AuthenticationStrengthPolicy(object) => object.id.as_str(),
            Self::ConditionalAccessPolicy(object) => object.id.as_str(),
        }
    }

    pub fn display_name(&self) -> &str {
        match self {
            Self::Organization(object) => &object.display_name,
            Self::User(object) => &object.user_principal_name,
            Self::Group(object) => &object.display_name,
            Self::RoleAssignment(object) => object.id.as_str(),
            Self::Application(object) => &object.display_name,
            Self::NamedLocation(object) => &object.display_name,
            Self::AuthenticationStrengthPolicy(object) => &object.display_name,
            Self::ConditionalAccessPolicy(object) => &object.display_name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_is_known_by_its_shape() {
        for (value, kind) in [
            (json!({"id": "1", "userPrincipalName": "a@x"}), Some(Kind::User)),
            (json!({"id": "1", "displayName": "G", "members": []}), Some(Kind::Group)),
            (json!({"id": "1", "displayName": "G", "securityEnabled": true}), Some(Kind::Group)),
            (json!({"id": "1", "displayName": "P", "state": "enabled", "conditions": {}}), Some(Kind::ConditionalAccessPolicy)),
            (json!({"id": "1", "@odata.type": "#microsoft.graph.ipNamedLocation"}), Some(Kind::NamedLocation)),
            (json!({"id": "1", "countriesAndRegions": ["NL"]}), Some(Kind::NamedLocation)),
            (json!({"id": "1", "allowedCombinations": []}), Some(Kind::AuthenticationStrengthPolicy)),
            (json!({"id": "1", "appId": "2"}), Some(Kind::Application)),
            (json!({"id": "1", "principalId": "2", "roleDefinitionId": "3"}), Some(Kind::RoleAssignment)),
            (json!({"id": "1", "verifiedDomains": []}), Some(Kind::Organization)),
            (json!({"id": "1", "displayName": "?"}), None),
            (json!([]), None),
        ] {
            assert_eq!(Kind::of(&value), kind, "{value}");
        }
    }

    #[test]
    fn members_that_nobody_here_interprets_are_kept() {
        let value = json!({"id": "u", "userPrincipalName": "a@x", "displayName": "A", "accountEnabled": true,
                           "userType": "Guest", "onPremisesSamAccountName": "a", "extension": {"deep": [1, null]}});
        assert_eq!(Object::from_value(value.clone()).unwrap().to_value(), value);
    }

    #[test]
    fn a_user_of_whom_nothing_is_said_is_disabled() {
        let Ok(Object::User(user)) = Object::from_value(json!({"id": "u", "userPrincipalName": "a@x"})) else {
            panic!("not a user")
        };
        assert!(!user.account_enabled);
    }

    #[test]
    fn what_cannot_be_held_says_why() {
        assert_eq!(Object::from_value(json!({"x": 1})), Err(ObjectError::UnknownKind));
        assert_eq!(
            Object::from_value(json!({"id": "", "userPrincipalName": "a@x"})),
            Err(ObjectError::NoId { kind: Kind::User })
        );
        assert!(matches!(
            Object::from_value(json!({"id": 7, "userPrincipalName": "a@x"})),
            Err(ObjectError::Unreadable { kind: Kind::User, .. })
        ));
    }
}
