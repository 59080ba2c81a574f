//! Removes what has been over for long enough, and tells the newest time on record.
//!
//! INVARIANT: nothing that has not expired is ever removed here, revoked or not: a revoked grant must go on being known
//! as revoked for as long as a token of it could come.

use crate::database::{execute, next, optional};
use crate::{Store, StoreError, Tx};
use model::Timestamp;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// After it expired, a code is still known as used for this long.
const CODE_RETENTION: Duration = DAY;
/// After they expired, for whoever asks what happened.
const SESSION_RETENTION: Duration = DAY.saturating_mul(30);
/// After the last failure, and after the lock; without a lock, a day.
const THROTTLE_RETENTION: Duration = DAY.saturating_mul(30);
/// Of each table in one call, so that the writer is not held for long.
const BATCH: i64 = 1000;

/// `log_retention`: for how long sign-ins and audit records are kept. How many rows went. There may be more: call again, in a transaction of its own, while the answer is not 0.
pub async fn prune(tx: &mut Tx, now: Timestamp, log_retention: Duration) -> Result<u64, StoreError> {
    let mut gone = execute!(
        tx,
        "DELETE FROM authorization_code WHERE hash IN \
         (SELECT hash FROM authorization_code WHERE expires <= $1 ORDER BY expires LIMIT $2)",
        now.minus(CODE_RETENTION).micros(),
        BATCH,
    )?;
    gone += execute!(
        tx,
        "DELETE FROM one_time WHERE (hash, purpose) IN \
         (SELECT hash, purpose FROM one_time WHERE expires <= $1 ORDER BY expires LIMIT $2)",
        now.micros(),
        BATCH,
    )?;
    gone += execute!(
        tx,
        "DELETE FROM session WHERE id IN (SELECT id FROM session WHERE expires <= $1 ORDER BY expires LIMIT $2)",
        now.minus(SESSION_RETENTION).micros(),
        BATCH,
    )?;
    gone += execute!(
        tx,
        "DELETE FROM refresh_grant WHERE id IN \
         (SELECT id FROM refresh_grant WHERE expires <= $1 ORDER BY expires LIMIT $2)",
        now.minus(SESSION_RETENTION).micros(),
        BATCH,
    )?;
    gone += execute!(
        tx,
        "DELETE FROM throttle WHERE name IN (SELECT name FROM throttle WHERE last_failure <= $1 \
         AND (locked_until IS NULL OR locked_until <= $1) ORDER BY last_failure LIMIT $2)",
        now.minus(THROTTLE_RETENTION).micros(),
        BATCH,
    )?;
    // Whoever only mistyped a name or two: anybody can leave such rows, in any number.
    gone += execute!(
        tx,
        "DELETE FROM throttle WHERE name IN (SELECT name FROM throttle WHERE last_failure <= $1 \
         AND locked_until IS NULL ORDER BY last_failure LIMIT $2)",
        now.minus(DAY).micros(),
        BATCH,
    )?;
    let keep_from = now.minus(log_retention).micros();
    gone += execute!(
        tx,
        "DELETE FROM sign_in WHERE sequence IN (SELECT sequence FROM sign_in WHERE at < $1 ORDER BY at LIMIT $2)",
        keep_from,
        BATCH,
    )?;
    gone += execute!(
        tx,
        "DELETE FROM directory_audit WHERE sequence IN \
         (SELECT sequence FROM directory_audit WHERE at < $1 ORDER BY at LIMIT $2)",
        keep_from,
        BATCH,
    )?;
    Ok(gone)
}

/// A process starts to serve this store; its clock was looked at.
pub async fn record_start(tx: &mut Tx, now: Timestamp) -> Result<(), StoreError> {
    next(tx, "start", now).await.map(|_| ())
}

/// The newest time among all starts, changes to objects, events, audit records and sign-ins ever written; a clock that says
/// less has jumped back.
pub async fn newest_time(store: &Store) -> Result<Option<Timestamp>, StoreError> {
    let row = optional!(store, (Option<i64>,), "SELECT MAX(newest) FROM counter")?;
    Ok(row.and_then(|(newest,)| newest).map(Timestamp::from_micros))
}
