//! Conditional Access objects as they are on the wire: lenient, whole, and written back as they were read.
//! `policy` turns them into strict, compiled form; nothing here says what a policy means.

use crate::{ObjectId, PolicyId};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// <https://learn.microsoft.com/graph/api/resources/conditionalaccesspolicy>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConditionalAccessPolicy {
    pub id: PolicyId,
    #[serde(default, deserialize_with = "null_as_default")]
    pub display_name: String,
    /// `enabled`, `disabled`, `enabledForReportingButNotEnforced`; the enum is evolvable.
    #[serde(default, deserialize_with = "null_as_default")]
    pub state: String,
    #[serde(default)]
    pub conditions: Value,
    #[serde(default)]
    pub grant_controls: Value,
    #[serde(default)]
    pub session_controls: Value,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// <https://learn.microsoft.com/graph/api/resources/namedlocation> and its derived types: the members that tell them
/// apart stay in `rest`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamedLocation {
    pub id: ObjectId,
    #[serde(default, deserialize_with = "null_as_default")]
    pub display_name: String,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// <https://learn.microsoft.com/graph/api/resources/authenticationstrengthpolicy>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthenticationStrengthPolicy {
    pub id: ObjectId,
    #[serde(default, deserialize_with = "null_as_default")]
    pub display_name: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub allowed_combinations: Vec<String>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// Exports write members that are not set as `null`.
fn null_as_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
