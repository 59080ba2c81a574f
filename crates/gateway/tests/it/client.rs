//! Those who knock: a browser with a cookie jar, and a raw connection for what no library would send.

use crate::platform::Platform;
use bytes::Bytes;
use http::header::{ACCEPT, COOKIE, LOCATION, SET_COOKIE};
use http::{Request, Response, StatusCode};
use runtime::client::{Body, full};
use rustls_pki_types::ServerName;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) const HTML: (&str, &str) = ("accept", "text/html");

pub(crate) struct Browser<'a> {
    platform: &'a Platform,
    application: String,
    pub(crate) cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(platform: &'a Platform, application: &str) -> Self {
        Self { platform, application: application.to_owned(), cookies: BTreeMap::new() }
    }

    pub(crate) fn origin(&self) -> String {
        format!("https://{}.localhost:{}", self.application, self.platform.port)
    }

    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> http::request::Builder {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.origin()));
        if !self.cookies.is_empty() {
            request = request.header(COOKIE, self.cookie_header());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request
    }

    pub(crate) fn cookie_header(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    pub(crate) async fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
        self.send("GET", path, headers, Bytes::new()).await
    }

    pub(crate) async fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: Bytes) -> Response<Bytes> {
        let request = self.request(method, path, headers).body(body).unwrap();
        let answer = self.platform.client.send(request).await.unwrap();
        self.take_cookies(&answer);
        answer
    }

    /// Opens a stream over the given body.
    pub(crate) async fn open(&self, method: &str, path: &str, body: Body) -> Response<hyper::body::Incoming> {
        let request = self.request(method, path, &[]).body(body).unwrap();
        self.platform.within(self.platform.client.open(request)).await.unwrap()
    }

    /// Follows the redirects to the issuer and back, as far as the answer to the callback.
    pub(crate) async fn sign_in_from(&mut self, path: &str) -> Response<Bytes> {
        let answer = self.get(path, &[HTML]).await;
        assert_eq!(answer.status(), StatusCode::FOUND, "{answer:?}");
        self.follow_sign_in(&location(&answer)).await
    }

    pub(crate) async fn follow_sign_in(&mut self, authorize: &str) -> Response<Bytes> {
        let callback = self.authorize(authorize).await;
        self.callback(&callback).await
    }

    /// What the issuer sends the browser back with.
    pub(crate) async fn authorize(&self, address: &str) -> String {
        let request = Request::get(address).header(ACCEPT, "text/html").body(Bytes::new()).unwrap();
        location(&self.platform.client.send(request).await.unwrap())
    }

    pub(crate) async fn callback(&mut self, address: &str) -> Response<Bytes> {
        let path = address.strip_prefix(&self.origin()).expect("a callback of this application").to_owned();
        self.get(&path, &[HTML]).await
    }

    pub(crate) async fn signed_in(mut self) -> Self {
        let answer = self.sign_in_from("/").await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{answer:?}");
        assert!(self.cookies.contains_key("__Host-access"));
        self
    }

    /// A status that tells whether this browser is admitted to an ordinary page.
    pub(crate) async fn status(&mut self) -> u16 {
        self.get("/echo", &[]).await.status().as_u16()
    }

    fn take_cookies(&mut self, answer: &Response<Bytes>) {
        for value in answer.headers().get_all(SET_COOKIE) {
            let text = value.to_str().unwrap();
            assert!(text.contains("; Path=/; Secure; HttpOnly; SameSite=Lax") || !text.starts_with("__Host-"), "{text}");
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            if text.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

pub(crate) fn location(answer: &Response<Bytes>) -> String {
    answer.headers().get(LOCATION).unwrap_or_else(|| panic!("{answer:?}")).to_str().unwrap().to_owned()
}

/// Name and value of each header that the application saw.
pub(crate) fn seen_headers(body: &Bytes) -> BTreeMap<String, String> {
    let value: Value = serde_json::from_slice(body).unwrap();
    let headers = value["headers"].as_array().unwrap();
    headers.iter().map(|pair| (pair[0].as_str().unwrap().to_owned(), pair[1].as_str().unwrap().to_owned())).collect()
}

pub(crate) fn no_body() -> Body {
    full(Bytes::new())
}

/// HTTP/1.1 over TLS, byte for byte.
pub(crate) struct Raw {
    stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
}

impl Raw {
    pub(crate) async fn connect(platform: &Platform, host: &str) -> Self {
        let config = runtime::tls::client_config(Some(platform.authority_pem.as_bytes())).unwrap();
        let mut config = Arc::unwrap_or_clone(config);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let tcp = TcpStream::connect(("127.0.0.1", platform.port)).await.unwrap();
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The head of the next answer.
    pub(crate) async fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let rest = self.buffer.split_off(end + 4);
                return String::from_utf8(std::mem::replace(&mut self.buffer, rest)).unwrap();
            }
            if !self.read_more().await {
                return String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned();
            }
        }
    }

    /// The next bytes, at least one; none at the end.
    pub(crate) async fn bytes(&mut self) -> Vec<u8> {
        if self.buffer.is_empty() {
            self.read_more().await;
        }
        std::mem::take(&mut self.buffer)
    }

    /// Everything until the other side ends.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.read_more().await {}
        std::mem::take(&mut self.buffer)
    }

    async fn read_more(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let read = tokio::time::timeout(crate::platform::PATIENCE, self.stream.read(&mut bytes)).await.expect("in time");
        match read {
            Ok(count @ 1..) => {
                self.buffer.extend_from_slice(&bytes[..count]);
                true
            }
            // An end without the TLS goodbye is an end too.
            Ok(0) | Err(_) => false,
        }
    }
}
