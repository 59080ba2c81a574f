//! A browser without a screen: cookies, redirects followed one by one and counted, forms filled in and sent. It runs no
//! scripts; the one thing that needs them, a passkey, is done by an `Authenticator` and typed into the form's field.

use crate::cookies::{Context, CookieJar};
use crate::html::{Form, Page};
use crate::{Authenticator, authenticator::AuthenticatorError};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, SET_COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use runtime::Clock;
use runtime::client::{Client, ClientError};
use std::fmt;
use url::Url;

/// As many as Chromium follows.
const REDIRECTS: usize = 20;
/// A desktop browser's name, for policies that look at the platform.
const AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36 Countersign-testkit";

#[derive(Debug, thiserror::Error)]
pub enum BrowserError {
    #[error("`{0}` is not an address")]
    Address(String),
    #[error("no answer from {url}")]
    Unanswered {
        url: Box<Url>,
        #[source]
        source: ClientError,
    },
    #[error("more than {REDIRECTS} redirects, the last one to {0}")]
    Redirects(Box<Url>),
    #[error("{0} has no form `{1}`")]
    NoForm(Box<Landed>, String),
    #[error("{0} offers no passkey options")]
    NoPasskeyOptions(Box<Landed>),
    #[error("the authenticator declined")]
    Authenticator(#[from] AuthenticatorError),
}

/// The page that one landed on instead of the expected one, as its reader would describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landed {
    pub url: String,
    pub status: u16,
    pub kind: String,
    /// The first words on it.
    pub text: String,
}

impl Landed {
    pub fn on(page: &Page) -> Self {
        let text = page.text.chars().take(300).collect();
        Self { url: page.url.to_string(), status: page.status.as_u16(), kind: page.kind.clone(), text }
    }
}

impl fmt::Display for Landed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host_and_path = self.url.split(['?', '#']).next().unwrap_or_default();
        write!(formatter, "the page `{}` ({}) at {host_and_path} (`{}`)", self.kind, self.status, self.text)
    }
}

#[derive(Clone, Debug)]
pub struct Browser {
    client: Client,
    clock: Clock,
    pub cookies: CookieJar,
    pub user_agent: String,
    /// Beginnings of addresses that nobody serves (a client's redirect address): a redirect there is the end of the way.
    stops: Vec<String>,
}

impl Browser {
    pub fn new(client: Client, clock: Clock) -> Self {
        Self { client, clock, cookies: CookieJar::default(), user_agent: AGENT.to_owned(), stops: Vec::new() }
    }

    /// Redirects to addresses that begin so are not followed: `open` and `submit` answer with the redirect itself, whose
    /// `url` is the address redirected to.
    pub fn stop_at(&mut self, beginning: &str) {
        self.stops.push(beginning.to_owned());
    }

    /// As typed into the address bar.
    pub async fn open(&mut self, address: &str) -> Result<Page, BrowserError> {
        let url = parse(address)?;
        self.navigate(Method::GET, url, None, Bytes::new()).await
    }

    /// Fills the form whose action ends in `action` and submits it. A field named in `typed` that the form has already
    /// (a hidden one, or a button's) chooses the form when its value is the same, and is overwritten when it is empty.
    pub async fn submit(&mut self, page: &Page, action: &str, typed: &[(&str, &str)]) -> Result<Page, BrowserError> {
        let fixed: Vec<(&str, &str)> = typed
            .iter()
            .copied()
            .filter(|(name, value)| {
                page.forms.iter().any(|form| form.action.ends_with(action) && form.value(name) == Some(value))
            })
            .collect();
        let Some(form) = page.form(action, &fixed) else {
            return Err(BrowserError::NoForm(Box::new(Landed::on(page)), action.to_owned()));
        };
        let target = page.url.join(&form.action).map_err(|_| BrowserError::Address(form.action.clone()))?;
        let body = encode(form, typed);
        if form.method == "post" {
            self.navigate(Method::POST, target, Some(page.url.clone()), body.into()).await
        } else {
            let mut target = target;
            target.set_query(Some(&body));
            self.navigate(Method::GET, target, Some(page.url.clone()), Bytes::new()).await
        }
    }

    /// Answers the page's passkey options, to sign in.
    pub async fn sign_with_passkey(&mut self, page: &Page, authenticator: &mut Authenticator) -> Result<Page, BrowserError> {
        let credential = authenticator.get(&page.url, &passkey_options(page)?)?.to_string();
        self.submit(page, "/signin/passkey", &[("credential", &credential)]).await
    }

    /// Answers the page's passkey options, to register one.
    pub async fn register_passkey(&mut self, page: &Page, authenticator: &mut Authenticator) -> Result<Page, BrowserError> {
        let credential = authenticator.create(&page.url, &passkey_options(page)?)?.to_string();
        self.submit(page, "/signin/register-passkey", &[("credential", &credential)]).await
    }

    /// One request as a script of a page of the same origin would send it: cookies go along, redirects are not followed.
    pub async fn fetch(&mut self, method: Method, address: &str, headers: HeaderMap, body: Bytes) -> Result<Page, BrowserError> {
        let url = parse(address)?;
        self.exchange(method, url, headers, body, Context::SameSite).await
    }

