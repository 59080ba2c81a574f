//! The live-flow index: every request, stream and tunnel in flight, found by user, session, device or application, and
//! ended from here.
//!
//! INVARIANT: a flow is registered before its last revocation check, and a revocation is recorded before the index is
//! cut. So whichever comes first, the flow is either refused or found.

use model::{AppId, SessionId, UserId};
use protocol::revocation::{Subject, TokenFacts};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Whose flow it is, and by which right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FlowFacts {
    pub user: UserId,
    pub(crate) session: Option<SessionId>,
    pub(crate) device: Option<String>,
    pub(crate) application: AppId,
    /// `iat` of the token behind it, in seconds.
    pub(crate) issued_at: i64,
    /// When that right ends, in seconds.
    pub(crate) expires: i64,
    /// How long it may go on while the event feed is silent; none unless the application opted in and no policy forbids it.
    pub(crate) grace: Option<Duration>,
}

impl FlowFacts {
    pub(crate) fn token(&self) -> TokenFacts<'_> {
        TokenFacts {
            user: self.user.as_str(),
            session: self.session.as_ref().map(SessionId::as_str),
            device: self.device.as_deref(),
            application: self.application.as_str(),
            issued_at: self.issued_at,
        }
    }
}

/// Why a flow was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CutReason {
    Revoked,
    FeedSilent,
    SessionExpired,
    Unpublished,
    Shutdown,
}

impl CutReason {
    /// What the other end of a WebSocket is told.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::Revoked => "access revoked",
            Self::FeedSilent => "event feed silent",
            Self::SessionExpired => "session expired",
            Self::Unpublished => "application no longer published",
            Self::Shutdown => "gateway stopping",
        }
    }
}

/// A flow's end of its registration; dropping it takes the flow out of the index.
#[derive(Debug)]
pub(crate) struct FlowGuard {
    index: Arc<Mutex<Index>>,
    number: u64,
    flow: Arc<Flow>,
}

#[derive(Debug)]
struct Flow {
    facts: FlowFacts,
    cancel: CancellationToken,
    /// The first reason stands.
    reason: OnceLock<CutReason>,
}

impl Flow {
    fn cut(&self, reason: CutReason) {
        let _ = self.reason.set(reason);
        self.cancel.cancel();
    }
}

impl FlowGuard {
    pub(crate) fn facts(&self) -> &FlowFacts {
        &self.flow.facts
    }

    pub(crate) fn cancellation(&self) -> &CancellationToken {
        &self.flow.cancel
    }

    /// `None` while it may go on.
    pub(crate) fn cut_reason(&self) -> Option<CutReason> {
        self.flow.reason.get().copied()
    }
}

impl Drop for FlowGuard {
    fn drop(&mut self) {
        lock(&self.index).remove(self.number);
    }
}

/// What flows are found by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    User(String),
    Session(String),
    Device(String),
    Application(String),
}

#[derive(Debug, Default)]
struct Index {
    next: u64,
    flows: BTreeMap<u64, Arc<Flow>>,
    by_key: BTreeMap<Key, BTreeSet<u64>>,
    by_expiry: BTreeSet<(i64, u64)>,
}

impl Index {
    fn remove(&mut self, number: u64) {
        let Some(flow) = self.flows.remove(&number) else { return };
        self.by_expiry.remove(&(flow.facts.expires, number));
        for key in keys(&flow.facts) {
            if let Some(numbers) = self.by_key.get_mut(&key) {
                numbers.remove(&number);
                if numbers.is_empty() {
                    self.by_key.remove(&key);
                }
            }
        }
    }
}

fn keys(facts: &FlowFacts) -> impl Iterator<Item = Key> {
    [
        Some(Key::User(facts.user.as_str().to_owned())),
        facts.session.as_ref().map(|session| Key::Session(session.as_str().to_owned())),
        facts.device.clone().map(Key::Device),
        Some(Key::Application(facts.application.as_str().to_owned())),
    ]
    .into_iter()
    .flatten()
}

fn lock(index: &Mutex<Index>) -> MutexGuard<'_, Index> {
    index.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests in flight")]
pub(crate) struct TooManyFlows;

#[derive(Debug)]
pub(crate) struct Flows {
    index: Arc<Mutex<Index>>,
    limit: usize,
    /// For one session, or for one user's requests without a session.
    limit_per_session: usize,
}

impl Flows {
    pub(crate) fn new(limit: usize, limit_per_session: usize) -> Self {
        Self { index: Arc::default(), limit, limit_per_session }
    }

