//! What the event stream has told this gateway: the revocation map and the feed's state, under one lock, so that a
//! judgement sees both as of one moment.

use crate::feed::{Admission, Established, Feed, FeedState, Sign};
use crate::flow::FlowFacts;
use protocol::revocation::{Refusal, Revocation, RevocationMap};
use std::collections::{BTreeSet, VecDeque};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;
use tokio::sync::Notify;

/// Events already applied, by `jti`.
const REMEMBERED_EVENTS: usize = 10_000;
/// Verification states under way.
const AWAITED_STATES: usize = 16;
/// And those that no longer prove anything, but may still arrive: refused, they would hold up what is behind them.
const SPENT_STATES: usize = 1024;

/// The stream that this gateway created at the transmitter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) id: String,
    pub(crate) audience: String,
}

/// A verification event's `state`, as this gateway knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VerificationState {
    /// Asked for since the feed was last live.
    Awaited,
    /// No state (the transmitter's heartbeat), or one that was answered before.
    Other,
    /// Never asked for by us.
    Unknown,
}

#[derive(Debug)]
pub(crate) struct Signals {
    state: RwLock<State>,
    /// Told whenever the feed's state may have changed.
    pub(crate) changed: Notify,
}

#[derive(Debug)]
struct State {
    map: RevocationMap,
    feed: Feed,
    stream: Option<Stream>,
    seen: Remembered,
    awaited: Remembered,
    spent: Remembered,
}

impl Signals {
    pub(crate) fn new(silence: Duration, token_life: Duration, revocations: usize) -> Self {
        // A token may be stamped by a clock a little ahead of ours.
        let retention = u32::try_from(token_life.as_secs()).unwrap_or(u32::MAX).saturating_add(300);
        Self {
            state: RwLock::new(State {
                map: RevocationMap::new(retention, revocations),
                feed: Feed::new(silence),
                stream: None,
                seen: Remembered::new(REMEMBERED_EVENTS),
                awaited: Remembered::new(AWAITED_STATES),
                spent: Remembered::new(SPENT_STATES),
            }),
            changed: Notify::new(),
        }
    }

    /// May a flow with these facts be, now? An error: its right was revoked.
    pub(crate) fn judge(&self, facts: &FlowFacts, now: Duration) -> Result<Admission, Refusal> {
        let state = self.read();
        match state.map.is_revoked(&facts.token()) {
            Some(refusal) => Err(refusal),
            None => Ok(state.feed.admission(Established { issued_at: facts.issued_at, grace: facts.grace }, now)),
        }
    }

    pub(crate) fn feed_state(&self, now: Duration) -> FeedState {
        self.read().feed.state(now)
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.read().feed.deadline()
    }

    pub(crate) fn expects_stream(&self) -> bool {
        self.read().feed.expects_stream()
    }

    pub(crate) fn stream(&self) -> Option<Stream> {
        self.read().stream.clone()
    }

    /// A new stream exists at the transmitter.
    pub(crate) fn begin_stream(&self, stream: Stream) {
        let mut state = self.write();
        state.stream = Some(stream);
        state.spend_awaited();
        state.feed.handle_stream();
    }

    pub(crate) fn end_stream(&self) {
        let mut state = self.write();
        state.stream = None;
        state.feed.handle_broken();
        drop(state);
        self.changed.notify_waiters();
    }

    /// A verification with this `state` is being asked for.
    pub(crate) fn await_verification(&self, verification: &str) {
        let mut state = self.write();
        if let Some(oldest) = state.awaited.insert(verification) {
            state.spent.insert(&oldest);
        }
    }

    pub(crate) fn verification_state(&self, verification: Option<&str>) -> VerificationState {
        let state = self.read();
        match verification {
            None => VerificationState::Other,
            Some(verification) if state.awaited.contains(verification) => VerificationState::Awaited,
            Some(verification) if state.spent.contains(verification) => VerificationState::Other,
            Some(_) => VerificationState::Unknown,
        }
    }

