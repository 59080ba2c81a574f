//! Graph `user`.

use crate::{Timestamp, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A person's account. <https://learn.microsoft.com/graph/api/resources/user>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    pub id: UserId,
    pub user_principal_name: String,
    #[serde(default)]
    pub display_name: String,
    /// A missing `accountEnabled` is read as disabled: what is not said does not open a door.
    #[serde(default)]
    pub account_enabled: bool,
    #[serde(default)]
    pub user_type: UserType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<String>,
    /// Sessions and refresh tokens issued before this moment are void (`revokeSignInSessions`, password reset).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in_sessions_valid_from_date_time: Option<Timestamp>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UserType {
    #[default]
    Member,
    Guest,
}
