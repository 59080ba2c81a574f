//! Values that are good once, for one purpose, until they expire: a bootstrap code, the secret of a form, a nonce.

use crate::database::execute;
use crate::{StoreError, Tx};
use model::Timestamp;

pub async fn insert(tx: &mut Tx, hash: &str, purpose: &str, expires: Timestamp) -> Result<(), StoreError> {
    execute!(tx, "INSERT INTO one_time (hash, purpose, expires) VALUES ($1, $2, $3)", hash, purpose, expires.micros(),)
        .map_err(|error| error.conflict_over(|| "the one-time value".to_owned()))?;
    Ok(())
}

/// Exactly one caller gets true, and only before it expires.
pub async fn consume(tx: &mut Tx, hash: &str, purpose: &str, now: Timestamp) -> Result<bool, StoreError> {
    let gone =
        execute!(tx, "DELETE FROM one_time WHERE hash = $1 AND purpose = $2 AND expires > $3", hash, purpose, now.micros(),)?;
    Ok(gone > 0)
}
