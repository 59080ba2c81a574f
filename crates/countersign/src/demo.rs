//! `countersign demo`: the example tenant on this machine, with a control plane, a gateway and sample applications in one
//! process, and a guided story that plays against them over the network.

mod data;
mod document;
pub(crate) mod embedded;
mod enforcement;
mod story;
mod tenant;
mod token;

use crate::arguments;
use crate::certificates::Authority;
use crate::config::{CertificateSource, ControlPlaneConfig, loopback};
use crate::error::{CommandError, Problem, chain};
use crate::graph::Graph;
use crate::output::{self, Format};
use crate::platform::{self, Platform};
use crate::sample::Sample;
use control_plane::ControlPlane;
use control_plane::apply::{Mode, Severity};
use data::Folder;
use document::Document;
use enforcement::Enforcement;
use model::audit::Initiator;
use runtime::Clock;
use runtime::client::Client;
use runtime::listen::Listener;
use secrecy::SecretString;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tenant::{ADMIN_PORTAL, Addresses, LEGACY_MAIL, PAYROLL, Tenant};
use url::Url;

/// A demo that runs.
#[derive(Debug)]
pub struct Demo {
    /// `demo.json`.
    pub file: PathBuf,
    folder: PathBuf,
    tenant: Tenant,
    addresses: Addresses,
    document: Document,
    authority: Authority,
    clock: Clock,
    /// The control plane, the sample applications, and what renews the token.
    platform: Platform,
    enforcement: Enforcement,
}

/// How a demo is started.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The control plane's; the gateway takes the next one. 0: any two.
    pub port: u16,
    /// Without a word from the control plane for this long, the gateway admits nobody. `None`: as the gateway has it.
    pub silence: Option<Duration>,
    /// Without another event, the control plane says a word this often. `None`: as the control plane has it.
    pub heartbeat: Option<Duration>,
}

impl Settings {
    pub const fn on_port(port: u16) -> Self {
        Self { port, silence: None, heartbeat: None }
    }
}

/// The whole command. Whether every step held. `stop` ends what `--exit` does not.
pub async fn run(
    arguments: &arguments::Demo,
    format: Format,
    clock: &Clock,
    stop: impl Future<Output = ()>,
) -> Result<bool, CommandError> {
    let folder = Folder::open(arguments.dir.as_deref())?;
    let mut demo = Demo::start(folder.path(), Settings::on_port(arguments.port), clock).await?;
    demo.tell(format, &folder);
    let ended = demo.play_and_stay(arguments, format, stop).await;
    demo.stop().await;
    ended
}

impl Demo {
    /// Everything running, `demo.json` written, no step played yet. `folder` exists.
    pub async fn start(folder: &Path, settings: Settings, clock: &Clock) -> Result<Self, CommandError> {
        let (listener, gateway_listener) = bind(settings.port).await?;
        let samples = [Sample::bind().await?, Sample::bind().await?, Sample::bind().await?];
        let internal = [PAYROLL, ADMIN_PORTAL, LEGACY_MAIL].iter().zip(&samples);
        let addresses = Addresses {
            control_plane: address("localhost", &listener)?,
            gateway: address("gateway.localhost", &gateway_listener)?,
            internal: internal.map(|(name, sample)| ((*name).to_owned(), sample.internal_url.clone())).collect(),
        };
        let tenant = tenant::prepare(&addresses)?;
        let authority = Authority::open(folder, clock.now())?;
        let client = Client::new(Some(authority.certificate_pem.as_bytes()))
            .map_err(|error| Problem::caused_by("the authority cannot be used", &error))?;

        let mut platform = Platform::new();
        let config = control_plane_config(folder, &addresses, &listener, settings);
        let store = platform::open_store(&config.database, None).await?;
        let state = platform::open_control_plane(&config, store, client.clone(), clock).await?;
        seed(&state, &tenant).await?;
        platform.control_plane(&state, listener, platform::tls(&config.certificate, Some(&authority), clock)?);

        let file = folder.join("demo.json");
        let mut document = Document::new(&tenant, &addresses, &authority.certificate_file);
        token::renew(&mut document, &tenant, &client, clock).await?;
        document.write(&file)?;
        token::keep_renewed(&mut platform, document.clone(), file.clone(), &tenant, &client, clock)?;
        enforcement::serve_samples(&mut platform, samples, &tenant, &addresses, &client, clock)?;
        let enforcement =
            Enforcement::start(gateway_listener, &tenant, &addresses, &document.issuer, &authority, settings.silence, clock)
                .await?;
        Ok(Self {
            file,
            folder: folder.to_owned(),
            tenant,
            addresses,
            document,
            authority,
            clock: clock.clone(),
            platform,
            enforcement,
        })
    }

    /// The guided story. Whether every step held.
    pub async fn play(&self, format: Format) -> Result<bool, CommandError> {
        let token = SecretString::from(self.document.administrator_token.as_str());
        let authorities = self.authority.certificate_pem.as_bytes();
        let graph = Graph::new(self.addresses.control_plane.clone(), authorities, token)?;
        let mut stage = story::Stage::set(&self.tenant, &self.addresses, authorities, graph, &self.clock).await?;
        Ok(stage.play(format).await)
    }

