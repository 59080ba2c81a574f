//! Is the event feed alive? A state machine over values of `now`; it owns no clock, task or socket.
//!
//! A gateway trusts its revocation map only while it hears from the transmitter. A feed that falls silent is believed
//! again only after a verification event that was asked for *after* the silence began (SSF 1.0 §8.1.4): deliveries come
//! in commit order, so everything committed before it has then arrived.

use std::time::Duration;

/// What the last sign of life was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    /// The gateway's monotonic clock.
    pub(crate) at: Duration,
    /// The event's `iat`: the transmitter's clock, which is also the one that stamps tokens.
    pub(crate) issued: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "a state is named for what it awaits")]
enum Phase {
    /// There is no event stream.
    ExpectStream,
    /// A new stream; nothing has come through it.
    ExpectFirstVerification,
    /// The stream is known to work.
    ExpectEvent,
    /// It fell silent; proof is wanted that nothing is outstanding.
    ExpectVerification,
}

/// How an event bears on the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// A verification event with a state that this gateway asked for since the feed was last live.
    Verified,
    /// Any other event of the stream.
    Event,
}

/// What is asked of a session while the feed is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Established {
    /// `iat` of the token that the session was made from, in seconds.
    pub(crate) issued_at: i64,
    /// The application's resilience, unless a policy forbids it for this session.
    pub(crate) grace: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Live,
    /// The feed is silent; the application opted into going on for a while.
    Grace,
    /// The session is older than the stream: a revocation may have been missed.
    BeforeStream,
    Silent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FeedState {
    /// Never heard from since the start.
    Unheard,
    Live,
    Silent,
}

#[derive(Clone, Debug)]
pub(crate) struct Feed {
    silence: Duration,
    phase: Phase,
    heard: Option<Heard>,
    /// `iat` of the first event of the present stream.
    floor: Option<i64>,
}

impl Feed {
    pub(crate) fn new(silence: Duration) -> Self {
        Self { silence, phase: Phase::ExpectStream, heard: None, floor: None }
    }

    /// A stream was created. Sessions from before it must sign in again once it works.
    pub(crate) fn handle_stream(&mut self) {
        self.phase = Phase::ExpectFirstVerification;
    }

    /// The transmitter said that it stopped, or no longer knows the stream.
    pub(crate) fn handle_broken(&mut self) {
        self.phase = Phase::ExpectStream;
    }

    /// An event came, was verified and has been applied. `wall` is the gateway's own clock in seconds.
    pub(crate) fn handle_event(&mut self, sign: Sign, issued: i64, wall: i64, now: Duration) {
        self.handle_time(now);
        let fresh = issued.saturating_add(self.silence_seconds()) >= wall;
        match (self.phase, sign) {
            (Phase::ExpectStream, _) | (Phase::ExpectFirstVerification | Phase::ExpectVerification, Sign::Event) => {}
            (Phase::ExpectFirstVerification, Sign::Verified) => {
                self.floor = Some(issued);
                self.hear(issued, now);
            }
            (Phase::ExpectVerification, Sign::Verified) => self.hear(issued, now),
            // An event that waited long in the transmitter's queue says nothing about what is behind it.
            (Phase::ExpectEvent, Sign::Verified | Sign::Event) if fresh => self.hear(issued, now),
            (Phase::ExpectEvent, Sign::Verified | Sign::Event) => {}
        }
    }

    /// Notices that the time of silence has passed.
    pub(crate) fn handle_time(&mut self, now: Duration) {
        if self.phase == Phase::ExpectEvent && self.deadline().is_none_or(|deadline| now > deadline) {
            self.phase = Phase::ExpectVerification;
        }
    }

    pub(crate) fn state(&self, now: Duration) -> FeedState {
        let in_time = self.deadline().is_some_and(|deadline| now <= deadline);
        match (self.phase, self.heard) {
            (Phase::ExpectEvent, Some(_)) if in_time => FeedState::Live,
            (_, Some(_)) => FeedState::Silent,
            (_, None) => FeedState::Unheard,
        }
    }

    /// Must a new stream be made?
    pub(crate) fn expects_stream(&self) -> bool {
        self.phase == Phase::ExpectStream
    }

