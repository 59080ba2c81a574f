//! The server loop of every shell: accept, TLS, HTTP/1.1 or HTTP/2, bounded everywhere, ended gracefully.

use crate::idle::{Activity, Counted};
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Who is at the other end of the connection. The only address that anything here believes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pub address: SocketAddr,
}

/// What one listener spends on strangers.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; the next one waits in the kernel's queue.
    pub connections: usize,
    /// Connections at once from one address (of IPv6, one /64); the next one is closed. Less than `connections`, so
    /// that no single stranger can take them all.
    pub connections_per_address: usize,
    pub handshake_time: Duration,
    /// From a connection's or request's beginning to the end of the request's head, and how long a connection without
    /// a request is kept.
    pub head_time: Duration,
    /// Bytes of a request's head.
    pub head_size: usize,
    pub header_count: usize,
    /// Requests at once on one HTTP/2 connection.
    pub streams: u32,
    /// How long requests in flight may take to end after `shutdown`.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_000,
            connections_per_address: 12_000,
            handshake_time: Duration::from_secs(10),
            head_time: Duration::from_secs(30),
            head_size: 32 * 1024,
            header_count: 100,
            streams: 128,
            grace: Duration::from_secs(5),
        }
    }
}

/// Bound sockets, not yet served: so that a port in use is known before anything else starts.
#[derive(Debug)]
pub struct Listener {
    sockets: Vec<TcpListener>,
}

impl Listener {
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect()
    }
}

/// Binds every address, or none. Where the first has port 0, the others take the port that it was given.
pub async fn bind(addresses: &[SocketAddr]) -> io::Result<Listener> {
    let mut sockets: Vec<TcpListener> = Vec::new();
    for address in addresses {
        let mut address = *address;
        if let (0, Some(first)) = (address.port(), sockets.first()) {
            address.set_port(first.local_addr()?.port());
        }
        sockets.push(TcpListener::bind(address).await?);
    }
    Ok(Listener { sockets })
}

/// Serves until `shutdown`, then waits for what is in flight, at most `limits.grace`.
///
/// Over TLS the client chooses HTTP/1.1 or HTTP/2 by ALPN; in the clear there is HTTP/1.1 alone.
pub async fn serve<S, F, B>(
    listener: Listener,
    tls: Option<Arc<ServerConfig>>,
    limits: Limits,
    service: S,
    shutdown: CancellationToken,
) where
    S: Fn(Request<Incoming>, Peer) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let connections = TaskTracker::new();
    let places = Places::new(limits);
    let acceptor = tls.map(TlsAcceptor::from);
    let abort = CancellationToken::new();
    let mut loops = tokio::task::JoinSet::new();
    for socket in listener.sockets {
        let (service, shutdown, abort) = (service.clone(), shutdown.clone(), abort.clone());
        let (connections, places, acceptor) = (connections.clone(), places.clone(), acceptor.clone());
        loops.spawn(async move {
            while let Some((stream, peer, place)) = next_connection(&socket, &places, &shutdown).await {
                let (service, shutdown, abort, acceptor) = (service.clone(), shutdown.clone(), abort.clone(), acceptor.clone());
                connections.spawn(async move {
                    let _place = place;
                    tokio::select! {
                        () = abort.cancelled() => {}
                        () = serve_connection(stream, peer, acceptor, limits, service, shutdown) => {}
                    }
                });
            }
        });
    }
    while loops.join_next().await.is_some() {}
    connections.close();
    if tokio::time::timeout(limits.grace, connections.wait()).await.is_err() {
        abort.cancel();
        connections.wait().await;
    }
}

/// The connections that there may be, in all and from one address.
#[derive(Clone, Debug)]
struct Places {
    all: Arc<Semaphore>,
    by_address: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
    per_address: usize,
}

