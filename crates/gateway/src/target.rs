//! The head of a request, read once, strictly: which host, which path, which kind of caller. What two readers could
//! understand differently is refused here, so that what is authorised is what the upstream will read.
//!
//! A pure function of the head; it neither routes nor rewrites.

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Method, StatusCode, Version};

/// Bytes of path and query.
const TARGET_SIZE: usize = 8 * 1024;
const HEADER_COUNT: usize = 100;
const HEADER_SIZE: usize = 32 * 1024;

/// A validated target. The path is kept as it came: it is forwarded byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Host in lower case, with the port unless it is 443.
    pub(crate) authority: String,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
}

impl Target {
    pub(crate) fn path_and_query(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeadError {
    #[error("the request names no host, or more than one")]
    Host,
    #[error("the request line and the Host header disagree")]
    HostConflict,
    #[error("the request target is not a path on this server")]
    TargetForm,
    #[error(
        "the path contains what servers read in different ways (a dot segment, an encoded slash or dot, a control character)"
    )]
    Path,
    #[error("the request target is too long")]
    TargetSize,
    #[error("a header name contains an underscore")]
    Underscore,
    #[error("the length of the body is given in more than one way")]
    Framing,
    #[error("the request has too many headers, or too large ones")]
    HeaderSize,
    #[error("this method is not served")]
    Method,
}

impl HeadError {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Host | Self::HostConflict | Self::TargetForm | Self::Path | Self::Underscore | Self::Framing => {
                StatusCode::BAD_REQUEST
            }
            Self::TargetSize => StatusCode::URI_TOO_LONG,
            Self::HeaderSize => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
        }
    }
}

pub(crate) fn read(head: &Parts) -> Result<Target, HeadError> {
    // CONNECT would make a tunnel out of a request that was authorised as one; TRACE echoes what we add.
    if head.method == Method::CONNECT || head.method == Method::TRACE {
        return Err(HeadError::Method);
    }
    check_headers(&head.headers)?;
    check_framing(head)?;
    let authority = authority(head)?;
    if head.uri.scheme_str().is_some_and(|scheme| scheme != "https") {
        return Err(HeadError::TargetForm);
    }
    let target = head.uri.path_and_query().ok_or(HeadError::TargetForm)?;
    if target.as_str().len() > TARGET_SIZE {
        return Err(HeadError::TargetSize);
    }
    check_path(target.path())?;
    if target.query().is_some_and(|query| query.bytes().any(|byte| !byte.is_ascii_graphic())) {
        return Err(HeadError::Path);
    }
    Ok(Target { authority, path: target.path().to_owned(), query: target.query().map(str::to_owned) })
}

fn check_headers(headers: &HeaderMap) -> Result<(), HeadError> {
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len().saturating_add(value.len())).sum();
    if headers.len() > HEADER_COUNT || size > HEADER_SIZE {
        return Err(HeadError::HeaderSize);
    }
    // CGI-like upstreams fold `-` and `_` into one name (RFC 3875 §4.1.18): `Remote_User` would become `Remote-User`.
    if headers.keys().any(|name| name.as_str().contains('_')) { Err(HeadError::Underscore) } else { Ok(()) }
}

/// RFC 9112 §6.1 and §6.3. hyper already refuses differing lengths and codings that do not end in `chunked`; a length beside
/// `chunked` it drops before anybody sees it, and closes the connection after. What it lets pass is refused here.
fn check_framing(head: &Parts) -> Result<(), HeadError> {
    let codings = head.headers.get_all(TRANSFER_ENCODING);
    let lengths = head.headers.get_all(CONTENT_LENGTH);
    let chunked = codings.iter().next().is_some();
    let plain = codings.iter().all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked")) && codings.iter().count() <= 1;
    let single = lengths.iter().all(|length| !length.is_empty() && length.as_bytes().iter().all(u8::is_ascii_digit))
        && lengths.iter().count() <= 1;
    let in_version = !chunked || head.version == Version::HTTP_11;
    let exclusive = !chunked || lengths.iter().next().is_none();
    if plain && single && in_version && exclusive { Ok(()) } else { Err(HeadError::Framing) }
}

