//! Starts the parts from resolved values and owns them: the control plane, a gateway, sample applications. Used by
//! `demo`, `serve`, `gateway` and the end-to-end tests alike, so that what is tested is what runs.
//!
//! Every task has its place in `Platform`, which ends and joins them all.

use crate::certificates::{Authority, Certificate};
use crate::config::{CertificateSource, ControlPlaneConfig, GatewayConfig};
use crate::error::Problem;
use crate::folder::{self, Missing};
use axum::Router;
use axum::body::Body;
use control_plane::ControlPlane;
use control_plane::state::StartError;
use gateway::Gateway;
use http::{Request, Response};
use hyper::body::Incoming;
use runtime::Clock;
use runtime::client::Client;
use runtime::listen::{self, Limits, Listener, Peer};
use rustls::ServerConfig;
use secrecy::SecretString;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use store::{Store, StoreError, StoreOptions};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

const ANY_PORT_TRIES: usize = 8;

/// Everything that runs.
#[derive(Debug, Default)]
pub struct Platform {
    shutdown: CancellationToken,
    tasks: JoinSet<&'static str>,
    /// Locks of folders, let go with the platform.
    held: Vec<std::fs::File>,
}

impl Drop for Platform {
    /// What was not stopped is told to end; `JoinSet` ends it at the latest.
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Platform {
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends with the platform.
    pub fn shutdown(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Keeps a folder's lock for as long as anything runs.
    pub fn hold(&mut self, lock: std::fs::File) {
        self.held.push(lock);
    }

    pub fn spawn(&mut self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(async move {
            part.await;
            name
        });
    }

    /// Serves sign-in, Graph and signals, and everything that goes on without a request.
    pub fn control_plane(&mut self, state: &ControlPlane, listener: Listener, tls: Arc<ServerConfig>) {
        let router = control_plane::router(state.clone());
        let service = move |request, peer| answer(router.clone(), request, peer);
        self.spawn("control plane", listen::serve(listener, Some(tls), Limits::default(), service, self.shutdown()));
        self.spawn("control plane's background work", control_plane::run(state.clone(), self.shutdown()));
    }

    pub fn gateway(&mut self, gateway: &Gateway, listener: Listener, tls: Arc<ServerConfig>) {
        let serving = gateway.clone();
        let service = move |request: Request<Incoming>, peer: Peer| {
            let gateway = serving.clone();
            async move { gateway.handle(request, peer).await }
        };
        self.spawn("gateway", listen::serve(listener, Some(tls), Limits::default(), service, self.shutdown()));
        let (running, shutdown) = (gateway.clone(), self.shutdown());
        self.spawn("gateway's background work", async move { running.run(shutdown).await });
    }

    /// Until `stop` is ready, or a part ends by itself, which none should.
    pub async fn run_until(&mut self, stop: impl Future<Output = ()>) -> Result<(), Problem> {
        tokio::select! {
            () = stop => Ok(()),
            Some(ended) = self.tasks.join_next() => Err(match ended {
                Ok(name) => Problem::new(format!("the {name} ended by itself")),
                Err(error) => Problem::caused_by("a part of the server failed", &error),
            }),
        }
    }

    /// Ends every part, gracefully, and waits for all of them.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            match ended {
                Ok(name) => tracing::debug!(part = name, "ended"),
                Err(error) => tracing::error!(%error, "a part of the server failed while it ended"),
            }
        }
    }
}

/// What the router answers to a request of the server loop. Handlers find the `Peer` in the extensions.
pub(crate) async fn answer(router: Router, request: Request<Incoming>, peer: Peer) -> Response<Body> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    match router.oneshot(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}

/// Binds before anything is made, so that a port in use costs nothing. `option` is where the port was given.
pub async fn bind(what: &str, addresses: &[SocketAddr], option: &str) -> Result<Listener, Problem> {
    let listed = addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(" and ");
    bind_any(addresses).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Problem::new(format!("{what}: the port is in use by another program"))
            .at(&listed)
            .hint(format!("end that program, or choose another port with {option}")),
        io::ErrorKind::PermissionDenied => Problem::new(format!("{what}: this user may not listen on that port"))
            .at(&listed)
            .hint(format!("choose a port from 1024 on with {option}")),
        _ => Problem::caused_by(format!("{what}: cannot listen"), &error).at(&listed),
    })
}

/// A machine without IPv6 has no ::1, and does without. Where any port will do, one that is free on one address and taken
/// on the other is not the last word.
async fn bind_any(addresses: &[SocketAddr]) -> io::Result<Listener> {
    let mut bound = listen::bind(addresses).await;
    for _ in 0..ANY_PORT_TRIES {
        let Err(error) = &bound else { break };
        let any_port = addresses.iter().all(|address| address.port() == 0);
        let without_v6: Vec<SocketAddr> = addresses.iter().copied().filter(SocketAddr::is_ipv4).collect();
        let no_v6 = matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported);
        bound = match (no_v6 && !without_v6.is_empty(), any_port && error.kind() == io::ErrorKind::AddrInUse) {
            (true, _) => listen::bind(&without_v6).await,
            (false, true) => listen::bind(addresses).await,
            (false, false) => break,
        };
    }
    bound
}

