//! Published applications, compiled from Graph's `application` objects: the strict form that requests are routed by.
//! An application that cannot be understood is not published; nothing here fetches.

use crate::target;
use http::header::HeaderValue;
use http::uri::{Authority, Scheme};
use model::application::tag;
use model::{AppId, Application};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// The longest grace that an application may opt into.
const LONGEST_RESILIENCE: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublishedApplication {
    pub(crate) app_id: AppId,
    pub(crate) display_name: String,
    /// Host that people type, in lower case, with the port unless it is 443.
    pub(crate) authority: String,
    /// `https://` and the authority.
    pub(crate) origin: String,
    pub(crate) upstream: InternalUrl,
    /// It understands HTTP Basic.
    pub(crate) accepts_basic: bool,
    /// How long established sessions go on while the event feed is silent.
    pub(crate) resilience: Option<Duration>,
}

/// Where an application really is: Graph's `internalUrl`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InternalUrl {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    /// Goes before each path; without a slash at its end.
    pub(crate) base_path: String,
    /// `Host` that the application sees: its internal one, unless Graph's `isTranslateHostHeaderEnabled` is false.
    pub(crate) host: HeaderValue,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum PublicationError {
    #[error("`externalUrl` is not an https address with a host and no path: `{0}`")]
    ExternalUrl(String),
    #[error("`internalUrl` is not an http or https address with a host: `{0}`")]
    InternalUrl(String),
    #[error("`{0}` is published twice, or is the gateway's own host")]
    HostTaken(String),
}

impl PublishedApplication {
    /// `None`: not published.
    pub(crate) fn read(application: &Application) -> Result<Option<Self>, PublicationError> {
        let Some(publishing) = &application.on_premises_publishing else { return Ok(None) };
        let external = || PublicationError::ExternalUrl(publishing.external_url.clone());
        let url = Url::parse(&publishing.external_url).map_err(|_| external())?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        if url.scheme() != "https" || !bare {
            return Err(external());
        }
        let authority = authority_of(&url).ok_or_else(external)?;
        let translates = publishing.rest.get("isTranslateHostHeaderEnabled").and_then(Value::as_bool).unwrap_or(true);
        let upstream = InternalUrl::read(&publishing.internal_url, (!translates).then_some(authority.as_str()))
            .ok_or_else(|| PublicationError::InternalUrl(publishing.internal_url.clone()))?;
        Ok(Some(Self {
            app_id: application.app_id.clone(),
            display_name: application.display_name.clone(),
            origin: format!("https://{authority}"),
            authority,
            upstream,
            accepts_basic: application.tags.iter().any(|tag| tag == tag::HTTP_BASIC),
            resilience: resilience(&application.tags),
        }))
    }
}

impl InternalUrl {
    fn read(internal_url: &str, host: Option<&str>) -> Option<Self> {
        let url = Url::parse(internal_url).ok()?;
        let scheme = match url.scheme() {
            "http" => Scheme::HTTP,
            "https" => Scheme::HTTPS,
            _ => return None,
        };
        let bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
        let base_path = url.path().trim_end_matches('/');
        if !bare || !(base_path.is_empty() || target::check_path(base_path).is_ok()) {
            return None;
        }
        let host_text = url.host_str()?;
        let text = url.port().map_or_else(|| host_text.to_owned(), |port| format!("{host_text}:{port}"));
        let authority: Authority = text.parse().ok()?;
        let host = HeaderValue::from_str(host.unwrap_or(authority.as_str())).ok()?;
        Some(Self { scheme, authority, base_path: base_path.to_owned(), host })
    }
}

/// As `target::read` writes it.
pub(crate) fn authority_of(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    let text = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    target::normalise(&text).ok()
}

/// The shortest one that is stated; an unreadable one is none.
fn resilience(tags: &[String]) -> Option<Duration> {
    tags.iter()
        .filter_map(|tag| tag.strip_prefix(tag::RESILIENCE_PREFIX))
        .map(|seconds| seconds.parse().map_or(Duration::ZERO, Duration::from_secs))
        .min()
        .filter(|resilience| !resilience.is_zero())
        .map(|resilience| resilience.min(LONGEST_RESILIENCE))
}

/// All published applications, by host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Applications {
    by_authority: BTreeMap<String, Arc<PublishedApplication>>,
}