/// RFC 9112 §3.2, RFC 9113 §8.3.1: exactly one host, however it was said.
fn authority(head: &Parts) -> Result<String, HeadError> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => Some(normalise(host.to_str().map_err(|_| HeadError::Host)?)?),
        (None, _) => None,
        (Some(_), Some(_)) => return Err(HeadError::Host),
    };
    let named = head.uri.authority().map(|authority| normalise(authority.as_str())).transpose()?;
    match (named, host) {
        (Some(named), Some(host)) if named != host => Err(HeadError::HostConflict),
        // HTTP/1.1 asks for Host even beside an absolute target.
        (Some(_), None) if head.version < Version::HTTP_2 => Err(HeadError::Host),
        (Some(named), _) => Ok(named),
        (None, Some(host)) => Ok(host),
        (None, None) => Err(HeadError::Host),
    }
}

/// Lower case, without the default port. Refuses user information and anything that is not a host.
pub(crate) fn normalise(authority: &str) -> Result<String, HeadError> {
    let authority: Authority = authority.parse().map_err(|_| HeadError::Host)?;
    let host = authority.host().to_ascii_lowercase();
    if host.is_empty() || authority.as_str().contains('@') {
        return Err(HeadError::Host);
    }
    let after_host = authority.as_str().get(host.len()..).unwrap_or_default();
    match (authority.port_u16(), after_host) {
        (Some(443), _) | (None, "") => Ok(host),
        (Some(port), _) => Ok(format!("{host}:{port}")),
        (None, _) => Err(HeadError::Host),
    }
}

/// A path that every server reads alike: no dot segments, plain or dressed up (`/..;/`), nothing encoded that a decoder
/// would turn into structure, once or twice over, no bytes outside ASCII, and UTF-8 where bytes are encoded.
pub(crate) fn check_path(path: &str) -> Result<(), HeadError> {
    let dot_segment = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
    if !path.starts_with('/') || path.split('/').any(dot_segment) {
        return Err(HeadError::Path);
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'%' {
            if !byte.is_ascii_graphic() || matches!(byte, b'\\' | b'#' | b'?') {
                return Err(HeadError::Path);
            }
            decoded.push(*byte);
            continue;
        }
        let (value, after) = encoded(rest).ok_or(HeadError::Path)?;
        let twice = (value == b'%').then(|| encoded(after)).flatten();
        if is_structure(value) || twice.is_some_and(|(value, _)| is_structure(value)) {
            return Err(HeadError::Path);
        }
        decoded.push(value);
        rest = after;
    }
    // Overlong forms of `/` and `.` are not UTF-8.
    std::str::from_utf8(&decoded).map(|_| ()).map_err(|_| HeadError::Path)
}

fn encoded(rest: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, after @ ..] = rest else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some((digit(high)?.checked_mul(16)?.checked_add(digit(low)?)?, after))
}