    pub(crate) fn register(&self, facts: FlowFacts) -> Result<FlowGuard, TooManyFlows> {
        let mut index = lock(&self.index);
        let owner = facts
            .session
            .as_ref()
            .map_or_else(|| Key::User(facts.user.as_str().to_owned()), |session| Key::Session(session.as_str().to_owned()));
        let of_owner = index.by_key.get(&owner).map_or(0, BTreeSet::len);
        if index.flows.len() >= self.limit || of_owner >= self.limit_per_session {
            return Err(TooManyFlows);
        }
        let number = index.next;
        index.next = index.next.wrapping_add(1);
        index.by_expiry.insert((facts.expires, number));
        for key in keys(&facts) {
            index.by_key.entry(key).or_default().insert(number);
        }
        let flow = Arc::new(Flow { facts, cancel: CancellationToken::new(), reason: OnceLock::new() });
        index.flows.insert(number, flow.clone());
        Ok(FlowGuard { index: self.index.clone(), number, flow })
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.index).flows.len()
    }

    /// Ends every flow that `subject` matches; how many there were.
    pub(crate) fn cut(&self, subject: &Subject, reason: CutReason) -> u64 {
        let matching: Vec<Arc<Flow>> = {
            let index = lock(&self.index);
            let named = [
                subject.session.clone().map(Key::Session),
                subject.device.clone().map(Key::Device),
                subject.user.clone().map(Key::User),
                subject.application.clone().map(Key::Application),
            ];
            let narrowest = named.into_iter().flatten().next();
            let candidates: Vec<Arc<Flow>> = match narrowest {
                None => index.flows.values().cloned().collect(),
                Some(key) => {
                    let numbers = index.by_key.get(&key).into_iter().flatten();
                    numbers.filter_map(|number| index.flows.get(number).cloned()).collect()
                }
            };
            candidates.into_iter().filter(|flow| subject.matches(&flow.facts.token())).collect()
        };
        cut_all(&matching, reason)
    }

    /// Ends every flow that `may_go_on` does not spare.
    pub(crate) fn cut_unless(&self, reason: CutReason, may_go_on: impl Fn(&FlowFacts) -> bool) -> u64 {
        let all: Vec<Arc<Flow>> = lock(&self.index).flows.values().cloned().collect();
        let ending: Vec<Arc<Flow>> =
            all.into_iter().filter(|flow| !flow.cancel.is_cancelled() && !may_go_on(&flow.facts)).collect();
        cut_all(&ending, reason)
    }

    /// Ends every flow whose right has run out by `now` (seconds).
    pub(crate) fn cut_expired(&self, now: i64) -> u64 {
        let expired: Vec<Arc<Flow>> = {
            let index = lock(&self.index);
            let numbers = index.by_expiry.iter().take_while(|(expires, _)| *expires <= now);
            numbers
                .filter_map(|(_, number)| index.flows.get(number).cloned())
                .filter(|flow| !flow.cancel.is_cancelled())
                .collect()
        };
        cut_all(&expired, CutReason::SessionExpired)
    }
}

/// Outside the lock: cancelling wakes tasks, and a woken task may drop its guard.
fn cut_all(flows: &[Arc<Flow>], reason: CutReason) -> u64 {
    flows.iter().for_each(|flow| flow.cut(reason));
    u64::try_from(flows.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(user: &str, session: Option<&str>, application: &str, expires: i64) -> FlowFacts {
        FlowFacts {
            user: UserId::new(user),
            session: session.map(SessionId::new),
            device: Some(format!("device-of-{user}")),
            application: AppId::new(application),
            issued_at: 100,
            expires,
            grace: None,
        }
    }

    fn of_user(user: &str) -> Subject {
        Subject { user: Some(user.to_owned()), ..Subject::default() }
    }

    #[test]
    fn a_cut_ends_what_it_names_and_nothing_else() {
        let flows = Flows::new(100, 100);
        let guards: Vec<FlowGuard> = [("a", "1", "x"), ("a", "2", "y"), ("b", "3", "x"), ("b", "3", "y")]
            .map(|(user, session, application)| flows.register(facts(user, Some(session), application, 1000)).unwrap())
            .into();
        let alive = || guards.iter().map(|guard| guard.cut_reason().is_none()).collect::<Vec<_>>();
        let device = Subject { device: Some("device-of-b".to_owned()), application: Some("x".to_owned()), ..Subject::default() };
        assert_eq!(flows.cut(&device, CutReason::Revoked), 1);
        assert_eq!(alive(), [true, true, false, true]);
        let session = Subject { session: Some("2".to_owned()), ..of_user("a") };
        assert_eq!(flows.cut(&session, CutReason::Revoked), 1);
        assert_eq!(alive(), [true, false, false, true]);
        let crossed = Subject { session: Some("2".to_owned()), ..of_user("b") };
        assert_eq!(flows.cut(&crossed, CutReason::Revoked), 0);
        flows.cut(&of_user("a"), CutReason::FeedSilent);
        assert_eq!(guards[1].cut_reason(), Some(CutReason::Revoked), "the first reason stands");
        assert_eq!(guards[0].cut_reason(), Some(CutReason::FeedSilent));
        assert_eq!(flows.cut(&Subject::default(), CutReason::Shutdown), 4);
        assert!(guards.iter().all(|guard| guard.cancellation().is_cancelled()));
        drop(guards);
        assert!(flows.len() == 0 && lock(&flows.index).by_key.is_empty() && lock(&flows.index).by_expiry.is_empty());
    }

    #[test]
    fn flows_end_with_their_session() {
        let flows = Flows::new(100, 100);
        let (early, late) =
            (flows.register(facts("a", None, "x", 10)).unwrap(), flows.register(facts("a", None, "x", 11)).unwrap());
        assert_eq!(flows.cut_expired(9), 0);
        assert_eq!(flows.cut_expired(10), 1);
        assert_eq!(flows.cut_expired(10), 0);
        assert_eq!((early.cut_reason(), late.cut_reason()), (Some(CutReason::SessionExpired), None));
    }

    #[test]
    fn there_are_only_so_many_flows() {
        let flows = Flows::new(3, 2);
        let _first = flows.register(facts("a", Some("1"), "x", 10)).unwrap();
        let second = flows.register(facts("a", Some("1"), "y", 10)).unwrap();
        assert_eq!(flows.register(facts("a", Some("1"), "z", 10)).err(), Some(TooManyFlows));
        let _third = flows.register(facts("a", Some("2"), "x", 10)).unwrap();
        assert_eq!(flows.register(facts("b", Some("3"), "x", 10)).err(), Some(TooManyFlows));
        drop(second);
        flows.register(facts("b", Some("3"), "x", 10)).unwrap();
    }
}
