//! Tokens: which claims go into them. Signed after the commit of what they stand for.

use crate::keys::{KeyError, TOKEN_TYPE};
use crate::oauth::scopes::Granted;
use crate::state::ControlPlane;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::application::well_known;
use model::{Application, Directory, RoleTemplateId, SessionId, TenantId, Timestamp, User};
use policy::answer::SessionControls;
use policy::request::{Method, MethodUse};
use protocol::oauth::ClientKind;
use protocol::oidc::{AccessTokenClaims, IdTokenClaims, TokenResponse};
use serde_json::json;
use std::collections::BTreeSet;

/// Access tokens live between 60 and 90 minutes, so that not all of them are renewed at once.
const SHORTEST_LIFE: i64 = 3600;
const LIFE_SPREAD: u32 = 1800;
const ID_TOKEN_LIFE: i64 = 3600;

/// Everything that a person's tokens are made of.
#[derive(Clone, Debug)]
pub(crate) struct Issuance<'a> {
    pub tenant: &'a TenantId,
    pub directory: &'a Directory,
    pub client: &'a Application,
    pub client_kind: ClientKind,
    pub user: &'a User,
    pub session: &'a SessionId,
    pub signed_in_at: Timestamp,
    pub methods: &'a [MethodUse],
    pub granted: &'a Granted,
    pub nonce: Option<&'a str>,
    pub authentication_contexts: &'a BTreeSet<String>,
    pub controls: &'a SessionControls,
    pub unique_token_identifier: &'a str,
    pub refresh_token: Option<String>,
    pub now: Timestamp,
}

pub(crate) fn for_person(state: &ControlPlane, issuance: &Issuance<'_>) -> Result<TokenResponse, KeyError> {
    let now = issuance.now.seconds();
    let life = person_life(issuance);
    let user = issuance.user;
    let amr = amr(issuance.methods);
    let oidc = issuance.granted.oidc;
    let is_for_graph = issuance.granted.resource.as_str() == well_known::MICROSOFT_GRAPH;
    let wids = if is_for_graph { issuance.directory.active_roles(&user.id) } else { BTreeSet::new() };
    let access_token = AccessTokenClaims {
        aud: issuance.granted.resource.to_string(),
        iss: state.issuer(issuance.tenant),
        iat: now,
        nbf: now,
        exp: now.saturating_add(life),
        sub: user.id.to_string(),
        oid: user.id.to_string(),
        tid: issuance.tenant.to_string(),
        uti: issuance.unique_token_identifier.to_owned(),
        ver: "2.0".to_owned(),
        azp: issuance.client.app_id.to_string(),
        azpacr: azpacr(issuance.client_kind).to_owned(),
        idtyp: None,
        sid: Some(issuance.session.to_string()),
        scp: scp(issuance.granted, is_for_graph),
        roles: Vec::new(),
        wids: wids.iter().map(RoleTemplateId::to_string).collect(),
        name: Some(user.display_name.clone()),
        preferred_username: Some(user.user_principal_name.clone()),
        amr: amr.clone(),
        acr: Some("1".to_owned()),
        acrs: issuance.authentication_contexts.iter().cloned().collect(),
        xms_cc: Vec::new(),
        resilience_defaults: issuance.controls.disable_resilience_defaults.then(|| "disabled".to_owned()),
    };
    let id_token = oidc.openid.then(|| id_token_claims(state, issuance, amr));
    Ok(TokenResponse {
        token_type: "Bearer".to_owned(),
        scope: Some(issuance.granted.answer_text()),
        expires_in: life,
        ext_expires_in: life,
        access_token: state.keys.sign(&access_token, TOKEN_TYPE)?,
        refresh_token: issuance.refresh_token.clone(),
        id_token: id_token.map(|claims| state.keys.sign(&claims, TOKEN_TYPE)).transpose()?,
        client_info: Some(client_info(user, issuance.tenant)),
    })
}

/// A client's own token.
pub(crate) fn for_application(
    state: &ControlPlane,
    tenant: &TenantId,
    client: &Application,
    resource: &model::AppId,
    roles: &BTreeSet<String>,
    unique_token_identifier: &str,
    now: Timestamp,
) -> Result<TokenResponse, KeyError> {
    let life = life();
    let claims = AccessTokenClaims {
        aud: resource.to_string(),
        iss: state.issuer(tenant),
        iat: now.seconds(),
        nbf: now.seconds(),
        exp: now.seconds().saturating_add(life),
        sub: client.id.to_string(),
        oid: client.id.to_string(),
        tid: tenant.to_string(),
        uti: unique_token_identifier.to_owned(),
        ver: "2.0".to_owned(),
        azp: client.app_id.to_string(),
        azpacr: azpacr(ClientKind::Confidential).to_owned(),
        idtyp: Some("app".to_owned()),
        sid: None,
        scp: None,
        roles: roles.iter().cloned().collect(),
        wids: Vec::new(),
        name: None,
        preferred_username: None,
        amr: Vec::new(),
        acr: None,
        acrs: Vec::new(),
        xms_cc: Vec::new(),
        resilience_defaults: None,
    };
    Ok(TokenResponse {
        token_type: "Bearer".to_owned(),
        scope: None,
        expires_in: life,
        ext_expires_in: life,
        access_token: state.keys.sign(&claims, TOKEN_TYPE)?,
        refresh_token: None,
        id_token: None,
        client_info: None,
    })
}

