//! Clients that hold one stream open: a WebSocket, server-sent events, a slow download. Each is open when its first data
//! has come, and then reads on until it ends, noting the instant and how it ended.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use runtime::Clock;
use runtime::client::{Client, ClientError, full, loopback};
use rustls_pki_types::ServerName;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, ClientRequestBuilder, Message};
use url::Url;

/// How long a stream may take to open and to bring its first data.
const OPENING_TIME: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    #[error("{url} did not open within {} seconds", OPENING_TIME.as_secs())]
    Time { url: Url },
    #[error("{url} answered {status}")]
    Refused { url: Url, status: StatusCode },
    #[error("{0} ended before any data came")]
    Empty(Url),
    #[error("`{0}` is not an address that a stream can be opened at")]
    Address(Url),
    #[error("{url} is out of reach")]
    Unreachable {
        url: Url,
        #[source]
        source: std::io::Error,
    },
    #[error("no answer from {url}")]
    Unanswered {
        url: Url,
        #[source]
        source: ClientError,
    },
    #[error("TLS could not be set up")]
    Tls(#[from] runtime::tls::TlsError),
    #[error("{url} did not take up the WebSocket")]
    WebSocket {
        url: Url,
        #[source]
        source: Box<tungstenite::Error>,
    },
}

/// A stream that is open: data has come, and more is read in the background until it ends or this is dropped.
#[derive(Debug)]
pub struct OpenStream {
    received: Arc<AtomicU64>,
    reader: JoinHandle<Cut>,
}

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// By the clock given when it was opened (`Clock::monotonic`).
    pub at: Duration,
    /// Bytes received in all.
    pub received: u64,
    /// It ended as the protocol ends what is complete; `false` for a reset, or less than was announced.
    pub complete: bool,
    pub how: String,
}

impl OpenStream {
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub fn is_open(&self) -> bool {
        !self.reader.is_finished()
    }

