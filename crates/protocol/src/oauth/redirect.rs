//! Redirect addresses: matched character by character (RFC 9700 §4.1.3), save the port of a loopback address of a public client
//! (RFC 8252 §7.3). A mismatch must never be answered by a redirect.

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// How the client is registered for the address that it uses: a `web` address belongs to a confidential client, which must
/// show its secret; a `publicClient` one to a public client, which must use PKCE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClientKind {
    Confidential,
    Public,
}

/// The longest address accepted, in bytes.
pub const LONGEST: usize = 2048;

/// The kind under which `requested` is registered, if it is.
pub fn registered_kind<'a>(
    requested: &str,
    web: impl IntoIterator<Item = &'a String>,
    public: impl IntoIterator<Item = &'a String>,
) -> Option<ClientKind> {
    if !is_sound(requested) {
        None
    } else if web.into_iter().any(|registered| registered == requested) {
        Some(ClientKind::Confidential)
    } else if public.into_iter().any(|registered| registered == requested || is_same_loopback(registered, requested)) {
        Some(ClientKind::Public)
    } else {
        None
    }
}

/// The same http loopback address but for the port. `localhost` and `127.0.0.1` are not each other.
fn is_same_loopback(registered: &str, requested: &str) -> bool {
    let (Ok(registered), Ok(requested)) = (Url::parse(registered), Url::parse(requested)) else { return false };
    let is_loopback = match requested.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    is_loopback
        && requested.scheme() == "http"
        && registered.scheme() == "http"
        && registered.host() == requested.host()
        && registered.path() == requested.path()
        && registered.query() == requested.query()
}

/// Absolute, without fragment (RFC 6749 §3.1.2), without user name, without characters that a browser would repair.
fn is_sound(address: &str) -> bool {
    address.len() <= LONGEST
        && address.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>' | b'#'))
        && Url::parse(address).is_ok_and(|url| {
            url.username().is_empty()
                && url.password().is_none()
                && !matches!(url.scheme(), "javascript" | "data" | "file" | "blob" | "about" | "vbscript")
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kind(requested: &str) -> Option<ClientKind> {
        let web = ["https://app.example/callback".to_owned(), "http://localhost:3000/web".to_owned()];
        let public = ["http://localhost".to_owned(), "http://127.0.0.1/done".to_owned(), "msal-app://auth".to_owned()];
        registered_kind(requested, &web, &public)
    }

    #[test]
    fn a_table_of_addresses() {
        let confidential = Some(ClientKind::Confidential);
        let public = Some(ClientKind::Public);
        for (requested, expected) in [
            ("https://app.example/callback", confidential),
            ("http://localhost:3000/web", confidential),
            ("http://localhost", public),
            ("http://localhost/", public),
            ("http://localhost:51000", public),
            ("http://localhost:51000/", public),
            ("http://127.0.0.1:9/done", public),
            ("msal-app://auth", public),
            ("https://app.example/callback/", None),
            ("https://app.example/callback?x=1", None),
            ("https://app.example/callback#x", None),
            ("https://app.example/Callback", None),
            ("https://app.example/callback/../other", None),
            ("https://app.example:444/callback", None),
            ("https://app.example@evil.example/callback", None),
            ("https://evil.example/https://app.example/callback", None),
            ("http://localhost:3001/web", None),
            ("http://localhost:51000/other", None),
            ("http://localhost:51000/?x=1", None),
            ("https://localhost:51000", None),
            ("http://localhost.evil.example", None),
            ("http://user@localhost:51000", None),
            ("http://127.0.0.1:51000", None),
            ("http://[::1]:51000", None),
            ("javascript:alert(1)", None),
            ("//app.example/callback", None),
            ("", None),
        ] {
            assert_eq!(kind(requested), expected, "{requested}");
        }
    }

    proptest! {
        #[test]
        fn nothing_but_the_registered_host_is_ever_matched(requested in "[ -~]{0,60}") {
            if kind(&requested).is_some() {
                let url = Url::parse(&requested).unwrap();
                prop_assert!(matches!(url.host_str(), Some("app.example" | "localhost" | "127.0.0.1" | "auth")));
            }
        }

        #[test]
        fn a_loopback_port_is_free(port in 1u16..) {
            prop_assert_eq!(kind(&format!("http://localhost:{port}/")), Some(ClientKind::Public));
        }
    }
}
