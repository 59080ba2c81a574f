//! Session controls: read from a policy, merged over policies with the strictest winning, and sign-in frequency judged.
//!
//! A known control with an unknown value takes its strictest value; an unknown control that is switched on cannot be
//! enforced here, so the policy that asks for it cannot be met.

use crate::answer::{ContinuousAccessEvaluation, Control, SessionControls, SignInFrequency};
use crate::compiled::Facts;
use crate::grant::Grant;
use crate::request::Method;
use crate::wire::{Node, Notes, Shape, word};
use model::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// What one policy asks of the session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    pub(crate) controls: SessionControls,
    /// Graph's names of the controls that are set.
    pub(crate) names: Vec<String>,
}

/// A policy that disables continuous access evaluation does so only when it is for all resources and has no conditions.
/// <https://learn.microsoft.com/entra/identity/conditional-access/concept-conditional-access-session>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Everything,
    Conditioned,
}

/// "Every time" allows for clocks that differ: asked again only after five minutes.
/// <https://learn.microsoft.com/entra/identity/conditional-access/concept-session-lifetime>
const EVERY_TIME_GRACE: Duration = Duration::from_secs(5 * 60);

impl Session {
    /// What cannot be enforced becomes a requirement of `grant` that cannot be met.
    pub(crate) fn read(node: &Node<'_>, reach: Reach, grant: &mut Grant, notes: &mut Notes) -> Self {
        let mut session = Self::default();
        match node.shape(notes) {
            Shape::Absent => {}
            Shape::Unreadable => grant.require_not_understood("sessionControls"),
            Shape::Object => {
                for (name, member) in node.members() {
                    session.read_member(name, &member, reach, grant, notes);
                }
            }
        }
        if grant.asks_for_risk_remediation() {
            // Risk remediation brings an every-time sign-in frequency with it.
            session.controls.sign_in_frequency = stricter_frequency(
                session.controls.sign_in_frequency,
                Some(SignInFrequency { seconds: None, secondary_only: false }),
            );
        }
        session
    }

    /// What sign-in frequency asks for now, if it has run out.
    pub(crate) fn reauthentication(&self, facts: &Facts<'_>) -> Option<Control> {
        let frequency = self.controls.sign_in_frequency?;
        let limit = frequency.seconds.map_or(EVERY_TIME_GRACE, Duration::from_secs);
        let is_fresh = |at: Timestamp| at <= facts.now.plus(EVERY_TIME_GRACE) && facts.now.since(at) < limit;
        let request = facts.request;
        let first_is_fresh = request.signed_in_at.is_some_and(is_fresh);
        let after_password = request.methods.iter().any(|used| used.method == Method::Password);
        let seconds = request.methods.iter().filter(|used| is_second_factor(used.method, after_password));
        let newest_second = seconds.map(|used| used.at).max();
        let second_is_fresh = newest_second.map(is_fresh);
        if frequency.secondary_only {
            (second_is_fresh != Some(true)).then_some(Control::Reauthenticate { secondary_only: true })
        } else if !first_is_fresh {
            Some(Control::Reauthenticate { secondary_only: false })
        } else {
            // A second factor that was given must be as new as the first.
            (second_is_fresh == Some(false)).then_some(Control::Reauthenticate { secondary_only: true })
        }
    }

    fn read_member(&mut self, name: &str, node: &Node<'_>, reach: Reach, grant: &mut Grant, notes: &mut Notes) {
        if !is_enabled(node) {
            return;
        }
        let controls = &mut self.controls;
        match name {
            "applicationEnforcedRestrictions" => controls.application_enforced_restrictions = true,
            "cloudAppSecurity" => {
                let kind = node.member("cloudAppSecurityType");
                let text = kind.value.as_str().unwrap_or("mcasConfigured");
                if word(&CLOUD_APP_SECURITY_TYPES, text).is_none() {
                    notes.not_understood(&kind, format!("unknown kind of session control `{text}`"));
                }
                controls.cloud_app_security.push(text.to_owned());
            }
            "signInFrequency" => controls.sign_in_frequency = Some(read_frequency(node, notes)),
            "persistentBrowser" => {
                let mode = node.member("mode");
                let always = mode.value.as_str().and_then(|text| word(&[("always", true), ("never", false)], text));
                if always.is_none() {
                    notes.not_understood(&mode, "neither `always` nor `never`: taken as never");
                }
                controls.persistent_browser = Some(always.unwrap_or(false));
            }
            "continuousAccessEvaluation" => {
                controls.continuous_access_evaluation = read_continuous_access_evaluation(node, reach, notes);
            }
            "secureSignInSession" => controls.secure_sign_in_session = true,
            "disableResilienceDefaults" => controls.disable_resilience_defaults = true,
            "globalSecureAccessFilteringProfile" => {
                let id = node.member("profileId").value.as_str().unwrap_or_default();
                controls.global_secure_access_profiles.push(id.to_lowercase());
            }
            _ => {
                notes.not_understood(node, format!("unknown session control `{name}`: it cannot be enforced"));
                grant.require_not_understood(name);
                return;
            }
        }
        self.names.push(name.to_owned());
    }
}

