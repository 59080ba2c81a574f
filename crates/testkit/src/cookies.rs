//! A cookie jar (RFC 6265bis): what a browser keeps, and what it sends where.
//!
//! It refuses what browsers refuse (`__Host-` and `__Secure-` without their conditions, `Secure` over plain http, a
//! `Domain` that is not the host's own), so that a server that relies on those rules is held to them.

use cookie::{Cookie, SameSite};
use model::Timestamp;
use std::time::Duration;
use url::Url;

#[derive(Clone, Debug, Default)]
pub struct CookieJar {
    cookies: Vec<Kept>,
}

#[derive(Clone, Debug)]
struct Kept {
    name: String,
    value: String,
    domain: String,
    host_only: bool,
    path: String,
    secure: bool,
    http_only: bool,
    same_site: SameSite,
    expires: Option<Timestamp>,
}

/// How a request came about, for `SameSite` (RFC 6265bis §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// Typed, or from a page of the same site.
    SameSite,
    /// A link or redirect from another site: `Lax` cookies go along.
    CrossSiteNavigation,
    /// A form or script of another site: only `SameSite=None` goes along.
    CrossSite,
}

impl CookieJar {
    /// Takes one `Set-Cookie` header of an answer from `url`; `false` when a browser would refuse it.
    pub fn store(&mut self, header: &str, url: &Url, now: Timestamp) -> bool {
        let Ok(cookie) = Cookie::parse(header.to_owned()) else { return false };
        let host = url.host_str().unwrap_or_default();
        let is_https = url.scheme() == "https";
        let secure = cookie.secure().unwrap_or(false);
        let domain =
            cookie.domain().map(|domain| domain.trim_start_matches('.').to_ascii_lowercase()).filter(|domain| !domain.is_empty());
        let name = cookie.name();
        let same_site = cookie.same_site().unwrap_or(SameSite::Lax);
        let lower = name.to_ascii_lowercase();
        let refused = (secure && !is_https)
            || (lower.starts_with("__secure-") && !secure)
            || (lower.starts_with("__host-") && (!secure || domain.is_some() || cookie.path() != Some("/")))
            || (same_site == SameSite::None && !secure)
            || domain.as_deref().is_some_and(|domain| !domain_matches(host, domain) || !domain.contains('.'));
        if refused {
            return false;
        }
        let expires = match (cookie.max_age(), cookie.expires_datetime()) {
            (Some(age), _) => Some(now.plus(Duration::from_secs(u64::try_from(age.whole_seconds()).unwrap_or(0)))),
            (None, Some(at)) => Some(Timestamp::from_seconds(at.unix_timestamp())),
            (None, None) => None,
        };
        let kept = Kept {
            name: name.to_owned(),
            value: cookie.value().to_owned(),
            host_only: domain.is_none(),
            domain: domain.unwrap_or_else(|| host.to_owned()),
            path: cookie.path().filter(|path| path.starts_with('/')).map_or_else(|| default_path(url), str::to_owned),
            secure,
            http_only: cookie.http_only().unwrap_or(false),
            same_site,
            expires,
        };
        self.cookies.retain(|known| (&known.name, &known.domain, &known.path) != (&kept.name, &kept.domain, &kept.path));
        if kept.expires.is_none_or(|expires| expires > now) {
            self.cookies.push(kept);
        }
        true
    }

    /// The `Cookie` header for a request to `url`; longer paths first.
    pub fn header(&self, url: &Url, context: Context, now: Timestamp) -> Option<String> {
        let mut sent: Vec<&Kept> =
            self.cookies.iter().filter(|cookie| cookie.goes_to(url, now) && cookie.goes_in(context)).collect();
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let text: Vec<String> = sent.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        if text.is_empty() { None } else { Some(text.join("; ")) }
    }

    /// What `document.cookie` would show a script of a page at `url`.
    pub fn visible_to_scripts(&self, url: &Url, now: Timestamp) -> Vec<(String, String)> {
        let visible = self.cookies.iter().filter(|cookie| cookie.goes_to(url, now) && !cookie.http_only);
        visible.map(|cookie| (cookie.name.clone(), cookie.value.clone())).collect()
    }

    /// Name and value of every cookie that would go to `url`.
    pub fn of(&self, url: &Url, now: Timestamp) -> Vec<(String, String)> {
        let kept = self.cookies.iter().filter(|cookie| cookie.goes_to(url, now));
        kept.map(|cookie| (cookie.name.clone(), cookie.value.clone())).collect()
    }

    pub fn remove(&mut self, name: &str) {
        self.cookies.retain(|cookie| cookie.name != name);
    }
}

impl Kept {
    fn goes_to(&self, url: &Url, now: Timestamp) -> bool {
        let host = url.host_str().unwrap_or_default();
        let domain = if self.host_only { host == self.domain } else { domain_matches(host, &self.domain) };
        let secure = !self.secure || url.scheme() == "https";
        domain && secure && path_matches(url.path(), &self.path) && self.expires.is_none_or(|expires| expires > now)
    }

