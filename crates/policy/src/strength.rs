//! Authentication strengths: sets of combinations of methods. A session satisfies a strength when some combination is
//! contained in the methods that it has used. Strengths are not ordered.

use crate::answer::Control;
use crate::request::{Method, MethodUse};
use crate::wire::{List, Node, Notes, is_guid, word};
use model::ObjectId;
use model::conditional_access::AuthenticationStrengthPolicy;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Where `grantControls` names a strength.
pub(crate) const STRENGTH_MEMBER: &str = "authenticationStrength";
/// The same as OData writes a relationship: an address instead of an object.
pub(crate) const STRENGTH_BIND: &str = "authenticationStrength@odata.bind";

#[derive(Clone, Debug)]
pub(crate) struct Strength {
    pub(crate) id: ObjectId,
    pub(crate) display_name: String,
    combinations: Vec<Combination>,
}

#[derive(Clone, Debug)]
struct Combination {
    methods: BTreeSet<Method>,
    /// `fido2CombinationConfiguration`: only these authenticators' uses of `fido2` count. In lower case.
    authenticators: Option<BTreeSet<String>>,
}

/// `authenticationMethodModes`.
const METHODS: [(&str, Method); 17] = [
    ("password", Method::Password),
    ("voice", Method::Voice),
    ("hardwareOath", Method::HardwareOath),
    ("softwareOath", Method::SoftwareOath),
    ("sms", Method::Sms),
    ("fido2", Method::Fido2),
    ("windowsHelloForBusiness", Method::WindowsHelloForBusiness),
    ("microsoftAuthenticatorPush", Method::MicrosoftAuthenticatorPush),
    ("deviceBasedPush", Method::DeviceBasedPush),
    ("temporaryAccessPassOneTime", Method::TemporaryAccessPassOneTime),
    ("temporaryAccessPassMultiUse", Method::TemporaryAccessPassMultiUse),
    ("email", Method::Email),
    ("x509CertificateSingleFactor", Method::X509CertificateSingleFactor),
    ("x509CertificateMultiFactor", Method::X509CertificateMultiFactor),
    ("federatedSingleFactor", Method::FederatedSingleFactor),
    ("federatedMultiFactor", Method::FederatedMultiFactor),
    ("qrCodePin", Method::QrCodePin),
];

/// The strengths that every tenant has.
/// <https://learn.microsoft.com/entra/identity/authentication/concept-authentication-strengths>
pub const BUILT_IN_STRENGTHS: [&str; 3] = [MULTIFACTOR, PASSWORDLESS, PHISHING_RESISTANT];

const MULTIFACTOR: &str = "00000000-0000-0000-0000-000000000002";
const PASSWORDLESS: &str = "00000000-0000-0000-0000-000000000003";
const PHISHING_RESISTANT: &str = "00000000-0000-0000-0000-000000000004";

const PHISHING_RESISTANT_COMBINATIONS: &[&[Method]] =
    &[&[Method::WindowsHelloForBusiness], &[Method::Fido2], &[Method::X509CertificateMultiFactor]];

const PASSWORDLESS_COMBINATIONS: &[&[Method]] =
    &[&[Method::WindowsHelloForBusiness], &[Method::Fido2], &[Method::X509CertificateMultiFactor], &[Method::DeviceBasedPush]];

const MULTIFACTOR_COMBINATIONS: &[&[Method]] = &[
    &[Method::WindowsHelloForBusiness],
    &[Method::Fido2],
    &[Method::X509CertificateMultiFactor],
    &[Method::DeviceBasedPush],
    &[Method::TemporaryAccessPassOneTime],
    &[Method::TemporaryAccessPassMultiUse],
    &[Method::Password, Method::MicrosoftAuthenticatorPush],
    &[Method::Password, Method::SoftwareOath],
    &[Method::Password, Method::HardwareOath],
    &[Method::Password, Method::X509CertificateSingleFactor],
    &[Method::Password, Method::X509CertificateMultiFactor],
    &[Method::Password, Method::Sms],
    &[Method::Password, Method::Voice],
    &[Method::FederatedMultiFactor],
    &[Method::FederatedSingleFactor, Method::MicrosoftAuthenticatorPush],
    &[Method::FederatedSingleFactor, Method::SoftwareOath],
    &[Method::FederatedSingleFactor, Method::HardwareOath],
    &[Method::FederatedSingleFactor, Method::Sms],
    &[Method::FederatedSingleFactor, Method::Voice],
];

