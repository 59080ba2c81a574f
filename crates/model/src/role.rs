//! Graph `unifiedRoleAssignment`: who holds which directory role.

use crate::{ObjectId, RoleTemplateId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// <https://learn.microsoft.com/graph/api/resources/unifiedroleassignment>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleAssignment {
    pub id: ObjectId,
    /// A user, or a role-assignable group.
    pub principal_id: ObjectId,
    /// For built-in roles the definition's id is its template id.
    pub role_definition_id: RoleTemplateId,
    /// `/` is the whole tenant; Conditional Access sees no other scope.
    #[serde(default = "tenant_scope")]
    pub directory_scope_id: String,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

fn tenant_scope() -> String {
    "/".to_owned()
}

/// Template ids of built-in roles that this code names itself.
/// <https://learn.microsoft.com/entra/identity/role-based-access-control/permissions-reference>
pub mod template {
    pub const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";
    pub const USER_ADMINISTRATOR: &str = "fe930be7-5e62-47db-91af-98c3a49a38b1";
    pub const AUTHENTICATION_ADMINISTRATOR: &str = "c4e39bd9-1100-46d3-8c65-fb160da0071f";
    pub const PRIVILEGED_AUTHENTICATION_ADMINISTRATOR: &str = "7be44c8a-adaf-4e2a-84d6-ab2649e08a13";
    pub const SECURITY_ADMINISTRATOR: &str = "194ae4cb-b126-40b2-bd5b-6091b380977d";
    pub const CONDITIONAL_ACCESS_ADMINISTRATOR: &str = "b1be1c3e-b65d-4f19-8427-f6fa0d97feb9";
    pub const APPLICATION_ADMINISTRATOR: &str = "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3";
    pub const SECURITY_READER: &str = "5d6b6bb7-de71-4623-b4af-96380a352509";
    pub const REPORTS_READER: &str = "4a5d8f65-41da-4de4-8968-e035b65339cf";
    pub const GLOBAL_READER: &str = "f2ef992c-3afb-46b9-b7cf-a126ee74c451";
}