    /// Waits for the end, at most `limit`; `None` when it is still open then.
    pub async fn cut(mut self, limit: Duration) -> Option<Cut> {
        tokio::time::timeout(limit, &mut self.reader).await.ok()?.ok()
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// An answer with a body that keeps coming: server-sent events, or a download.
pub async fn open_body(client: &Client, url: &Url, headers: HeaderMap, clock: &Clock) -> Result<OpenStream, StreamError> {
    let mut request = Request::new(full(Bytes::new()));
    *request.uri_mut() = url.as_str().parse().map_err(|_| StreamError::Address(url.clone()))?;
    *request.headers_mut() = headers;
    let opening = async {
        let answer = client.open(request).await.map_err(|source| StreamError::Unanswered { url: url.clone(), source })?;
        if answer.status() != StatusCode::OK {
            return Err(StreamError::Refused { url: url.clone(), status: answer.status() });
        }
        let announced = content_length(&answer);
        let mut body = answer.into_body();
        let first = next_data(&mut body).await;
        match first {
            Some(Ok(data)) => Ok((body, announced, data.len() as u64)),
            Some(Err(_)) | None => Err(StreamError::Empty(url.clone())),
        }
    };
    let (mut body, announced, first) =
        tokio::time::timeout(OPENING_TIME, opening).await.map_err(|_| StreamError::Time { url: url.clone() })??;
    let received = Arc::new(AtomicU64::new(first));
    let (counter, clock) = (received.clone(), clock.clone());
    let reader = tokio::spawn(async move {
        loop {
            match next_data(&mut body).await {
                Some(Ok(data)) => counter.fetch_add(data.len() as u64, Ordering::Relaxed),
                end => {
                    let received = counter.load(Ordering::Relaxed);
                    let complete = end.is_none() && announced.is_none_or(|length| length == received);
                    let how = end.map_or_else(
                        || "end of body".to_owned(),
                        |error| error.map_or_else(|error| error.to_string(), |_| String::new()),
                    );
                    return Cut { at: clock.monotonic(), received, complete, how };
                }
            };
        }
    });
    Ok(OpenStream { received, reader })
}

/// A WebSocket over TLS (HTTP/1.1). It is open when the first message has come; `greeting` is sent before that.
pub async fn open_web_socket(
    authorities_pem: &[u8],
    url: &Url,
    headers: HeaderMap,
    greeting: &str,
    clock: &Clock,
) -> Result<OpenStream, StreamError> {
    let opening = async {
        let stream = connect(authorities_pem, url).await?;
        let mut web_socket = upgrade(stream, url, headers).await?;
        let failed = |source| StreamError::WebSocket { url: url.clone(), source: Box::new(source) };
        web_socket.send(Message::text(greeting)).await.map_err(failed)?;
        match web_socket.next().await {
            Some(Ok(message)) => Ok((web_socket, message.len() as u64)),
            Some(Err(source)) => Err(failed(source)),
            None => Err(StreamError::Empty(url.clone())),
        }
    };
    let (mut web_socket, first) =
        tokio::time::timeout(OPENING_TIME, opening).await.map_err(|_| StreamError::Time { url: url.clone() })??;
    let received = Arc::new(AtomicU64::new(first));
    let (counter, clock) = (received.clone(), clock.clone());
    let reader = tokio::spawn(async move {
        let mut complete = false;
        let how = loop {
            match web_socket.next().await {
                Some(Ok(Message::Close(frame))) => {
                    complete = true;
                    break frame.map_or_else(
                        || "close frame".to_owned(),
                        |frame| format!("close frame {}: {}", frame.code, frame.reason),
                    );
                }
                Some(Ok(message)) => drop(counter.fetch_add(message.len() as u64, Ordering::Relaxed)),
                Some(Err(error)) => break error.to_string(),
                None => break "end of stream".to_owned(),
            }
        };
        Cut { at: clock.monotonic(), received: counter.load(Ordering::Relaxed), complete, how }
    });
    Ok(OpenStream { received, reader })
}

async fn connect(authorities_pem: &[u8], url: &Url) -> Result<TlsStream<TcpStream>, StreamError> {
    let host = url.host_str().ok_or_else(|| StreamError::Address(url.clone()))?;
    let port = url.port_or_known_default().ok_or_else(|| StreamError::Address(url.clone()))?;
    let unreachable = |source| StreamError::Unreachable { url: url.clone(), source };
    let addresses: Vec<SocketAddr> = match loopback(host) {
        Some(addresses) => addresses.into_iter().map(|address| SocketAddr::new(address.ip(), port)).collect(),
        None => tokio::net::lookup_host((host, port)).await.map_err(unreachable)?.collect(),
    };
    let stream = TcpStream::connect(addresses.as_slice()).await.map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| StreamError::Address(url.clone()))?;
    let tls = TlsConnector::from(runtime::tls::client_config(Some(authorities_pem))?);
    tls.connect(name, stream).await.map_err(unreachable)
}

async fn upgrade(
    stream: TlsStream<TcpStream>,
    url: &Url,
    headers: HeaderMap,
) -> Result<WebSocketStream<TlsStream<TcpStream>>, StreamError> {
    let mut address = url.clone();
    // Only the scheme's name differs: what is asked for is the same host and path.
    address.set_scheme("wss").map_err(|()| StreamError::Address(url.clone()))?;
    let address = address.as_str().parse().map_err(|_| StreamError::Address(url.clone()))?;
    let mut request = ClientRequestBuilder::new(address);
    for (name, value) in &headers {
        request = request.with_header(name.as_str(), value.to_str().unwrap_or_default());
    }
    match tokio_tungstenite::client_async(request, stream).await {
        Ok((web_socket, _)) => Ok(web_socket),
        Err(tungstenite::Error::Http(answer)) => Err(StreamError::Refused { url: url.clone(), status: answer.status() }),
        Err(source) => Err(StreamError::WebSocket { url: url.clone(), source: Box::new(source) }),
    }
}

async fn next_data(body: &mut Incoming) -> Option<Result<Bytes, hyper::Error>> {
    loop {
        match body.frame().await? {
            Ok(frame) => match frame.into_data() {
                Ok(data) if !data.is_empty() => return Some(Ok(data)),
                Ok(_) | Err(_) => {}
            },
            Err(error) => return Some(Err(error)),
        }
    }
}

fn content_length(answer: &Response<Incoming>) -> Option<u64> {
    answer.headers().get(http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
