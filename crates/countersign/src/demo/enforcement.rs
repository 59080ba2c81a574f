//! The demo's gateway, which can be restarted by itself, and the applications behind it.

use super::tenant::{ADMIN_PORTAL, Addresses, GATEWAY, LEGACY_MAIL, PAYROLL, Tenant};
use crate::certificates::Authority;
use crate::config::CertificateSource;
use crate::error::Problem;
use crate::platform::{self, Platform};
use crate::sample::{Kind, Sample, SampleConfig};
use runtime::Clock;
use runtime::client::Client;
use runtime::listen::Listener;
use rustls::ServerConfig;
use secrecy::SecretString;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Until the gateway has learned its applications and hears events.
const READY: Duration = Duration::from_secs(20);
const HOSTS: [&str; 4] = ["gateway.localhost", "payroll.localhost", "admin.localhost", "mail.localhost"];

#[derive(Debug)]
pub(super) struct Enforcement {
    settings: gateway::Config,
    listen: Vec<SocketAddr>,
    tls: Arc<ServerConfig>,
    client: Client,
    platform: Platform,
}

impl Enforcement {
    /// A gateway that admits.
    pub(super) async fn start(
        listener: Listener,
        tenant: &Tenant,
        addresses: &Addresses,
        issuer: &str,
        authority: &Authority,
        silence: Option<Duration>,
        clock: &Clock,
    ) -> Result<Self, Problem> {
        let own = tenant.application(GATEWAY)?;
        let secret = SecretString::from(own.client_secret.clone().unwrap_or_default());
        let issuer = Url::parse(issuer).map_err(|error| Problem::caused_by("the issuer", &error))?;
        let mut settings = gateway::Config::new(issuer, model::AppId::new(&own.client_id), secret, addresses.gateway.clone());
        settings.silence = silence.unwrap_or(settings.silence);
        settings.cookie_key = Some(runtime::random::bytes());
        let names = CertificateSource::Made { names: HOSTS.map(str::to_owned).to_vec() };
        let client = Client::new(Some(authority.certificate_pem.as_bytes()))
            .map_err(|error| Problem::caused_by("the authority cannot be used", &error))?;
        let mut enforcement = Self {
            settings,
            listen: listener.addresses(),
            tls: platform::tls(&names, Some(authority), clock)?,
            client,
            platform: Platform::new(),
        };
        enforcement.run(listener, clock).await?;
        Ok(enforcement)
    }

    pub(super) async fn restart(&mut self, clock: &Clock) -> Result<(), Problem> {
        std::mem::take(&mut self.platform).stop().await;
        let listener = platform::bind("gateway", &self.listen, "`--port`").await?;
        self.run(listener, clock).await
    }

    pub(super) async fn stop(&mut self) {
        std::mem::take(&mut self.platform).stop().await;
    }

    /// Ends only when the gateway fails.
    pub(super) fn platform(&mut self) -> &mut Platform {
        &mut self.platform
    }

    async fn run(&mut self, listener: Listener, clock: &Clock) -> Result<(), Problem> {
        let gateway = platform::open_gateway(self.settings.clone(), self.client.clone(), clock)?;
        self.platform.gateway(&gateway, listener, self.tls.clone());
        tokio::time::timeout(READY, gateway.ready()).await.map_err(|_| {
            Problem::new(format!("the gateway was not ready within {} s", READY.as_secs()))
                .at(&self.settings.base_url)
                .hint("see why with `--log info`")
        })
    }
}

pub(super) fn serve_samples(
    platform: &mut Platform,
    samples: [Sample; 3],
    tenant: &Tenant,
    addresses: &Addresses,
    client: &Client,
    clock: &Clock,
) -> Result<(), Problem> {
    let kinds = [(PAYROLL, Kind::Payroll), (ADMIN_PORTAL, Kind::AdminPortal), (LEGACY_MAIL, Kind::Mail)];
    let lee = tenant.account("lee")?;
    for ((name, kind), sample) in kinds.into_iter().zip(samples) {
        let application = tenant.application(name)?;
        let legacy_accounts = match kind {
            Kind::Mail => vec![(lee.user_principal_name.clone(), SecretString::from(lee.password.as_str()))],
            Kind::Payroll | Kind::AdminPortal => Vec::new(),
        };
        let config = SampleConfig {
            kind,
            display_name: name.to_owned(),
            app_id: application.client_id.clone(),
            external_url: application.url.clone().ok_or_else(|| Problem::new(format!("`{name}` is not published")))?,
            gateway_url: addresses.gateway.clone(),
            legacy_accounts,
        };
        let shutdown = platform.shutdown();
        platform.spawn("sample application", sample.serve(config, client.clone(), clock.clone(), shutdown));
    }
    Ok(())
}
