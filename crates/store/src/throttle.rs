//! Failures counted under a key of the caller's choice (an account, an address), and until when the key is locked.

use crate::database::{execute, optional};
use crate::{Store, StoreError, Tx};
use model::Timestamp;
use std::time::Duration;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttle {
    pub failures: i64,
    /// Absent before the first failure.
    pub last_failure: Option<Timestamp>,
    pub locked_until: Option<Timestamp>,
}

/// Zero failures for a key never seen.
pub async fn get(store: &Store, key: &str) -> Result<Throttle, StoreError> {
    let row = optional!(store, Row, GET, key)?;
    Ok(row.map_or_else(Throttle::default, throttle))
}

pub async fn get_in(tx: &mut Tx, key: &str) -> Result<Throttle, StoreError> {
    let row = optional!(tx, Row, GET, key)?;
    Ok(row.map_or_else(Throttle::default, throttle))
}

/// Counts one more, and returns how many there are now.
pub async fn record_failure(tx: &mut Tx, key: &str, now: Timestamp) -> Result<i64, StoreError> {
    let row = optional!(
        tx,
        (i64,),
        "INSERT INTO throttle (name, failures, last_failure) VALUES ($1, 1, $2) \
         ON CONFLICT (name) DO UPDATE SET failures = throttle.failures + 1, last_failure = excluded.last_failure \
         RETURNING failures",
        key,
        now.micros(),
    )?;
    let missing = || StoreError::Corrupt { table: "throttle", reason: "nothing was written".to_owned() };
    row.map(|(failures,)| failures).ok_or_else(missing)
}

/// Counts one more in a bucket that leaks: each failure weighs as many seconds as `interval` has, and each second takes one
/// away. Returns the weight.
pub async fn record_leaking_failure(tx: &mut Tx, key: &str, interval: Duration, now: Timestamp) -> Result<i64, StoreError> {
    let weight = i64::try_from(interval.as_secs()).unwrap_or(i64::MAX);
    let row = optional!(
        tx,
        (i64,),
        "INSERT INTO throttle (name, failures, last_failure) VALUES ($1, $2, $3) \
         ON CONFLICT (name) DO UPDATE SET failures = excluded.failures + CASE \
         WHEN excluded.last_failure <= throttle.last_failure THEN throttle.failures \
         WHEN throttle.failures <= (excluded.last_failure - throttle.last_failure) / 1000000 THEN 0 \
         ELSE throttle.failures - (excluded.last_failure - throttle.last_failure) / 1000000 END, \
         last_failure = excluded.last_failure RETURNING failures",
        key,
        weight,
        now.micros(),
    )?;
    let missing = || StoreError::Corrupt { table: "throttle", reason: "nothing was written".to_owned() };
    row.map(|(failures,)| failures).ok_or_else(missing)
}

/// Forgets the failures of a key that has neither failed nor been locked after `since`.
pub async fn forgive(tx: &mut Tx, key: &str, since: Timestamp) -> Result<(), StoreError> {
    execute!(
        tx,
        "DELETE FROM throttle WHERE name = $1 AND last_failure <= $2 AND (locked_until IS NULL OR locked_until <= $2)",
        key,
        since.micros(),
    )?;
    Ok(())
}

/// Locks a key that has failed already: with the count that `record_failure` returned, in the same transaction. Never
/// makes a lock shorter.
pub async fn lock(tx: &mut Tx, key: &str, until: Timestamp) -> Result<(), StoreError> {
    execute!(
        tx,
        "UPDATE throttle SET locked_until = $1 WHERE name = $2 AND (locked_until IS NULL OR locked_until < $1)",
        until.micros(),
        key,
    )?;
    Ok(())
}

pub async fn clear(tx: &mut Tx, key: &str) -> Result<(), StoreError> {
    execute!(tx, "DELETE FROM throttle WHERE name = $1", key)?;
    Ok(())
}

type Row = (i64, i64, Option<i64>);

const GET: &str = "SELECT failures, last_failure, locked_until FROM throttle WHERE name = $1";

fn throttle((failures, last_failure, locked_until): Row) -> Throttle {
    Throttle {
        failures,
        last_failure: Some(Timestamp::from_micros(last_failure)),
        locked_until: locked_until.map(Timestamp::from_micros),
    }
}