/// The control `mfa`: any combination of the built-in multifactor strength.
pub(crate) fn is_multifactor(methods: &[MethodUse]) -> bool {
    MULTIFACTOR_COMBINATIONS
        .iter()
        .any(|combination| combination.iter().all(|method| methods.iter().any(|used| used.method == *method)))
}

/// The tenant's strengths, with what was not understood in each. The built-in ones are the same in every tenant.
#[derive(Debug)]
pub(crate) struct Strengths {
    by_id: BTreeMap<ObjectId, (Strength, Notes)>,
}

impl Strengths {
    pub(crate) fn read(strengths: &[AuthenticationStrengthPolicy]) -> Self {
        let mut by_id = BTreeMap::new();
        for strength in strengths {
            let value = serde_json::to_value(strength).unwrap_or(Value::Null);
            let mut notes = Notes::default();
            let mut read = Strength::read(&Node { value: &value, place: "$".to_owned() }, strength.id.clone(), &mut notes);
            if let Some((first, _)) = by_id.get(&strength.id) {
                let _: &Strength = first;
                read.combinations.clear();
                notes.not_understood(&Node { value: &value, place: "$.id".to_owned() }, "two strengths have this id");
            }
            by_id.insert(strength.id.clone(), (read, notes));
        }
        for (id, name, combinations) in [
            (MULTIFACTOR, "Multifactor authentication", MULTIFACTOR_COMBINATIONS),
            (PASSWORDLESS, "Passwordless MFA", PASSWORDLESS_COMBINATIONS),
            (PHISHING_RESISTANT, "Phishing-resistant MFA", PHISHING_RESISTANT_COMBINATIONS),
        ] {
            by_id.insert(ObjectId::new(id), (Strength::built_in(id, name, combinations), Notes::default()));
        }
        Self { by_id }
    }

    pub(crate) fn notes(&self) -> impl Iterator<Item = (&ObjectId, &str, &Notes)> {
        self.by_id.iter().map(|(id, (strength, notes))| (id, strength.display_name.as_str(), notes))
    }

    /// The strength that `grantControls` names: in `authenticationStrength`, by its id, else as it is expanded there; or in
    /// `authenticationStrength@odata.bind`, by its address. Both may stand there only when they name the same.
    pub(crate) fn named(&self, grant: &Node<'_>, notes: &mut Notes) -> Option<Named> {
        let inline = self.named_inline(&grant.member(STRENGTH_MEMBER), notes);
        let node = grant.member(STRENGTH_BIND);
        if node.is_null() {
            return inline;
        }
        let Some(bound) = node.value.as_str().and_then(bound_id) else {
            notes.not_understood(&node, "not the address of an authentication strength");
            return Some(Named::NotUnderstood);
        };
        match inline {
            None => Some(self.resolve_id(&bound, &node, notes)),
            Some(Named::Strength(strength)) if strength.id == bound => Some(Named::Strength(strength)),
            Some(_) => {
                notes.not_understood(&node, format!("names another strength than `{STRENGTH_MEMBER}` does"));
                Some(Named::NotUnderstood)
            }
        }
    }

