//! Token signing keys. The private half arrives sealed and leaves sealed.

use crate::database::{all, execute};
use crate::{Store, StoreError, Tx};
use model::Timestamp;
use std::fmt;

#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    pub kid: String,
    pub sealed_private: Vec<u8>,
    /// JSON, RFC 7517.
    pub public_jwk: String,
    pub created: Timestamp,
    /// From when it signs. It is published earlier.
    pub active_from: Timestamp,
    /// From when it neither signs nor is published.
    pub retire_at: Timestamp,
}

/// In the order in which they become active.
pub async fn all(store: &Store) -> Result<Vec<SigningKey>, StoreError> {
    Ok(all!(store, Row, ALL)?.into_iter().map(signing_key).collect())
}

/// The same within a transaction, to decide whether a new one is needed: two processes then do not both make one.
pub async fn all_in(tx: &mut Tx) -> Result<Vec<SigningKey>, StoreError> {
    Ok(all!(tx, Row, ALL)?.into_iter().map(signing_key).collect())
}

pub async fn insert(tx: &mut Tx, key: &SigningKey) -> Result<(), StoreError> {
    execute!(
        tx,
        "INSERT INTO signing_key (kid, sealed_private, public_jwk, created, active_from, retire_at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
        key.kid.as_str(),
        key.sealed_private.as_slice(),
        key.public_jwk.as_str(),
        key.created.micros(),
        key.active_from.micros(),
        key.retire_at.micros(),
    )
    .map_err(|error| error.conflict_over(|| format!("signing key `{}`", key.kid)))?;
    Ok(())
}

pub async fn delete(tx: &mut Tx, kid: &str) -> Result<bool, StoreError> {
    Ok(execute!(tx, "DELETE FROM signing_key WHERE kid = $1", kid)? > 0)
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SigningKey")
            .field("kid", &self.kid)
            .field("active_from", &self.active_from)
            .field("retire_at", &self.retire_at)
            .finish_non_exhaustive()
    }
}

type Row = (String, Vec<u8>, String, i64, i64, i64);

const ALL: &str = "SELECT kid, sealed_private, public_jwk, created, active_from, retire_at FROM signing_key \
                   ORDER BY active_from, kid";

fn signing_key((kid, sealed_private, public_jwk, created, active_from, retire_at): Row) -> SigningKey {
    SigningKey {
        kid,
        sealed_private,
        public_jwk,
        created: Timestamp::from_micros(created),
        active_from: Timestamp::from_micros(active_from),
        retire_at: Timestamp::from_micros(retire_at),
    }
}
