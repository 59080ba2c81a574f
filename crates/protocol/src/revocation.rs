//! The revocation map of a resource: which tokens, though signed and unexpired, no longer count.
//!
//! Subject → "nothing issued at or before this second" (CAEP `session-revoked`), and accounts that are off until they are
//! turned on again (RISC `account-disabled`, `account-enabled`, `account-purged`). Equal seconds count as revoked: a
//! token's `iat` has no finer grain, and a token too many refused is a sign-in, a token too many let through is a breach.
//!
//! It never forgets towards "allowed": what it drops for age can only concern expired tokens, and what it drops for room
//! raises a floor under everybody. It reads no clock.

use crate::secevent::{SecurityEventToken, SubjectId, event_type};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What a token, or the session made from it, says about itself. Identifiers in lower case, as `model`'s are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenFacts<'a> {
    pub user: &'a str,
    pub session: Option<&'a str>,
    pub device: Option<&'a str>,
    pub application: &'a str,
    /// `iat`, in seconds.
    pub issued_at: i64,
}

/// Whom an event is about: every member that is given must match (SSF 1.0 §3.3); no member at all is everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    pub user: Option<String>,
    pub session: Option<String>,
    pub device: Option<String>,
    pub application: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing issued up to the event's time counts.
    Revoke,
    /// And nothing issued later, until `Enable`.
    Disable,
    Enable,
}

/// One event, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    pub subject: Subject,
    pub action: Action,
    /// Seconds.
    pub at: i64,
}

/// Why a token does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It was issued at or before `revoked_before`; a newer one would do.
    Revoked { revoked_before: i64 },
    /// The account is off; no token will do.
    Disabled,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SubjectError {
    #[error("subject of another issuer, `{0}`")]
    OtherIssuer(String),
    #[error("subject in a format that this receiver cannot match")]
    Unmatchable,
}

impl Revocation {
    /// What a SET asks of a resource. `None`: nothing (a verification, a credential that was added, a type unknown here,
    /// which SSF 1.0 §4 tells receivers to ignore).
    pub fn read(token: &SecurityEventToken) -> Result<Option<Self>, SubjectError> {
        let acting = token.events.iter().find_map(|(event, claims)| Some((action(event)?, claims)));
        let Some((action, claims)) = acting else { return Ok(None) };
        let stated = claims.get("event_timestamp").and_then(Value::as_i64).unwrap_or(token.iat);
        // A token issued between the event and its commit is as old as the event: `iat` covers that gap.
        Ok(Some(Self { subject: Subject::read(&token.sub_id, &token.iss)?, action, at: stated.max(token.iat) }))
    }
}

/// The event types that change what counts, and how. A receiver that is not sent every one of them would miss revocations.
pub const ACTING: [(&str, Action); 4] = [
    (event_type::SESSION_REVOKED, Action::Revoke),
    (event_type::ACCOUNT_DISABLED, Action::Disable),
    (event_type::ACCOUNT_PURGED, Action::Disable),
    (event_type::ACCOUNT_ENABLED, Action::Enable),
];

fn action(event: &str) -> Option<Action> {
    ACTING.iter().find(|(acting, _)| *acting == event).map(|(_, action)| *action)
}

impl Subject {
    /// `issuer`: of the SET, which must be the issuer of every subject in it.
    pub fn read(subject: &SubjectId, issuer: &str) -> Result<Self, SubjectError> {
        let complex = match subject {
            SubjectId::Complex(complex) => complex,
            SubjectId::IssSub { .. } => return Ok(Self { user: Some(user(subject, issuer)?), ..Self::default() }),
            SubjectId::Opaque { .. } | SubjectId::Email { .. } => return Err(SubjectError::Unmatchable),
        };
        let read = Self {
            user: complex.user.as_deref().map(|subject| user(subject, issuer)).transpose()?,
            session: complex.session.as_deref().map(opaque).transpose()?,
            device: complex.device.as_deref().map(opaque).transpose()?,
            application: complex.application.as_deref().map(opaque).transpose()?,
        };
        // Members that we do not know are dropped, which widens the match; with none left it would be everybody.
        if read == Self::default() && complex.tenant.is_none() { Err(SubjectError::Unmatchable) } else { Ok(read) }
    }