/// One connection's place; given back when dropped.
#[derive(Debug)]
struct Place {
    places: Places,
    address: IpAddr,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    fn new(limits: Limits) -> Self {
        Self {
            all: Arc::new(Semaphore::new(limits.connections)),
            by_address: Arc::default(),
            per_address: limits.connections_per_address,
        }
    }

    fn take(&self, address: IpAddr, permit: OwnedSemaphorePermit) -> Option<Place> {
        let address = neighbourhood(address);
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = by_address.entry(address).or_default();
        if *taken >= self.per_address {
            return None;
        }
        *taken += 1;
        Some(Place { places: self.clone(), address, _permit: permit })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut by_address = self.places.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = by_address.get_mut(&self.address) {
            *taken = taken.saturating_sub(1);
            if *taken == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}

/// What one party can have as many addresses of as it likes counts as one: an IPv6 /64.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

async fn next_connection(
    socket: &TcpListener,
    places: &Places,
    shutdown: &CancellationToken,
) -> Option<(TcpStream, Peer, Place)> {
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return None,
            accepted = async {
                let permit = places.all.clone().acquire_owned().await;
                (socket.accept().await, permit)
            } => accepted,
        };
        match accepted {
            (Ok((stream, address)), Ok(permit)) => match places.take(address.ip(), permit) {
                Some(place) => return Some((stream, Peer { address }, place)),
                None => tracing::debug!("one address holds too many connections"),
            },
            (_, Err(_)) => return None,
            // Out of descriptors, or a connection gone before it was taken: the listener itself is sound.
            (Err(error), Ok(_)) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve_connection<S, F, B>(
    stream: TcpStream,
    peer: Peer,
    acceptor: Option<TlsAcceptor>,
    limits: Limits,
    service: S,
    shutdown: CancellationToken,
) where
    S: Fn(Request<Incoming>, Peer) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // A socket that refuses the option still carries data.
    let _ = stream.set_nodelay(true);
    let Some(acceptor) = acceptor else {
        return serve_http(stream, Version::Http1, peer, limits, service, shutdown).await;
    };
    match tokio::time::timeout(limits.handshake_time, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let version = if stream.get_ref().1.alpn_protocol() == Some(b"h2") { Version::Http2 } else { Version::Http1 };
            serve_http(stream, version, peer, limits, service, shutdown).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
        Err(_) => tracing::debug!("TLS handshake took too long"),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Http1,
    Http2,
}

async fn serve_http<T, S, F, B>(stream: T, version: Version, peer: Peer, limits: Limits, service: S, shutdown: CancellationToken)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Fn(Request<Incoming>, Peer) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let activity = Activity::default();
    let in_flight = activity.clone();
    let service = service_fn(move |request| {
        let request_in_flight = in_flight.begin();
        let answer = service(request, peer);
        async move { Ok::<_, Infallible>(answer.await.map(|body| Counted::new(body, request_in_flight))) }
    });
    let stream = TokioIo::new(stream);
    match version {
        Version::Http1 => {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.head_time)
                .max_headers(limits.header_count)
                .max_buf_size(limits.head_size.max(8192))
                .serve_connection(stream, service)
                .with_upgrades();
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = shutdown.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            report(ended);
        }
        Version::Http2 => {
            let connection = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_concurrent_streams(limits.streams)
                .max_header_list_size(u32::try_from(limits.head_size).unwrap_or(u32::MAX))
                .max_pending_accept_reset_streams(20)
                .max_local_error_reset_streams(Some(100))
                .keep_alive_interval(Some(limits.head_time))
                .keep_alive_timeout(limits.handshake_time)
                .serve_connection(stream, service);
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = shutdown.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
                // HTTP/1.1 has its head time; here a client may be silent from its first byte on.
                () = activity.idle(limits.head_time) => {
                    connection.as_mut().graceful_shutdown();
                    tokio::time::timeout(limits.head_time, connection).await.unwrap_or(Ok(()))
                }
            };
            report(ended);
        }
    }
}

fn report(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}
