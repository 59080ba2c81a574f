//! Graph `application`: a client, a resource, or both. (`servicePrincipal` objects of the same `appId` join with
//! consent; until then an application stands for both.)

use crate::{AppId, ObjectId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// <https://learn.microsoft.com/graph/api/resources/application>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Application {
    pub id: ObjectId,
    pub app_id: AppId,
    #[serde(default)]
    pub display_name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identifier_uris: Vec<String>,
    /// Redirect addresses of a confidential client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web: Option<WebApplication>,
    /// Redirect addresses of a public client (native, command line).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_client: Option<PublicClientApplication>,
    /// Scopes that this application offers as a resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<ApiApplication>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub app_roles: Vec<AppRole>,
    /// What the application asks of other resources. An administrator put it here, so it counts as consented.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required_resource_access: Vec<RequiredResourceAccess>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub password_credentials: Vec<PasswordCredential>,
    /// Published through the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_premises_publishing: Option<OnPremisesPublishing>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WebApplication {
    pub redirect_uris: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logout_url: Option<String>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PublicClientApplication {
    pub redirect_uris: Vec<String>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiApplication {
    pub oauth2_permission_scopes: Vec<PermissionScope>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PermissionScope {
    pub id: ObjectId,
    /// The scope's name, as in the `scp` claim.
    pub value: String,
    #[serde(default)]
    pub is_enabled: bool,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppRole {
    pub id: ObjectId,
    /// The role's name, as in the `roles` claim.
    pub value: String,
    #[serde(default)]
    pub is_enabled: bool,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequiredResourceAccess {
    pub resource_app_id: AppId,
    pub resource_access: Vec<ResourceAccess>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceAccess {
    pub id: ObjectId,
    /// `Scope` (delegated) or `Role` (application).
    #[serde(rename = "type")]
    pub access_type: ResourceAccessType,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResourceAccessType {
    Scope,
    Role,
}

/// A client secret. Secrets are 256 random bits made by machine, so a plain SHA-256 keeps them: a slow hash would buy
/// nothing. The secret itself is never stored and, as in Graph, never read back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PasswordCredential {
    pub key_id: ObjectId,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub display_name: String,
    /// Only in a tenant folder or a request to create: the secret to set. Never stored, never returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_text: Option<String>,
    /// Only in the store: lower-case hex SHA-256 of the secret. Never returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_sha256: Option<String>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// <https://learn.microsoft.com/graph/api/resources/onpremisespublishing> (beta)
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OnPremisesPublishing {
    /// What people type: `https://payroll.localhost:8443/`. The gateway routes by its host.
    pub external_url: String,
    /// Where the gateway forwards to: `http://127.0.0.1:9000/`.
    pub internal_url: String,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// Tags of ours on a published application. Graph leaves `tags` free for such use.
pub mod tag {
    /// The application understands HTTP Basic (a legacy client): the gateway hands such credentials to the control
    /// plane, where they are decided as client app `other`.
    pub const HTTP_BASIC: &str = "countersign:httpBasic";
    /// `countersign:resilience=SECONDS`: while the event feed is silent, sessions already established go on for at
    /// most this long (resilience defaults), unless a policy disables it.
    pub const RESILIENCE_PREFIX: &str = "countersign:resilience=";
}

impl Application {
    /// A confidential client: it has a secret, so it can be held to it.
    pub fn is_confidential(&self) -> bool {
        !self.password_credentials.is_empty()
    }

    /// Does this application, as a resource, go by `name` (its app id, or one of its identifier URIs)?
    pub fn is_named(&self, name: &str) -> bool {
        let name = name.trim_end_matches('/');
        self.app_id == AppId::new(name) || self.identifier_uris.iter().any(|uri| uri.trim_end_matches('/') == name)
    }
}

/// Well-known application ids of Microsoft's first-party resources.
pub mod well_known {
    pub const MICROSOFT_GRAPH: &str = "00000003-0000-0000-c000-000000000000";
}