    pub fn matches(&self, facts: &TokenFacts<'_>) -> bool {
        let agrees = |wanted: &Option<String>, is: Option<&str>| wanted.as_deref().is_none_or(|wanted| is == Some(wanted));
        agrees(&self.user, Some(facts.user))
            && agrees(&self.session, facts.session)
            && agrees(&self.device, facts.device)
            && agrees(&self.application, Some(facts.application))
    }

    fn shape(&self) -> Shape {
        Shape {
            user: self.user.is_some(),
            session: self.session.is_some(),
            device: self.device.is_some(),
            application: self.application.is_some(),
        }
    }
}

fn user(subject: &SubjectId, issuer: &str) -> Result<String, SubjectError> {
    match subject {
        SubjectId::IssSub { iss, sub } if iss == issuer => Ok(sub.to_lowercase()),
        SubjectId::IssSub { iss, .. } => Err(SubjectError::OtherIssuer(iss.clone())),
        SubjectId::Opaque { id } => Ok(id.to_lowercase()),
        SubjectId::Email { .. } | SubjectId::Complex(_) => Err(SubjectError::Unmatchable),
    }
}

fn opaque(subject: &SubjectId) -> Result<String, SubjectError> {
    match subject {
        SubjectId::Opaque { id } => Ok(id.to_lowercase()),
        SubjectId::IssSub { sub, .. } => Ok(sub.to_lowercase()),
        SubjectId::Email { .. } | SubjectId::Complex(_) => Err(SubjectError::Unmatchable),
    }
}

/// Which members a subject has. A token is looked up once for each shape that is in the map, not once for each entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    user: bool,
    session: bool,
    device: bool,
    application: bool,
}

impl Shape {
    /// The one subject of this shape that matches the token, if any can.
    fn of(self, facts: &TokenFacts<'_>) -> Option<Subject> {
        let member = |wanted: bool, is: Option<&str>| match (wanted, is) {
            (false, _) => Some(None),
            (true, Some(is)) => Some(Some(is.to_owned())),
            (true, None) => None,
        };
        Some(Subject {
            user: member(self.user, Some(facts.user))?,
            session: member(self.session, facts.session)?,
            device: member(self.device, facts.device)?,
            application: member(self.application, Some(facts.application))?,
        })
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    revoked_before: Option<i64>,
    /// Time of the newest `Disable` that no `Enable` undid.
    disabled: Option<i64>,
    /// Time of the newest `Enable`, so that a late `Disable` from before it changes nothing.
    enabled: Option<i64>,
}

impl Mark {
    fn newest(&self) -> i64 {
        self.revoked_before.max(self.disabled).max(self.enabled).unwrap_or(i64::MIN)
    }
}

/// INVARIANT: `order` holds each entry of `marks` once, and `shapes` counts them by shape.
#[derive(Clone, Debug)]
pub struct RevocationMap {
    retention: i64,
    capacity: usize,
    marks: BTreeMap<Subject, Mark>,
    /// Whom to drop first: accounts that are off last, else the oldest.
    order: BTreeSet<(bool, i64, Subject)>,
    shapes: BTreeMap<Shape, usize>,
    floor: Option<i64>,
}

impl RevocationMap {
    /// `retention`: the longest life, in seconds, of any token that will be looked up. `capacity`: entries kept.
    pub fn new(retention: u32, capacity: usize) -> Self {
        Self {
            retention: i64::from(retention),
            capacity,
            marks: BTreeMap::new(),
            order: BTreeSet::new(),
            shapes: BTreeMap::new(),
            floor: None,
        }
    }

    pub fn len(&self) -> usize {
        self.marks.len()
    }

    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    pub fn apply(&mut self, revocation: &Revocation) {
        let Revocation { subject, action, at } = revocation;
        let mut mark = self.remove(subject).unwrap_or_default();
        match action {
            Action::Revoke => mark.revoked_before = mark.revoked_before.max(Some(*at)),
            Action::Disable => {
                mark.revoked_before = mark.revoked_before.max(Some(*at));
                if mark.enabled.is_none_or(|enabled| *at >= enabled) {
                    mark.disabled = mark.disabled.max(Some(*at));
                }
            }
            Action::Enable => {
                mark.enabled = mark.enabled.max(Some(*at));
                mark.disabled = mark.disabled.filter(|disabled| at < disabled);
            }
        }
        self.insert(subject.clone(), mark);
        while self.marks.len() > self.capacity {
            let Some((_, _, subject)) = self.order.first().cloned() else { break };
            let dropped = self.remove(&subject);
            self.floor = self.floor.max(dropped.and_then(|mark| mark.revoked_before));
        }
    }

