//! What is known of one request to a sign-in or protocol endpoint before anything in it is believed: where it came from, what
//! it says it is, which cookies it brought, and the snapshot that it is decided from.

use crate::sign_in::cookies::{self, SessionCookie};
use crate::sign_in::gather::Circumstances;
use crate::sign_in::known::Known;
use crate::snapshot::Snapshot;
use crate::state::ControlPlane;
use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use model::{TenantId, Timestamp};
use protocol::aadsts::{Aadsts, Fault, Occurrence};
use runtime::listen::Peer;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

/// One request. `correlation_id` goes on over the pages of one sign-in; `trace_id` is this request's own.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub snapshot: Arc<Snapshot>,
    /// The tenant that the path names, or why it names none.
    pub tenant: Result<TenantId, Fault>,
    pub correlation_id: String,
    pub trace_id: String,
    /// Of the connection, never of a header: those the client writes.
    pub address: Option<IpAddr>,
    pub user_agent: String,
    pub browser: Option<String>,
    pub session: Option<SessionCookie>,
    /// Who signed in with this browser before.
    pub known: Known,
    /// `Authorization`, if it is readable.
    pub authorization: Option<String>,
    /// What the answer sets, whatever it turns out to be.
    pub set_cookies: Vec<HeaderValue>,
}

const LONGEST_USER_AGENT: usize = 512;

impl Attempt {
    pub(crate) fn tenant(&self) -> Result<&TenantId, Fault> {
        self.tenant.as_ref().map_err(Clone::clone)
    }

    /// The tenant's path segment, for addresses in pages.
    pub(crate) fn tenant_segment(&self) -> &str {
        self.snapshot.tenant().map_or("", TenantId::as_str)
    }

    pub(crate) fn tenant_name(&self) -> &str {
        self.snapshot.directory.organization.as_ref().map_or("", |organization| organization.display_name.as_str())
    }

    pub(crate) fn circumstances(&self) -> Circumstances {
        Circumstances { address: self.address, user_agent: self.user_agent.clone() }
    }

    pub(crate) fn occurrence(&self, base: &str, now: Timestamp) -> Occurrence {
        // `YYYY-MM-DDTHH:MM:SS[.ffffff]Z`, written as Entra does.
        let text = Timestamp::from_seconds(now.seconds()).to_string().replace('T', " ");
        Occurrence {
            timestamp: text,
            trace_id: self.trace_id.clone(),
            correlation_id: self.correlation_id.clone(),
            error_page: format!("{base}/error"),
        }
    }
}

impl FromRequestParts<ControlPlane> for Attempt {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &ControlPlane) -> Result<Self, Infallible> {
        let snapshot = state.snapshot();
        let segment = RawPathParams::from_request_parts(parts, state)
            .await
            .ok()
            .and_then(|parameters| parameters.iter().find(|(name, _)| *name == "tenant").map(|(_, value)| value.to_owned()));
        let text = |name: header::HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
        Ok(Self {
            tenant: tenant(&snapshot, segment.as_deref().unwrap_or_default()),
            correlation_id: correlation_id(parts.uri.query(), &parts.headers).unwrap_or_else(runtime::random::guid),
            trace_id: runtime::random::guid(),
            address: parts.extensions.get::<Peer>().map(|peer| peer.address.ip().to_canonical()),
            user_agent: text(header::USER_AGENT).unwrap_or_default().chars().take(LONGEST_USER_AGENT).collect(),
            browser: cookies::browser(&parts.headers),
            session: cookies::session(&parts.headers),
            known: Known::open(&state.sealer, cookies::known(&parts.headers), state.clock.now()),
            authorization: text(header::AUTHORIZATION).map(str::to_owned),
            set_cookies: Vec::new(),
            snapshot,
        })
    }
}

fn tenant(snapshot: &Snapshot, segment: &str) -> Result<TenantId, Fault> {
    snapshot
        .directory
        .organization
        .as_ref()
        .filter(|organization| organization.is_named(segment))
        .map(|organization| organization.id.clone())
        .ok_or_else(|| Aadsts::TenantNotFound.fault(&[segment]))
}

/// `client-request-id`, in the query or as a header, where it is a GUID: anything else would write into our logs.
fn correlation_id(query: Option<&str>, headers: &HeaderMap) -> Option<String> {
    let name = "client-request-id";
    let in_query = form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned());
    let text = in_query.or_else(|| headers.get(name)?.to_str().ok().map(str::to_owned))?;
    uuid::Uuid::try_parse(&text).ok().map(|id| id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correlation_id_is_a_guid_or_ours() {
        let none = HeaderMap::new();
        let guid = "0F8FAD5B-D9CB-469F-A165-70867728950E";
        assert_eq!(correlation_id(Some(&format!("client-request-id={guid}")), &none).unwrap(), guid.to_lowercase());
        assert_eq!(correlation_id(Some("client-request-id=x%0Ay"), &none), None);
        let mut headers = HeaderMap::new();
        headers.insert("client-request-id", guid.parse().unwrap());
        assert_eq!(correlation_id(None, &headers).unwrap(), guid.to_lowercase());
    }
}
