//! Events to be sent, in commit order. INVARIANT: sequences have no gaps, and one that can be read has no smaller one
//! that is yet to come.

use crate::database::{all, current, current_in, execute, next, optional};
use crate::{Store, StoreError, Tx};
use model::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxEvent {
    pub sequence: i64,
    pub id: String,
    /// JSON; signed when it is sent.
    pub body: String,
    pub created: Timestamp,
}

/// Returns its sequence.
pub async fn append(tx: &mut Tx, id: &str, body: &str, now: Timestamp) -> Result<i64, StoreError> {
    let sequence = next(tx, "outbox", now).await?;
    execute!(tx, "INSERT INTO outbox (sequence, id, body, created) VALUES ($1, $2, $3, $4)", sequence, id, body, now.micros(),)
        .map_err(|error| error.conflict_over(|| format!("event `{id}`")))?;
    Ok(sequence)
}

/// At most `limit` events after `sequence`, in order.
pub async fn after(store: &Store, sequence: i64, limit: u32) -> Result<Vec<OutboxEvent>, StoreError> {
    let rows = all!(
        store,
        (i64, String, String, i64),
        "SELECT sequence, id, body, created FROM outbox WHERE sequence > $1 ORDER BY sequence LIMIT $2",
        sequence,
        i64::from(limit),
    )?;
    Ok(rows
        .into_iter()
        .map(|(sequence, id, body, created)| OutboxEvent { sequence, id, body, created: Timestamp::from_micros(created) })
        .collect())
}

/// The sequence of the newest event that is there and older than `time`; 0 when there is none.
pub async fn last_before(store: &Store, time: Timestamp) -> Result<i64, StoreError> {
    let newest =
        optional!(store, (i64,), "SELECT sequence FROM outbox WHERE created < $1 ORDER BY sequence DESC LIMIT 1", time.micros())?;
    Ok(newest.map_or(0, |(sequence,)| sequence))
}

/// Of the newest event ever written, pruned or not; 0 before the first.
pub async fn last_sequence(store: &Store) -> Result<i64, StoreError> {
    current(store, "outbox").await
}

/// The same within a transaction: the next event gets the number after it.
pub async fn last_sequence_in(tx: &mut Tx) -> Result<i64, StoreError> {
    current_in(tx, "outbox").await
}

/// Removes the events with a sequence smaller than `before`; how many.
pub async fn prune(tx: &mut Tx, before: i64) -> Result<u64, StoreError> {
    execute!(tx, "DELETE FROM outbox WHERE sequence < $1", before)
}