    /// Drops what can only concern tokens that have expired by `now` (seconds).
    pub fn expire(&mut self, now: i64) {
        let oldest_alive = now.saturating_sub(self.retention);
        while let Some((false, newest, subject)) = self.order.first().cloned() {
            if newest >= oldest_alive {
                break;
            }
            self.remove(&subject);
        }
        self.floor = self.floor.filter(|floor| *floor >= oldest_alive);
    }

    pub fn is_revoked(&self, facts: &TokenFacts<'_>) -> Option<Refusal> {
        let mut revoked_before = self.floor;
        for shape in self.shapes.keys() {
            let Some(mark) = shape.of(facts).and_then(|subject| self.marks.get(&subject)) else { continue };
            if mark.disabled.is_some() {
                return Some(Refusal::Disabled);
            }
            revoked_before = revoked_before.max(mark.revoked_before);
        }
        revoked_before
            .filter(|revoked_before| facts.issued_at <= *revoked_before)
            .map(|revoked_before| Refusal::Revoked { revoked_before })
    }

    fn insert(&mut self, subject: Subject, mark: Mark) {
        *self.shapes.entry(subject.shape()).or_insert(0) += 1;
        self.order.insert((mark.disabled.is_some(), mark.newest(), subject.clone()));
        self.marks.insert(subject, mark);
    }

    fn remove(&mut self, subject: &Subject) -> Option<Mark> {
        let mark = self.marks.remove(subject)?;
        self.order.remove(&(mark.disabled.is_some(), mark.newest(), subject.clone()));
        let shape = subject.shape();
        if let Some(count) = self.shapes.get_mut(&shape) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.shapes.remove(&shape);
            }
        }
        Some(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secevent::ComplexSubject;
    use proptest::prelude::*;
    use serde_json::json;

    /// The specification, written as plainly as it can be: keep every event, ask each one.
    fn naive(events: &[Revocation], facts: &TokenFacts<'_>) -> bool {
        events.iter().enumerate().filter(|(_, event)| event.subject.matches(facts)).any(|(place, event)| {
            let undone = events.iter().enumerate().any(|(other_place, other)| {
                other.action == Action::Enable
                    && other.subject == event.subject
                    && (other.at > event.at || (other.at == event.at && other_place > place))
            });
            match event.action {
                Action::Revoke => facts.issued_at <= event.at,
                Action::Disable => facts.issued_at <= event.at || !undone,
                Action::Enable => false,
            }
        })
    }

    fn name() -> impl Strategy<Value = Option<String>> {
        prop_oneof![Just(None), Just(Some("a".to_owned())), Just(Some("b".to_owned()))]
    }

    fn revocation() -> impl Strategy<Value = Revocation> {
        let subject = (name(), name(), name(), name()).prop_map(|(user, session, device, application)| Subject {
            user,
            session,
            device,
            application,
        });
        let action = prop_oneof![Just(Action::Revoke), Just(Action::Disable), Just(Action::Enable)];
        (subject, action, 0i64..12).prop_map(|(subject, action, at)| Revocation { subject, action, at })
    }

    fn every_token() -> Vec<TokenFacts<'static>> {
        let names = [None, Some("a"), Some("b"), Some("c")];
        let mut tokens = Vec::new();
        for user in names.into_iter().flatten() {
            for session in names {
                for device in names {
                    for application in names.into_iter().flatten() {
                        for issued_at in 0..13 {
                            tokens.push(TokenFacts { user, session, device, application, issued_at });
                        }
                    }
                }
            }
        }
        tokens
    }