    /// The headers that go with a request to `url` from a page of its own origin: for streams.
    pub fn headers_for(&self, url: &Url) -> HeaderMap {
        let mut headers = HeaderMap::new();
        insert(&mut headers, USER_AGENT, &self.user_agent);
        insert(&mut headers, ORIGIN, &url.origin().ascii_serialization());
        if let Some(cookies) = self.cookies.header(url, Context::SameSite, self.clock.now()) {
            insert(&mut headers, COOKIE, &cookies);
        }
        headers
    }

    async fn navigate(&mut self, method: Method, url: Url, from: Option<Url>, body: Bytes) -> Result<Page, BrowserError> {
        let (mut method, mut url, mut body, mut from) = (method, url, body, from);
        for _ in 0..=REDIRECTS {
            let mut headers = HeaderMap::new();
            insert(&mut headers, ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8");
            let context = match &from {
                None => Context::SameSite,
                Some(from) if same_site(from, &url) => Context::SameSite,
                Some(_) if method == Method::GET => Context::CrossSiteNavigation,
                Some(_) => Context::CrossSite,
            };
            if method == Method::POST {
                insert(&mut headers, CONTENT_TYPE, "application/x-www-form-urlencoded");
                let origin = from.as_ref().map_or_else(|| "null".to_owned(), |from| from.origin().ascii_serialization());
                insert(&mut headers, ORIGIN, &origin);
            }
            let mut page = self.exchange(method.clone(), url.clone(), headers, body.clone(), context).await?;
            let Some(next) = redirect(&page) else { return Ok(page) };
            if self.stops.iter().any(|stop| next.as_str().starts_with(stop)) {
                page.url = next;
                return Ok(page);
            }
            // Fetch standard, HTTP-redirect fetch: 303 always, 301 and 302 for POST, turn into GET.
            let keeps = matches!(page.status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
            if !keeps {
                (method, body) = (Method::GET, Bytes::new());
            }
            from = from.map(|_| url.clone());
            url = next;
        }
        Err(BrowserError::Redirects(Box::new(url)))
    }

    async fn exchange(
        &mut self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Bytes,
        context: Context,
    ) -> Result<Page, BrowserError> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = without_fragment(&url).parse().map_err(|_| BrowserError::Address(url.to_string()))?;
        *request.headers_mut() = headers;
        insert(request.headers_mut(), USER_AGENT, &self.user_agent);
        if let Some(cookies) = self.cookies.header(&url, context, self.clock.now()) {
            insert(request.headers_mut(), COOKIE, &cookies);
        }
        let answer =
            self.client.send(request).await.map_err(|source| BrowserError::Unanswered { url: Box::new(url.clone()), source })?;
        let (head, body) = answer.into_parts();
        for header in head.headers.get_all(SET_COOKIE) {
            if let Ok(text) = header.to_str() {
                self.cookies.store(text, &url, self.clock.now());
            }
        }
        Ok(Page::read(url, head.status, head.headers, body.to_vec()))
    }
}

fn passkey_options(page: &Page) -> Result<serde_json::Value, BrowserError> {
    page.json_element("passkey-options").ok_or_else(|| BrowserError::NoPasskeyOptions(Box::new(Landed::on(page))))
}

/// `application/x-www-form-urlencoded`: the form's fields in order, those typed in their places, the rest after them.
fn encode(form: &Form, typed: &[(&str, &str)]) -> String {
    let mut out = form_urlencoded::Serializer::new(String::new());
    for (name, value) in &form.fields {
        let value = typed.iter().find(|(field, _)| field == name).map_or(value.as_str(), |(_, value)| value);
        out.append_pair(name, value);
    }
    for (name, value) in typed.iter().filter(|(name, _)| form.value(name).is_none()) {
        out.append_pair(name, value);
    }
    out.finish()
}

fn redirect(page: &Page) -> Option<Url> {
    if !page.status.is_redirection() {
        return None;
    }
    page.url.join(page.headers.get(LOCATION)?.to_str().ok()?).ok()
}

/// Same scheme and same registrable domain. `localhost` behaves as a public suffix: each name below it is a site.
fn same_site(left: &Url, right: &Url) -> bool {
    let site = |url: &Url| {
        let labels: Vec<String> = url.host_str().unwrap_or_default().rsplit('.').take(2).map(str::to_owned).collect();
        (url.scheme().to_owned(), labels)
    };
    site(left) == site(right)
}

fn without_fragment(url: &Url) -> String {
    let mut url = url.clone();
    url.set_fragment(None);
    url.into()
}

fn parse(address: &str) -> Result<Url, BrowserError> {
    Url::parse(address).map_err(|_| BrowserError::Address(address.to_owned()))
}

/// A value with control characters is not a header: it is left out, as a browser would.
fn insert(headers: &mut HeaderMap, name: http::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_below_localhost_are_sites_of_their_own() {
        for (left, right, same) in [
            ("https://payroll.localhost/", "https://payroll.localhost:1/x", true),
            ("https://payroll.localhost/", "https://localhost/", false),
            ("https://payroll.localhost/", "https://mail.localhost/", false),
            ("https://a.woodgrove.example/", "https://b.woodgrove.example/", true),
            ("https://localhost/", "http://localhost/", false),
        ] {
            assert_eq!(same_site(&Url::parse(left).unwrap(), &Url::parse(right).unwrap()), same, "{left} {right}");
        }
    }

    #[test]
    fn a_form_is_sent_in_its_own_order() {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let form = Form { fields: vec![field("flow", "a b"), field("otp", "")], ..Form::default() };
        assert_eq!(encode(&form, &[("otp", "1&2"), ("more", "x")]), "flow=a+b&otp=1%262&more=x");
    }
}