    /// Records a revocation. The caller cuts flows next, and only then reports the event as heard.
    pub(crate) fn revoke(&self, revocation: &Revocation) {
        self.write().map.apply(revocation);
    }

    pub(crate) fn is_known(&self, event: &str) -> bool {
        self.read().seen.contains(event)
    }

    /// An event was applied in full.
    pub(crate) fn heard(&self, event: &str, verification: Option<&str>, issued: i64, wall: i64, now: Duration) {
        let mut state = self.write();
        state.feed.handle_time(now);
        state.seen.insert(event);
        let awaited = verification.is_some_and(|verification| state.awaited.contains(verification));
        let sign = if awaited { Sign::Verified } else { Sign::Event };
        state.feed.handle_event(sign, issued, wall, now);
        if sign == Sign::Verified {
            state.spend_awaited();
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Notices silence, and forgets what concerns expired tokens only.
    pub(crate) fn turn(&self, wall: i64, now: Duration) {
        let mut state = self.write();
        state.feed.handle_time(now);
        state.map.expire(wall);
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn spend_awaited(&mut self) {
        for verification in self.awaited.take() {
            self.spent.insert(&verification);
        }
    }
}

/// The newest texts of a kind, so many and no more.
#[derive(Debug)]
struct Remembered {
    capacity: usize,
    order: VecDeque<String>,
    texts: BTreeSet<String>,
}

impl Remembered {
    fn new(capacity: usize) -> Self {
        Self { capacity, order: VecDeque::new(), texts: BTreeSet::new() }
    }

    /// Gives back the oldest, where it had to make room.
    fn insert(&mut self, text: &str) -> Option<String> {
        if self.texts.insert(text.to_owned()) {
            self.order.push_back(text.to_owned());
        }
        let oldest = if self.order.len() > self.capacity { self.order.pop_front() } else { None };
        oldest.inspect(|oldest| {
            self.texts.remove(oldest);
        })
    }

    fn contains(&self, text: &str) -> bool {
        self.texts.contains(text)
    }

    fn take(&mut self) -> VecDeque<String> {
        self.texts.clear();
        std::mem::take(&mut self.order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_much_is_remembered() {
        let mut remembered = Remembered::new(2);
        let dropped: Vec<_> = ["a", "a", "b", "c"].iter().filter_map(|text| remembered.insert(text)).collect();
        assert_eq!(dropped, ["a"]);
        assert!(!remembered.contains("a") && remembered.contains("b") && remembered.contains("c"));
        assert_eq!(remembered.texts.len(), 2);
    }

    #[test]
    fn a_state_that_comes_late_proves_nothing_but_is_not_refused() {
        let signals = Signals::new(Duration::from_secs(30), Duration::from_secs(3600), 10);
        signals.begin_stream(Stream { id: "1".to_owned(), audience: "g".to_owned() });
        let states: Vec<String> = (0..40).map(|number| number.to_string()).collect();
        states.iter().for_each(|state| signals.await_verification(state));
        signals.heard("event", Some("39"), 1, 1, Duration::from_secs(1));
        for state in &states {
            assert_eq!(signals.verification_state(Some(state)), VerificationState::Other);
        }
        signals.heard("late", Some("38"), 40, 40, Duration::from_secs(40));
        assert_eq!(signals.feed_state(Duration::from_secs(40)), FeedState::Silent);
    }

    #[test]
    fn a_state_is_good_once() {
        let signals = Signals::new(Duration::from_secs(30), Duration::from_secs(3600), 10);
        signals.begin_stream(Stream { id: "1".to_owned(), audience: "g".to_owned() });
        signals.await_verification("s");
        assert_eq!(signals.verification_state(Some("s")), VerificationState::Awaited);
        assert_eq!(signals.verification_state(Some("t")), VerificationState::Unknown);
        signals.heard("1", Some("s"), 1, 1, Duration::from_secs(1));
        assert_eq!(signals.verification_state(Some("s")), VerificationState::Other);
        assert_eq!(signals.feed_state(Duration::from_secs(1)), FeedState::Live);
    }
}
