//! Forwarding: one admitted request to its application, and the answer back, streaming both ways.

use crate::activity::Activity;
use crate::answer::{self, Caller, Message};
use crate::authorize::{Permit, Refusal};
use crate::body::{BodyError, FlowBody};
use crate::causes;
use crate::config::Limits;
use crate::headers::{self, Origin};
use crate::target::Target;
use crate::tunnel;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use model::AppId;
use runtime::client::{Body, Client, Settings, Versions, full};
use runtime::listen::Peer;
use runtime::tls::TlsError;
use std::sync::Arc;
use tokio_util::task::TaskTracker;

const IDLE_CONNECTIONS_PER_HOST: usize = 256;

/// Connections to applications: HTTP/1.1 alone (a WebSocket needs it), with trust of their own.
#[derive(Debug)]
pub(crate) struct Upstream {
    client: Client,
    /// There are certificate authorities to vouch for an application.
    has_authorities: bool,
    limits: Limits,
    tunnels: TaskTracker,
}

/// An admitted request.
pub(crate) struct Admitted<'a> {
    pub(crate) permit: Permit,
    pub(crate) head: Parts,
    pub(crate) body: Incoming,
    pub(crate) target: &'a Target,
    pub(crate) peer: Peer,
    pub(crate) websocket: bool,
}

