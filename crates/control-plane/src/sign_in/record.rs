//! Record: every attempt, let in or not, in Graph's `signIn` shape, with every policy's result, and beside it the request and
//! the decision as they were, so that the decision can be replayed.
//!
//! INVARIANT: a record is written in the transaction of what it tells.

use crate::sign_in::enforce;
use crate::snapshot::Snapshot;
use model::sign_in::{AppliedConditionalAccessPolicy, AuthenticationDetail, DeviceDetail, SignIn, SignInStatus};
use model::{AppId, SessionId, Timestamp, User};
use policy::answer::{Condition, Control, Decision, PolicyResult, ResultKind};
use policy::request::{AccessRequest, ClientAppType, Method, Platform};
use protocol::aadsts::Fault;
use std::net::IpAddr;
use store::{StoreError, Tx};

const LONGEST_NAME: usize = 256;

/// One attempt.
#[derive(Clone, Debug)]
pub(crate) struct Attempted<'a> {
    pub snapshot: &'a Snapshot,
    pub correlation_id: &'a str,
    pub address: Option<IpAddr>,
    pub user_agent: &'a str,
    pub who: Who<'a>,
    pub client: &'a AppId,
    pub resource: &'a AppId,
    pub app_type: ClientAppType,
    pub event_type: EventType,
    /// `oAuth2`, `basic`, `none`.
    pub protocol: &'a str,
    /// What was decided from, and what; none when it did not come to a decision.
    pub decided: Option<(&'a AccessRequest, &'a Decision)>,
    /// Why it failed; `None`: let in.
    pub fault: Option<&'a Fault>,
    /// A method that was tried in this very step.
    pub step: Option<Step>,
    pub session: Option<&'a SessionId>,
    pub unique_token_identifier: Option<&'a str>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Who<'a> {
    User(&'a User),
    /// A name that nobody has.
    Nobody(&'a str),
    /// The client itself.
    Application,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventType {
    InteractiveUser,
    NonInteractiveUser,
    ServicePrincipal,
}

/// A method tried, and whether it worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub method: Method,
    pub succeeded: bool,
}

/// Appends the attempt to the log.
pub(crate) async fn sign_in(tx: &mut Tx, attempted: &Attempted<'_>, now: Timestamp) -> Result<(), StoreError> {
    let text = |value: Result<String, serde_json::Error>| value.unwrap_or_else(|_| "null".to_owned());
    let (request, decision) = match attempted.decided {
        Some((request, decision)) => (text(serde_json::to_string(request)), text(serde_json::to_string(decision))),
        None => ("null".to_owned(), "null".to_owned()),
    };
    store::sign_in::append(tx, &entry(attempted, now), &request, &decision).await?;
    Ok(())
}

fn entry(attempted: &Attempted<'_>, now: Timestamp) -> SignIn {
    let results =
        attempted.decided.map(|(request, _)| enforce::explain(&attempted.snapshot.policies, request, now)).unwrap_or_default();
    let user = match attempted.who {
        Who::User(user) => Some(user),
        Who::Nobody(_) | Who::Application => None,
    };
    let user_principal_name = match attempted.who {
        Who::User(user) => user.user_principal_name.clone(),
        // Whatever somebody sent: short enough, and nothing that a terminal would obey.
        Who::Nobody(name) => name.chars().filter(|character| !character.is_control()).take(LONGEST_NAME).collect(),
        Who::Application => String::new(),
    };
    SignIn {
        id: runtime::random::guid(),
        created_date_time: now,
        correlation_id: attempted.correlation_id.to_owned(),
        user_id: user.map(|user| user.id.clone()),
        user_principal_name,
        user_display_name: user.map(|user| user.display_name.clone()).unwrap_or_default(),
        app_id: attempted.client.clone(),
        app_display_name: name_of(attempted.snapshot, attempted.client),
        resource_id: attempted.resource.clone(),
        resource_display_name: name_of(attempted.snapshot, attempted.resource),
        ip_address: attempted.address.map(|address| address.to_string()).unwrap_or_default(),
        client_app_used: client_app(attempted.app_type).to_owned(),
        user_agent: attempted.user_agent.to_owned(),
        is_interactive: attempted.event_type == EventType::InteractiveUser,
        sign_in_event_types: vec![event_type(attempted.event_type).to_owned()],
        authentication_protocol: attempted.protocol.to_owned(),
        authentication_requirement: requirement(&results).to_owned(),
        authentication_details: details(attempted, now),
        conditional_access_status: status(&results).to_owned(),
        applied_conditional_access_policies: results.iter().map(applied).collect(),
        status: SignInStatus {
            error_code: attempted.fault.map_or(0, Fault::number),
            failure_reason: attempted.fault.map(|fault| fault.text.clone()).unwrap_or_default(),
            additional_details: None,
        },
        device_detail: device(attempted),
        session_id: attempted.session.cloned(),
        unique_token_identifier: attempted.unique_token_identifier.map(str::to_owned),
        risk_level_during_sign_in: "none".to_owned(),
        risk_level_aggregated: "none".to_owned(),
        original_transfer_method: "none".to_owned(),
    }
}

/// Enforced policies only: `failure` when one is not satisfied, `notApplied` when none applied.
fn status(results: &[PolicyResult]) -> &'static str {
    let has = |kind| results.iter().any(|result| result.result == kind);
    if has(ResultKind::Failure) {
        "failure"
    } else if has(ResultKind::Success) {
        "success"
    } else {
        "notApplied"
    }
}

fn requirement(results: &[PolicyResult]) -> &'static str {
    let asks_more = results
        .iter()
        .filter(|result| matches!(result.result, ResultKind::Success | ResultKind::Failure))
        .flat_map(|result| &result.grant_controls)
        .any(|control| matches!(control, Control::Mfa | Control::AuthenticationStrength { .. }));
    if asks_more { "multiFactorAuthentication" } else { "singleFactorAuthentication" }
}

