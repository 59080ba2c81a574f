//! The last word before a request goes on: is the session's right still standing, now? The answer is a `Permit`.
//!
//! INVARIANT: a `Permit` is made here and nowhere else, and `forward` takes one. So nothing reaches an application that
//! did not pass through `authorize`.

use crate::application::PublishedApplication;
use crate::feed::Admission;
use crate::flow::{CutReason, FlowGuard, TooManyFlows};
use crate::gateway::{Gateway, Inner};
use crate::session::Session;
use http::header::HeaderValue;
use protocol::revocation;
use std::sync::Arc;

/// The right to one exchange with one application, for as long as the flow in it is not cut.
#[derive(Debug)]
pub(crate) struct Permit {
    application: Arc<PublishedApplication>,
    flow: Arc<FlowGuard>,
    assertion: HeaderValue,
}

impl Permit {
    pub(crate) fn application(&self) -> &Arc<PublishedApplication> {
        &self.application
    }

    pub(crate) fn flow(&self) -> &Arc<FlowGuard> {
        &self.flow
    }

    pub(crate) fn assertion(&self) -> &HeaderValue {
        &self.assertion
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The session ended by itself.
    Expired,
    Revoked(revocation::Refusal),
    /// The session is older than the event stream.
    BeforeStream,
    /// The event feed is silent.
    Silent,
    /// Too much in flight.
    Busy,
    /// The assertion could not be signed.
    Unassertable,
    /// The application was taken out of publication while the request ran.
    Unpublished,
    /// The gateway is stopping.
    Stopping,
}

impl From<CutReason> for Refusal {
    /// What a request is told that was cut before its answer began.
    fn from(reason: CutReason) -> Self {
        match reason {
            // The time is not known here; the caller signs in again and learns the rest there.
            CutReason::Revoked => Self::Revoked(revocation::Refusal::Disabled),
            CutReason::FeedSilent => Self::Silent,
            CutReason::SessionExpired => Self::Expired,
            CutReason::Unpublished => Self::Unpublished,
            CutReason::Shutdown => Self::Stopping,
        }
    }
}

pub(crate) fn authorize(gateway: &Gateway, application: Arc<PublishedApplication>, session: &Session) -> Result<Permit, Refusal> {
    let Inner { clock, flows, signals, assertions, metrics, .. } = &*gateway.inner;
    let now = clock.now();
    if session.expires <= now.seconds() {
        return Err(Refusal::Expired);
    }
    // Registered first, judged second: a signal that comes between the two finds the flow in the index.
    let flow = flows.register(session.facts(&application)).map_err(|TooManyFlows| Refusal::Busy)?;
    match signals.judge(flow.facts(), clock.monotonic()).map_err(Refusal::Revoked)? {
        Admission::Live => {}
        Admission::Grace => metrics.admitted_in_grace.increment(),
        Admission::BeforeStream => return Err(Refusal::BeforeStream),
        Admission::Silent => return Err(Refusal::Silent),
    }
    let assertion = assertions.assert(session, &application.app_id, now).map_err(|error| {
        tracing::error!(%error, "a request was refused");
        Refusal::Unassertable
    })?;
    metrics.admitted.increment();
    Ok(Permit { application, flow: Arc::new(flow), assertion })
}