    /// Only `null` and an object whose members are all unset, as PowerShell writes it, name none. An object without an id
    /// was meant as something.
    fn named_inline(&self, node: &Node<'_>, notes: &mut Notes) -> Option<Named> {
        match node.value {
            Value::Null => None,
            Value::Object(_) if node.is_configured() => Some(self.resolve(node, notes)),
            Value::Object(members) if !members.contains_key("@odata.id") && node.members().next().is_some() => None,
            Value::Object(_) | Value::Array(_) | Value::String(_) | Value::Bool(_) | Value::Number(_) => {
                notes.not_understood(node, "not an authentication strength: it has no `id`");
                Some(Named::NotUnderstood)
            }
        }
    }

    fn resolve(&self, node: &Node<'_>, notes: &mut Notes) -> Named {
        let id = ObjectId::new(node.member("id").value.as_str().unwrap_or_default());
        if !self.by_id.contains_key(&id) && node.member("allowedCombinations").is_configured() {
            return Named::Strength(Strength::read(node, id, notes));
        }
        self.resolve_id(&id, node, notes)
    }

    fn resolve_id(&self, id: &ObjectId, node: &Node<'_>, notes: &mut Notes) -> Named {
        if let Some((strength, own)) = self.by_id.get(id) {
            notes.repeat(node, &format!("strength `{}`", strength.display_name), own);
            return Named::Strength(strength.clone());
        }
        notes.not_understood(node, format!("no authentication strength has the id `{id}`"));
        Named::NotUnderstood
    }
}

/// The id at the end of an address: `…/authenticationStrengthPolicies/ID`, `…/authenticationStrengthPolicies('ID')`.
fn bound_id(address: &str) -> Option<ObjectId> {
    const COLLECTION: &str = "authenticationStrengthPolicies";
    let (before, last) = address.rsplit_once('/')?;
    let id = match last.strip_suffix(')').and_then(|last| last.split_once('(')) {
        Some((collection, key)) => collection.eq_ignore_ascii_case(COLLECTION).then_some(key)?,
        None => before.rsplit('/').next()?.eq_ignore_ascii_case(COLLECTION).then_some(last)?,
    };
    let id = id.strip_prefix('\'').and_then(|id| id.strip_suffix('\'')).unwrap_or(id);
    is_guid(id).then(|| ObjectId::new(id))
}

#[derive(Debug)]
pub(crate) enum Named {
    Strength(Strength),
    NotUnderstood,
}

impl Strength {
    pub(crate) fn is_satisfied(&self, methods: &[MethodUse]) -> bool {
        self.combinations.iter().any(|combination| combination.is_satisfied(methods))
    }

    /// There is some way to satisfy it.
    pub(crate) fn can_be_satisfied(&self) -> bool {
        !self.combinations.is_empty()
    }

    pub(crate) fn control(&self) -> Control {
        Control::AuthenticationStrength {
            id: self.id.as_str().to_owned(),
            display_name: self.display_name.clone(),
            combinations: self.combinations.iter().map(|combination| combination.methods.iter().copied().collect()).collect(),
        }
    }

    fn built_in(id: &str, name: &str, combinations: &[&[Method]]) -> Self {
        Self {
            id: ObjectId::new(id),
            display_name: name.to_owned(),
            combinations: combinations.iter().map(|methods| Combination::of(methods.iter().copied().collect())).collect(),
        }
    }

    fn read(node: &Node<'_>, id: ObjectId, notes: &mut Notes) -> Self {
        let allowed = node.member("allowedCombinations");
        let mut combinations: Vec<Combination> = Vec::new();
        for element in allowed.elements() {
            let methods = combination(&element, notes);
            // What is not understood in a combination cannot be met: the combination is out.
            if !methods.open && !methods.known.is_empty() {
                combinations.push(Combination::of(methods.known));
            }
        }
        for configuration in node.member("combinationConfigurations").elements() {
            configure(&mut combinations, &configuration, notes);
        }
        if combinations.is_empty() {
            notes.not_understood(&allowed, "no combination of methods can be met");
        }
        let display_name = node.member("displayName").value.as_str().unwrap_or_default().to_owned();
        Self { id, display_name, combinations }
    }
}

