//! The clock. Each shell has one, made in `main` (or turned by a test), and passes `now` inwards.

use model::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A clock that never runs backwards: when the system's clock is set back, `now` stands still until it catches up, so
/// that nothing issued later is ever stamped earlier.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
    newest: Arc<AtomicI64>,
}

#[derive(Clone, Debug)]
enum Source {
    System { started: Instant },
    Manual { started: Timestamp },
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this is the replacement that the ban names")]
    pub fn system() -> Self {
        Self { source: Source::System { started: Instant::now() }, newest: Arc::new(AtomicI64::new(i64::MIN)) }
    }

    /// A clock that stands at `now` until `advance` turns it. Clones turn together.
    pub fn manual(now: Timestamp) -> Self {
        Self { source: Source::Manual { started: now }, newest: Arc::new(AtomicI64::new(now.micros())) }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the replacement that the ban names")]
    pub fn now(&self) -> Timestamp {
        let micros = match self.source {
            Source::System { .. } => {
                let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                i64::try_from(passed.as_micros()).unwrap_or(i64::MAX)
            }
            Source::Manual { .. } => i64::MIN,
        };
        Timestamp::from_micros(self.newest.fetch_max(micros, Ordering::SeqCst).max(micros))
    }

    /// Time since this clock was made, for measuring how long something took.
    pub fn monotonic(&self) -> Duration {
        match self.source {
            Source::System { started } => started.elapsed(),
            Source::Manual { started } => self.now().since(started),
        }
    }

    /// Turns a manual clock; a system clock takes no orders.
    pub fn advance(&self, by: Duration) {
        if matches!(self.source, Source::Manual { .. }) {
            self.newest.fetch_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX), Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_stands_still_until_it_is_turned() {
        let clock = Clock::manual(Timestamp::from_seconds(1000));
        assert_eq!(clock.now(), clock.clone().now());
        clock.clone().advance(Duration::from_secs(5));
        assert_eq!(clock.now().seconds(), 1005);
        assert_eq!(clock.monotonic(), Duration::from_secs(5));
    }

    #[test]
    fn a_system_clock_never_goes_back() {
        let clock = Clock::system();
        let future = Timestamp::from_micros(clock.now().micros() + 3_600_000_000);
        clock.newest.store(future.micros(), Ordering::SeqCst);
        assert_eq!(clock.now(), future);
    }
}
