//! Our two cookies on an application's host: the sealed session, and one sealed transaction for each sign-in under way.
//! Both carry the `__Host-` prefix (RFC 6265bis §4.1.3.2), so no neighbouring host can plant one, and neither ever reaches
//! the application.

use http::HeaderMap;
use http::header::{COOKIE, HeaderValue};

pub(crate) const ACCESS: &str = "__Host-access";
/// Followed by the first characters of the transaction's `state`.
pub(crate) const SIGN_IN_PREFIX: &str = "__Host-signin-";

/// Every cookie of a request, in order.
pub(crate) fn all(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.trim(), value.trim()))
}

/// The one cookie of this name. Two of them are none: which one counts is not for the client to choose.
pub(crate) fn one<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let mut found = all(headers).filter(|(name, _)| *name == wanted);
    match (found.next(), found.next()) {
        (Some((_, value)), None) => Some(value),
        (None, _) | (Some(_), Some(_)) => None,
    }
}

/// Takes our cookies out of a request; the application's own stay, in one header.
pub(crate) fn remove_ours(headers: &mut HeaderMap) {
    let mut kept: Vec<u8> = Vec::new();
    let mut found = false;
    for value in headers.get_all(COOKIE) {
        for pair in value.as_bytes().split(|byte| *byte == b';') {
            let pair = pair.trim_ascii();
            let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
            found = true;
            if pair.is_empty() || is_ours(name) {
                continue;
            }
            if !kept.is_empty() {
                kept.extend_from_slice(b"; ");
            }
            kept.extend_from_slice(pair);
        }
    }
    if !found {
        return;
    }
    headers.remove(COOKIE);
    if let (false, Ok(value)) = (kept.is_empty(), HeaderValue::from_bytes(&kept)) {
        headers.insert(COOKIE, value);
    }
}

/// Could this `Set-Cookie` value, from an application, become one of ours? One without a name could: a browser sends
/// such a cookie as its bare value, which may look like `name=value` (RFC 6265bis §5.7).
pub(crate) fn sets_ours(value: &HeaderValue) -> bool {
    let pair = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    match pair.iter().position(|byte| *byte == b'=').and_then(|end| pair.get(..end)) {
        Some(name) if !name.trim_ascii().is_empty() => is_ours(name.trim_ascii()),
        Some(_) | None => true,
    }
}

fn is_ours(name: &[u8]) -> bool {
    let starts_with = |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()));
    starts_with(ACCESS) || starts_with(SIGN_IN_PREFIX)
}

/// `Set-Cookie` for a cookie that lasts as long as the browser runs, or `seconds`.
pub(crate) fn set(name: &str, value: &str, seconds: Option<i64>) -> Option<HeaderValue> {
    let age = seconds.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    HeaderValue::from_str(&format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{age}")).ok()
}

pub(crate) fn clear(name: &str) -> Option<HeaderValue> {
    set(name, "", Some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(COOKIE, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn ours_are_taken_out_and_the_rest_is_one_header() {
        let mut headers = cookies(&["a=1; __Host-access=secret", "__Host-signin-abcdefgh=x; b=2=3;c", "__host-ACCESS=y"]);
        remove_ours(&mut headers);
        assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2=3; c"]);
        let mut headers = cookies(&["__Host-access=secret"]);
        remove_ours(&mut headers);
        assert!(headers.is_empty());
    }

    #[test]
    fn an_application_sets_its_own_cookies_only() {
        for (value, ours) in [
            ("theirs=1; Path=/", false),
            ("x=__Host-access=1", false),
            ("__Host-access=1", true),
            (" __HOST-signin-abc =1; Path=/", true),
            ("=__Host-access=1", true),
            (" = __Host-access=1", true),
            ("__Host-access", true),
            ("; Path=/", true),
        ] {
            assert_eq!(sets_ours(&HeaderValue::from_str(value).unwrap()), ours, "{value}");
        }
    }

    #[test]
    fn two_of_a_name_are_none() {
        assert_eq!(one(&cookies(&["__Host-access=1; x=2"]), ACCESS), Some("1"));
        assert_eq!(one(&cookies(&["__Host-access=1", "__Host-access=2"]), ACCESS), None);
        assert_eq!(one(&cookies(&["x=1"]), ACCESS), None);
    }
}
