//! Requests that two servers would read differently, byte for byte over TLS.

use crate::client::Raw;
use crate::platform::Platform;

/// What the gateway answers to `lines`, sent as one request with a good session, and what reached the application.
async fn send(platform: &Platform, cookie: &str, request: &str) -> (String, usize) {
    let before = platform.reached();
    let host = format!("payroll.localhost:{}", platform.port);
    let mut raw = Raw::connect(platform, "payroll.localhost").await;
    raw.write(request.replace("HOST", &host).replace("COOKIE", cookie).as_bytes()).await;
    let head = raw.head().await;
    (head.lines().next().unwrap_or_default().to_owned(), platform.reached() - before)
}

#[tokio::test]
async fn ambiguous_requests_reach_nobody() {
    let platform = Platform::start().await;
    let browser = platform.browser("payroll").signed_in().await;
    let cookie = browser.cookie_header();
    let ok = "GET /echo HTTP/1.1\r\nHost: HOST\r\nCookie: COOKIE\r\n\r\n";
    assert_eq!(send(&platform, &cookie, ok).await, ("HTTP/1.1 200 OK".to_owned(), 1));
    let absolute = "GET https://HOST/echo HTTP/1.1\r\nHost: HOST\r\nCookie: COOKIE\r\n\r\n";
    assert_eq!(send(&platform, &cookie, absolute).await, ("HTTP/1.1 200 OK".to_owned(), 1));

    let head = "Host: HOST\r\nCookie: COOKIE\r\n";
    for request in [
        format!("POST /echo HTTP/1.1\r\n{head}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
        format!("POST /echo HTTP/1.1\r\n{head}Content-Length: 5, 5\r\n\r\nhello"),
        format!("POST /echo HTTP/1.1\r\n{head}Content-Length: +5\r\n\r\nhello"),
        format!("POST /echo HTTP/1.1\r\n{head}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        format!("POST /echo HTTP/1.1\r\n{head}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        format!("POST /echo HTTP/1.1\r\n{head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        format!("POST /echo HTTP/1.1\r\n{head}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
        format!("POST /echo HTTP/1.0\r\n{head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("GET /echo HTTP/1.1\r\n{head}X: a\r\n folded\r\n\r\n"),
        format!("GET /echo HTTP/1.1\r\n{head}Host: other.localhost\r\n\r\n"),
        format!("GET /echo HTTP/1.1\r\n{head}Remote_User: ada\r\n\r\n"),
        format!("GET /echo HTTP/1.1\r\n{head}Bad Name: x\r\n\r\n"),
        format!("GET https://portal.localhost/echo HTTP/1.1\r\n{head}\r\n"),
        format!("GET http://HOST/echo HTTP/1.1\r\n{head}\r\n"),
        format!("GET /a/../echo HTTP/1.1\r\n{head}\r\n"),
        format!("GET /a/..;/echo HTTP/1.1\r\n{head}\r\n"),
        format!("GET /%2e%2e/echo HTTP/1.1\r\n{head}\r\n"),
        format!("GET /a%2fecho HTTP/1.1\r\n{head}\r\n"),
        format!("GET /a%5cecho HTTP/1.1\r\n{head}\r\n"),
        format!("GET /echo%00 HTTP/1.1\r\n{head}\r\n"),
        format!("GET /echo\\x HTTP/1.1\r\n{head}\r\n"),
        format!("OPTIONS * HTTP/1.1\r\n{head}\r\n"),
        format!("TRACE /echo HTTP/1.1\r\n{head}\r\n"),
        format!("CONNECT HOST HTTP/1.1\r\n{head}\r\n"),
        "GET /echo HTTP/1.1\r\nCookie: COOKIE\r\n\r\n".to_owned(),
        format!("GET /echo HTTP/1.1\r\n{head}X: {}\r\n\r\n", "x".repeat(40_000)),
        format!("GET /echo HTTP/1.1\r\n{head}{}\r\n", "X: y\r\n".repeat(120)),
        format!("GET /{} HTTP/1.1\r\n{head}\r\n", "x".repeat(9_000)),
    ] {
        let (line, reached) = send(&platform, &cookie, &request).await;
        let refused = line.starts_with("HTTP/1.1 4") || line.starts_with("HTTP/1.0 4") || line.is_empty();
        assert!(refused && reached == 0, "{line:?} {reached} for {request:.120}");
    }
    platform.stop().await;
}

/// hyper takes the coding, forgets the length, and closes the connection after (RFC 9112 §6.3), so a smuggled second
/// request is never read as one.
#[tokio::test]
async fn a_length_beside_chunked_smuggles_nothing() {
    let platform = Platform::start().await;
    let browser = platform.browser("payroll").signed_in().await;
    let smuggled = format!("GET /smuggled HTTP/1.1\r\nHost: x\r\nCookie: {}\r\n\r\n", browser.cookie_header());
    for framing in ["Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"]
    {
        let mut raw = Raw::connect(&platform, "payroll.localhost").await;
        let host = format!("payroll.localhost:{}", platform.port);
        let cookie = browser.cookie_header();
        let request = format!("POST /echo HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n{framing}\r\n0\r\n\r\n{smuggled}");
        raw.write(request.as_bytes()).await;
        let answers = String::from_utf8_lossy(&raw.rest().await).into_owned();
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers}");
    }
    let requests = platform.upstream.requests.lock().unwrap().clone();
    assert!(requests.iter().all(|request| request["target"] == "/echo"), "{requests:?}");
    let framed_once = requests.iter().all(|request| {
        let names: Vec<_> = request["headers"].as_array().unwrap().iter().map(|pair| pair[0].as_str().unwrap()).collect();
        !(names.contains(&"content-length") && names.contains(&"transfer-encoding"))
    });
    assert!(framed_once, "{requests:?}");
    platform.stop().await;
}

#[tokio::test]
async fn trailers_and_foreign_upgrades_stay_behind() {
    let platform = Platform::start().await;
    let browser = platform.browser("payroll").signed_in().await;
    let cookie = browser.cookie_header();
    let trailers = "POST /echo HTTP/1.1\r\nHost: HOST\r\nCookie: COOKIE\r\nTrailer: Remote-User\r\nTransfer-Encoding: chunked\r\n\r\n\
                    5\r\nhello\r\n0\r\nRemote-User: ada\r\n\r\n";
    assert_eq!(send(&platform, &cookie, trailers).await, ("HTTP/1.1 200 OK".to_owned(), 1));
    let upgrade = "GET /echo HTTP/1.1\r\nHost: HOST\r\nCookie: COOKIE\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                   HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n";
    assert_eq!(send(&platform, &cookie, upgrade).await, ("HTTP/1.1 200 OK".to_owned(), 1));
    // A WebSocket that the application does not open is an ordinary answer, not a tunnel.
    let websocket = "GET /echo HTTP/1.1\r\nHost: HOST\r\nCookie: COOKIE\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    assert_eq!(send(&platform, &cookie, websocket).await, ("HTTP/1.1 200 OK".to_owned(), 1));
    // An application that switches protocols unasked gets no tunnel either.
    let unasked = "GET /ws HTTP/1.1\r\nHost: HOST\r\nCookie: COOKIE\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    let (line, reached) = send(&platform, &cookie, unasked).await;
    assert!(line.starts_with("HTTP/1.1 50") && reached == 1, "{line}");
    let requests = platform.upstream.requests.lock().unwrap().clone();
    let names = |request: usize| {
        let headers = requests[request]["headers"].as_array().unwrap();
        headers.iter().map(|pair| pair[0].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(!names(0).iter().any(|name| name == "remote-user" || name == "trailer"), "{:?}", names(0));
    assert!(!names(1).iter().any(|name| name == "upgrade" || name == "http2-settings"), "{:?}", names(1));
    platform.stop().await;
}
