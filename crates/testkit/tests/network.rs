//! The browser and the stream clients before a real TLS server on loopback.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "the whole file is a test; helpers stand outside `#[test]`")]

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Request, Response};
use http_body_util::{BodyExt, Channel, Full};
use hyper::body::Incoming;
use runtime::client::{Body, Client};
use runtime::listen::{Limits, Listener, Peer};
use runtime::{Clock, listen, tls};
use std::convert::Infallible;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use testkit::browser::BrowserError;
use testkit::streams::{StreamError, open_body, open_web_socket};
use testkit::{Browser, Page};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

struct Certificate {
    certificate: String,
    key: String,
}

fn certificate() -> Certificate {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "app.localhost".to_owned()]).unwrap();
    Certificate { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
}

fn text(status: u16, headers: &[(&str, &str)], body: &'static str) -> Response<Body> {
    let mut answer = Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    answer.body(Full::new(Bytes::from_static(body.as_bytes())).map_err(|never: Infallible| match never {}).boxed()).unwrap()
}

const FORM: &str = r#"<body data-page="account"><form method="post" action="/signin/account">
    <input type="hidden" name="flow" value="f"><input name="username"></form>"#;

/// A little site: a redirect that sets a cookie, a form, an endless stream, a loop of redirects.
async fn site(request: Request<Incoming>, cut: CancellationToken) -> Response<Body> {
    let html = ("content-type", "text/html");
    let cookies = request.headers().get("cookie").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    match request.uri().path() {
        "/start" => {
            text(302, &[("location", "/form"), ("set-cookie", "__Host-browser=b; Secure; Path=/; HttpOnly; SameSite=Strict")], "")
        }
        "/form" => text(200, &[html], FORM),
        "/signin/account" => {
            let own =
                request.headers().get("origin").is_some_and(|origin| origin.to_str().unwrap().starts_with("https://localhost:"));
            let body = request.into_body().collect().await.unwrap().to_bytes();
            if own && cookies == "__Host-browser=b" && body == "flow=f&username=alex%40woodgrove.example" {
                text(303, &[("location", "https://client.localhost/callback?code=c")], "")
            } else {
                text(400, &[html], "wrong")
            }
        }
        "/loop" => text(307, &[("location", "/loop")], ""),
        "/stream" => {
            let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(4);
            tokio::spawn(async move {
                while !cut.is_cancelled() && sender.send_data(Bytes::from_static(b"data: tick\n\n")).await.is_ok() {
                    tokio::select! { () = cut.cancelled() => {}, () = tokio::task::yield_now() => {} }
                }
                sender.abort(std::io::Error::other("cut"));
            });
            Response::new(body.map_err(Into::into).boxed())
        }
        _ => text(404, &[], ""),
    }
}

async fn start(
    certificate: &Certificate,
    cut: CancellationToken,
    shutdown: CancellationToken,
) -> (u16, tokio::task::JoinHandle<()>) {
    let addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), SocketAddr::from((Ipv6Addr::LOCALHOST, 0))];
    let listener: Listener = listen::bind(&addresses).await.unwrap();
    let port = listener.addresses()[0].port();
    let tls = tls::server_config(certificate.certificate.as_bytes(), certificate.key.as_bytes()).unwrap();
    let service = move |request: Request<Incoming>, _: Peer| site(request, cut.clone());
    (port, tokio::spawn(listen::serve(listener, Some(tls), Limits::default(), service, shutdown)))
}

#[tokio::test]
async fn the_browser_keeps_cookies_follows_redirects_and_submits_forms() {
    let (certificate, shutdown) = (certificate(), CancellationToken::new());
    let (port, server) = start(&certificate, CancellationToken::new(), shutdown.clone()).await;
    let client = Client::new(Some(certificate.certificate.as_bytes())).unwrap();
    let mut browser = Browser::new(client, Clock::system());
    browser.stop_at("https://client.localhost/callback");

    let page: Page = browser.open(&format!("https://localhost:{port}/start")).await.unwrap();
    assert_eq!((page.url.path(), page.kind.as_str()), ("/form", "account"));
    let landed = browser.submit(&page, "/signin/account", &[("username", "alex@woodgrove.example")]).await.unwrap();
    assert_eq!(landed.query("code").as_deref(), Some("c"), "{}", landed.text);

    let lost = browser.submit(&page, "/signin/elsewhere", &[]).await.unwrap_err();
    assert!(matches!(lost, BrowserError::NoForm(..)), "{lost}");
    let endless = browser.open(&format!("https://localhost:{port}/loop")).await.unwrap_err();
    assert!(matches!(endless, BrowserError::Redirects(_)), "{endless}");
    // Another authority, another trust: nothing is sent.
    let stranger = Client::new(Some(self::certificate().certificate.as_bytes())).unwrap();
    let refused = Browser::new(stranger, Clock::system()).open(&format!("https://localhost:{port}/form")).await.unwrap_err();
    assert!(matches!(refused, BrowserError::Unanswered { .. }), "{refused}");
    shutdown.cancel();
    server.await.unwrap();
}

#[tokio::test]
async fn a_stream_tells_when_it_was_cut() {
    let (certificate, cut, shutdown) = (certificate(), CancellationToken::new(), CancellationToken::new());
    let (port, server) = start(&certificate, cut.clone(), shutdown.clone()).await;
    let client = Client::new(Some(certificate.certificate.as_bytes())).unwrap();
    let clock = Clock::system();
    let url = Url::parse(&format!("https://app.localhost:{port}/stream")).unwrap();
    let stream = open_body(&client, &url, http::HeaderMap::new(), &clock).await.unwrap();
    assert!(stream.is_open() && stream.received() > 0);
    let before = clock.monotonic();
    cut.cancel();
    let end = stream.cut(Duration::from_secs(10)).await.unwrap();
    assert!(end.at >= before && !end.complete, "{end:?}");

    let nothing = Url::parse(&format!("https://app.localhost:{port}/nothing")).unwrap();
    let refused = open_body(&client, &nothing, http::HeaderMap::new(), &clock).await.unwrap_err();
    assert!(matches!(refused, StreamError::Refused { status, .. } if status == 404), "{refused}");
    shutdown.cancel();
    server.await.unwrap();
}

#[tokio::test]
async fn a_web_socket_tells_when_it_was_cut() {
    let certificate = certificate();
    let tls = tls::server_config(certificate.certificate.as_bytes(), certificate.key.as_bytes()).unwrap();
    let mut tls = tls.as_ref().clone();
    tls.alpn_protocols.clear();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(tls));
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(acceptor.accept(stream).await.unwrap()).await.unwrap();
        let greeting = socket.next().await.unwrap().unwrap();
        socket.send(greeting).await.unwrap();
        // Dropped without a closing handshake: a cut.
    });
    let clock = Clock::system();
    let url = Url::parse(&format!("https://app.localhost:{port}/ws")).unwrap();
    let pem = certificate.certificate.as_bytes();
    let stream = open_web_socket(pem, &url, http::HeaderMap::new(), "hello", &clock).await.unwrap();
    let end = stream.cut(Duration::from_secs(10)).await.unwrap();
    assert_eq!((end.received, end.complete), (5, false), "{end:?}");
    server.await.unwrap();
}
