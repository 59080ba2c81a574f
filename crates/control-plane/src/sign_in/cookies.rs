//! The three cookies. `__Host-` names cannot be set by another host nor without TLS (cookie tossing); a name that comes twice is
//! not believed at all.

use http::{HeaderMap, HeaderValue, header};
use model::SessionId;
use std::time::Duration;

const BROWSER: &str = "__Host-browser";
const SESSION: &str = "__Host-session";
const KNOWN: &str = "__Host-known";
/// Five people's entries, sealed, take about half of this.
const LONGEST_KNOWN: usize = 2048;

/// `ID.SECRET`; the store knows only the secret's hash.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SessionCookie {
    pub id: SessionId,
    pub secret: String,
}

impl std::fmt::Debug for SessionCookie {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.id.fmt(formatter)
    }
}

/// The value that binds forms to this browser.
pub(crate) fn browser(headers: &HeaderMap) -> Option<String> {
    only(headers, BROWSER).filter(|value| value.len() == 43 && value.bytes().all(is_token_byte)).map(str::to_owned)
}

pub(crate) fn session(headers: &HeaderMap) -> Option<SessionCookie> {
    let (id, secret) = only(headers, SESSION)?.split_once('.')?;
    let sound = id.len() <= 64 && secret.len() == 43 && secret.bytes().all(is_token_byte);
    sound.then(|| SessionCookie { id: SessionId::new(id), secret: secret.to_owned() })
}

pub(crate) fn set_browser(value: &str) -> HeaderValue {
    cookie(BROWSER, value, None)
}

/// `persistent`: it outlives the browser's session by this much (`persistentBrowser: always`).
pub(crate) fn set_session(cookie_value: &SessionCookie, persistent: Option<Duration>) -> HeaderValue {
    cookie(SESSION, &format!("{}.{}", cookie_value.id, cookie_value.secret), persistent)
}

/// The sealed names of those who signed in with this browser before.
pub(crate) fn known(headers: &HeaderMap) -> Option<&str> {
    only(headers, KNOWN).filter(|value| value.len() <= LONGEST_KNOWN)
}

pub(crate) fn set_known(sealed: &str, lifetime: Duration) -> HeaderValue {
    cookie(KNOWN, sealed, Some(lifetime))
}

pub(crate) fn clear_session() -> HeaderValue {
    cookie(SESSION, "", Some(Duration::ZERO))
}

fn cookie(name: &str, value: &str, max_age: Option<Duration>) -> HeaderValue {
    let age = max_age.map(|age| format!("; Max-Age={}", age.as_secs())).unwrap_or_default();
    let text = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{age}");
    // Made of base64url, digits and the words above.
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut found = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value);
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(line: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, line.parse().unwrap())])
    }

    #[test]
    fn what_was_set_is_read() {
        let token = runtime::random::token();
        assert_eq!(browser(&headers(&format!("a=b; __Host-browser={token}"))).unwrap(), token);
        let cookie = SessionCookie { id: SessionId::new("abc"), secret: token.clone() };
        let set = set_session(&cookie, None).to_str().unwrap().to_owned();
        let pair = set.split(';').next().unwrap();
        assert_eq!(session(&headers(pair)).unwrap(), cookie);
        for attribute in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
            assert!(set.contains(attribute), "{attribute}");
        }
        assert!(!set.contains("Domain"));
    }

    #[test]
    fn a_cookie_that_comes_twice_or_bent_is_none() {
        let token = runtime::random::token();
        let other = runtime::random::token();
        assert_eq!(browser(&headers(&format!("__Host-browser={token}; __Host-browser={other}"))), None);
        assert_eq!(browser(&headers("__Host-browser=short")), None);
        assert_eq!(browser(&headers(&format!("__host-browser={token}"))), None);
        assert_eq!(session(&headers(&format!("__Host-session={token}"))), None);
        assert_eq!(session(&headers("__Host-session=a.b")), None);
    }
}
