//! A body that belongs to a flow: it streams as it comes, and ends with an error as soon as the flow is cut, also while
//! nothing moves. Trailers are not passed on (RFC 9110 §6.5.1): nobody checked them as headers.

use crate::activity::Activity;
use crate::flow::FlowGuard;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use runtime::client::BoxError;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the flow was cut: {0}")]
    Cut(&'static str),
    #[error("nothing moved for too long")]
    Idle,
    #[error("the body is too large")]
    TooLarge,
    #[error("the other side broke off")]
    Broken(#[source] hyper::Error),
}

pub(crate) struct FlowBody {
    inner: Incoming,
    flow: Arc<FlowGuard>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    idle: Pin<Box<Sleep>>,
    idle_time: Duration,
    activity: Arc<Activity>,
    /// Bytes that may still come.
    allowance: Option<u64>,
}

impl FlowBody {
    pub(crate) fn new(inner: Incoming, flow: Arc<FlowGuard>, idle_time: Duration, allowance: Option<u64>) -> Self {
        let cut = Box::pin(flow.cancellation().clone().cancelled_owned());
        let (idle, activity) = (Box::pin(tokio::time::sleep(idle_time)), Arc::new(Activity::new()));
        Self { inner, flow, cut, idle, idle_time, activity, allowance }
    }

    pub(crate) fn activity(&self) -> Arc<Activity> {
        self.activity.clone()
    }

    fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while self.idle.as_mut().poll(context).is_ready() {
            let due = self.activity.due(self.idle_time);
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            self.idle.as_mut().reset(due);
        }
        Poll::Pending
    }
}

impl Body for FlowBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if this.cut.as_mut().poll(context).is_ready() {
            let sentence = this.flow.cut_reason().map_or("", crate::flow::CutReason::sentence);
            return Poll::Ready(Some(Err(BodyError::Cut(sentence).into())));
        }
        loop {
            let data = match Pin::new(&mut this.inner).poll_frame(context) {
                Poll::Pending if this.poll_idle(context).is_ready() => return Poll::Ready(Some(Err(BodyError::Idle.into()))),
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(BodyError::Broken(error).into()))),
                Poll::Ready(Some(Ok(frame))) => frame.into_data(),
            };
            this.activity.note();
            let Ok(data) = data else { continue };
            if let Some(allowance) = &mut this.allowance {
                let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
                let Some(left) = allowance.checked_sub(length) else {
                    return Poll::Ready(Some(Err(BodyError::TooLarge.into())));
                };
                *allowance = left;
            }
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