fn is_structure(byte: u8) -> bool {
    byte.is_ascii_control() || matches!(byte, b'/' | b'\\' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;
    use proptest::prelude::*;

    fn head(uri: &str, headers: &[(&str, &str)], version: Version) -> Parts {
        let mut request = Request::builder().uri(uri).version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn h1(uri: &str, headers: &[(&str, &str)]) -> Result<Target, HeadError> {
        read(&head(uri, headers, Version::HTTP_11))
    }

    #[test]
    fn the_path_is_kept_as_it_came() {
        for path in ["/", "/a/b", "//a", "/a%20b", "/%C3%A9", "/a%25b", "/a;v=1/b", "/...", "/.well-known/x", "/a+b@c:d"] {
            let target = h1(path, &[("host", "App.localhost:8444")]).unwrap();
            assert_eq!((target.path.as_str(), target.authority.as_str()), (path, "app.localhost:8444"));
        }
        assert_eq!(h1("/a?b=%00%2f..", &[("host", "a")]).unwrap().path_and_query(), "/a?b=%00%2f..");
    }

    #[test]
    fn paths_that_two_servers_could_read_differently_are_refused() {
        for path in [
            "/a/../b",
            "/..",
            "/.",
            "/./a",
            "/a/..;/b",
            "/.;x=1/b",
            "/%2e%2e/a",
            "/a%2Fb",
            "/a%5cb",
            "/a%00",
            "/a%0d%0ab",
            "/a%7f",
            "/%",
            "/%2",
            "/%zz",
            "/%252e%252e/a",
            "/%252fa",
            "/%2500",
            "/%c0%af",
            "/%c0%ae",
            "/%ff",
            "/a\\b",
            "/a%2eb",
        ] {
            assert_eq!(check_path(path), Err(HeadError::Path), "{path}");
        }
    }

    #[test]
    fn there_is_exactly_one_host() {
        let host = ("host", "app.localhost");
        assert_eq!(h1("/", &[]), Err(HeadError::Host));
        assert_eq!(h1("/", &[host, host]), Err(HeadError::Host));
        assert_eq!(h1("/", &[("host", "u@app.localhost")]), Err(HeadError::Host));
        assert_eq!(h1("/", &[("host", "app.localhost:99999")]), Err(HeadError::Host));
        assert_eq!(h1("https://other.localhost/", &[host]), Err(HeadError::HostConflict));
        assert_eq!(h1("https://app.localhost:443/a", &[host]).unwrap().authority, "app.localhost");
        assert_eq!(h1("http://app.localhost/", &[host]), Err(HeadError::TargetForm));
        assert_eq!(h1("https://app.localhost/", &[]), Err(HeadError::Host));
        let h2 = |headers| read(&head("https://app.localhost/", headers, Version::HTTP_2));
        assert_eq!(h2(&[]).unwrap().authority, "app.localhost");
        assert_eq!(h2(&[("host", "evil.localhost")]), Err(HeadError::HostConflict));
    }

    #[test]
    fn ambiguous_heads_are_refused() {
        let with = |name, value| h1("/", &[("host", "a"), (name, value)]);
        assert_eq!(with("remote_user", "x"), Err(HeadError::Underscore));
        assert_eq!(with("transfer-encoding", "gzip, chunked"), Err(HeadError::Framing));
        assert_eq!(with("content-length", "+1"), Err(HeadError::Framing));
        assert_eq!(h1("/", &[("host", "a"), ("content-length", "1"), ("transfer-encoding", "chunked")]), Err(HeadError::Framing));
        assert_eq!(with("x-large", &"x".repeat(HEADER_SIZE)), Err(HeadError::HeaderSize));
        assert_eq!(h1(&format!("/{}", "x".repeat(TARGET_SIZE)), &[("host", "a")]), Err(HeadError::TargetSize));
        let mut connect = head("/", &[("host", "a")], Version::HTTP_11);
        connect.method = Method::CONNECT;
        assert_eq!(read(&connect), Err(HeadError::Method));
    }

    /// What a careless upstream does: decode, twice, and resolve dots.
    fn careless(path: &str) -> Vec<u8> {
        let decode = |bytes: &[u8]| percent_encoding::percent_decode(bytes).collect::<Vec<u8>>();
        decode(&decode(path.as_bytes()))
    }

    proptest! {
        #[test]
        fn an_accepted_path_gains_no_structure_by_decoding(path in "/([a./;%\\\\]|%2[ef5]|%5c|%00|%25|%c0|%af){0,12}") {
            if check_path(&path).is_ok() {
                let decoded = careless(&path);
                let slashes = |bytes: &[u8]| bytes.iter().filter(|byte| matches!(byte, b'/' | b'\\')).count();
                prop_assert_eq!(slashes(&decoded), slashes(path.as_bytes()));
                let has_dots = decoded.split(|byte| *byte == b'/').any(|segment| {
                    let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
                    name == b".." || name == b"."
                });
                prop_assert!(!has_dots);
            }
        }
    }
}