fn details(attempted: &Attempted<'_>, now: Timestamp) -> Vec<AuthenticationDetail> {
    let used = attempted.decided.map(|(request, _)| request.methods.as_slice()).unwrap_or_default();
    let detail = |at, method, succeeded, text: &str| AuthenticationDetail {
        authentication_step_date_time: at,
        authentication_method: log_name(method).to_owned(),
        succeeded,
        authentication_step_result_detail: text.to_owned(),
    };
    let mut details: Vec<_> =
        used.iter().map(|used| detail(used.at, used.method, true, "MFA or first factor satisfied")).collect();
    if let Some(step) = attempted.step {
        details.push(detail(now, step.method, step.succeeded, if step.succeeded { "Correct" } else { "Incorrect" }));
    }
    details
}

/// <https://learn.microsoft.com/entra/identity/monitoring-health/concept-sign-in-log-activity-details>
const fn log_name(method: Method) -> &'static str {
    match method {
        Method::Password => "Password",
        Method::SoftwareOath | Method::HardwareOath => "OATH verification code",
        Method::Fido2 => "Passkey (FIDO2)",
        Method::WindowsHelloForBusiness => "Windows Hello for Business",
        Method::MicrosoftAuthenticatorPush | Method::DeviceBasedPush => "Mobile app notification",
        Method::Voice => "Phone call",
        Method::Sms => "Text message",
        Method::TemporaryAccessPassOneTime | Method::TemporaryAccessPassMultiUse => "Temporary Access Pass",
        Method::Email => "Email",
        Method::X509CertificateSingleFactor | Method::X509CertificateMultiFactor => "X.509 Certificate",
        Method::FederatedSingleFactor | Method::FederatedMultiFactor => "Federated",
        Method::QrCodePin => "QR code PIN",
    }
}

fn applied(result: &PolicyResult) -> AppliedConditionalAccessPolicy {
    AppliedConditionalAccessPolicy {
        id: result.policy_id.clone(),
        display_name: result.display_name.clone(),
        result: camel(&result.result),
        enforced_grant_controls: result.grant_controls.iter().map(grant_control).collect(),
        enforced_session_controls: result.session_controls.clone(),
        conditions_satisfied: flags(&result.met),
        conditions_not_satisfied: flags(&result.unmet),
        not_understood: result.not_understood.clone(),
    }
}

fn grant_control(control: &Control) -> String {
    match control {
        Control::Block => "Block".to_owned(),
        Control::Mfa => "Mfa".to_owned(),
        Control::AuthenticationStrength { display_name, .. } => format!("RequireAuthenticationStrength: {display_name}"),
        Control::CompliantDevice => "RequireCompliantDevice".to_owned(),
        Control::DomainJoinedDevice => "RequireDomainJoinedDevice".to_owned(),
        Control::ApprovedApplication => "RequireApprovedApp".to_owned(),
        Control::CompliantApplication => "RequireCompliantApp".to_owned(),
        Control::PasswordChange => "RequirePasswordChange".to_owned(),
        Control::RiskRemediation => "RequireRiskRemediation".to_owned(),
        Control::TermsOfUse { id } => format!("TermsOfUse: {id}"),
        Control::CustomFactor { name } => name.clone(),
        Control::Reauthenticate { .. } => "SignInFrequency".to_owned(),
        Control::NotUnderstood { name } => name.clone(),
    }
}

/// `conditionalAccessConditions`: flags, comma-joined; `none` when there are none.
fn flags(conditions: &[Condition]) -> String {
    if conditions.is_empty() { "none".to_owned() } else { conditions.iter().map(camel).collect::<Vec<_>>().join(",") }
}

/// Graph's spelling, which is how these enums are written in JSON.
fn camel(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

const fn client_app(app_type: ClientAppType) -> &'static str {
    match app_type {
        ClientAppType::Browser => "Browser",
        ClientAppType::MobileAppsAndDesktopClients => "Mobile Apps and Desktop clients",
        ClientAppType::ExchangeActiveSync => "Exchange ActiveSync",
        ClientAppType::Other => "Other clients",
    }
}

const fn event_type(event_type: EventType) -> &'static str {
    match event_type {
        EventType::InteractiveUser => "interactiveUser",
        EventType::NonInteractiveUser => "nonInteractiveUser",
        EventType::ServicePrincipal => "servicePrincipal",
    }
}

fn device(attempted: &Attempted<'_>) -> DeviceDetail {
    let operating_system = match super::gather::platform(attempted.user_agent) {
        Platform::Android => "Android",
        Platform::Ios => "iOS",
        Platform::Windows | Platform::WindowsPhone => "Windows",
        Platform::MacOs => "macOS",
        Platform::Linux => "Linux",
        Platform::Unknown => "",
    };
    DeviceDetail { operating_system: operating_system.to_owned(), ..DeviceDetail::default() }
}

/// The application's name; sign-in's own page is no application of the tenant.
fn name_of(snapshot: &Snapshot, app_id: &AppId) -> String {
    match snapshot.directory.applications.get(app_id) {
        Some(application) => application.display_name.clone(),
        None if app_id.as_str() == super::security_info::APP_ID => "My Security Info".to_owned(),
        None => String::new(),
    }
}