impl Applications {
    /// Compiles what can be; the rest comes back with its reason.
    pub(crate) fn read(applications: &[Application], own_authority: &str) -> (Self, Vec<(AppId, PublicationError)>) {
        let mut by_authority = BTreeMap::new();
        let mut refused = Vec::new();
        for application in applications {
            match PublishedApplication::read(application) {
                Ok(None) => {}
                Ok(Some(published))
                    if published.authority == own_authority || by_authority.contains_key(&published.authority) =>
                {
                    refused.push((published.app_id, PublicationError::HostTaken(published.authority)));
                }
                Ok(Some(published)) => {
                    by_authority.insert(published.authority.clone(), Arc::new(published));
                }
                Err(error) => refused.push((application.app_id.clone(), error)),
            }
        }
        (Self { by_authority }, refused)
    }

    pub(crate) fn by_authority(&self, authority: &str) -> Option<Arc<PublishedApplication>> {
        self.by_authority.get(authority).cloned()
    }

    /// Applications of `self` that `newer` no longer has, or has elsewhere.
    pub(crate) fn gone_in<'a>(&'a self, newer: &'a Self) -> impl Iterator<Item = &'a AppId> {
        self.by_authority
            .values()
            .filter(|old| {
                newer.by_authority.get(&old.authority).is_none_or(|new| new.upstream != old.upstream || new.app_id != old.app_id)
            })
            .map(|old| &old.app_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn application(external: &str, internal: &str, tags: &[&str]) -> Application {
        serde_json::from_value(json!({
            "id": "1", "appId": external, "displayName": "Payroll", "tags": tags,
            "onPremisesPublishing": {"externalUrl": external, "internalUrl": internal}
        }))
        .unwrap()
    }

    fn read(external: &str, internal: &str, tags: &[&str]) -> Result<PublishedApplication, PublicationError> {
        PublishedApplication::read(&application(external, internal, tags)).map(Option::unwrap)
    }

    #[test]
    fn an_application_is_compiled() {
        let payroll = read("https://Payroll.localhost:8444/", "http://127.0.0.1:9000/base/", &["countersign:httpBasic"]).unwrap();
        assert_eq!(
            (payroll.authority.as_str(), payroll.origin.as_str()),
            ("payroll.localhost:8444", "https://payroll.localhost:8444")
        );
        assert_eq!(payroll.upstream.authority.as_str(), "127.0.0.1:9000");
        assert_eq!((payroll.upstream.base_path.as_str(), payroll.upstream.host.to_str().unwrap()), ("/base", "127.0.0.1:9000"));
        assert!(payroll.accepts_basic);
        assert_eq!(payroll.resilience, None);
        assert_eq!(read("https://a.example:443/", "https://b.example/", &[]).unwrap().authority, "a.example");
    }

    #[test]
    fn what_cannot_be_understood_is_not_published() {
        for external in ["http://a.localhost/", "https://a.localhost/path", "https://u@a.localhost/", "https:///", "a.localhost"]
        {
            assert!(matches!(read(external, "http://127.0.0.1/", &[]), Err(PublicationError::ExternalUrl(_))), "{external}");
        }
        for internal in ["", "ftp://a/", "http://a/?q", "http://u:p@a/", "file:///etc"] {
            assert!(matches!(read("https://a.localhost/", internal, &[]), Err(PublicationError::InternalUrl(_))), "{internal}");
        }
    }

    #[test]
    fn resilience_is_off_unless_it_is_a_number_and_bounded() {
        let resilience = |tags: &[&str]| read("https://a.localhost/", "http://127.0.0.1/", tags).unwrap().resilience;
        assert_eq!(resilience(&["countersign:resilience=60"]), Some(Duration::from_secs(60)));
        assert_eq!(resilience(&["countersign:resilience=60", "countersign:resilience=5"]), Some(Duration::from_secs(5)));
        assert_eq!(resilience(&["countersign:resilience=60", "countersign:resilience=abc"]), None);
        assert_eq!(resilience(&["countersign:resilience=0"]), None);
        assert_eq!(resilience(&["countersign:resilience=999999999"]), Some(LONGEST_RESILIENCE));
    }

    #[test]
    fn a_host_is_published_once_and_never_the_gateways_own() {
        let internal = "http://127.0.0.1/";
        let all = [
            application("https://a.localhost/", internal, &[]),
            application("https://A.localhost:443/", internal, &[]),
            application("https://gateway.localhost/", internal, &[]),
        ];
        let (applications, refused) = Applications::read(&all, "gateway.localhost");
        assert!(applications.by_authority("a.localhost").is_some());
        assert_eq!(refused.len(), 2);
        assert_eq!(applications.gone_in(&applications).count(), 0);
        assert_eq!(applications.gone_in(&Applications::default()).count(), 1);
    }
}
