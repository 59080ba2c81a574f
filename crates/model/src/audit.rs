//! Graph `directoryAudit`: one administrative change.

use crate::Timestamp;
use serde::{Deserialize, Serialize};

/// <https://learn.microsoft.com/graph/api/resources/directoryaudit>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DirectoryAudit {
    pub id: String,
    pub activity_date_time: Timestamp,
    /// `Disable account`, `Update policy`, …
    pub activity_display_name: String,
    /// `UserManagement`, `Policy`, `ApplicationManagement`, …
    pub category: String,
    pub correlation_id: String,
    /// `success` or `failure`.
    pub result: String,
    pub result_reason: String,
    pub initiated_by: Initiator,
    pub target_resources: Vec<TargetResource>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Initiator {
    User { id: String, user_principal_name: String },
    App { app_id: String, display_name: String },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetResource {
    pub id: String,
    pub display_name: String,
    /// The Graph resource's name: `user`, `conditionalAccessPolicy`, …
    #[serde(rename = "type")]
    pub resource_type: String,
    pub modified_properties: Vec<ModifiedProperty>,
}

/// Old and new value as JSON text. Secrets never appear here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModifiedProperty {
    pub display_name: String,
    pub old_value: Option<String>,
    pub new_value: Option<String>,
}
