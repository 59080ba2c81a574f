//! Guessing is slowed down, without giving strangers a way to keep somebody out: after some failures a name, or a person's
//! second factor, is locked for one address for a while, longer each time; guesses from everywhere are bounded together, by
//! short locks; and a browser in which the person signed in before is counted by itself.
//!
//! While a key is locked, attempts are turned away without a write, so that they cannot crowd out anybody's. The failure
//! that locks is recorded as such.
//!
//! Names that nobody has are locked just the same. INVARIANT: once a key is locked, no outcome is revealed under it, not
//! even of a check that began before: the lock is looked at again in the transaction that records the outcome.

use model::{AppId, Timestamp, UserId};
use std::net::IpAddr;
use std::time::Duration;
use store::throttle::Throttle;
use store::{Store, StoreError, Tx};

const FREE_FAILURES: i64 = 10;
const FIRST_LOCK: Duration = Duration::from_secs(60);
const LONGEST_LOCK: Duration = Duration::from_secs(3600);
/// After so long without a failure or a lock, what was counted is forgotten.
const FORGIVEN: Duration = Duration::from_secs(3600);

/// How much guessing from everywhere together is borne: `burst` failures at once, and one more each `interval`. Beyond
/// that, one in each `lock`.
#[derive(Clone, Copy, Debug)]
struct Overall {
    burst: i64,
    interval: Duration,
    lock: Duration,
}

/// Short locks: strangers can bring them about, so they slow guessing from many addresses down and keep nobody out.
const PASSWORD: Overall = Overall { burst: 100, interval: Duration::from_secs(60), lock: Duration::from_secs(60) };
/// Tighter: six digits are soon found, and only who has the password already can guess them.
const SECOND_FACTOR: Overall = Overall { burst: 30, interval: Duration::from_secs(600), lock: Duration::from_secs(600) };

/// Where the failures of one guess are counted.
#[derive(Clone, Debug)]
pub(crate) struct Buckets {
    /// Of this name from this address, or of a browser in which its owner has signed in before.
    near: String,
    /// Of this name from everywhere; a browser that its owner used is not held up by it.
    overall: Option<(String, Overall)>,
}

impl Buckets {
    /// For guesses at the password of `name`, which nobody may have. `known`: the browser's own bucket.
    pub(crate) fn of_password(name: &str, address: Option<IpAddr>, known: Option<&str>) -> Self {
        // Hashed, so that what people type into the wrong field does not rest in the store.
        let name = runtime::hash::sha256_hex(name.trim().to_lowercase().as_bytes());
        Self::new("password", &name, address, known, PASSWORD)
    }

    /// For guesses at a one-time code, by whoever has the password.
    pub(crate) fn of_second_factor(user: &UserId, address: Option<IpAddr>, known: Option<&str>) -> Self {
        Self::new("totp", user.as_str(), address, known, SECOND_FACTOR)
    }

    /// For the code that confirms an authenticator of one's own: kept apart, since it is no guess at one that counts.
    pub(crate) fn of_registration(user: &UserId) -> Self {
        Self { near: format!("register:{user}"), overall: None }
    }

    fn new(kind: &str, name: &str, address: Option<IpAddr>, known: Option<&str>, overall: Overall) -> Self {
        match known {
            Some(browser) => Self { near: format!("{kind}:{name}:known:{browser}"), overall: None },
            None => {
                let near = format!("{kind}:{name}:{}", prefix(address));
                Self { near, overall: Some((format!("{kind}:{name}:all"), overall)) }
            }
        }
    }

    /// Until when nothing is checked.
    pub(crate) async fn locked(&self, store: &Store, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let mut until = locked(&store::throttle::get(store, &self.near).await?, now);
        if let Some((key, _)) = &self.overall {
            until = until.max(locked(&store::throttle::get(store, key).await?, now));
        }
        Ok(until)
    }

    pub(crate) async fn locked_in(&self, tx: &mut Tx, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let mut until = locked(&store::throttle::get_in(tx, &self.near).await?, now);
        if let Some((key, _)) = &self.overall {
            until = until.max(locked(&store::throttle::get_in(tx, key).await?, now));
        }
        Ok(until)
    }