    /// Ctrl-C before the story's end: nothing was shown to hold.
    async fn play_and_stay(
        &mut self,
        arguments: &arguments::Demo,
        format: Format,
        stop: impl Future<Output = ()>,
    ) -> Result<bool, CommandError> {
        let mut stop = std::pin::pin!(stop);
        let held = tokio::select! {
            held = self.play(format) => held?,
            () = stop.as_mut() => return Ok(false),
        };
        if arguments.exit {
            return Ok(held);
        }
        if !format.is_json() {
            output::line("\nEvery account above can be used now. Ctrl-C ends the demo.");
        }
        tokio::select! {
            ended = self.platform.run_until(stop) => ended?,
            ended = self.enforcement.platform().run_until(std::future::pending()) => ended?,
        }
        Ok(held)
    }

    /// Ends the gateway and starts another one at the same address with the same cookie key, as a restart does.
    pub async fn restart_gateway(&mut self) -> Result<(), CommandError> {
        Ok(self.enforcement.restart(&self.clock).await?)
    }

    /// Ends the control plane (and the applications) alone: the gateway stays, and hears nothing more.
    pub async fn stop_control_plane(&mut self) {
        std::mem::take(&mut self.platform).stop().await;
    }

    /// Ends every part, all at once: none is left to complain that another has gone.
    pub async fn stop(mut self) {
        tokio::join!(self.enforcement.stop(), self.platform.stop());
    }

    fn tell(&self, format: Format, folder: &Folder) {
        if format.is_json() {
            output::json(&serde_json::json!({ "demo": self.file }));
            return;
        }
        let document = &self.document;
        output::line(format!("Countersign: the tenant {} on this machine\n", document.domain));
        output::line(format!("  Control plane  {}\n  Gateway        {}", document.control_plane, document.gateway));
        for application in &document.applications {
            if let (Some(url), Some(internal)) = (&application.url, self.addresses.internal(&application.name)) {
                output::line(format!("  {:<13}  {url}  (behind the gateway: {internal})", application.name));
            }
        }
        let removed = if folder.is_temporary() { "  (removed at the end; keep it with --dir DIR)" } else { "" };
        output::line(format!("  Graph          {}\n  Data           {}{removed}", document.graph, self.folder.display()));
        output::line(format!("  For programs   {}  (holds secrets)\n", self.file.display()));
        output::line("Accounts: a password, then a code from the secret in any authenticator app\n");
        for account in &document.accounts {
            let secret = account.totp_secret.as_deref().unwrap_or("no second factor");
            output::line(format!("  {:<27}  {}  {secret:<32}", account.user_principal_name, account.password));
            output::line(format!("  {:<27}  {}", "", account.purpose));
        }
        let authority = document.ca_file.display();
        output::line(
            "\nTo trust the certificates, import this authority as one for websites. It can sign for this machine’s own",
        );
        output::line("names (localhost and below) and for nothing else. Programs take it through SSL_CERT_FILE,");
        output::line(format!(
            "REQUESTS_CA_BUNDLE, NODE_EXTRA_CA_CERTS or `curl --cacert`.\n\n  {authority}\n\nThe guided story\n"
        ));
    }
}

/// Both ports, taken before anything is made.
async fn bind(port: u16) -> Result<(Listener, Listener), Problem> {
    let next = if port == 0 { Some(0) } else { port.checked_add(1) };
    let next = next.ok_or_else(|| Problem::new("no port is left for the gateway").at("--port").hint("choose one below 65535"))?;
    let control_plane = platform::bind("control plane", &loopback(port), "`--port`").await?;
    Ok((control_plane, platform::bind("gateway", &loopback(next), "`--port`").await?))
}

fn address(host: &str, listener: &Listener) -> Result<Url, Problem> {
    let port = listener.addresses().first().map_or(0, SocketAddr::port);
    Url::parse(&format!("https://{host}:{port}")).map_err(|error| Problem::caused_by("an address", &error))
}

fn control_plane_config(folder: &Path, addresses: &Addresses, listener: &Listener, settings: Settings) -> ControlPlaneConfig {
    let mut own = control_plane::Config::new(addresses.control_plane.clone());
    own.heartbeat = settings.heartbeat.unwrap_or(own.heartbeat);
    ControlPlaneConfig {
        settings: own,
        listen: listener.addresses(),
        certificate: CertificateSource::Made { names: vec!["localhost".to_owned()] },
        authority_file: None,
        database: folder.join("countersign.db"),
        database_max_pages: None,
        data_key_file: folder.join("data.key"),
    }
}

/// The example tenant into the empty store, as `apply` does it.
async fn seed(state: &ControlPlane, tenant: &Tenant) -> Result<(), CommandError> {
    let initiator = Initiator::App { app_id: String::new(), display_name: "countersign demo".to_owned() };
    let report = control_plane::apply::apply(state, initiator, tenant.objects.clone(), Mode::Apply).await;
    let report = report.map_err(|error| Problem::new(format!("the example tenant cannot be applied: {}", chain(&error))))?;
    let errors = report.problems.into_iter().filter(|problem| problem.severity == Severity::Error);
    let problems: Vec<Problem> =
        errors.map(|problem| Problem { place: problem.place, message: problem.message, hint: problem.hint }).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.into()) }
}
