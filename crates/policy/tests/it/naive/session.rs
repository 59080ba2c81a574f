//! Session controls (§2.8).

use super::how::flows;
use super::wire::*;
use model::Timestamp;
use policy::answer::*;
use policy::request::*;
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) struct Session {
    pub(super) controls: SessionControls,
    pub(super) names: Vec<String>,
    pub(super) unknown: BTreeSet<String>,
}

pub(super) fn session_controls(policy: &Value) -> Session {
    let mut session = Session { controls: SessionControls::default(), names: vec![], unknown: BTreeSet::new() };
    let wire = &policy["sessionControls"];
    if !absent(wire) && !wire.is_object() {
        session.unknown.insert("sessionControls".to_owned());
    }
    for (name, value) in wire.as_object().into_iter().flat_map(own) {
        let off = value == &Value::Bool(false) || value["isEnabled"] == false;
        if off || !configured(value) {
            continue;
        }
        let controls = &mut session.controls;
        match name {
            "applicationEnforcedRestrictions" => controls.application_enforced_restrictions = true,
            "secureSignInSession" => controls.secure_sign_in_session = true,
            "disableResilienceDefaults" => controls.disable_resilience_defaults = true,
            "cloudAppSecurity" => {
                let kind = value["cloudAppSecurityType"].as_str().unwrap_or("mcasConfigured");
                controls.cloud_app_security.push(kind.to_owned());
            }
            "persistentBrowser" => controls.persistent_browser = Some(string(value, "mode") == "always"),
            "globalSecureAccessFilteringProfile" => {
                controls.global_secure_access_profiles.push(string(value, "profileId").to_lowercase());
            }
            "continuousAccessEvaluation" => {
                controls.continuous_access_evaluation = match string(value, "mode") {
                    "disabled" if unconditional(&policy["conditions"]) => Some(ContinuousAccessEvaluation::Disabled),
                    "disabled" => None,
                    "strictEnforcement" => Some(ContinuousAccessEvaluation::StrictEnforcement),
                    _ => Some(ContinuousAccessEvaluation::StrictLocation),
                };
            }
            "signInFrequency" => {
                let unit = match string(value, "type") {
                    "hours" => Some(3600),
                    "days" => Some(86_400),
                    _ => None,
                };
                let timed = value["frequencyInterval"].is_null() || string(value, "frequencyInterval") == "timeBased";
                let amount = value["value"].as_u64().filter(|amount| *amount != 0);
                controls.sign_in_frequency = Some(SignInFrequency {
                    seconds: if timed { unit.and_then(|unit| amount.map(|amount| amount * unit)) } else { None },
                    secondary_only: string(value, "authenticationType") == "secondaryAuthentication",
                });
            }
            _ => {
                session.unknown.insert(name.to_owned());
                continue;
            }
        }
        session.names.push(name.to_owned());
    }
    let asks_remediation = list(&policy["grantControls"]["builtInControls"]).iter().any(|word| is(word, "riskRemediation"));
    if asks_remediation {
        session.controls.sign_in_frequency = Some(SignInFrequency { seconds: None, secondary_only: false });
    }
    session
}

/// All resources, none left out, and no condition beside.
pub(super) fn unconditional(conditions: &Value) -> bool {
    let applications = &conditions["applications"];
    let all = list(&applications["includeApplications"]).iter().any(|word| is(word, "All"));
    let leaves_out = list(&applications["excludeApplications"])
        .iter()
        .flatten()
        .any(|word| word.eq_ignore_ascii_case("office365") || word.eq_ignore_ascii_case("microsoftadminportals") || guid(word));
    let client_apps = list(&conditions["clientAppTypes"]);
    let every_client = client_apps.is_empty() || client_apps.iter().any(|word| is(word, "all"));
    let objects = ["platforms", "locations", "devices"];
    let lists = ["signInRiskLevels", "userRiskLevels", "servicePrincipalRiskLevels", "agentIdRiskLevels", "insiderRiskLevels"];
    applications.is_object()
        && all
        && !leaves_out
        && every_client
        && objects
            .iter()
            .all(|name| absent(&conditions[*name]) || conditions[*name].is_object() && !configured(&conditions[*name]))
        && lists.iter().all(|name| flags(&conditions[*name]).is_empty())
        && flows(conditions, "none").is_none()
}

pub(super) fn sign_in_again(session: &Session, request: &AccessRequest, now: Timestamp) -> Option<Control> {
    let frequency = session.controls.sign_in_frequency?;
    let limit = i64::try_from(frequency.seconds.unwrap_or(300)).unwrap();
    let micros = 1_000_000;
    let fresh = |at: Timestamp| {
        let age = now.micros() - at.micros();
        age < limit * micros && age >= -300 * micros
    };
    let password = request.methods.iter().any(|used| used.method == Method::Password);
    let first_factors = [Method::Password, Method::Email, Method::QrCodePin, Method::FederatedSingleFactor];
    let second: Option<Timestamp> = request
        .methods
        .iter()
        .filter(|used| !first_factors.contains(&used.method))
        .filter(|used| used.method != Method::X509CertificateSingleFactor || password)
        .map(|used| used.at)
        .max();
    let (first_stale, second_stale) = (!request.signed_in_at.is_some_and(fresh), second.map(|at| !fresh(at)));
    match (frequency.secondary_only, first_stale, second_stale) {
        (true, _, Some(false)) | (false, false, None | Some(false)) => None,
        (true, _, None | Some(true)) | (false, false, Some(true)) => Some(Control::Reauthenticate { secondary_only: true }),
        (false, true, _) => Some(Control::Reauthenticate { secondary_only: false }),
    }
}

pub(super) fn strictest(sessions: &[SessionControls]) -> SessionControls {
    let frequencies: Vec<SignInFrequency> = sessions.iter().filter_map(|session| session.sign_in_frequency).collect();
    let every_time = frequencies.iter().any(|frequency| frequency.seconds.is_none());
    let shortest = frequencies.iter().filter_map(|frequency| frequency.seconds).min();
    let browsers: Vec<bool> = sessions.iter().filter_map(|session| session.persistent_browser).collect();
    let kinds: BTreeSet<String> = sessions.iter().flat_map(|session| session.cloud_app_security.clone()).collect();
    let ranked = ["blockDownloads", "monitorOnly", "mcasConfigured"];
    let unknown = kinds.iter().filter(|kind| !ranked.contains(&kind.as_str())).cloned();
    let known = ranked.iter().filter(|kind| kinds.contains(**kind)).map(|kind| (*kind).to_owned());
    let profiles: BTreeSet<String> = sessions.iter().flat_map(|session| session.global_secure_access_profiles.clone()).collect();
    SessionControls {
        sign_in_frequency: (!frequencies.is_empty()).then(|| SignInFrequency {
            seconds: if every_time { None } else { shortest },
            secondary_only: frequencies.iter().all(|frequency| frequency.secondary_only),
        }),
        persistent_browser: (!browsers.is_empty()).then(|| browsers.iter().all(|always| *always)),
        application_enforced_restrictions: sessions.iter().any(|session| session.application_enforced_restrictions),
        cloud_app_security: unknown.chain(known).collect(),
        continuous_access_evaluation: sessions.iter().filter_map(|session| session.continuous_access_evaluation).max(),
        secure_sign_in_session: sessions.iter().any(|session| session.secure_sign_in_session),
        disable_resilience_defaults: sessions.iter().any(|session| session.disable_resilience_defaults),
        global_secure_access_profiles: profiles.into_iter().collect(),
    }
}