    proptest! {
        #[test]
        fn the_map_agrees_with_a_list_of_all_events(events in prop::collection::vec(revocation(), 0..12)) {
            let mut map = RevocationMap::new(1000, 1000);
            events.iter().for_each(|event| map.apply(event));
            for facts in every_token() {
                prop_assert_eq!(map.is_revoked(&facts).is_some(), naive(&events, &facts), "{:?}", facts);
            }
        }

        #[test]
        fn forgetting_never_revives_an_unexpired_token(events in prop::collection::vec(revocation(), 0..12), now in 0i64..30) {
            let retention = 7;
            let mut map = RevocationMap::new(retention, 1000);
            events.iter().for_each(|event| map.apply(event));
            map.expire(now);
            for facts in every_token().into_iter().filter(|facts| facts.issued_at + i64::from(retention) >= now) {
                prop_assert_eq!(map.is_revoked(&facts).is_some(), naive(&events, &facts), "{:?}", facts);
            }
        }

        #[test]
        fn a_full_map_refuses_more_never_less(events in prop::collection::vec(revocation(), 0..12), capacity in 0usize..4) {
            let events: Vec<_> = events.into_iter().filter(|event| event.action == Action::Revoke).collect();
            let mut map = RevocationMap::new(1000, capacity);
            events.iter().for_each(|event| map.apply(event));
            prop_assert!(map.len() <= capacity);
            for facts in every_token() {
                prop_assert!(map.is_revoked(&facts).is_some() || !naive(&events, &facts), "{:?}", facts);
            }
        }
    }

    const ISSUER: &str = "https://localhost:8443/t/v2.0";

    fn token(sub_id: SubjectId, event: &str, claims: Value) -> SecurityEventToken {
        SecurityEventToken {
            iss: ISSUER.to_owned(),
            jti: "1".to_owned(),
            iat: 100,
            aud: "gateway".to_owned(),
            txn: None,
            sub_id,
            events: BTreeMap::from([(event.to_owned(), claims)]),
        }
    }

    #[test]
    fn events_are_read_with_the_later_of_their_two_times() {
        let user = SubjectId::user(ISSUER, "ALEX");
        let subject = Subject { user: Some("alex".to_owned()), ..Subject::default() };
        let read = |event, claims| Revocation::read(&token(user.clone(), event, claims)).unwrap();
        assert_eq!(
            read(event_type::SESSION_REVOKED, json!({"event_timestamp": 90})),
            Some(Revocation { subject: subject.clone(), action: Action::Revoke, at: 100 })
        );
        assert_eq!(
            read(event_type::ACCOUNT_DISABLED, json!({"event_timestamp": 101})),
            Some(Revocation { subject: subject.clone(), action: Action::Disable, at: 101 })
        );
        assert_eq!(
            read(event_type::ACCOUNT_ENABLED, json!({})),
            Some(Revocation { subject: subject.clone(), action: Action::Enable, at: 100 })
        );
        assert_eq!(read(event_type::ACCOUNT_PURGED, json!(null)), Some(Revocation { subject, action: Action::Disable, at: 100 }));
        assert_eq!(read(event_type::CREDENTIAL_CHANGE, json!({"change_type": "create"})), None);
        assert_eq!(read("https://schemas.example/unknown", json!({})), None);
    }

    #[test]
    fn subjects_that_cannot_be_matched_are_errors_not_everybody() {
        let read = |subject: SubjectId| Subject::read(&subject, ISSUER);
        assert_eq!(read(SubjectId::user("https://other/", "x")), Err(SubjectError::OtherIssuer("https://other/".to_owned())));
        assert_eq!(read(SubjectId::Email { email: "x@y".to_owned() }), Err(SubjectError::Unmatchable));
        assert_eq!(read(SubjectId::Complex(ComplexSubject::default())), Err(SubjectError::Unmatchable));
        let group: SubjectId =
            serde_json::from_value(json!({"format": "complex", "group": {"format": "opaque", "id": "g"}})).unwrap();
        assert_eq!(read(group), Err(SubjectError::Unmatchable));
        let tenant: SubjectId =
            serde_json::from_value(json!({"format": "complex", "tenant": {"format": "opaque", "id": "t"}})).unwrap();
        assert_eq!(read(tenant), Ok(Subject::default()));
        assert_eq!(
            read(SubjectId::session(ISSUER, "u", "S")),
            Ok(Subject { user: Some("u".to_owned()), session: Some("s".to_owned()), ..Subject::default() })
        );
    }
}
