//! Refresh-token families (RFC 9700 §4.14.2): one row a family, with the hash of the one token that is good now.

use crate::database::{execute, optional};
use crate::{Store, StoreError, Tx};
use model::{AppId, SessionId, Timestamp, UserId};
use std::fmt;

#[derive(Clone, PartialEq, Eq)]
pub struct Grant {
    pub id: String,
    pub session_id: SessionId,
    pub user_id: UserId,
    pub client_id: AppId,
    /// JSON: scopes, resource, …
    pub detail: String,
    /// Of the newest refresh token. Any older one of the family is a reuse.
    pub current_hash: String,
    pub created: Timestamp,
    pub last_used: Timestamp,
    pub expires: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

pub async fn insert(tx: &mut Tx, grant: &Grant) -> Result<(), StoreError> {
    execute!(
        tx,
        "INSERT INTO refresh_grant \
         (id, session_id, user_id, client_id, detail, current_hash, created, last_used, expires, revoked_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        grant.id.as_str(),
        grant.session_id.as_str(),
        grant.user_id.as_str(),
        grant.client_id.as_str(),
        grant.detail.as_str(),
        grant.current_hash.as_str(),
        grant.created.micros(),
        grant.last_used.micros(),
        grant.expires.micros(),
        grant.revoked_at.map(Timestamp::micros),
    )
    .map_err(|error| error.conflict_over(|| format!("grant `{}`", grant.id)))?;
    Ok(())
}

/// Revoked and expired ones too, until they are pruned.
pub async fn get(store: &Store, id: &str) -> Result<Option<Grant>, StoreError> {
    Ok(optional!(store, Row, GET, id)?.map(grant))
}

pub async fn get_in(tx: &mut Tx, id: &str) -> Result<Option<Grant>, StoreError> {
    Ok(optional!(tx, Row, GET, id)?.map(grant))
}

/// Exactly one caller that holds `old_hash` gets true. False: it is not the current one (a reuse), or the grant is
/// revoked, expired or gone; `get_in` tells which.
pub async fn rotate(tx: &mut Tx, id: &str, old_hash: &str, new_hash: &str, now: Timestamp) -> Result<bool, StoreError> {
    let changed = execute!(
        tx,
        "UPDATE refresh_grant SET current_hash = $1, last_used = $2 \
         WHERE id = $3 AND current_hash = $4 AND revoked_at IS NULL AND expires > $2",
        new_hash,
        now.micros(),
        id,
        old_hash,
    )?;
    Ok(changed > 0)
}

/// How many this call revoked.
pub async fn revoke_of_session(tx: &mut Tx, session: &SessionId, now: Timestamp) -> Result<u64, StoreError> {
    execute!(
        tx,
        "UPDATE refresh_grant SET revoked_at = $1 WHERE session_id = $2 AND revoked_at IS NULL",
        now.micros(),
        session.as_str(),
    )
}

/// How many this call revoked.
pub async fn revoke_of_user(tx: &mut Tx, user: &UserId, now: Timestamp) -> Result<u64, StoreError> {
    execute!(
        tx,
        "UPDATE refresh_grant SET revoked_at = $1 WHERE user_id = $2 AND revoked_at IS NULL",
        now.micros(),
        user.as_str(),
    )
}

impl fmt::Debug for Grant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Grant")
            .field("id", &self.id)
            .field("session_id", &self.session_id)
            .field("user_id", &self.user_id)
            .field("client_id", &self.client_id)
            .field("expires", &self.expires)
            .field("revoked_at", &self.revoked_at)
            .finish_non_exhaustive()
    }
}

type Row = (String, String, String, String, String, String, i64, i64, i64, Option<i64>);

const GET: &str = "SELECT id, session_id, user_id, client_id, detail, current_hash, created, last_used, expires, revoked_at \
                   FROM refresh_grant WHERE id = $1";

fn grant(row: Row) -> Grant {
    let (id, session_id, user_id, client_id, detail, current_hash, created, last_used, expires, revoked_at) = row;
    Grant {
        id,
        session_id: SessionId::new(&session_id),
        user_id: UserId::new(&user_id),
        client_id: AppId::new(&client_id),
        detail,
        current_hash,
        created: Timestamp::from_micros(created),
        last_used: Timestamp::from_micros(last_used),
        expires: Timestamp::from_micros(expires),
        revoked_at: revoked_at.map(Timestamp::from_micros),
    }
}
