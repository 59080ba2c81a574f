//! What the gateway counts, and how a Prometheus reads it. Nothing here names a person, a session or an address.

use crate::authorize::Refusal;
use crate::feed::FeedState;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// Of the text exposition format.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn increment(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) admitted: Counter,
    /// Of the admitted.
    pub(crate) admitted_in_grace: Counter,
    pub(crate) refused_malformed: Counter,
    pub(crate) refused_unauthenticated: Counter,
    pub(crate) refused_silent: Counter,
    refused_revoked: Counter,
    refused_expired: Counter,
    refused_busy: Counter,
    refused_error: Counter,
    pub(crate) cut_revoked: Counter,
    pub(crate) cut_silent: Counter,
    pub(crate) cut_expired: Counter,
    pub(crate) cut_unpublished: Counter,
    pub(crate) events_accepted: Counter,
    pub(crate) events_refused: Counter,
    pub(crate) legacy_checks: Counter,
}

impl Metrics {
    /// An authenticated request that was not admitted.
    pub(crate) fn count_refusal(&self, refusal: Refusal) {
        let counter = match refusal {
            Refusal::Revoked(_) => &self.refused_revoked,
            Refusal::Expired | Refusal::BeforeStream => &self.refused_expired,
            Refusal::Silent => &self.refused_silent,
            Refusal::Busy => &self.refused_busy,
            Refusal::Unassertable | Refusal::Unpublished | Refusal::Stopping => &self.refused_error,
        };
        counter.increment();
    }

    /// Prometheus text exposition format 0.0.4. `flows`: in flight.
    pub(crate) fn exposition(&self, flows: usize, feed: FeedState) -> String {
        let mut text = String::new();
        let state = |state: FeedState| u64::from(feed == state);
        for (name, kind, help, samples) in [
            ("admitted_total", "counter", "Requests let through.", &[("", self.admitted.value())] as &[(&str, u64)]),
            (
                "admitted_in_grace_total",
                "counter",
                "Requests let through while the event feed was silent, by an application's resilience.",
                &[("", self.admitted_in_grace.value())],
            ),
            (
                "refused_total",
                "counter",
                "Requests not let through.",
                &[
                    (r#"{reason="malformed"}"#, self.refused_malformed.value()),
                    (r#"{reason="unauthenticated"}"#, self.refused_unauthenticated.value()),
                    (r#"{reason="feed_silent"}"#, self.refused_silent.value()),
                    (r#"{reason="revoked"}"#, self.refused_revoked.value()),
                    (r#"{reason="session_expired"}"#, self.refused_expired.value()),
                    (r#"{reason="busy"}"#, self.refused_busy.value()),
                    (r#"{reason="error"}"#, self.refused_error.value()),
                ],
            ),
            (
                "cut_total",
                "counter",
                "Requests, streams and tunnels ended while they ran.",
                &[
                    (r#"{reason="revoked"}"#, self.cut_revoked.value()),
                    (r#"{reason="feed_silent"}"#, self.cut_silent.value()),
                    (r#"{reason="session_expired"}"#, self.cut_expired.value()),
                    (r#"{reason="unpublished"}"#, self.cut_unpublished.value()),
                ],
            ),
            (
                "events_total",
                "counter",
                "Security event tokens pushed to this gateway.",
                &[
                    (r#"{result="accepted"}"#, self.events_accepted.value()),
                    (r#"{result="refused"}"#, self.events_refused.value()),
                ],
            ),
            (
                "legacy_checks_total",
                "counter",
                "HTTP Basic credentials handed to the control plane.",
                &[("", self.legacy_checks.value())],
            ),
            ("flows", "gauge", "Requests, streams and tunnels in flight.", &[("", u64::try_from(flows).unwrap_or(u64::MAX))]),
            (
                "feed",
                "gauge",
                "State of the event feed: one is 1, the others are 0.",
                &[
                    (r#"{state="unheard"}"#, state(FeedState::Unheard)),
                    (r#"{state="live"}"#, state(FeedState::Live)),
                    (r#"{state="silent"}"#, state(FeedState::Silent)),
                ],
            ),
        ] {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "# HELP countersign_gateway_{name} {help}\n# TYPE countersign_gateway_{name} {kind}");
            for (labels, value) in samples {
                let _ = writeln!(text, "countersign_gateway_{name}{labels} {value}");
            }
        }
        text
    }
}
