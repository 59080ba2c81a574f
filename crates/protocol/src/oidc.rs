//! OpenID Connect: the discovery document as Entra writes it (OpenID Connect Discovery 1.0 §3, RFC 8414), and the claims of
//! tokens. Shapes only: signing is the control plane's.

use serde::{Deserialize, Serialize};

/// `/{tenant}/v2.0/.well-known/openid-configuration`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscoveryDocument {
    pub token_endpoint: String,
    pub token_endpoint_auth_methods_supported: Vec<String>,
    pub jwks_uri: String,
    pub response_modes_supported: Vec<String>,
    pub subject_types_supported: Vec<String>,
    pub id_token_signing_alg_values_supported: Vec<String>,
    pub response_types_supported: Vec<String>,
    pub grant_types_supported: Vec<String>,
    pub scopes_supported: Vec<String>,
    pub issuer: String,
    pub request_uri_parameter_supported: bool,
    pub request_parameter_supported: bool,
    pub claims_parameter_supported: bool,
    pub authorization_endpoint: String,
    /// RFC 9207 §3: every answer carries `iss`, against mix-up.
    pub authorization_response_iss_parameter_supported: bool,
    pub end_session_endpoint: String,
    pub code_challenge_methods_supported: Vec<String>,
    pub prompt_values_supported: Vec<String>,
    pub claims_supported: Vec<String>,
    pub tenant_region_scope: Option<String>,
}

impl DiscoveryDocument {
    /// `base` is the server's address without a slash at its end, `tenant` the tenant's id.
    pub fn new(base: &str, tenant: &str) -> Self {
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
        Self {
            token_endpoint: format!("{base}/{tenant}/oauth2/v2.0/token"),
            token_endpoint_auth_methods_supported: list(&["client_secret_post", "client_secret_basic", "none"]),
            jwks_uri: format!("{base}/{tenant}/discovery/v2.0/keys"),
            response_modes_supported: list(&["query", "fragment", "form_post"]),
            subject_types_supported: list(&["public"]),
            id_token_signing_alg_values_supported: list(&["RS256"]),
            response_types_supported: list(&["code"]),
            grant_types_supported: list(&["authorization_code", "refresh_token", "client_credentials"]),
            scopes_supported: list(&["openid", "profile", "email", "offline_access"]),
            issuer: issuer(base, tenant),
            request_uri_parameter_supported: false,
            request_parameter_supported: false,
            claims_parameter_supported: true,
            authorization_endpoint: format!("{base}/{tenant}/oauth2/v2.0/authorize"),
            authorization_response_iss_parameter_supported: true,
            end_session_endpoint: format!("{base}/{tenant}/oauth2/v2.0/logout"),
            code_challenge_methods_supported: list(&["S256"]),
            prompt_values_supported: list(&["none", "login", "select_account", "consent"]),
            claims_supported: list(&[
                "sub",
                "iss",
                "aud",
                "exp",
                "iat",
                "nbf",
                "auth_time",
                "acr",
                "amr",
                "nonce",
                "sid",
                "oid",
                "tid",
                "uti",
                "ver",
                "name",
                "preferred_username",
                "email",
            ]),
            tenant_region_scope: None,
        }
    }
}

/// `iss` of everything that the tenant's sign-in issues.
pub fn issuer(base: &str, tenant: &str) -> String {
    format!("{base}/{tenant}/v2.0")
}

/// Claims of an ID token (OpenID Connect Core §2; Entra's v2 form).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IdTokenClaims {
    pub aud: String,
    pub iss: String,
    pub iat: i64,
    pub nbf: i64,
    pub exp: i64,
    pub sub: String,
    pub oid: String,
    pub tid: String,
    pub sid: String,
    pub uti: String,
    pub ver: String,
    /// When the person last signed in interactively.
    pub auth_time: i64,
    pub amr: Vec<String>,
    pub acr: String,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub acrs: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub nonce: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub preferred_username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub email: Option<String>,
}

/// Claims of an access token (Entra's v2 form, RFC 9068 §2.2 where they agree).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccessTokenClaims {
    pub aud: String,
    pub iss: String,
    pub iat: i64,
    pub nbf: i64,
    pub exp: i64,
    pub sub: String,
    pub oid: String,
    pub tid: String,
    pub uti: String,
    pub ver: String,
    /// The client.
    pub azp: String,
    /// How the client authenticated: `0` public, `1` by secret.
    pub azpacr: String,
    /// `app` in a token that no person stands behind.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub idtyp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sid: Option<String>,
    /// Delegated scopes, space-separated.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub scp: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub roles: Vec<String>,
    /// Template ids of the person's directory roles.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub wids: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub preferred_username: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub amr: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub acr: Option<String>,
    /// Authentication contexts that were decided with this token.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub acrs: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub xms_cc: Vec<String>,
    /// Ours: `disabled` where a policy forbids serving this session while signals are silent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub resilience_defaults: Option<String>,
}

/// A successful answer of the token endpoint (RFC 6749 §5.1; OpenID Connect Core §3.1.3.3), with MSAL's members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenResponse {
    pub token_type: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub scope: Option<String>,
    pub expires_in: i64,
    pub ext_expires_in: i64,
    pub access_token: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id_token: Option<String>,
    /// Base64url of `{"uid":oid,"utid":tid}`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub client_info: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_discovery_document_is_the_one_that_clients_were_tried_with() {
        let document = DiscoveryDocument::new("https://localhost:8443", "t");
        let value = serde_json::to_value(&document).unwrap();
        // openid-client and MSAL compare the issuer with the address they asked.
        assert_eq!(value["issuer"], "https://localhost:8443/t/v2.0");
        for required in [
            // OpenID Connect Discovery 1.0 §3, REQUIRED.
            "issuer",
            "authorization_endpoint",
            "token_endpoint",
            "jwks_uri",
            "response_types_supported",
            "subject_types_supported",
            "id_token_signing_alg_values_supported",
        ] {
            assert!(!value[required].is_null(), "{required}");
        }
        assert_eq!(value["code_challenge_methods_supported"], serde_json::json!(["S256"]));
        assert_eq!(value["tenant_region_scope"], serde_json::Value::Null);
    }
}
