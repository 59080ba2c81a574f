//! Newtype identifiers. Graph compares GUIDs without regard to case, so each id is kept in lower case: two ids are the
//! same object exactly when the values are equal.

use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            pub fn new(text: &str) -> Self {
                Self(text.trim().to_lowercase())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Ok(Self::new(&String::deserialize(deserializer)?))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}({})", stringify!($name), self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }
    )+};
}

id! {
    /// The `id` of any directory object, where its kind does not matter.
    ObjectId,
    /// `user.id`; `oid` in tokens.
    UserId,
    /// `group.id`.
    GroupId,
    /// `unifiedRoleDefinition.templateId`: what Conditional Access and the `wids` claim name.
    RoleTemplateId,
    /// `application.appId`: the client id, and the audience of tokens for it.
    AppId,
    /// `conditionalAccessPolicy.id`.
    PolicyId,
    /// `tenantId`; `tid` in tokens.
    TenantId,
    /// One sign-in session; `sid` in tokens.
    SessionId,
}

impl UserId {
    pub fn object(&self) -> ObjectId {
        ObjectId(self.0.clone())
    }
}

impl GroupId {
    pub fn object(&self) -> ObjectId {
        ObjectId(self.0.clone())
    }
}