/// The strictest of both. Order of the arguments does not matter.
pub(crate) fn merge(left: SessionControls, right: &SessionControls) -> SessionControls {
    SessionControls {
        sign_in_frequency: stricter_frequency(left.sign_in_frequency, right.sign_in_frequency),
        persistent_browser: match (left.persistent_browser, right.persistent_browser) {
            (Some(left), Some(right)) => Some(left && right),
            (one, other) => one.or(other),
        },
        application_enforced_restrictions: left.application_enforced_restrictions || right.application_enforced_restrictions,
        cloud_app_security: stricter_first(union(left.cloud_app_security, &right.cloud_app_security)),
        continuous_access_evaluation: left.continuous_access_evaluation.max(right.continuous_access_evaluation),
        secure_sign_in_session: left.secure_sign_in_session || right.secure_sign_in_session,
        disable_resilience_defaults: left.disable_resilience_defaults || right.disable_resilience_defaults,
        global_secure_access_profiles: union(left.global_secure_access_profiles, &right.global_secure_access_profiles),
    }
}

/// The strictest first.
const CLOUD_APP_SECURITY_TYPES: [(&str, u8); 3] = [("blockDownloads", 0), ("monitorOnly", 1), ("mcasConfigured", 2)];

fn stricter_first(mut types: Vec<String>) -> Vec<String> {
    // What is not known counts as strictest: nobody can say it is less.
    types.sort_by_key(|text| (word(&CLOUD_APP_SECURITY_TYPES, text).map(|rank| rank + 1), text.clone()));
    types
}

fn union(left: Vec<String>, right: &[String]) -> Vec<String> {
    let mut all: Vec<String> = left.into_iter().chain(right.iter().cloned()).collect();
    all.sort();
    all.dedup();
    all
}

/// Every time is stricter than any interval, both factors stricter than the second alone.
fn stricter_frequency(left: Option<SignInFrequency>, right: Option<SignInFrequency>) -> Option<SignInFrequency> {
    match (left, right) {
        (Some(left), Some(right)) => Some(SignInFrequency {
            seconds: left.seconds.zip(right.seconds).map(|(left, right)| left.min(right)),
            secondary_only: left.secondary_only && right.secondary_only,
        }),
        (one, other) => one.or(other),
    }
}

/// A control is on when something in it is set and `isEnabled` does not say otherwise.
fn is_enabled(node: &Node<'_>) -> bool {
    let enabled = match node.value {
        Value::Bool(value) => Some(*value),
        Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            node.member("isEnabled").value.as_bool()
        }
    };
    node.is_configured() && enabled != Some(false)
}

fn read_frequency(node: &Node<'_>, notes: &mut Notes) -> SignInFrequency {
    let secondary = node.member("authenticationType");
    let kinds = [("primaryAndSecondaryAuthentication", false), ("secondaryAuthentication", true)];
    let secondary_only = one_of(&secondary, &kinds, false).unwrap_or_else(|| {
        notes.not_understood(&secondary, "unknown kind of authentication: both factors are asked for");
        false
    });
    let every_time = one_of(&node.member("frequencyInterval"), &[("timeBased", false), ("everyTime", true)], false);
    let unit = node.member("type").value.as_str().and_then(|text| word(&[("hours", 3600), ("days", 86_400)], text));
    let seconds = node.member("value").value.as_u64().filter(|value| *value > 0).zip(unit);
    let seconds = match (every_time, seconds) {
        (Some(true), _) => None,
        (Some(false), Some((value, unit))) => Some(value.saturating_mul(unit)),
        (Some(false), None) | (None, _) => {
            notes.not_understood(node, "no readable interval: sign-in is asked for every time");
            None
        }
    };
    SignInFrequency { seconds, secondary_only }
}

/// `None` when it is not understood.
fn one_of<T: Copy>(node: &Node<'_>, vocabulary: &[(&str, T)], missing: T) -> Option<T> {
    if node.is_null() { Some(missing) } else { node.value.as_str().and_then(|text| word(vocabulary, text)) }
}

fn read_continuous_access_evaluation(node: &Node<'_>, reach: Reach, notes: &mut Notes) -> Option<ContinuousAccessEvaluation> {
    let mode = node.member("mode");
    let known = [
        ("disabled", ContinuousAccessEvaluation::Disabled),
        ("strictEnforcement", ContinuousAccessEvaluation::StrictEnforcement),
        ("strictLocation", ContinuousAccessEvaluation::StrictLocation),
    ];
    match mode.value.as_str().and_then(|text| word(&known, text)) {
        Some(ContinuousAccessEvaluation::Disabled) if reach == Reach::Conditioned => {
            notes.remark(&mode, "`disabled` has effect only in a policy for all resources without conditions");
            None
        }
        Some(mode) => Some(mode),
        None => {
            notes.not_understood(&mode, "unknown mode: taken as `strictLocation`");
            Some(ContinuousAccessEvaluation::StrictLocation)
        }
    }
}

/// What `secondaryAuthentication` counts from: anything that is more than a first factor. A single-factor certificate is
/// a second factor where a password was given too.
fn is_second_factor(method: Method, after_password: bool) -> bool {
    match method {
        Method::Password | Method::Email | Method::QrCodePin | Method::FederatedSingleFactor => false,
        Method::X509CertificateSingleFactor => after_password,
        Method::Voice
        | Method::HardwareOath
        | Method::SoftwareOath
        | Method::Sms
        | Method::Fido2
        | Method::WindowsHelloForBusiness
        | Method::MicrosoftAuthenticatorPush
        | Method::DeviceBasedPush
        | Method::TemporaryAccessPassOneTime
        | Method::TemporaryAccessPassMultiUse
        | Method::X509CertificateMultiFactor
        | Method::FederatedMultiFactor => true,
    }
}
