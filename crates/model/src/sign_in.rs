//! Graph `signIn`: one attempt to sign in or to get a token, with every policy's result.

use crate::{AppId, PolicyId, SessionId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// <https://learn.microsoft.com/graph/api/resources/signin> (beta members where v1.0 has none).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignIn {
    pub id: String,
    pub created_date_time: Timestamp,
    pub correlation_id: String,
    /// Absent when nobody by that name exists, so that the log does not invent an account.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user_id: Option<UserId>,
    pub user_principal_name: String,
    pub user_display_name: String,
    /// The client.
    pub app_id: AppId,
    pub app_display_name: String,
    /// The resource asked for.
    pub resource_id: AppId,
    pub resource_display_name: String,
    pub ip_address: String,
    /// `Browser`, `Mobile Apps and Desktop clients`, `Other clients`, …
    pub client_app_used: String,
    pub user_agent: String,
    pub is_interactive: bool,
    /// `interactiveUser`, `nonInteractiveUser`, `servicePrincipal`.
    pub sign_in_event_types: Vec<String>,
    /// `none`, `oAuth2`, `basic`, …
    pub authentication_protocol: String,
    /// `singleFactorAuthentication` or `multiFactorAuthentication`: what policies asked of this attempt.
    pub authentication_requirement: String,
    pub authentication_details: Vec<AuthenticationDetail>,
    /// `success`, `failure`, `notApplied`: enforced policies only.
    pub conditional_access_status: String,
    pub applied_conditional_access_policies: Vec<AppliedConditionalAccessPolicy>,
    pub status: SignInStatus,
    pub device_detail: DeviceDetail,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session_id: Option<SessionId>,
    /// `uti` of the access token issued.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unique_token_identifier: Option<String>,
    pub risk_level_during_sign_in: String,
    pub risk_level_aggregated: String,
    pub original_transfer_method: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignInStatus {
    /// 0 when let in, else the AADSTS number.
    pub error_code: u32,
    pub failure_reason: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub additional_details: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthenticationDetail {
    pub authentication_step_date_time: Timestamp,
    pub authentication_method: String,
    pub succeeded: bool,
    pub authentication_step_result_detail: String,
}

/// <https://learn.microsoft.com/graph/api/resources/appliedconditionalaccesspolicy>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppliedConditionalAccessPolicy {
    pub id: PolicyId,
    pub display_name: String,
    /// `success`, `failure`, `notApplied`, `notEnabled`, `reportOnlySuccess`, …
    pub result: String,
    pub enforced_grant_controls: Vec<String>,
    pub enforced_session_controls: Vec<String>,
    /// Flags, comma-joined: `application,users`.
    pub conditions_satisfied: String,
    pub conditions_not_satisfied: String,
    /// What the engine did not understand in this policy; empty for almost all.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub not_understood: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeviceDetail {
    pub device_id: String,
    pub display_name: String,
    pub operating_system: String,
    pub browser: String,
    pub is_compliant: bool,
    pub is_managed: bool,
    pub trust_type: String,
}