impl Combination {
    fn of(methods: BTreeSet<Method>) -> Self {
        Self { methods, authenticators: None }
    }

    fn is_satisfied(&self, methods: &[MethodUse]) -> bool {
        self.methods.iter().all(|method| methods.iter().any(|used| used.method == *method && self.counts(used)))
    }

    fn counts(&self, used: &MethodUse) -> bool {
        match (&self.authenticators, used.method) {
            (Some(allowed), Method::Fido2) => used.aaguid.as_ref().is_some_and(|aaguid| allowed.contains(&aaguid.to_lowercase())),
            _ => true,
        }
    }
}

fn combination(node: &Node<'_>, notes: &mut Notes) -> List<Method> {
    node.flags(notes, |text| word(&METHODS, text))
}

/// Restricts the combinations that a `combinationConfigurations` entry applies to; where it cannot be evaluated, they
/// are out.
fn configure(combinations: &mut Vec<Combination>, node: &Node<'_>, notes: &mut Notes) {
    let applies_to = node.member("appliesToCombinations");
    let mut named: Vec<BTreeSet<Method>> = Vec::new();
    let mut open = applies_to.is_null();
    for element in applies_to.elements() {
        let methods = combination(&element, notes);
        open |= methods.open;
        named.push(methods.known);
    }
    let applies = |combination: &Combination| open || named.contains(&combination.methods);
    let allowed = node.member("allowedAAGUIDs");
    let odata_type = node.value.get("@odata.type").and_then(Value::as_str).unwrap_or_default();
    if odata_type.ends_with("fido2CombinationConfiguration") || (odata_type.is_empty() && !allowed.is_null()) {
        let authenticators = allowed.list(notes, |text| Some(text.to_lowercase())).known;
        for combination in combinations.iter_mut().filter(|combination| applies(combination)) {
            let already = combination.authenticators.take();
            combination.authenticators = Some(
                already
                    .map_or_else(|| authenticators.clone(), |already| already.intersection(&authenticators).cloned().collect()),
            );
        }
        if node.unknown_members(&["id", "appliesToCombinations", "allowedAAGUIDs"], notes) {
            combinations.retain(|combination| !applies(combination));
        }
    } else {
        notes.not_understood(node, "only restrictions on FIDO2 authenticators are evaluated");
        combinations.retain(|combination| !applies(combination));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_strengths() {
        const ID: &str = "00000000-0000-0000-0000-000000000004";
        for (address, expected) in [
            ("https://graph.microsoft.com/v1.0/policies/authenticationStrengthPolicies/ID", true),
            ("https://graph.microsoft.com/beta/policies/authenticationStrengthPolicies('ID')", true),
            ("https://graph.microsoft.com/beta/policies/authenticationStrengthPolicies(ID)", true),
            ("https://graph.microsoft.com/beta/policies/authenticationStrengthPolicies/'ID'", true),
            ("/policies/AuthenticationStrengthPolicies/ID", true),
            ("authenticationStrengthPolicies/ID", true),
            ("https://graph.microsoft.com/v1.0/policies/authenticationStrengthPolicies/ID/", false),
            ("https://graph.microsoft.com/v1.0/policies/authenticationStrengthPolicies/ID?a=b", false),
            ("https://graph.microsoft.com/v1.0/policies/authenticationStrengthPolicies('ID", false),
            ("https://graph.microsoft.com/v1.0/users/ID", false),
            ("https://graph.microsoft.com/v1.0/policies/authenticationStrengthPolicies", false),
            ("https://graph.microsoft.com/v1.0/policies/authenticationStrengthPolicies/phishingResistant", false),
            ("ID", false),
            ("", false),
        ] {
            let id = bound_id(&address.replace("ID", ID));
            assert_eq!(id, expected.then(|| ObjectId::new(ID)), "{address}");
        }
    }
}
