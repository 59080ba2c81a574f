//! Graph `organization`: the tenant itself (`tenant.json`).

use crate::TenantId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// <https://learn.microsoft.com/graph/api/resources/organization>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Organization {
    pub id: TenantId,
    #[serde(default)]
    pub display_name: String,
    #[serde(default)]
    pub verified_domains: Vec<VerifiedDomain>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifiedDomain {
    pub name: String,
    #[serde(default)]
    pub is_default: bool,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Organization {
    /// Does `segment` (the first path segment of an address) name this tenant, by id or by verified domain?
    pub fn is_named(&self, segment: &str) -> bool {
        self.id == TenantId::new(segment) || self.verified_domains.iter().any(|domain| domain.name.eq_ignore_ascii_case(segment))
    }
}
