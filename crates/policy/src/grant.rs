//! Grant controls: what a policy asks for, what of it a request has met, and what it can still meet.

use crate::answer::Control;
use crate::compiled::Facts;
use crate::request::{ClientAppType, GuestType, Principal, TransferMethod};
use crate::strength::{Named, STRENGTH_BIND, STRENGTH_MEMBER, Strength, Strengths, is_multifactor};
use crate::wire::{Node, Notes, Shape, word};
use model::Timestamp;
use std::collections::BTreeSet;

#[derive(Clone, Debug, Default)]
pub(crate) struct Grant {
    operator: Operator,
    requirements: Vec<Requirement>,
    /// Asked for in a way that was not understood: required whatever the operator, and never met.
    not_understood: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Operator {
    /// The stricter reading, where the operator is not understood.
    #[default]
    All,
    Any,
}

#[derive(Clone, Debug)]
enum Requirement {
    Strength(Strength),
    /// Any other control.
    Control(Control),
}

/// What a request still owes to one policy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outstanding {
    Nothing,
    /// Any of these, each a set in order of prompting.
    AnyOf(Vec<Vec<Control>>),
    /// No way to meet it.
    CannotBeMet,
}

const BUILT_IN_CONTROLS: [(&str, BuiltIn); 8] = [
    ("block", BuiltIn::Block),
    ("mfa", BuiltIn::Mfa),
    ("compliantDevice", BuiltIn::CompliantDevice),
    ("domainJoinedDevice", BuiltIn::DomainJoinedDevice),
    ("approvedApplication", BuiltIn::ApprovedApplication),
    ("compliantApplication", BuiltIn::CompliantApplication),
    ("passwordChange", BuiltIn::PasswordChange),
    ("riskRemediation", BuiltIn::RiskRemediation),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BuiltIn {
    Block,
    Mfa,
    CompliantDevice,
    DomainJoinedDevice,
    ApprovedApplication,
    CompliantApplication,
    PasswordChange,
    RiskRemediation,
}

/// "After 30 June 2026 it will be as if this grant isn't selected": from 1 July on, `approvedApplication` asks nothing.
/// <https://learn.microsoft.com/entra/identity/conditional-access/migrate-approved-client-app>
const APPROVED_APPLICATION_RETIRED: Timestamp = Timestamp::from_seconds(1_782_864_000);

impl Grant {
    pub(crate) fn read(node: &Node<'_>, strengths: &Strengths, notes: &mut Notes) -> Self {
        let mut grant = Self::default();
        match node.shape(notes) {
            Shape::Absent => {}
            Shape::Unreadable => grant.require_not_understood("grantControls"),
            Shape::Object => grant.read_members(node, strengths, notes),
        }
        grant.requirements.sort_by_key(Requirement::control);
        grant.requirements.dedup_by_key(|requirement| requirement.control());
        grant
    }

    pub(crate) fn is_block(&self) -> bool {
        self.requirements.iter().any(|requirement| matches!(requirement, Requirement::Control(Control::Block)))
    }

    pub(crate) fn asks_for_risk_remediation(&self) -> bool {
        self.requirements.iter().any(|requirement| matches!(requirement, Requirement::Control(Control::RiskRemediation)))
    }

    /// Nothing is required, at any time.
    pub(crate) fn asks_for_nothing(&self) -> bool {
        self.requirements.is_empty() && self.not_understood.is_empty()
    }

    /// Something beside the controls must be enforced that the engine does not know: no access.
    pub(crate) fn require_not_understood(&mut self, name: &str) {
        self.not_understood.insert(name.to_owned());
    }

    /// The controls in force at `now`, in order of prompting.
    pub(crate) fn controls(&self, now: Timestamp) -> Vec<Control> {
        let not_understood = self.not_understood.iter().map(|name| Control::NotUnderstood { name: name.clone() });
        self.in_force(now).map(Requirement::control).chain(not_understood).collect()
    }

    pub(crate) fn outstanding(&self, facts: &Facts<'_>) -> Outstanding {
        let in_force: Vec<&Requirement> = self.in_force(facts.now).collect();
        if in_force.is_empty() && self.not_understood.is_empty() {
            return Outstanding::Nothing;
        }
        if self.is_block() || facts.is_legacy_client() || !self.not_understood.is_empty() {
            return Outstanding::CannotBeMet;
        }
        let unmet: Vec<&Requirement> = in_force.iter().copied().filter(|requirement| !requirement.is_met(facts)).collect();
        match self.operator {
            Operator::All if unmet.is_empty() => Outstanding::Nothing,
            Operator::Any if unmet.len() < in_force.len() => Outstanding::Nothing,
            Operator::All if unmet.iter().all(|requirement| requirement.can_be_met(facts)) => {
                Outstanding::AnyOf(vec![unmet.into_iter().map(Requirement::control).collect()])
            }
            Operator::All => Outstanding::CannotBeMet,
            Operator::Any => {
                let possible = unmet.into_iter().filter(|requirement| requirement.can_be_met(facts));
                let alternatives: Vec<Vec<Control>> = possible.map(|requirement| vec![requirement.control()]).collect();
                if alternatives.is_empty() { Outstanding::CannotBeMet } else { Outstanding::AnyOf(alternatives) }
            }
        }
    }

    fn in_force(&self, now: Timestamp) -> impl Iterator<Item = &Requirement> {
        self.requirements.iter().filter(move |requirement| {
            now < APPROVED_APPLICATION_RETIRED || !matches!(requirement, Requirement::Control(Control::ApprovedApplication))
        })
    }

    fn require(&mut self, control: Control) {
        self.requirements.push(Requirement::Control(control));
    }

    fn read_members(&mut self, node: &Node<'_>, strengths: &Strengths, notes: &mut Notes) {
        let controls = node.member("builtInControls");
        for text in self.words(&controls, notes) {
            let control = match word(&BUILT_IN_CONTROLS, &text) {
                Some(BuiltIn::Block) => Control::Block,
                Some(BuiltIn::Mfa) => Control::Mfa,
                Some(BuiltIn::CompliantDevice) => Control::CompliantDevice,
                Some(BuiltIn::DomainJoinedDevice) => Control::DomainJoinedDevice,
                Some(BuiltIn::ApprovedApplication) => {
                    notes.remark(&controls, "`approvedApplication` is retired: after 30 June 2026 it asks for nothing");
                    Control::ApprovedApplication
                }
                Some(BuiltIn::CompliantApplication) => Control::CompliantApplication,
                Some(BuiltIn::PasswordChange) => Control::PasswordChange,
                Some(BuiltIn::RiskRemediation) => Control::RiskRemediation,
                None => {
                    notes.not_understood(&controls, format!("unknown control `{text}`"));
                    Control::NotUnderstood { name: text }
                }
            };
            self.require(control);
        }
        for name in self.words(&node.member("customAuthenticationFactors"), notes) {
            self.require(Control::CustomFactor { name });
        }
        for id in self.words(&node.member("termsOfUse"), notes) {
            self.require(Control::TermsOfUse { id: id.to_lowercase() });
        }
        match strengths.named(node, notes) {
            None => {}
            Some(Named::Strength(strength)) => self.requirements.push(Requirement::Strength(strength)),
            Some(Named::NotUnderstood) => self.require(Control::NotUnderstood { name: STRENGTH_MEMBER.to_owned() }),
        }
        let known = ["operator", "builtInControls", "customAuthenticationFactors", "termsOfUse", STRENGTH_MEMBER, STRENGTH_BIND];
        for (name, member) in node.members() {
            if !known.contains(&name) && member.is_configured() {
                notes.not_understood(&member, format!("unknown member `{name}`"));
                self.require_not_understood(name);
            }
        }
        self.read_operator(&node.member("operator"), notes);
        if self.is_block() && self.requirements.len() > 1 {
            notes.remark(&controls, "`block` leaves nothing to the other controls");
        }
    }

    fn read_operator(&mut self, node: &Node<'_>, notes: &mut Notes) {
        let operator = node.value.as_str().and_then(|text| word(&[("AND", Operator::All), ("OR", Operator::Any)], text));
        self.operator = operator.unwrap_or_else(|| {
            if self.requirements.len() > 1 || !node.is_null() {
                notes.not_understood(node, "neither `AND` nor `OR`: all controls are required");
            }
            Operator::All
        });
    }

    fn words(&mut self, node: &Node<'_>, notes: &mut Notes) -> BTreeSet<String> {
        let list = node.list(notes, |text| Some(text.to_owned()));
        if list.open {
            self.require_not_understood(node.place.rsplit('.').next().unwrap_or_default());
        }
        list.known
    }
}

impl Requirement {
    fn control(&self) -> Control {
        match self {
            Self::Strength(strength) => strength.control(),
            Self::Control(control) => control.clone(),
        }
    }

    fn is_met(&self, facts: &Facts<'_>) -> bool {
        let request = facts.request;
        let fulfilled = &request.fulfilled;
        match self {
            Self::Strength(strength) => strength.is_satisfied(&request.methods),
            Self::Control(control) => match control {
                Control::Mfa => is_multifactor(&request.methods),
                Control::CompliantDevice => {
                    facts.device_counts() && request.device.as_ref().is_some_and(|device| device.is_compliant)
                }
                Control::DomainJoinedDevice => {
                    facts.device_counts()
                        && request.device.as_ref().and_then(|device| device.trust_type.as_deref()).is_some_and(is_hybrid_joined)
                }
                Control::ApprovedApplication => fulfilled.approved_application,
                Control::CompliantApplication => fulfilled.compliant_application,
                Control::PasswordChange => fulfilled.password_changed,
                Control::RiskRemediation => fulfilled.risk_remediated,
                Control::TermsOfUse { id } => fulfilled.terms_of_use.iter().any(|accepted| accepted.eq_ignore_ascii_case(id)),
                Control::CustomFactor { name } => fulfilled.custom_factors.contains(name),
                Control::Block
                | Control::AuthenticationStrength { .. }
                | Control::Reauthenticate { .. }
                | Control::NotUnderstood { .. } => false,
            },
        }
    }

    /// Could the person meet it now, at a prompt or with another device or application?
    fn can_be_met(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::Strength(strength) => facts.can_be_prompted() && strength.can_be_satisfied(),
            Self::Control(control) => match control {
                Control::Mfa | Control::RiskRemediation | Control::TermsOfUse { .. } | Control::CustomFactor { .. } => {
                    facts.can_be_prompted()
                }
                Control::CompliantDevice | Control::DomainJoinedDevice => facts.can_be_prompted() && facts.device_counts(),
                Control::ApprovedApplication | Control::CompliantApplication | Control::PasswordChange => {
                    facts.can_be_prompted() && !facts.is_external()
                }
                Control::Block
                | Control::AuthenticationStrength { .. }
                | Control::Reauthenticate { .. }
                | Control::NotUnderstood { .. } => false,
            },
        }
    }
}