/// Why there is no answer of the application.
#[derive(Debug)]
pub(crate) enum ForwardError {
    /// The permit ended first.
    Refused(Refusal),
    Exchange(ExchangeError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExchangeError {
    /// The application is not reachable, or does not speak HTTP.
    Unreachable,
    /// It is behind https, and no certificate authority is configured that could vouch for it.
    NoAuthority,
    /// It took too long to answer.
    TooSlow,
    /// The request's body is larger than is allowed.
    TooLarge,
    /// The client broke off its request.
    BrokenOff,
}

impl ExchangeError {
    pub(crate) fn answer(self, caller: Caller) -> Response<Body> {
        let (status, code) = match self {
            Self::Unreachable | Self::NoAuthority => (StatusCode::BAD_GATEWAY, "upstream_unavailable"),
            Self::TooSlow => (StatusCode::GATEWAY_TIMEOUT, "upstream_timeout"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "request_too_large"),
            Self::BrokenOff => (StatusCode::BAD_REQUEST, "invalid_request"),
        };
        let (title, text) = match self {
            Self::Unreachable | Self::TooSlow => {
                ("The application does not answer", "The application behind this address does not answer.")
            }
            Self::NoAuthority => (
                "The application cannot be reached",
                "The application's certificate authority is not configured at this gateway.",
            ),
            Self::TooLarge => ("Too large", "The request is larger than this gateway passes on."),
            Self::BrokenOff => ("Not served", "The request broke off."),
        };
        answer::message(caller, Message { status, code, title, text })
    }
}

impl From<ExchangeError> for ForwardError {
    fn from(error: ExchangeError) -> Self {
        Self::Exchange(error)
    }
}

impl Upstream {
    pub(crate) fn new(authorities: Option<&[u8]>, limits: Limits) -> Result<Self, TlsError> {
        let settings =
            Settings { versions: Versions::Http1, connect_time: limits.connect_time, idle_per_host: IDLE_CONNECTIONS_PER_HOST };
        let client = Client::with(authorities, settings)?;
        Ok(Self { client, has_authorities: authorities.is_some(), limits, tunnels: TaskTracker::new() })
    }

    pub(crate) async fn forward(&self, admitted: Admitted<'_>) -> Result<Response<Body>, ForwardError> {
        let Admitted { permit, mut head, body, target, peer, websocket } = admitted;
        let application = permit.application().clone();
        if application.upstream.scheme == Scheme::HTTPS && !self.has_authorities {
            tracing::warn!(
                application = application.app_id.as_str(),
                "an application is behind https, but its certificate authority is not configured"
            );
            return Err(ExchangeError::NoAuthority.into());
        }
        let flow = permit.flow().clone();
        let client_upgrade = head.extensions.remove::<OnUpgrade>().filter(|_| websocket);
        let origin = Origin { address: peer.address.ip(), authority: &application.authority };
        headers::for_application(&mut head.headers, origin, &application.upstream.host, permit.assertion());
        if websocket {
            ask_for_websocket(&mut head.headers);
        }
        if self.limits.request_size.is_some_and(|allowed| body.size_hint().lower() > allowed) {
            return Err(ExchangeError::TooLarge.into());
        }
        // The time for an answer begins when the request has been sent: an upload may take as long as it moves.
        let (activity, body) = if body.is_end_stream() {
            (Arc::new(Activity::new()), full(Bytes::new()))
        } else {
            let body = FlowBody::new(body, flow.clone(), self.limits.idle_time, self.limits.request_size);
            (body.activity(), body.boxed())
        };
        let mut request = Request::new(body);
        *request.method_mut() = head.method;
        *request.uri_mut() = address(&permit, target).ok_or(ExchangeError::Unreachable)?;
        *request.headers_mut() = head.headers;

        let answer = tokio::select! {
            biased;
            () = flow.cancellation().cancelled() => {
                let reason = flow.cut_reason().map_or(Refusal::Expired, Refusal::from);
                return Err(ForwardError::Refused(reason));
            }
            answer = self.client.open(request) => answer.map_err(|error| exchange_error(&application.app_id, &error))?,
            () = activity.idle(self.limits.response_time) => return Err(ExchangeError::TooSlow.into()),
        };
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            let client_upgrade = client_upgrade.ok_or(ExchangeError::Unreachable)?;
            return Ok(self.switch(answer, client_upgrade, &permit).ok_or(ExchangeError::Unreachable)?);
        }
        let (mut head, body) = answer.into_parts();
        headers::for_client(&mut head.headers);
        // The version is that of our connection to the client, not of the application's to us.
        head.version = Version::default();
        Ok(Response::from_parts(head, FlowBody::new(body, flow, self.limits.idle_time, None).boxed()))
    }

    /// Ends when every tunnel has: cut them first.
    pub(crate) async fn drain(&self) {
        self.tunnels.close();
        self.tunnels.wait().await;
    }

    fn switch(&self, mut answer: Response<Incoming>, client_upgrade: OnUpgrade, permit: &Permit) -> Option<Response<Body>> {
        if !has_token(answer.headers(), &UPGRADE, "websocket") {
            return None;
        }
        let application_upgrade = hyper::upgrade::on(&mut answer);
        let flow = permit.flow().clone();
        self.tunnels.spawn(tunnel::run(client_upgrade, application_upgrade, flow, self.limits.idle_time));
        let mut response = answer::empty(StatusCode::SWITCHING_PROTOCOLS);
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        headers::for_client(response.headers_mut());
        response.headers_mut().remove(CONTENT_LENGTH);
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        Some(response)
    }
}

/// Is this a WebSocket's opening handshake (RFC 6455 §4.2.1)? Any other upgrade is not taken, and not passed on.
pub(crate) fn is_websocket(head: &Parts) -> bool {
    head.method == Method::GET
        && head.version == Version::HTTP_11
        && has_token(&head.headers, &CONNECTION, "upgrade")
        && has_token(&head.headers, &UPGRADE, "websocket")
        && head.headers.contains_key(SEC_WEBSOCKET_KEY)
        && head.headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13")
        && !head.headers.contains_key(TRANSFER_ENCODING)
        && head.headers.get(CONTENT_LENGTH).is_none_or(|length| length == "0")
}

fn exchange_error(application: &AppId, error: &(dyn std::error::Error + 'static)) -> ExchangeError {
    match causes::find(error) {
        Some(BodyError::TooLarge) => ExchangeError::TooLarge,
        Some(BodyError::Broken(_) | BodyError::Idle | BodyError::Cut(_)) => ExchangeError::BrokenOff,
        None => {
            tracing::warn!(application = application.as_str(), error = causes::text(error), "an application did not answer");
            ExchangeError::Unreachable
        }
    }
}

fn ask_for_websocket(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

fn has_token(headers: &HeaderMap, name: &http::HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(token))
}

/// The path goes on exactly as it was validated.
fn address(permit: &Permit, target: &Target) -> Option<Uri> {
    let upstream = &permit.application().upstream;
    let path = format!("{}{}", upstream.base_path, target.path_and_query());
    Uri::builder().scheme(upstream.scheme.clone()).authority(upstream.authority.clone()).path_and_query(path).build().ok()
}
