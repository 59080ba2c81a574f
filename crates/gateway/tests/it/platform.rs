//! Everything started together: issuer, application, gateway, each on a port of its own.

use crate::client::Browser;
use crate::issuer::{GATEWAY, Issuer, SECRET};
use crate::upstream::{Seen, Upstream};
use gateway::{Config, Gateway};
use model::{AppId, Timestamp};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use runtime::Clock;
use runtime::client::Client;
use runtime::listen::{self, Limits};
use secrecy::SecretString;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

const HOSTS: [&str; 5] = ["localhost", "gateway.localhost", "payroll.localhost", "portal.localhost", "mail.localhost"];
/// Nothing on loopback takes this long; what does has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const METRICS_TOKEN: &str = "a metrics token";

pub(crate) struct Platform {
    pub(crate) clock: Clock,
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) seen: tokio::sync::Mutex<mpsc::UnboundedReceiver<Seen>>,
    pub(crate) gateway: Gateway,
    pub(crate) client: Client,
    pub(crate) authority_pem: String,
    pub(crate) port: u16,
    pub(crate) inner: SocketAddr,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Platform {
    /// Up, with its event feed live, and the clock one second past the feed's beginning.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let platform = Self::start_unready(change).await;
        platform.within(platform.gateway.ready()).await;
        platform.clock.advance(Duration::from_secs(1));
        platform
    }

    pub(crate) async fn start_unready(change: impl FnOnce(&mut Config)) -> Self {
        let (authority_pem, certificate, key) = certificates();
        let tls = runtime::tls::server_config(certificate.as_bytes(), key.as_bytes()).unwrap();
        let client = Client::new(Some(authority_pem.as_bytes())).unwrap();
        let clock = Clock::manual(Timestamp::from_seconds(1_800_000_000));
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let (outer, idp, inside) =
            (listen::bind(&[any]).await.unwrap(), listen::bind(&[any]).await.unwrap(), listen::bind(&[any]).await.unwrap());
        let (port, idp_port, inner) = (outer.addresses()[0].port(), idp.addresses()[0].port(), inside.addresses()[0]);

        let issuer = Arc::new(Issuer::new(format!("https://localhost:{idp_port}"), clock.clone(), client.clone()));
        issuer.publish("payroll", &format!("https://payroll.localhost:{port}/"), &format!("http://{inner}/"), &[]);
        let grace = ["countersign:resilience=60"];
        issuer.publish("portal", &format!("https://portal.localhost:{port}/"), &format!("http://{inner}/"), &grace);
        let legacy = ["countersign:httpBasic"];
        issuer.publish("mail", &format!("https://mail.localhost:{port}/"), &format!("http://{inner}/base/"), &legacy);

        let (sender, receiver) = mpsc::unbounded_channel();
        let upstream = Arc::new(Upstream { seen: sender, requests: Mutex::default() });
        let mut config = Config::new(
            Url::parse(&issuer.issuer()).unwrap(),
            AppId::new(GATEWAY),
            SecretString::from(SECRET),
            Url::parse(&format!("https://gateway.localhost:{port}")).unwrap(),
        );
        config.metrics_token = Some(SecretString::from(METRICS_TOKEN));
        change(&mut config);
        let gateway = Gateway::start(config, clock.clone(), client.clone()).unwrap();

        let serving = issuer.clone();
        let service = move |request, _| serving.clone().handle(request);
        tasks.spawn(listen::serve(idp, Some(tls.clone()), limits(), service, shutdown.clone()));
        let serving = upstream.clone();
        let service = move |request, _| serving.clone().handle(request);
        tasks.spawn(listen::serve(inside, None, limits(), service, shutdown.clone()));
        let serving = gateway.clone();
        let service = move |request, peer| {
            let gateway = serving.clone();
            async move { gateway.handle(request, peer).await }
        };
        tasks.spawn(listen::serve(outer, Some(tls), limits(), service, shutdown.clone()));
        let (running, stop) = (gateway.clone(), shutdown.clone());
        tasks.spawn(async move { running.run(stop).await });

        let seen = tokio::sync::Mutex::new(receiver);
        Self { clock, issuer, upstream, seen, gateway, client, authority_pem, port, inner, tasks, shutdown }
    }

    pub(crate) fn browser(&self, application: &str) -> Browser<'_> {
        Browser::new(self, application)
    }

    /// Turns the clock and lets the gateway look at it.
    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.gateway.turn();
    }

    /// Waits for something that the application sees.
    pub(crate) async fn sees(&self, wanted: Seen) {
        let mut seen = self.seen.lock().await;
        self.within(async { while seen.recv().await != Some(wanted.clone()) {} }).await;
    }

    /// Bounded, so that a failure is a failed test and not a stuck one.
    pub(crate) async fn within<T>(&self, future: impl Future<Output = T>) -> T {
        tokio::time::timeout(PATIENCE, future).await.expect("in time")
    }

    /// What the gateway tells whoever collects its metrics.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let answer = self.browser("gateway").get("/metrics", &[("authorization", &format!("Bearer {METRICS_TOKEN}"))]).await;
        let text = String::from_utf8(answer.body().to_vec()).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("countersign_gateway_{name} ")));
        line.unwrap_or_else(|| panic!("{name} in {text}")).parse().unwrap()
    }

    /// How many requests reached the application.
    pub(crate) fn reached(&self) -> usize {
        self.upstream.requests.lock().unwrap().len()
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.close();
        tokio::time::timeout(PATIENCE, self.tasks.wait()).await.expect("an end");
    }
}

fn limits() -> Limits {
    Limits { grace: Duration::from_millis(200), ..Limits::default() }
}

fn certificates() -> (String, String, String) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(HOSTS.map(str::to_owned).to_vec()).unwrap().signed_by(&key, &authority).unwrap();
    (authority.pem(), certificate.pem(), key.serialize_pem())
}