    /// Counts a failure, and locks when there were too many.
    pub(crate) async fn fail(&self, tx: &mut Tx, now: Timestamp) -> Result<Failed, StoreError> {
        let near = fail(tx, &self.near, now).await?;
        let Some((key, overall)) = &self.overall else { return Ok(near) };
        let level = store::throttle::record_leaking_failure(tx, key, overall.interval, now).await?;
        let full = i64::try_from(overall.interval.as_secs()).unwrap_or(i64::MAX).saturating_mul(overall.burst);
        if level < full {
            return Ok(near);
        }
        store::throttle::lock(tx, key, now.plus(overall.lock)).await?;
        Ok(Failed::Locked)
    }

    /// After a success. What others guessed from elsewhere stays counted.
    pub(crate) async fn clear(&self, tx: &mut Tx) -> Result<(), StoreError> {
        store::throttle::clear(tx, &self.near).await
    }
}

/// Addresses that one party has as many of as it likes count as one.
pub(crate) fn prefix(address: Option<IpAddr>) -> String {
    match address.map(|address| address.to_canonical()) {
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let network = u128::from(address) >> 64 << 64;
            format!("{}/64", std::net::Ipv6Addr::from(network))
        }
        None => "unknown".to_owned(),
    }
}

/// For each address, so that a stranger who guesses does not lock out the client itself.
pub(crate) fn client_key(client: &AppId, address: Option<IpAddr>) -> String {
    format!("client:{client}:{}", address.map(|address| address.to_string()).unwrap_or_default())
}

/// Until when nothing is checked under this key.
pub(crate) fn locked(throttle: &Throttle, now: Timestamp) -> Option<Timestamp> {
    throttle.locked_until.filter(|until| *until > now)
}

/// What a failure led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    Counted,
    Locked,
}

/// Counts a failure, and locks when there were too many.
pub(crate) async fn fail(tx: &mut Tx, key: &str, now: Timestamp) -> Result<Failed, StoreError> {
    fail_with(tx, key, LONGEST_LOCK, now).await
}

/// The same for a client's secret. The lock does not grow: a machine tries again by itself, and must get in soon after
/// somebody has put its secret right.
pub(crate) async fn fail_client(tx: &mut Tx, key: &str, now: Timestamp) -> Result<Failed, StoreError> {
    fail_with(tx, key, FIRST_LOCK, now).await
}

async fn fail_with(tx: &mut Tx, key: &str, longest: Duration, now: Timestamp) -> Result<Failed, StoreError> {
    store::throttle::forgive(tx, key, now.minus(FORGIVEN)).await?;
    let failures = store::throttle::record_failure(tx, key, now).await?;
    let Some(duration) = lock_for(failures) else { return Ok(Failed::Counted) };
    store::throttle::lock(tx, key, now.plus(duration.min(longest))).await?;
    Ok(Failed::Locked)
}

fn lock_for(failures: i64) -> Option<Duration> {
    let beyond = u32::try_from(failures.checked_sub(FREE_FAILURES)?).ok()?;
    Some(FIRST_LOCK.saturating_mul(2u32.saturating_pow(beyond)).min(LONGEST_LOCK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_double_and_are_bounded() {
        assert_eq!(lock_for(1), None);
        assert_eq!(lock_for(9), None);
        assert_eq!(lock_for(10), Some(Duration::from_secs(60)));
        assert_eq!(lock_for(11), Some(Duration::from_secs(120)));
        assert_eq!(lock_for(15), Some(Duration::from_secs(1920)));
        assert_eq!(lock_for(16), Some(LONGEST_LOCK));
        assert_eq!(lock_for(1_000_000), Some(LONGEST_LOCK));
    }

    #[test]
    fn a_name_is_the_same_in_any_spelling_and_not_readable() {
        let near = |name| Buckets::of_password(name, None, None).near;
        assert_eq!(near("Alex@Example.com "), near("alex@example.com"));
        assert!(!near("hunter2").contains("hunter2"));
    }

    #[test]
    fn who_has_a_whole_network_counts_once() {
        let of = |text: &str| prefix(Some(text.parse().unwrap()));
        assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::3"), of("2001:db8:1:3::3"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
