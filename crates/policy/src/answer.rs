//! `Decision`: the outcome, what is still owed, the session controls. `PolicyResult`: one policy's part in it, with reasons.

use model::PolicyId;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    pub outcome: Outcome,
    /// Non-empty exactly when the outcome is `GrantedAfter`; in the order in which Entra prompts.
    pub owed: Vec<Owed>,
    /// Of all enforced policies that apply, merged: the strictest wins.
    pub session: SessionControls,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    Granted,
    GrantedAfter,
    Blocked,
}

/// What one enforced policy still asks for: any one of the alternatives, each a set of controls that must all be met.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owed {
    pub policy_id: PolicyId,
    pub display_name: String,
    pub any_of: Vec<Vec<Control>>,
}

/// A grant control. The order is Entra's order of prompting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Control {
    Block,
    Mfa,
    AuthenticationStrength {
        id: String,
        display_name: String,
        /// Each a set of methods that together satisfy: what the sign-in page may offer.
        combinations: Vec<Vec<crate::request::Method>>,
    },
    CompliantDevice,
    DomainJoinedDevice,
    ApprovedApplication,
    CompliantApplication,
    PasswordChange,
    RiskRemediation,
    TermsOfUse {
        id: String,
    },
    CustomFactor {
        name: String,
    },
    /// Sign-in frequency has run out: authenticate again (`secondaryOnly`: the second factor alone suffices).
    Reauthenticate {
        secondary_only: bool,
    },
    /// A control that the engine does not know: cannot be met.
    NotUnderstood {
        name: String,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionControls {
    pub sign_in_frequency: Option<SignInFrequency>,
    /// `Some(true)` always, `Some(false)` never.
    pub persistent_browser: Option<bool>,
    pub application_enforced_restrictions: bool,
    /// The set of types asked for, in order of strictness.
    pub cloud_app_security: Vec<String>,
    pub continuous_access_evaluation: Option<ContinuousAccessEvaluation>,
    pub secure_sign_in_session: bool,
    pub disable_resilience_defaults: bool,
    pub global_secure_access_profiles: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignInFrequency {
    /// `None`: every time.
    pub seconds: Option<u64>,
    pub secondary_only: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ContinuousAccessEvaluation {
    Disabled,
    StrictEnforcement,
    StrictLocation,
}

/// One policy's result, as the sign-in log tells it (`appliedConditionalAccessPolicy`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyResult {
    pub policy_id: PolicyId,
    pub display_name: String,
    pub result: ResultKind,
    /// Every condition that is met; disjoint from `unmet`.
    pub met: Vec<Condition>,
    /// Every condition that is not met (not only the first); empty exactly when the policy applies. (A policy that is not
    /// enabled is not evaluated: both lists are empty.)
    pub unmet: Vec<Condition>,
    pub grant_controls: Vec<Control>,
    /// Graph names of the session controls that it sets: `signInFrequency`, …
    pub session_controls: Vec<String>,
    /// What the engine did not understand in it, each with its place. A condition that is not understood counts as met.
    pub not_understood: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ResultKind {
    Success,
    Failure,
    NotApplied,
    NotEnabled,
    ReportOnlySuccess,
    ReportOnlyFailure,
    ReportOnlyInterrupted,
    ReportOnlyNotApplied,
}

/// A condition of a policy, in the order in which What If names the first that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Condition {
    EmptyPolicy,
    Users,
    WorkloadIdentities,
    AgentIdentities,
    Application,
    UserActions,
    AuthenticationContext,
    DevicePlatform,
    Devices,
    ClientApps,
    Location,
    SignInRisk,
    UserRisk,
    ServicePrincipalRisk,
    AgentIdRisk,
    InsiderRisk,
    AuthenticationFlow,
    Time,
}
