//! The gateway's own answers: small pages for people, JSON for programs. Every word that came from outside is escaped, and
//! a strict content security policy stands behind that.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, LOCATION, REFERRER_POLICY, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use runtime::client::{Body, full};
use std::fmt::Write;
use std::sync::LazyLock;

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{margin:0;min-height:100vh;display:grid;place-items:center;font:16px/1.5 system-ui,sans-serif;background:Canvas;color:CanvasText}\
main{max-width:32rem;padding:2rem;border:1px solid color-mix(in srgb,CanvasText 20%,Canvas);border-radius:12px;margin:1rem}\
h1{font-size:1.25rem;margin:0 0 .75rem}p{margin:0 0 .75rem}\
.detail{color:color-mix(in srgb,CanvasText 70%,Canvas);font-size:.875rem;overflow-wrap:anywhere}\
button,a.button{font:inherit;padding:.5rem 1.25rem;border-radius:8px;border:1px solid #1d4ed8;background:#1d4ed8;color:#fff;text-decoration:none;display:inline-block;cursor:pointer}\
button:focus-visible,a:focus-visible{outline:3px solid #f59e0b;outline-offset:2px}";

static STYLE_HASH: LazyLock<String> = LazyLock::new(|| STANDARD.encode(runtime::hash::sha256(STYLE.as_bytes())));

/// What a caller can read, from its request's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// It shows pages to a person.
    pub(crate) reads_pages: bool,
    /// It is going to a page, so it can be sent to sign in.
    pub(crate) navigates: bool,
}

impl Caller {
    pub(crate) fn of(head: &Parts) -> Self {
        let text = |name: HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok());
        let reads_pages = text(ACCEPT).is_some_and(|accept| accept.contains("text/html"));
        // Fetch Metadata: a script's fetch is not a navigation, whatever it accepts.
        let mode = text(HeaderName::from_static("sec-fetch-mode"));
        let navigates = reads_pages && head.method == Method::GET && mode.is_none_or(|mode| mode == "navigate");
        Self { reads_pages, navigates }
    }
}

/// One thing to say, to a person or a program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) status: StatusCode,
    /// For programs.
    pub(crate) code: &'a str,
    /// For people.
    pub(crate) title: &'a str,
    pub(crate) text: &'a str,
}

pub(crate) fn message(caller: Caller, message: Message<'_>) -> Response<Body> {
    if !caller.reads_pages {
        return json(message.status, &serde_json::json!({"error": message.code, "error_description": message.text}));
    }
    page(message.status, message.title, &format!("<p>{}</p>", escape(message.text)), &[])
}

/// Nobody is admitted for a while.
pub(crate) fn unavailable(caller: Caller, code: &str, text: &str, retry: u32) -> Response<Body> {
    let title = "Not available right now";
    let mut answer = message(caller, Message { status: StatusCode::SERVICE_UNAVAILABLE, code, title, text });
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry));
    answer
}

pub(crate) fn json(status: StatusCode, value: &serde_json::Value) -> Response<Body> {
    let mut answer = empty(status);
    *answer.body_mut() = full(Bytes::from(value.to_string()));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// A document that is not a page.
pub(crate) fn text(content_type: &'static str, text: String) -> Response<Body> {
    let mut answer = empty(StatusCode::OK);
    *answer.body_mut() = full(Bytes::from(text));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// `content` is HTML; `form_targets` are origins that its forms may lead to, beside our own.
pub(crate) fn page(status: StatusCode, title: &str, content: &str, form_targets: &[&str]) -> Response<Body> {
    let title = escape(title);
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head>\
         <body><main><h1>{title}</h1>{content}</main></body></html>"
    );
    let targets = form_targets.join(" ");
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; form-action 'self' {targets}; frame-ancestors 'none'; base-uri 'none'",
        *STYLE_HASH
    );
    let mut answer = empty(status);
    *answer.body_mut() = full(Bytes::from(html));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if let Ok(policy) = HeaderValue::from_str(policy.trim()) {
        answer.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    answer
}

/// `None` when the address cannot be a header.
pub(crate) fn redirect(status: StatusCode, address: &str) -> Option<Response<Body>> {
    let mut answer = empty(status);
    answer.headers_mut().insert(LOCATION, HeaderValue::from_str(address).ok()?);
    Some(answer)
}

pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(full(Bytes::new()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// RFC 9110 §15.5.6. `allowed`: the methods that are served here.
pub(crate) fn method_not_allowed(allowed: &'static str) -> Response<Body> {
    let mut answer = empty(StatusCode::METHOD_NOT_ALLOWED);
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

pub(crate) fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, character| {
        match character {
            '&' | '<' | '>' | '"' | '\'' => {
                // Writing to a String cannot fail.
                let _ = write!(escaped, "&#{};", u32::from(character));
            }
            _ => escaped.push(character),
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn caller(method: Method, headers: &[(&str, &str)]) -> Caller {
        let mut request = Request::builder().method(method).uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Caller::of(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn only_a_browser_on_its_way_to_a_page_navigates() {
        let html = ("accept", "text/html,application/xhtml+xml;q=0.9");
        assert!(caller(Method::GET, &[html]).navigates);
        assert!(caller(Method::GET, &[html, ("sec-fetch-mode", "navigate")]).navigates);
        assert!(!caller(Method::GET, &[html, ("sec-fetch-mode", "cors")]).navigates);
        assert!(!caller(Method::POST, &[html]).navigates);
        assert!(!caller(Method::GET, &[("accept", "*/*")]).navigates);
        assert!(!caller(Method::GET, &[]).navigates);
    }

    #[test]
    fn words_from_outside_are_escaped() {
        assert_eq!(escape("<a href='x\"'>&"), "&#60;a href=&#39;x&#34;&#39;&#62;&#38;");
    }
}
