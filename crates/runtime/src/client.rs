//! The HTTP client of every shell: HTTP/1.1 and HTTP/2, a connection pool, bounded time and size.
//!
//! `localhost` and every `*.localhost` name are loopback here (RFC 6761 §6.3), whatever the system's resolver thinks.

use crate::tls::{self, TlsError};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::error::Error;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

pub type BoxError = Box<dyn Error + Send + Sync>;
pub type Body = http_body_util::combinators::BoxBody<Bytes, BoxError>;

/// The most that `send` reads of an answer.
const ANSWER_LIMIT: usize = 8 * 1024 * 1024;
/// The longest that `send` waits, connecting included.
const ANSWER_TIME: Duration = Duration::from_secs(30);
const CONNECT_TIME: Duration = Duration::from_secs(5);
const IDLE_TIME: Duration = Duration::from_secs(30);
const IDLE_PER_HOST: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("no answer within {} seconds", ANSWER_TIME.as_secs())]
    Time,
    #[error("request failed")]
    Request(#[source] hyper_util::client::legacy::Error),
    #[error("answer unreadable or over {ANSWER_LIMIT} bytes")]
    Answer(#[source] BoxError),
}

#[derive(Clone, Debug)]
pub struct Client {
    inner: hyper_util::client::legacy::Client<HttpsConnector<HttpConnector<Resolver>>, Body>,
}

/// How a client connects.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub versions: Versions,
    pub connect_time: Duration,
    pub idle_per_host: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// For upgrades, which HTTP/2 does not have (RFC 9110 §7.8).
    Http1,
    Http1AndHttp2,
}

impl Default for Settings {
    fn default() -> Self {
        Self { versions: Versions::Http1AndHttp2, connect_time: CONNECT_TIME, idle_per_host: IDLE_PER_HOST }
    }
}

impl Client {
    /// A client that trusts the certificate authorities in `authorities_pem` alone.
    pub fn new(authorities_pem: Option<&[u8]>) -> Result<Self, TlsError> {
        Self::with(authorities_pem, Settings::default())
    }

    pub fn with(authorities_pem: Option<&[u8]>, settings: Settings) -> Result<Self, TlsError> {
        let tls = tls::client_config(authorities_pem)?;
        let mut connector = HttpConnector::new_with_resolver(Resolver);
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(settings.connect_time));
        let builder = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls.as_ref().clone()).https_or_http();
        let connector = match settings.versions {
            Versions::Http1 => builder.enable_http1().wrap_connector(connector),
            Versions::Http1AndHttp2 => builder.enable_http1().enable_http2().wrap_connector(connector),
        };
        let inner = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME)
            .pool_max_idle_per_host(settings.idle_per_host)
            .build(connector);
        Ok(Self { inner })
    }

    /// A whole answer, bounded in size and time.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ClientError> {
        let exchange = async {
            let (head, body) = self.open(request.map(full)).await?.into_parts();
            let body = Limited::new(body, ANSWER_LIMIT).collect().await.map_err(ClientError::Answer)?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        tokio::time::timeout(ANSWER_TIME, exchange).await.map_err(|_| ClientError::Time)?
    }

    /// The answer's head as soon as it comes, its body as it streams. The caller bounds size and time.
    pub async fn open(&self, request: Request<Body>) -> Result<Response<Incoming>, ClientError> {
        self.inner.request(request).await.map_err(ClientError::Request)
    }
}

/// A body of known bytes.
pub fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

/// The system's resolver, but for loopback names.
#[derive(Clone, Copy, Debug)]
pub struct Resolver;

/// The addresses that `host` has by definition: both loopback ones for `localhost` and names below it.
pub fn loopback(host: &str) -> Option<[SocketAddr; 2]> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let is_loopback = host == "localhost" || host.ends_with(".localhost");
    is_loopback.then(|| [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), SocketAddr::from((Ipv6Addr::LOCALHOST, 0))])
}

impl tower::Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(async move {
            if let Some(addresses) = loopback(name.as_str()) {
                return Ok(Vec::from(addresses).into_iter());
            }
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(found.into_iter())
        })
    }
}
