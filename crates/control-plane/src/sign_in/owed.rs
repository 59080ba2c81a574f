//! What is owed, in words: which AADSTS error says it, and what a person reads on a page.

use crate::sign_in::enforce;
use model::Timestamp;
use policy::CompiledPolicies;
use policy::answer::{Control, Owed, PolicyResult, ResultKind};
use policy::request::{AccessRequest, Method};
use protocol::aadsts::{Aadsts, Fault};

/// A policy that asks for something, and what would satisfy it, for a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PolicyWords {
    pub id: String,
    pub display_name: String,
    /// Each one way to satisfy it; none when nothing would.
    pub ways: Vec<String>,
}

/// Can the person meet what is owed?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    /// With methods that they have.
    Registered,
    /// With methods that they would have to register first.
    ToRegister,
    /// By no method.
    None,
}

/// The error that says what is owed: of several controls, the first in Entra's order of prompting; where no method helps,
/// the first that is no matter of methods.
pub(crate) fn fault(owed: &[Owed], means: Means, resource: &str) -> Fault {
    let controls = || owed.iter().flat_map(|owed| owed.any_of.iter().flatten());
    let is_method = |control: &&Control| {
        matches!(control, Control::Mfa | Control::AuthenticationStrength { .. } | Control::Reauthenticate { .. })
    };
    let beyond_methods = controls().filter(|control| !is_method(control)).min();
    let first = if means == Means::None { beyond_methods.or(controls().min()) } else { controls().min() };
    match first {
        Some(Control::Mfa) if means == Means::Registered => Aadsts::MfaRequired.fault(&[resource]),
        Some(Control::AuthenticationStrength { .. }) if means == Means::Registered => Aadsts::StrongAuthenticationRequired.into(),
        Some(Control::Mfa | Control::AuthenticationStrength { .. }) => Aadsts::MfaRegistrationRequired.fault(&[resource]),
        Some(Control::Reauthenticate { secondary_only: true }) => Aadsts::MfaExpired.fault(&[resource]),
        Some(Control::Reauthenticate { secondary_only: false }) => Aadsts::SignInFrequency.into(),
        Some(Control::CompliantDevice) => Aadsts::DeviceNotCompliant.into(),
        Some(Control::DomainJoinedDevice) => Aadsts::DeviceNotJoined.into(),
        Some(Control::ApprovedApplication | Control::CompliantApplication) => Aadsts::ApplicationNotApproved.into(),
        Some(Control::PasswordChange) => Aadsts::PasswordChangeRequired.into(),
        Some(Control::TermsOfUse { .. } | Control::CustomFactor { .. }) => Aadsts::ExternalChallenge.into(),
        Some(Control::Block | Control::RiskRemediation | Control::NotUnderstood { .. }) | None => Aadsts::BlockedByPolicy.into(),
    }
}

/// What is owed, policy by policy.
pub(crate) fn words(owed: &[Owed]) -> Vec<PolicyWords> {
    owed.iter()
        .map(|owed| PolicyWords {
            id: owed.policy_id.to_string(),
            display_name: owed.display_name.clone(),
            ways: owed.any_of.iter().map(|controls| way(controls)).collect(),
        })
        .collect()
}

/// The policies that refuse: those that block, where one does; else all that are not satisfied.
pub(crate) fn blocking(policies: &CompiledPolicies, request: &AccessRequest, now: Timestamp) -> Vec<PolicyWords> {
    let results = enforce::explain(policies, request, now);
    let failed = || results.iter().filter(|result| result.result == ResultKind::Failure);
    let blocks = |result: &&PolicyResult| {
        let refuses = |control: &Control| matches!(control, Control::Block | Control::NotUnderstood { .. });
        result.grant_controls.iter().any(refuses) || !enforce::unenforced_by(policies, &result.policy_id).is_empty()
    };
    let blocking: Vec<&PolicyResult> = failed().filter(blocks).collect();
    let named = if blocking.is_empty() { failed().collect() } else { blocking };
    named
        .into_iter()
        .map(|result| PolicyWords {
            id: result.policy_id.to_string(),
            display_name: result.display_name.clone(),
            ways: Vec::new(),
        })
        .collect()
}

