//! The gateway's settings, resolved by the caller, and what makes them unusable.

use crate::application;
use model::AppId;
use secrecy::SecretString;
use std::fmt;
use std::time::Duration;
use url::Url;

#[derive(Clone)]
pub struct Config {
    /// `{base}/{tenantId}/v2.0`, as the discovery document has it.
    pub issuer: Url,
    pub client_id: AppId,
    pub client_secret: SecretString,
    /// The gateway's own address: it receives events there, and signs assertions in its name.
    pub base_url: Url,
    /// How long the event feed may say nothing before nobody is admitted.
    pub silence: Duration,
    /// Seals cookies. Gateways that share it accept each other's sessions. Without one, a fresh one is made at the start.
    pub cookie_key: Option<[u8; 32]>,
    /// Certificate authorities, in PEM, that vouch for applications behind https. Without them none is reached.
    pub upstream_authorities: Option<Vec<u8>>,
    /// Who presents it as a bearer token may read `/metrics` on the gateway's own host; without one nobody may.
    pub metrics_token: Option<SecretString>,
    /// How often the list of published applications is read.
    pub refresh: Duration,
    pub limits: Limits,
}

/// What the gateway spends on one caller, and on all.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests, streams and tunnels in flight.
    pub flows: usize,
    pub flows_per_session: usize,
    /// Until an application has taken the connection.
    pub connect_time: Duration,
    /// From the request to the head of the application's answer.
    pub response_time: Duration,
    /// How long a body or tunnel may stand still.
    pub idle_time: Duration,
    /// Bytes of a request body; `None` for as many as the application takes.
    pub request_size: Option<u64>,
    /// HTTP Basic checks at the control plane at once.
    pub legacy_checks: usize,
    /// Bytes of a pushed security event token.
    pub event_size: usize,
    /// Entries of the revocation map.
    pub revocations: usize,
    /// The longest life of a token that is accepted. The revocation map remembers as long.
    pub token_life: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            flows: 50_000,
            flows_per_session: 512,
            connect_time: Duration::from_secs(5),
            response_time: Duration::from_secs(60),
            idle_time: Duration::from_secs(600),
            request_size: None,
            legacy_checks: 16,
            event_size: 64 * 1024,
            revocations: 1_000_000,
            // Continuous access evaluation lets tokens live up to 28 hours.
            token_life: Duration::from_secs(28 * 60 * 60),
        }
    }
}

impl Config {
    pub fn new(issuer: Url, client_id: AppId, client_secret: SecretString, base_url: Url) -> Self {
        Self {
            issuer,
            client_id,
            client_secret,
            base_url,
            silence: Duration::from_secs(30),
            cookie_key: None,
            upstream_authorities: None,
            metrics_token: None,
            refresh: Duration::from_secs(10),
            limits: Limits::default(),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Config")
            .field("issuer", &self.issuer.as_str())
            .field("client_id", &self.client_id)
            .field("base_url", &self.base_url.as_str())
            .field("silence", &self.silence)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("gateway: `issuer` must be an https address of the form `BASE/TENANT/v2.0`, not `{0}`")]
    Issuer(String),
    #[error("gateway: `base_url` must be an https address without a path, not `{0}`")]
    BaseUrl(String),
    #[error("gateway: `silence` must be between one second and one hour")]
    Silence,
    #[error("gateway: a key to sign assertions could not be made")]
    AssertionKey,
    #[error("gateway: unusable certificate authorities for applications")]
    UpstreamAuthorities(#[source] runtime::tls::TlsError),
}

/// What follows from a configuration once it is known to be usable.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    /// As tokens and discovery spell it.
    pub(crate) issuer: String,
    /// The control plane's base address, without a slash at its end.
    pub(crate) control_plane: String,
    pub(crate) tenant: String,
    /// The gateway's own origin.
    pub(crate) own_origin: String,
    pub(crate) own_authority: String,
}

impl Names {
    pub(crate) fn of(config: &Config) -> Result<Self, StartError> {
        let issuer = config.issuer.as_str().trim_end_matches('/').to_owned();
        let issuer_error = || StartError::Issuer(issuer.clone());
        let tenant_address = issuer.strip_suffix("/v2.0").ok_or_else(issuer_error)?;
        let (control_plane, tenant) = tenant_address.rsplit_once('/').ok_or_else(issuer_error)?;
        if config.issuer.scheme() != "https" || tenant.is_empty() || !control_plane.starts_with("https://") {
            return Err(issuer_error());
        }
        let own = &config.base_url;
        let own_authority = application::authority_of(own)
            .filter(|_| own.scheme() == "https" && own.path() == "/" && own.query().is_none() && own.username().is_empty());
        let own_authority = own_authority.ok_or_else(|| StartError::BaseUrl(own.to_string()))?;
        if config.silence < Duration::from_secs(1) || config.silence > Duration::from_secs(3600) {
            return Err(StartError::Silence);
        }
        Ok(Self {
            control_plane: control_plane.to_owned(),
            tenant: tenant.to_owned(),
            own_origin: format!("https://{own_authority}"),
            own_authority,
            issuer,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(issuer: &str, base_url: &str) -> Result<Names, StartError> {
        let secret = SecretString::from("secret");
        Names::of(&Config::new(Url::parse(issuer).unwrap(), AppId::new("g"), secret, Url::parse(base_url).unwrap()))
    }

    #[test]
    fn addresses_are_taken_apart() {
        let names = names("https://localhost:8443/T/v2.0", "https://Gateway.localhost:8444").unwrap();
        assert_eq!((names.control_plane.as_str(), names.tenant.as_str()), ("https://localhost:8443", "T"));
        assert_eq!(
            (names.own_origin.as_str(), names.issuer.as_str()),
            ("https://gateway.localhost:8444", "https://localhost:8443/T/v2.0")
        );
    }

    #[test]
    fn unusable_addresses_are_refused() {
        for issuer in ["http://localhost/t/v2.0", "https://localhost/t", "https://localhost/v2.0"] {
            assert!(matches!(names(issuer, "https://g.localhost"), Err(StartError::Issuer(_))), "{issuer}");
        }
        for base_url in ["http://g.localhost", "https://g.localhost/path", "https://u@g.localhost"] {
            assert!(matches!(names("https://localhost/t/v2.0", base_url), Err(StartError::BaseUrl(_))), "{base_url}");
        }
    }
}