    fn goes_in(&self, context: Context) -> bool {
        match (context, self.same_site) {
            (Context::SameSite, _) | (_, SameSite::None) | (Context::CrossSiteNavigation, SameSite::Lax) => true,
            (Context::CrossSiteNavigation, SameSite::Strict) | (Context::CrossSite, SameSite::Lax | SameSite::Strict) => false,
        }
    }
}

/// RFC 6265 §5.1.3, for names (addresses are never suffixes of each other here: they hold no `Domain` cookies).
fn domain_matches(host: &str, domain: &str) -> bool {
    host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// RFC 6265 §5.1.4.
fn path_matches(path: &str, cookie_path: &str) -> bool {
    path.strip_prefix(cookie_path).is_some_and(|rest| rest.is_empty() || cookie_path.ends_with('/') || rest.starts_with('/'))
}

fn default_path(url: &Url) -> String {
    match url.path().rfind('/') {
        None | Some(0) => "/".to_owned(),
        Some(end) => url.path().get(..end).unwrap_or("/").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn what_browsers_refuse_is_refused() {
        let home = "https://localhost:8443/a/b";
        for (header, at, kept) in [
            ("a=1", home, true),
            ("a=1; Secure", "http://localhost/", false),
            ("__Host-s=1; Secure; Path=/", home, true),
            ("__Host-s=1; Secure; Path=/", "http://localhost/", false),
            ("__Host-s=1; Path=/", home, false),
            ("__Host-s=1; Secure; Path=/a", home, false),
            ("__Host-s=1; Secure", home, false),
            ("__host-s=1; Secure; Path=/; Domain=localhost", home, false),
            ("__Secure-s=1", home, false),
            ("a=1; SameSite=None", home, false),
            ("a=1; Domain=payroll.localhost", "https://mail.localhost/", false),
            ("a=1; Domain=localhost", "https://mail.localhost/", false),
            ("a=1; Domain=.mail.localhost", "https://in.mail.localhost/", true),
            ("no value", home, false),
        ] {
            assert_eq!(CookieJar::default().store(header, &url(at), NOW), kept, "{header} at {at}");
        }
    }

    #[test]
    fn cookies_go_where_they_belong() {
        let home = url("https://mail.localhost/a/b");
        for (header, to, context, goes) in [
            ("a=1", "https://mail.localhost/a/c", Context::SameSite, true),
            ("a=1", "https://mail.localhost:99/a/", Context::SameSite, true),
            ("a=1", "https://mail.localhost/", Context::SameSite, false),
            ("a=1", "https://mail.localhost/ab", Context::SameSite, false),
            ("a=1", "https://in.mail.localhost/a/b", Context::SameSite, false),
            ("a=1; Domain=mail.localhost", "https://in.mail.localhost/a/b", Context::SameSite, true),
            ("a=1; Domain=mail.localhost", "https://thatmail.localhost/a/b", Context::SameSite, false),
            ("a=1; Secure; Path=/", "http://mail.localhost/", Context::SameSite, false),
            ("a=1; Path=/", "http://mail.localhost/", Context::SameSite, true),
            ("a=1; Path=/; Max-Age=0", "https://mail.localhost/", Context::SameSite, false),
            ("a=1; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "https://mail.localhost/", Context::SameSite, false),
            ("a=1; Path=/; SameSite=Strict", "https://mail.localhost/", Context::CrossSiteNavigation, false),
            ("a=1; Path=/; SameSite=Lax", "https://mail.localhost/", Context::CrossSiteNavigation, true),
            ("a=1; Path=/", "https://mail.localhost/", Context::CrossSite, false),
            ("a=1; Path=/; SameSite=None; Secure", "https://mail.localhost/", Context::CrossSite, true),
        ] {
            let mut jar = CookieJar::default();
            assert!(jar.store(header, &home, NOW), "{header}");
            assert_eq!(jar.header(&url(to), context, NOW).as_deref(), goes.then_some("a=1"), "{header} to {to} {context:?}");
        }
    }

    #[test]
    fn scripts_do_not_see_what_is_http_only_and_time_ends_cookies() {
        let (mut jar, home) = (CookieJar::default(), url("https://localhost/"));
        jar.store("a=1; HttpOnly; Max-Age=60", &home, NOW);
        jar.store("b=2", &home, NOW);
        assert_eq!(jar.visible_to_scripts(&home, NOW), [("b".to_owned(), "2".to_owned())]);
        assert_eq!(jar.of(&home, NOW).len(), 2);
        assert_eq!(jar.header(&home, Context::SameSite, NOW.plus(Duration::from_secs(60))).as_deref(), Some("b=2"));
        jar.store("b=; Max-Age=0", &home, NOW);
        assert_eq!(jar.header(&home, Context::SameSite, NOW.plus(Duration::from_secs(60))), None);
    }
}
