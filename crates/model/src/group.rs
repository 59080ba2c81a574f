//! Graph `group`, with its direct members.

use crate::{GroupId, ObjectId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// <https://learn.microsoft.com/graph/api/resources/group>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    pub id: GroupId,
    #[serde(default)]
    pub display_name: String,
    /// Direct members: users, and groups (nesting). In JSON each is an object with an `id`, as `$expand=members` gives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Member>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    pub id: ObjectId,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}
