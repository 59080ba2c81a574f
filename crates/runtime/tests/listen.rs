//! The server loop and the client against each other, over loopback.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use runtime::client::{Client, loopback};
use runtime::listen::{Limits, Peer, bind, serve};
use runtime::tls;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

#[expect(clippy::unwrap_used, reason = "a test's helper")]
fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "payroll.localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

async fn hello(request: Request<hyper::body::Incoming>, peer: Peer) -> Response<Full<Bytes>> {
    let text = format!("{:?} {} {}", request.version(), request.uri().path(), peer.address.ip().is_loopback());
    Response::new(Full::new(Bytes::from(text)))
}

#[tokio::test]
async fn a_client_reaches_a_loopback_name_over_tls_and_the_server_ends_when_told() {
    let (certificate, key) = certificate();
    let listener = bind(&["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()]).await.unwrap();
    let port = listener.addresses()[0].port();
    assert!(listener.addresses().iter().all(|address| address.port() == port));
    let shutdown = CancellationToken::new();
    let tls = tls::server_config(certificate.as_bytes(), key.as_bytes()).unwrap();
    let server = tokio::spawn(serve(listener, Some(tls), Limits::default(), hello, shutdown.clone()));

    let client = Client::new(Some(certificate.as_bytes())).unwrap();
    let url = format!("https://payroll.localhost:{port}/here");
    let answer = client.send(Request::get(&url).body(Bytes::new()).unwrap()).await.unwrap();
    assert_eq!(answer.body(), "HTTP/2.0 /here true");

    let stranger = Client::new(None).unwrap();
    assert!(stranger.send(Request::get(&url).body(Bytes::new()).unwrap()).await.is_err());

    shutdown.cancel();
    server.await.unwrap();
}

#[tokio::test]
async fn a_client_that_never_finishes_its_request_is_dropped() {
    let listener = bind(&["127.0.0.1:0".parse().unwrap()]).await.unwrap();
    let address = listener.addresses()[0];
    let shutdown = CancellationToken::new();
    let limits = Limits { head_time: Duration::from_millis(100), ..Limits::default() };
    let server = tokio::spawn(serve(listener, None, limits, hello, shutdown.clone()));

    let mut slow = tokio::net::TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow:").await.unwrap();
    let mut answer = Vec::new();
    slow.read_to_end(&mut answer).await.unwrap();
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));

    shutdown.cancel();
    server.await.unwrap();
}

/// A TLS connection that offers `protocol` and then says nothing.
#[expect(clippy::unwrap_used, reason = "a test's helper")]
async fn silent(address: std::net::SocketAddr, certificate: &str, protocol: &[u8]) -> std::io::Result<usize> {
    let mut config = tls::client_config(Some(certificate.as_bytes())).unwrap().as_ref().clone();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = tokio::net::TcpStream::connect(address).await?;
    let name = "localhost".try_into().unwrap();
    let mut stream = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config)).connect(name, stream).await?;
    stream.read_to_end(&mut Vec::new()).await
}

#[tokio::test]
async fn a_client_that_says_nothing_after_the_handshake_is_dropped() {
    let (certificate, key) = certificate();
    let listener = bind(&["127.0.0.1:0".parse().unwrap()]).await.unwrap();
    let address = listener.addresses()[0];
    let shutdown = CancellationToken::new();
    let limits = Limits { head_time: Duration::from_millis(100), ..Limits::default() };
    let tls = tls::server_config(certificate.as_bytes(), key.as_bytes()).unwrap();
    let server = tokio::spawn(serve(listener, Some(tls), limits, hello, shutdown.clone()));
    for protocol in [b"http/1.1".as_slice(), b"h2"] {
        // Ended by the server, cleanly or not: what matters is that it ends.
        let _ = silent(address, &certificate, protocol).await;
    }
    shutdown.cancel();
    server.await.unwrap();
}

#[tokio::test]
async fn one_address_cannot_take_every_connection() {
    let listener = bind(&["127.0.0.1:0".parse().unwrap()]).await.unwrap();
    let address = listener.addresses()[0];
    let shutdown = CancellationToken::new();
    let limits = Limits { connections_per_address: 2, ..Limits::default() };
    let server = tokio::spawn(serve(listener, None, limits, hello, shutdown.clone()));
    let held = [tokio::net::TcpStream::connect(address).await.unwrap(), tokio::net::TcpStream::connect(address).await.unwrap()];
    let mut third = tokio::net::TcpStream::connect(address).await.unwrap();
    assert_eq!(third.read(&mut [0; 1]).await.unwrap_or(0), 0);
    drop(held);
    shutdown.cancel();
    server.await.unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_an_error_and_binds_nothing() {
    let first = bind(&["127.0.0.1:0".parse().unwrap()]).await.unwrap();
    assert!(bind(&[first.addresses()[0]]).await.is_err());
}

#[test]
fn only_localhost_and_names_below_it_are_loopback() {
    assert!(loopback("localhost").is_some());
    assert!(loopback("Payroll.LOCALHOST.").is_some());
    assert!(loopback("notlocalhost").is_none());
    assert!(loopback("localhost.example").is_none());
}
