//! Grants (§2.1, §2.8).

use super::Tenant;
use super::session::{Session, sign_in_again};
use super::wire::*;
use model::Timestamp;
use policy::answer::*;
use policy::request::*;
use serde_json::Value;
use std::collections::BTreeSet;

#[derive(Debug, PartialEq)]
pub(super) enum Rest {
    Nothing,
    AnyOf(Vec<Vec<Control>>),
    Impossible,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Standing {
    Met,
    Possible,
    Impossible,
}

pub(super) const MULTIFACTOR: &[&str] = &[
    "windowsHelloForBusiness",
    "fido2",
    "x509CertificateMultiFactor",
    "deviceBasedPush",
    "temporaryAccessPassOneTime",
    "temporaryAccessPassMultiUse",
    "password,microsoftAuthenticatorPush",
    "password,softwareOath",
    "password,hardwareOath",
    "password,x509CertificateSingleFactor",
    "password,x509CertificateMultiFactor",
    "password,sms",
    "password,voice",
    "federatedMultiFactor",
    "federatedSingleFactor,microsoftAuthenticatorPush",
    "federatedSingleFactor,softwareOath",
    "federatedSingleFactor,hardwareOath",
    "federatedSingleFactor,sms",
    "federatedSingleFactor,voice",
];

pub(super) fn grants(
    tenant: &Tenant<'_>,
    policy: &Value,
    request: &AccessRequest,
    now: Timestamp,
    session: &Session,
) -> (Vec<Control>, Rest) {
    let grant = &policy["grantControls"];
    let client = request.client.app_type;
    let legacy = client == ClientAppType::Other || client == ClientAppType::ExchangeActiveSync;
    let (somebody, external) = match &request.principal {
        Principal::User(user) => (
            !user.is_agent_user && user.guest != GuestType::B2bDirectConnectUser && !legacy,
            user.guest != GuestType::Member && user.guest != GuestType::InternalGuest,
        ),
        Principal::Workload(_) | Principal::Agent(_) => (false, true),
    };
    let device_counts = request.original_transfer_method != TransferMethod::DeviceCodeFlow;
    let device = request.device.as_ref().filter(|_| device_counts);
    let hybrid = |device: &Device| device.trust_type.as_deref().is_some_and(|trust| trust.eq_ignore_ascii_case("ServerAD"));
    let standing = |met: bool, possible: bool| match (met, possible) {
        (true, _) => Standing::Met,
        (false, true) => Standing::Possible,
        (false, false) => Standing::Impossible,
    };

    let mut controls: Vec<(Control, Standing)> = Vec::new();
    let mut required_but_unknown: BTreeSet<String> = session.unknown.clone();
    if !absent(grant) && !grant.is_object() {
        required_but_unknown.insert("grantControls".to_owned());
    }
    for name in ["builtInControls", "customAuthenticationFactors", "termsOfUse"] {
        if list(&grant[name]).contains(&None) {
            required_but_unknown.insert(name.to_owned());
        }
    }
    let known = [
        "operator",
        "builtInControls",
        "customAuthenticationFactors",
        "termsOfUse",
        "authenticationStrength",
        "authenticationStrength@odata.bind",
    ];
    for (name, value) in grant.as_object().into_iter().flat_map(own) {
        if !known.contains(&name) && configured(value) {
            required_but_unknown.insert(name.to_owned());
        }
    }
    // Whatever is bound to the policy itself may be a control.
    for (name, value) in own(policy.as_object().unwrap()) {
        if name.ends_with("@odata.bind") && configured(value) {
            required_but_unknown.insert(name.to_owned());
        }
    }
    let strength = wanted_strength(grant);
    let lists = ["builtInControls", "customAuthenticationFactors", "termsOfUse"];
    let asks = lists.iter().any(|name| !list(&grant[*name]).is_empty())
        || strength != Wanted::None
        || !required_but_unknown.is_empty()
        || !session.names.is_empty();
    if !asks && !grant["authenticationStrength"].is_null() {
        // A strength with nothing in it, and nothing else: something was meant.
        required_but_unknown.insert("authenticationStrength".to_owned());
    }
    let fulfilled = &request.fulfilled;
    for word in list(&grant["builtInControls"]).into_iter().flatten() {
        controls.push(match word.to_lowercase().as_str() {
            "block" => (Control::Block, Standing::Impossible),
            "mfa" => (Control::Mfa, standing(MULTIFACTOR.iter().any(|methods| used(methods, None, request)), somebody)),
            "compliantdevice" => {
                let met = device.is_some_and(|device| device.is_compliant);
                (Control::CompliantDevice, standing(met, somebody && device_counts))
            }
            "domainjoineddevice" => {
                (Control::DomainJoinedDevice, standing(device.is_some_and(hybrid), somebody && device_counts))
            }
            "approvedapplication" if now.to_string().as_str() >= "2026-07-01T00:00:00Z" => continue,
            "approvedapplication" => {
                (Control::ApprovedApplication, standing(fulfilled.approved_application, somebody && !external))
            }
            "compliantapplication" => {
                (Control::CompliantApplication, standing(fulfilled.compliant_application, somebody && !external))
            }
            "passwordchange" => (Control::PasswordChange, standing(fulfilled.password_changed, somebody && !external)),
            "riskremediation" => (Control::RiskRemediation, standing(fulfilled.risk_remediated, somebody)),
            _ => (Control::NotUnderstood { name: word }, Standing::Impossible),
        });
    }
    for name in list(&grant["customAuthenticationFactors"]).into_iter().flatten() {
        let met = fulfilled.custom_factors.contains(&name);
        controls.push((Control::CustomFactor { name }, standing(met, somebody)));
    }
    for id in list(&grant["termsOfUse"]).into_iter().flatten() {
        let id = id.to_lowercase();
        let met = fulfilled.terms_of_use.iter().any(|accepted| accepted.to_lowercase() == id);
        controls.push((Control::TermsOfUse { id }, standing(met, somebody)));
    }
    if strength != Wanted::None {
        let named = match strength {
            Wanted::This(strength) => strength_named(tenant, &strength),
            Wanted::None | Wanted::Unclear => None,
        };
        controls.push(match named {
            Some((id, display_name, combinations)) => {
                let met = combinations.iter().any(|(methods, keys)| used(methods, keys.as_deref(), request));
                let possible = somebody && !combinations.is_empty();
                let combinations = combinations.iter().map(|(methods, _)| methods_of(methods)).collect();
                (Control::AuthenticationStrength { id, display_name, combinations }, standing(met, possible))
            }
            None => (Control::NotUnderstood { name: "authenticationStrength".to_owned() }, Standing::Impossible),
        });
    }
    controls.sort_by(|left, right| left.0.cmp(&right.0));
    controls.dedup_by(|left, right| left.0 == right.0);

    let told = controls
        .iter()
        .map(|(control, _)| control.clone())
        .chain(required_but_unknown.iter().map(|name| Control::NotUnderstood { name: name.clone() }))
        .collect();
    let any = string(grant, "operator").eq_ignore_ascii_case("OR");
    let unmet: Vec<&(Control, Standing)> = controls.iter().filter(|(_, standing)| *standing != Standing::Met).collect();
    let possible: Vec<Vec<Control>> =
        unmet.iter().filter(|(_, standing)| *standing == Standing::Possible).map(|(control, _)| vec![control.clone()]).collect();
    let mut rest = if controls.is_empty() && required_but_unknown.is_empty() {
        Rest::Nothing
    } else if legacy || !required_but_unknown.is_empty() || controls.iter().any(|(control, _)| *control == Control::Block) {
        Rest::Impossible
    } else if unmet.is_empty() || (any && unmet.len() < controls.len()) {
        Rest::Nothing
    } else if any && !possible.is_empty() {
        Rest::AnyOf(possible)
    } else if !any && possible.len() == unmet.len() {
        Rest::AnyOf(vec![possible.concat()])
    } else {
        Rest::Impossible
    };
    if let Some(again) = sign_in_again(session, request, now) {
        rest = match rest {
            _ if !somebody => Rest::Impossible,
            Rest::Impossible => Rest::Impossible,
            Rest::Nothing => Rest::AnyOf(vec![vec![again]]),
            Rest::AnyOf(sets) => Rest::AnyOf(
                sets.into_iter()
                    .map(|mut set| {
                        set.push(again.clone());
                        set
                    })
                    .collect(),
            ),
        };
    }
    (told, rest)
}

#[derive(PartialEq)]
enum Wanted {
    None,
    This(Value),
    Unclear,
}

/// What the grant says of a strength, inline and by address. Both must mean the same id.
fn wanted_strength(grant: &Value) -> Wanted {
    let inline = &grant["authenticationStrength"];
    let bind = &grant["authenticationStrength@odata.bind"];
    let unset = inline.as_object().is_some_and(|members| {
        own(members).count() > 0 && own(members).all(|(_, value)| !configured(value)) && !members.contains_key("@odata.id")
    });
    let inline = match inline {
        Value::Null => Wanted::None,
        _ if unset => Wanted::None,
        Value::Object(_) if configured(inline) => Wanted::This(inline.clone()),
        _ => Wanted::Unclear,
    };
    if bind.is_null() {
        return inline;
    }
    let address = bind.as_str().unwrap_or_default().replace(['(', ')', '\''], "/");
    let segments: Vec<&str> = address.split('/').filter(|segment| !segment.is_empty()).collect();
    let id = match segments.as_slice() {
        [.., "authenticationStrengthPolicies", id] if guid(id) => id.to_lowercase(),
        _ => return Wanted::Unclear,
    };
    match inline {
        Wanted::None => Wanted::This(serde_json::json!({"id": id})),
        Wanted::This(strength) if string(&strength, "id").to_lowercase() == id => Wanted::This(strength),
        Wanted::This(_) | Wanted::Unclear => Wanted::Unclear,
    }
}

pub(super) fn methods_of(combination: &str) -> Vec<Method> {
    let methods: BTreeSet<Method> =
        combination.split(',').map(|word| serde_json::from_value(Value::from(word)).unwrap()).collect();
    methods.into_iter().collect()
}

/// Each method of the combination was used; `fido2`, where `keys` are listed, with one of them.
pub(super) fn used(combination: &str, keys: Option<&[String]>, request: &AccessRequest) -> bool {
    combination.split(',').all(|word| {
        request.methods.iter().any(|used| {
            let name = serde_json::to_value(used.method).unwrap();
            let key_counts = word != "fido2"
                || keys.is_none_or(|keys| used.aaguid.as_ref().is_some_and(|aaguid| keys.contains(&aaguid.to_lowercase())));
            name == word && key_counts
        })
    })
}

pub(super) type Combinations = Vec<(String, Option<Vec<String>>)>;

pub(super) fn strength_named(tenant: &Tenant<'_>, strength: &Value) -> Option<(String, String, Combinations)> {
    if !strength.is_object() {
        return None;
    }
    let id = string(strength, "id").to_lowercase();
    let resistant = ["windowsHelloForBusiness", "fido2", "x509CertificateMultiFactor"];
    let built_in = |name: &str, combinations: &[&str]| {
        Some((id.clone(), name.to_owned(), combinations.iter().map(|methods| ((*methods).to_owned(), None)).collect()))
    };
    match id.as_str() {
        "00000000-0000-0000-0000-000000000002" => return built_in("Multifactor authentication", MULTIFACTOR),
        "00000000-0000-0000-0000-000000000003" => {
            return built_in("Passwordless MFA", &[resistant[0], resistant[1], resistant[2], "deviceBasedPush"]);
        }
        "00000000-0000-0000-0000-000000000004" => return built_in("Phishing-resistant MFA", &resistant),
        _ => {}
    }
    let own = tenant.strengths.iter().find(|known| string(known, "id").eq_ignore_ascii_case(&id));
    let strength = own.or_else(|| configured(&strength["allowedCombinations"]).then_some(strength))?;
    let mut combinations: Combinations = Vec::new();
    for combination in strength["allowedCombinations"].as_array().into_iter().flatten() {
        let words: Vec<&str> = combination.as_str().unwrap_or("?").split(',').map(str::trim).collect();
        if words.iter().all(|word| serde_json::from_value::<Method>(Value::from(*word)).is_ok()) {
            combinations.push((words.join(","), None));
        }
    }
    for configuration in strength["combinationConfigurations"].as_array().into_iter().flatten() {
        let applies = |combination: &str| {
            configuration["appliesToCombinations"]
                .as_array()
                .is_none_or(|list| list.iter().any(|one| methods_of(one.as_str().unwrap()) == methods_of(combination)))
        };
        if string(configuration, "@odata.type").ends_with("fido2CombinationConfiguration") {
            let keys: Vec<String> =
                list(&configuration["allowedAAGUIDs"]).into_iter().flatten().map(|key| key.to_lowercase()).collect();
            for (methods, allowed) in &mut combinations {
                if applies(methods) {
                    let both =
                        allowed.take().map_or(keys.clone(), |old| old.into_iter().filter(|key| keys.contains(key)).collect());
                    *allowed = Some(both);
                }
            }
        } else {
            combinations.retain(|(methods, _)| !applies(methods));
        }
    }
    Some((id, string(strength, "displayName").to_owned(), combinations))
}