fn id_token_claims(state: &ControlPlane, issuance: &Issuance<'_>, amr: Vec<String>) -> IdTokenClaims {
    let now = issuance.now.seconds();
    let user = issuance.user;
    let oidc = issuance.granted.oidc;
    IdTokenClaims {
        aud: issuance.client.app_id.to_string(),
        iss: state.issuer(issuance.tenant),
        iat: now,
        nbf: now,
        exp: now.saturating_add(ID_TOKEN_LIFE),
        sub: user.id.to_string(),
        oid: user.id.to_string(),
        tid: issuance.tenant.to_string(),
        sid: issuance.session.to_string(),
        uti: issuance.unique_token_identifier.to_owned(),
        ver: "2.0".to_owned(),
        auth_time: issuance.signed_in_at.seconds(),
        amr,
        acr: "1".to_owned(),
        acrs: issuance.authentication_contexts.iter().cloned().collect(),
        nonce: issuance.nonce.map(str::to_owned),
        name: oidc.profile.then(|| user.display_name.clone()),
        preferred_username: oidc.profile.then(|| user.user_principal_name.clone()),
        email: user.mail.clone().filter(|_| oidc.email),
    }
}

/// No token outlives the sign-in that a policy's sign-in frequency still accepts.
fn person_life(issuance: &Issuance<'_>) -> i64 {
    let frequency = issuance.controls.sign_in_frequency.filter(|frequency| !frequency.secondary_only);
    let Some(seconds) = frequency.and_then(|frequency| frequency.seconds) else { return life() };
    let age = issuance.now.since(issuance.signed_in_at).as_secs();
    life().min(i64::try_from(seconds.saturating_sub(age)).unwrap_or(i64::MAX)).max(1)
}

fn life() -> i64 {
    SHORTEST_LIFE + i64::from(u32::from_le_bytes(runtime::random::bytes()) % (LIFE_SPREAD + 1))
}

/// Delegated scopes; where only OpenID Connect scopes were asked for, those.
fn scp(granted: &Granted, is_for_graph: bool) -> Option<String> {
    let mut names: BTreeSet<&str> = granted.scopes.iter().map(String::as_str).collect();
    for name in granted.oidc.names().filter(|name| is_for_graph && *name != "offline_access") {
        names.insert(name);
    }
    (!names.is_empty()).then(|| names.into_iter().collect::<Vec<_>>().join(" "))
}

/// RFC 8176 names, as Entra writes them; `mfa` when the methods are of more than one factor.
fn amr(methods: &[MethodUse]) -> Vec<String> {
    let mut names: BTreeSet<&str> = methods.iter().flat_map(|used| amr_names(used.method)).copied().collect();
    if names.contains("pwd") && ["otp", "ngcmfa", "tel", "sms"].iter().any(|name| names.contains(name)) {
        names.insert("mfa");
    }
    names.into_iter().map(str::to_owned).collect()
}

const fn amr_names(method: Method) -> &'static [&'static str] {
    match method {
        Method::Password => &["pwd"],
        Method::SoftwareOath | Method::HardwareOath => &["otp"],
        Method::Fido2 | Method::WindowsHelloForBusiness => &["fido", "mfa"],
        Method::X509CertificateSingleFactor => &["rsa"],
        Method::X509CertificateMultiFactor => &["rsa", "mfa"],
        Method::FederatedSingleFactor => &["fed"],
        Method::FederatedMultiFactor => &["fed", "mfa"],
        Method::MicrosoftAuthenticatorPush | Method::DeviceBasedPush => &["ngcmfa"],
        Method::Voice => &["tel"],
        Method::Sms => &["sms"],
        Method::TemporaryAccessPassOneTime | Method::TemporaryAccessPassMultiUse | Method::Email | Method::QrCodePin => &[],
    }
}

const fn azpacr(kind: ClientKind) -> &'static str {
    match kind {
        ClientKind::Public => "0",
        ClientKind::Confidential => "1",
    }
}

/// What MSAL keys its cache by.
fn client_info(user: &User, tenant: &TenantId) -> String {
    URL_SAFE_NO_PAD.encode(json!({"uid": user.id, "utid": tenant}).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_named_as_rfc_8176_does() {
        let at = Timestamp::from_seconds(0);
        let names = |methods: &[Method]| {
            let used: Vec<_> = methods.iter().map(|method| MethodUse { method: *method, at, aaguid: None }).collect();
            amr(&used).join(" ")
        };
        assert_eq!(names(&[Method::Password]), "pwd");
        assert_eq!(names(&[Method::Password, Method::SoftwareOath]), "mfa otp pwd");
        assert_eq!(names(&[Method::Fido2]), "fido mfa");
        assert_eq!(names(&[Method::SoftwareOath]), "otp");
    }

    #[test]
    fn lives_differ_and_are_bounded() {
        let lives: BTreeSet<i64> = (0..50).map(|_| life()).collect();
        assert!(lives.len() > 10);
        assert!(lives.iter().all(|life| (3600..=5400).contains(life)));
    }
}