impl Facts<'_> {
    /// Legacy protocols answer no challenge and carry no device state: any requirement blocks them.
    fn is_legacy_client(&self) -> bool {
        matches!(self.request.client.app_type, ClientAppType::Other | ClientAppType::ExchangeActiveSync)
    }

    /// There is somebody to ask: not a workload, an agent or a legacy client; and not a direct-connect user, who is
    /// prompted at home only.
    pub(crate) fn can_be_prompted(&self) -> bool {
        match &self.request.principal {
            Principal::User(user) => {
                !user.is_agent_user && user.guest != GuestType::B2bDirectConnectUser && !self.is_legacy_client()
            }
            Principal::Workload(_) | Principal::Agent(_) => false,
        }
    }

    /// Application protection and password change are not offered to people of other tenants.
    fn is_external(&self) -> bool {
        match &self.request.principal {
            Principal::User(user) => !matches!(user.guest, GuestType::Member | GuestType::InternalGuest),
            Principal::Workload(_) | Principal::Agent(_) => true,
        }
    }

    /// In the device code flow the device that signs in is not the one that gets the tokens.
    fn device_counts(&self) -> bool {
        self.request.original_transfer_method != TransferMethod::DeviceCodeFlow
    }
}

fn is_hybrid_joined(trust_type: &str) -> bool {
    trust_type.eq_ignore_ascii_case("ServerAD")
}
