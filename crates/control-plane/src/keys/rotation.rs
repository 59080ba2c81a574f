//! When signing keys are made, used, published and forgotten: a function of `now` and the rows.
//!
//! A key is published `lead` before it signs, so that whoever caches the key set has it in time, signs for one period, and
//! stays published until the last token that it signed is dead.

use model::Timestamp;
use std::time::Duration;

/// No token lives longer than this; a little more, for clocks that differ.
pub(crate) const LONGEST_TOKEN: Duration = Duration::from_secs(2 * 3600);
/// Receivers cache a key set for about a day.
const LONGEST_LEAD: Duration = Duration::from_secs(24 * 3600);

/// When one key signs and is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyTimes {
    pub kid: String,
    pub active_from: Timestamp,
    pub retire_at: Timestamp,
}

/// What is to be done now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Times of a key to make: active from, retired at.
    pub create: Option<(Timestamp, Timestamp)>,
    /// Keys that nobody needs any more.
    pub delete: Vec<String>,
}

pub(crate) fn plan(keys: &[KeyTimes], period: Duration, now: Timestamp) -> Plan {
    let delete = keys.iter().filter(|key| key.retire_at <= now).map(|key| key.kid.clone()).collect();
    let newest = keys.iter().filter(|key| key.retire_at > now).map(|key| key.active_from).max();
    let active_from = match newest {
        None => Some(now),
        Some(newest) => {
            let due = newest.plus(period);
            // After a long stop there is no time left to publish first: better a key that receivers must fetch than none.
            (now >= due.minus(lead(period))).then_some(due.max(now))
        }
    };
    Plan { create: active_from.map(|from| (from, from.plus(period).plus(LONGEST_TOKEN))), delete }
}

/// The key that signs at `now`: the newest that has become active and can outlive a token.
pub(crate) fn signing(keys: &[KeyTimes], now: Timestamp) -> Option<&KeyTimes> {
    keys.iter().filter(|key| key.active_from <= now && key.retire_at >= now.plus(LONGEST_TOKEN)).max_by_key(|key| key.active_from)
}

/// The keys that receivers must know at `now`.
pub(crate) fn published(keys: &[KeyTimes], now: Timestamp) -> impl Iterator<Item = &KeyTimes> {
    keys.iter().filter(move |key| key.retire_at > now)
}

fn lead(period: Duration) -> Duration {
    LONGEST_LEAD.min(period / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// Turns the clock, does what `plan` says at each step, and returns what was true at each moment.
    fn simulate(period: Duration, step: Duration, steps: usize) -> Vec<(Timestamp, Vec<KeyTimes>)> {
        let mut now = Timestamp::from_seconds(1_000_000);
        let mut keys: Vec<KeyTimes> = Vec::new();
        let mut history = Vec::new();
        for index in 0..steps {
            let plan = plan(&keys, period, now);
            keys.retain(|key| !plan.delete.contains(&key.kid));
            keys.extend(plan.create.map(|(active_from, retire_at)| KeyTimes { kid: index.to_string(), active_from, retire_at }));
            history.push((now, keys.clone()));
            now = now.plus(step);
        }
        history
    }

    proptest! {
        #[test]
        fn some_key_always_signs_and_was_published_before(period in 4u32..1000, step in 1u32..60) {
            let (period, step) = (HOUR * period, Duration::from_secs(u64::from(step) * 60));
            let history = simulate(period, step, 2000);
            let mut first_seen = std::collections::BTreeMap::new();
            for (now, keys) in &history {
                for key in keys {
                    first_seen.entry(key.kid.clone()).or_insert(*now);
                }
                let signer = signing(keys, *now);
                prop_assert!(signer.is_some());
                let signer = signer.unwrap();
                // Published for a while before its first use, save the very first key.
                let head_start = signer.active_from.since(first_seen[&signer.kid]);
                prop_assert!(signer.kid == "0" || head_start + step >= lead(period), "{head_start:?}");
                prop_assert!(keys.len() <= 3);
            }
        }

        #[test]
        fn whatever_was_signed_can_be_verified_for_as_long_as_it_lives(period in 4u32..200, step in 1u32..60) {
            let (period, step) = (HOUR * period, Duration::from_secs(u64::from(step) * 60));
            let history = simulate(period, step, 1500);
            for (index, (signed_at, keys)) in history.iter().enumerate() {
                let signer = signing(keys, *signed_at).unwrap().clone();
                for (later, keys) in history.iter().skip(index).take_while(|(later, _)| later.since(*signed_at) < LONGEST_TOKEN) {
                    prop_assert!(published(keys, *later).any(|key| key.kid == signer.kid));
                }
            }
        }
    }

    #[test]
    fn after_a_long_stop_there_is_a_new_key_at_once() {
        let now = Timestamp::from_seconds(10_000_000);
        let old =
            KeyTimes { kid: "old".to_owned(), active_from: Timestamp::from_seconds(0), retire_at: Timestamp::from_seconds(10) };
        let plan = plan(std::slice::from_ref(&old), HOUR * 24, now);
        assert_eq!(plan.delete, ["old"]);
        assert_eq!(plan.create.unwrap().0, now);
        assert_eq!(signing(&[old], now), None);
    }
}