fn way(controls: &[Control]) -> String {
    controls.iter().map(control).collect::<Vec<_>>().join(", and ")
}

fn control(control: &Control) -> String {
    match control {
        Control::Block => "nothing".to_owned(),
        Control::Mfa => "a second factor: an authenticator code with the password, or a passkey".to_owned(),
        Control::AuthenticationStrength { display_name, combinations, .. } => {
            let ways: Vec<String> = combinations.iter().map(|combination| names(combination)).collect();
            let ways = if ways.len() > 4 { "one of its methods".to_owned() } else { ways.join(" or ") };
            format!("{display_name}: {ways}")
        }
        Control::CompliantDevice => "a device that is marked as compliant".to_owned(),
        Control::DomainJoinedDevice => "a device that is joined to the organization".to_owned(),
        Control::ApprovedApplication => "an approved client application".to_owned(),
        Control::CompliantApplication => "an application with an app protection policy".to_owned(),
        Control::PasswordChange => "a change of password".to_owned(),
        Control::RiskRemediation => "the remediation of a risk".to_owned(),
        Control::TermsOfUse { .. } => "the acceptance of the terms of use".to_owned(),
        Control::CustomFactor { name } => format!("the factor “{name}”"),
        Control::Reauthenticate { secondary_only: true } => "a fresh second factor".to_owned(),
        Control::Reauthenticate { secondary_only: false } => "a fresh sign-in".to_owned(),
        Control::NotUnderstood { name } => format!("“{name}”, which this server does not know"),
    }
}

fn names(combination: &[Method]) -> String {
    combination.iter().map(|method| method_name(*method)).collect::<Vec<_>>().join(" with ")
}

pub(crate) const fn method_name(method: Method) -> &'static str {
    match method {
        Method::Password => "password",
        Method::Voice => "phone call",
        Method::HardwareOath => "hardware token",
        Method::SoftwareOath => "authenticator code",
        Method::Sms => "text message",
        Method::Fido2 => "passkey",
        Method::WindowsHelloForBusiness => "Windows Hello for Business",
        Method::MicrosoftAuthenticatorPush => "authenticator notification",
        Method::DeviceBasedPush => "phone sign-in",
        Method::TemporaryAccessPassOneTime | Method::TemporaryAccessPassMultiUse => "temporary access pass",
        Method::Email => "email code",
        Method::X509CertificateSingleFactor | Method::X509CertificateMultiFactor => "certificate",
        Method::FederatedSingleFactor | Method::FederatedMultiFactor => "federated sign-in",
        Method::QrCodePin => "QR code with PIN",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::PolicyId;

    #[test]
    fn the_error_names_what_stands_in_the_way() {
        let owed = |any_of: &[&[Control]]| {
            let any_of = any_of.iter().map(|controls| controls.to_vec()).collect();
            vec![Owed { policy_id: PolicyId::new("p"), display_name: "P".to_owned(), any_of }]
        };
        let strength = Control::AuthenticationStrength { id: "4".to_owned(), display_name: "S".to_owned(), combinations: vec![] };
        for (any_of, means, number) in [
            (owed(&[&[Control::Mfa]]), Means::Registered, 50_076),
            (owed(&[&[Control::Mfa]]), Means::ToRegister, 50_079),
            (owed(std::slice::from_ref(&[strength].as_slice())), Means::Registered, 50_074),
            (owed(&[&[Control::Mfa], &[Control::CompliantDevice]]), Means::Registered, 50_076),
            (owed(&[&[Control::Mfa, Control::CompliantDevice]]), Means::None, 53_000),
            (owed(&[&[Control::Reauthenticate { secondary_only: false }]]), Means::Registered, 70_043),
            (owed(&[&[Control::TermsOfUse { id: "t".to_owned() }]]), Means::None, 50_158),
            (owed(&[&[Control::NotUnderstood { name: "x".to_owned() }]]), Means::None, 53_003),
            (Vec::new(), Means::None, 53_003),
        ] {
            assert_eq!(fault(&any_of, means, "R").number(), number, "{any_of:?}");
        }
    }
}
