//! `AccessRequest`: everything a decision may look at, as one value. Whoever asks has gathered it; nothing is looked up.
//!
//! The value covers the whole Conditional Access language, so that what is stored today can be replayed by tomorrow's
//! engine. Facts that nothing here can know yet have their own constants (`None`, `RiskLevel::None`), never a guess.

use model::{AppId, GroupId, ObjectId, RoleTemplateId, TenantId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// One request for access: who, to what, how, from where, with what risk, proven by which methods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessRequest {
    pub principal: Principal,
    pub target: Target,
    pub client: Client,
    pub platform: Platform,
    pub network: Network,
    /// `None`: an unregistered device, all of whose attributes are null.
    pub device: Option<Device>,
    pub risk: Risk,
    /// How this *session* was first transferred to the device (protocol tracking), not only this request.
    pub original_transfer_method: TransferMethod,
    /// Methods used in this session so far, with their times.
    pub methods: Vec<MethodUse>,
    /// Controls other than methods that are already met.
    pub fulfilled: Fulfilled,
    /// When somebody last signed in interactively with the first factor in this session; `None` before the first time.
    pub signed_in_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum Principal {
    User(UserFacts),
    Workload(WorkloadFacts),
    Agent(AgentFacts),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserFacts {
    pub id: UserId,
    /// Transitive.
    pub groups: BTreeSet<GroupId>,
    /// Active, tenant-wide, by template id.
    pub roles: BTreeSet<RoleTemplateId>,
    pub guest: GuestType,
    /// The external user's home tenant.
    pub home_tenant: Option<TenantId>,
    /// An agent's user account: `All` users does not cover it.
    pub is_agent_user: bool,
}

/// `conditionalAccessGuestOrExternalUserTypes`; `Member` is nobody of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GuestType {
    #[default]
    Member,
    InternalGuest,
    B2bCollaborationGuest,
    B2bCollaborationMember,
    B2bDirectConnectUser,
    OtherExternalUser,
    ServiceProvider,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadFacts {
    /// The service principal's *object* id: what `clientApplications` lists.
    pub service_principal: ObjectId,
    /// Single-tenant service principals of this tenant: `ServicePrincipalsInMyTenant`.
    pub owned_by_this_tenant: bool,
    pub attributes: SecurityAttributes,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentFacts {
    pub service_principal: ObjectId,
    pub attributes: SecurityAttributes,
}

/// Custom security attributes, `Set_Attribute` → values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecurityAttributes(pub BTreeMap<String, Vec<String>>);

/// What is asked for. Audiences and authentication contexts are ANDed: policies of each apply.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Target {
    /// Every resource the token would be good for; and the client itself, when a confidential client asks for an ID token.
    pub audiences: Vec<Audience>,
    pub user_action: Option<UserAction>,
    /// `c1`…`c99`.
    pub authentication_contexts: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Audience {
    pub app_id: AppId,
    /// Of the resource's service principal: what `applicationFilter` reads.
    pub attributes: SecurityAttributes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum UserAction {
    #[serde(rename = "urn:user:registersecurityinfo")]
    RegisterSecurityInfo,
    #[serde(rename = "urn:user:registerdevice")]
    RegisterDevice,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Client {
    /// The client's app id, when there is one (a legacy client has none of its own).
    pub app_id: Option<AppId>,
    pub app_type: ClientAppType,
}

/// `conditionalAccessClientApp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClientAppType {
    Browser,
    MobileAppsAndDesktopClients,
    ExchangeActiveSync,
    /// Legacy protocols: cannot answer any challenge.
    Other,
}

/// `conditionalAccessDevicePlatform`, as the user agent claims it: not proof of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Platform {
    #[serde(rename = "android")]
    Android,
    #[serde(rename = "iOS")]
    Ios,
    #[serde(rename = "windows")]
    Windows,
    #[serde(rename = "windowsPhone")]
    WindowsPhone,
    #[serde(rename = "macOS")]
    MacOs,
    #[serde(rename = "linux")]
    Linux,
    /// ChromeOS and whatever else: matched by `all` only.
    #[serde(rename = "unknown")]
    Unknown,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Network {
    /// The address that the identity provider sees.
    pub address: Option<IpAddr>,
    /// The address that the resource saw, when a resource asks (strict location enforcement).
    pub address_seen_by_resource: Option<IpAddr>,
    /// ISO 3166-1 alpha-2, upper case, of `address`; `None` is unmapped.
    pub country: Option<String>,
    /// From the authenticator application.
    pub gps_country: Option<String>,
    /// Through the tenant's compliant network.
    pub is_compliant_network: bool,
}

/// A registered device's attributes; a missing one is null (device filters: reference §2.6).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Device {
    pub device_id: String,
    pub is_compliant: bool,
    pub is_managed: bool,
    /// `AzureAD`, `ServerAD`, `Workplace`.
    pub trust_type: Option<String>,
    /// `Personal`, `Company`.
    pub ownership: Option<String>,
    /// The rest by the filter's property name in lower case: `displayname`, `model`, `extensionattribute1`, …
    pub attributes: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Risk {
    pub sign_in: RiskLevel,
    pub user: RiskLevel,
    pub service_principal: RiskLevel,
    pub agent: RiskLevel,
    pub insider: InsiderRiskLevel,
}

/// `riskLevel`. Policies name a *set* of levels; nothing here is a threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RiskLevel {
    #[default]
    None,
    Low,
    Medium,
    High,
    Hidden,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InsiderRiskLevel {
    #[default]
    None,
    Minor,
    Moderate,
    Elevated,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TransferMethod {
    #[default]
    None,
    DeviceCodeFlow,
    AuthenticationTransfer,
}

/// One method used in this session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MethodUse {
    pub method: Method,
    pub at: Timestamp,
    /// FIDO2: the authenticator's AAGUID, for strengths that list them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub aaguid: Option<String>,
}

/// `authenticationMethodModes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Method {
    Password,
    Voice,
    HardwareOath,
    SoftwareOath,
    Sms,
    Fido2,
    WindowsHelloForBusiness,
    MicrosoftAuthenticatorPush,
    DeviceBasedPush,
    TemporaryAccessPassOneTime,
    TemporaryAccessPassMultiUse,
    Email,
    X509CertificateSingleFactor,
    X509CertificateMultiFactor,
    FederatedSingleFactor,
    FederatedMultiFactor,
    QrCodePin,
}

/// Controls that are met by something other than an authentication method.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Fulfilled {
    pub approved_application: bool,
    pub compliant_application: bool,
    pub password_changed: bool,
    pub risk_remediated: bool,
    /// Agreement ids.
    pub terms_of_use: BTreeSet<String>,
    /// Custom factor names.
    pub custom_factors: BTreeSet<String>,
}