/// TLS from files, or from a certificate made now.
pub fn tls(source: &CertificateSource, authority: Option<&Authority>, clock: &Clock) -> Result<Arc<ServerConfig>, Problem> {
    let (certificate, place) = match (source, authority) {
        (CertificateSource::Files { certificate, key }, _) => {
            let read = |path: &Path| folder::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            (Certificate { chain_pem: read(certificate)?, key_pem: read(key)? }, certificate.display().to_string())
        }
        (CertificateSource::Made { names }, Some(authority)) => (authority.issue(names, clock.now())?, names.join(", ")),
        (CertificateSource::Made { .. }, None) => {
            return Err(Problem::new("no certificate").hint("give `certificate_file` and `key_file`"));
        }
    };
    runtime::tls::server_config(certificate.chain_pem.as_bytes(), certificate.key_pem.as_bytes())
        .map_err(|error| Problem::caused_by("the certificate or its key cannot be used", &error).at(place))
}

pub async fn open_store(path: &Path, max_pages: Option<u32>) -> Result<Store, Problem> {
    Store::open(path, StoreOptions { max_pages }).await.map_err(|error| store_problem(&error, path))
}

/// Opens what is in the store and checks that it fits: version, key, clock.
pub async fn open_control_plane(
    config: &ControlPlaneConfig,
    store: Store,
    client: Client,
    clock: &Clock,
) -> Result<ControlPlane, Problem> {
    // A key may be made for a store in which nothing is sealed yet; for any other it must be the one that sealed it.
    let sealed = store::signing_key::all(&store).await.map_err(|error| store_problem(&error, &config.database))?;
    let missing = if sealed.is_empty() { Missing::Make } else { Missing::Refuse };
    let data_key = folder::key_file(&config.data_key_file, missing)?;
    ControlPlane::start(config.settings.clone(), store, clock.clone(), &data_key, client)
        .await
        .map_err(|error| start_problem(&error, config))
}

/// Reads the files that the configuration names.
pub fn gateway_settings(config: &GatewayConfig) -> Result<gateway::Config, Problem> {
    let client_id = model::AppId::new(&config.client_id);
    let client_secret = secret(&config.client_secret_file, "client secret")?;
    let mut settings = gateway::Config::new(config.issuer.clone(), client_id, client_secret, config.base_url.clone());
    settings.silence = config.silence.unwrap_or(settings.silence);
    settings.cookie_key = config.cookie_key_file.as_deref().map(|file| folder::key_file(file, Missing::Make)).transpose()?;
    settings.metrics_token = config.metrics_token_file.as_deref().map(|file| secret(file, "metrics token")).transpose()?;
    settings.upstream_authorities = config.applications_authority_file.as_deref().map(folder::read).transpose()?;
    Ok(settings)
}

fn secret(file: &Path, what: &str) -> Result<SecretString, Problem> {
    let secret = String::from_utf8_lossy(&folder::read(file)?).trim().to_owned();
    if secret.is_empty() { Err(Problem::new(format!("the {what} is empty")).at(file.display())) } else { Ok(secret.into()) }
}

pub fn open_gateway(settings: gateway::Config, client: Client, clock: &Clock) -> Result<Gateway, Problem> {
    Gateway::start(settings, clock.clone(), client).map_err(|error| Problem::caused_by("the gateway cannot start", &error))
}

fn start_problem(error: &StartError, config: &ControlPlaneConfig) -> Problem {
    let database = config.database.display();
    match error {
        StartError::Store(error) => store_problem(error, &config.database),
        StartError::ClockWentBack { .. } => Problem::new(error.to_string())
            .at(database)
            .hint("set the machine's clock right; until then tokens could live too long and used codes could be good again"),
        StartError::WrongDataKey => Problem::new(error.to_string())
            .at(config.data_key_file.display())
            .hint("restore the key file that was made with this database"),
        StartError::Snapshot(_) | StartError::Keys(_) => Problem::caused_by("the control plane cannot start", error).at(database),
        StartError::Origin(_) => {
            Problem::new(error.to_string()).hint("`base_url` needs a name, not an address: a passkey is bound to it")
        }
        StartError::Threads(_) => Problem::caused_by("the control plane cannot start", error),
    }
}

pub fn store_problem(error: &StoreError, path: &Path) -> Problem {
    let problem = Problem::caused_by("the database cannot be used", error).at(path.display());
    match error {
        StoreError::NewerSchema { .. } => problem.hint("a newer version of countersign wrote it: use that version"),
        StoreError::Full => problem.hint("make room on the disk, or raise `database_limit_megabytes`; nothing was half written"),
        StoreError::Busy => problem.hint("does another process hold it?"),
        StoreError::Unreadable { .. } => problem.hint("name another file, or restore this one from a backup"),
        StoreError::Conflict { .. } | StoreError::Corrupt { .. } | StoreError::Aborted | StoreError::Database(_) => problem,
    }
}
