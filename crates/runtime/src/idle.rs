//! Whether anything goes on upon a connection: a request counts from its head to the end of its answer's body.

use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

/// Counts what has begun and what has ended on one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// A request in flight, until dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Counts>);

impl Activity {
    pub(crate) fn begin(&self) -> InFlight {
        self.0.begun.fetch_add(1, Ordering::SeqCst);
        InFlight(self.0.clone())
    }

    /// Resolves when nothing was in flight, and nothing began, for a whole `time` (and before twice that).
    pub(crate) async fn idle(&self, time: Duration) {
        let mut seen = None;
        loop {
            let ended = self.0.ended.load(Ordering::SeqCst);
            let begun = self.0.begun.load(Ordering::SeqCst);
            if begun == ended && seen == Some(begun) {
                return;
            }
            seen = (begun == ended).then_some(begun);
            tokio::time::sleep(time).await;
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::SeqCst);
    }
}

/// A body that keeps its request in flight.
#[derive(Debug)]
pub(crate) struct Counted<B> {
    body: Pin<Box<B>>,
    _in_flight: InFlight,
}

impl<B> Counted<B> {
    pub(crate) fn new(body: B, in_flight: InFlight) -> Self {
        Self { body: Box::pin(body), _in_flight: in_flight }
    }
}

impl<B: Body> Body for Counted<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.body.as_mut().poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