    /// When silence begins, if nothing more is heard.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.heard.map(|heard| heard.at.saturating_add(self.silence))
    }

    pub(crate) fn admission(&self, session: Established, now: Duration) -> Admission {
        let after_floor = self.floor.is_some_and(|floor| session.issued_at > floor);
        match self.state(now) {
            FeedState::Unheard => Admission::Silent,
            FeedState::Live if after_floor => Admission::Live,
            FeedState::Live => Admission::BeforeStream,
            FeedState::Silent => {
                let (Some(heard), Some(deadline), Some(grace)) = (self.heard, self.deadline(), session.grace) else {
                    return Admission::Silent;
                };
                let established = after_floor && session.issued_at <= heard.issued;
                if established && now <= deadline.saturating_add(grace) { Admission::Grace } else { Admission::Silent }
            }
        }
    }

    fn hear(&mut self, issued: i64, now: Duration) {
        self.phase = Phase::ExpectEvent;
        self.heard = Some(Heard { at: now, issued });
    }

    fn silence_seconds(&self) -> i64 {
        i64::try_from(self.silence.as_secs()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Admission::{BeforeStream, Grace, Live, Silent};

    const SILENCE: Duration = Duration::from_secs(30);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A feed whose stream was verified at second 100 of both clocks.
    fn live() -> Feed {
        let mut feed = Feed::new(SILENCE);
        feed.handle_stream();
        feed.handle_event(Sign::Verified, 100, 100, seconds(100));
        feed
    }

    fn admission(feed: &Feed, issued_at: i64, grace: Option<u64>, now: u64) -> Admission {
        feed.admission(Established { issued_at, grace: grace.map(seconds) }, seconds(now))
    }

    #[test]
    fn nothing_is_admitted_before_the_first_verification() {
        let mut feed = Feed::new(SILENCE);
        assert_eq!(admission(&feed, 200, Some(600), 1), Silent);
        feed.handle_event(Sign::Verified, 1, 1, seconds(1));
        assert_eq!(feed.state(seconds(1)), FeedState::Unheard);
        feed.handle_stream();
        feed.handle_event(Sign::Event, 2, 2, seconds(2));
        assert_eq!(admission(&feed, 200, Some(600), 2), Silent);
        feed.handle_event(Sign::Verified, 3, 3, seconds(3));
        assert_eq!(admission(&feed, 4, None, 3), Live);
    }

    #[test]
    fn sessions_from_before_the_stream_sign_in_again() {
        let feed = live();
        assert_eq!(admission(&feed, 99, None, 110), BeforeStream);
        assert_eq!(admission(&feed, 100, None, 110), BeforeStream);
        assert_eq!(admission(&feed, 101, None, 110), Live);
    }

    #[test]
    fn silence_closes_exactly_after_its_time() {
        let mut feed = live();
        assert_eq!(admission(&feed, 101, None, 130), Live);
        assert_eq!(feed.state(seconds(130) + Duration::from_micros(1)), FeedState::Silent);
        feed.handle_event(Sign::Event, 125, 125, seconds(125));
        assert_eq!(admission(&feed, 101, None, 155), Live);
        assert_eq!(admission(&feed, 101, None, 156), Silent);
    }

    #[test]
    fn after_silence_only_a_verification_revives() {
        let mut feed = live();
        feed.handle_event(Sign::Event, 140, 140, seconds(140));
        assert_eq!(feed.state(seconds(140)), FeedState::Silent);
        feed.handle_event(Sign::Verified, 141, 141, seconds(141));
        assert_eq!(feed.state(seconds(141)), FeedState::Live);
        assert_eq!(admission(&feed, 101, None, 141), Live, "the stream is the same: its queue lost nothing");
    }

    #[test]
    fn an_event_that_waited_in_a_queue_is_no_sign_of_life() {
        let mut feed = live();
        feed.handle_event(Sign::Event, 90, 121, seconds(121));
        assert_eq!(feed.state(seconds(131)), FeedState::Silent);
        let mut feed = live();
        feed.handle_event(Sign::Event, 91, 121, seconds(121));
        assert_eq!(feed.state(seconds(131)), FeedState::Live);
    }

    #[test]
    fn grace_is_for_established_sessions_and_ends() {
        let mut feed = live();
        feed.handle_event(Sign::Event, 120, 120, seconds(120));
        assert_eq!(admission(&feed, 110, Some(60), 151), Grace);
        assert_eq!(admission(&feed, 120, Some(60), 210), Grace);
        assert_eq!(admission(&feed, 120, Some(60), 211), Silent);
        assert_eq!(admission(&feed, 121, Some(60), 151), Silent, "issued after the last sign of life");
        assert_eq!(admission(&feed, 100, Some(60), 151), Silent, "older than the stream");
        assert_eq!(admission(&feed, 110, None, 151), Silent);
    }

    #[test]
    fn a_new_stream_raises_the_floor() {
        let mut feed = live();
        feed.handle_broken();
        assert!(feed.expects_stream());
        assert_eq!(admission(&feed, 101, None, 110), Silent);
        feed.handle_stream();
        feed.handle_event(Sign::Verified, 115, 115, seconds(115));
        assert_eq!(admission(&feed, 110, None, 116), BeforeStream);
        assert_eq!(admission(&feed, 116, None, 116), Live);
    }
}
