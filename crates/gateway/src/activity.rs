//! When something last moved, and waiting until nothing has for too long. One timer waits; what moves only notes the time,
//! since moving a timer for each piece of data would cost more than the piece.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

#[derive(Debug)]
pub(crate) struct Activity {
    begun: Instant,
    /// Milliseconds after `begun`.
    moved: AtomicU64,
}

impl Activity {
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), moved: AtomicU64::new(0) }
    }

    pub(crate) fn note(&self) {
        let passed = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(passed, Ordering::Relaxed);
    }

    /// When it has stood still for `idle_time`, unless it moves before.
    pub(crate) fn due(&self, idle_time: Duration) -> Instant {
        self.begun + Duration::from_millis(self.moved.load(Ordering::Relaxed)) + idle_time
    }

    /// Returns once nothing has moved for `idle_time`.
    pub(crate) async fn idle(&self, idle_time: Duration) {
        loop {
            let due = self.due(idle_time);
            if due <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(due).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_is_given_time_from_then_on() {
        let long_ago = Instant::now().checked_sub(Duration::from_secs(5)).unwrap();
        let activity = Activity { begun: long_ago, moved: AtomicU64::new(0) };
        let idle_time = Duration::from_secs(1);
        assert_eq!(activity.due(idle_time), long_ago + idle_time);
        activity.note();
        assert!(activity.due(idle_time) >= long_ago + Duration::from_secs(6));
    }
}
