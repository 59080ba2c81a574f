//! Browser sessions at the control plane. A session never changes its owner and never comes back once revoked.

use crate::database::{all, execute, optional};
use crate::{Store, StoreError, Tx};
use model::{SessionId, Timestamp, UserId};
use std::fmt;

#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub user_id: UserId,
    /// Of the secret half of the cookie.
    pub secret_hash: String,
    pub created: Timestamp,
    pub signed_in_at: Timestamp,
    pub expires: Timestamp,
    /// JSON: the methods used, with their times.
    pub methods: String,
    pub transfer_method: String,
    pub revoked_at: Option<Timestamp>,
}

pub async fn insert(tx: &mut Tx, session: &Session) -> Result<(), StoreError> {
    execute!(
        tx,
        "INSERT INTO session (id, user_id, secret_hash, created, signed_in_at, expires, methods, transfer_method, revoked_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        session.id.as_str(),
        session.user_id.as_str(),
        session.secret_hash.as_str(),
        session.created.micros(),
        session.signed_in_at.micros(),
        session.expires.micros(),
        session.methods.as_str(),
        session.transfer_method.as_str(),
        session.revoked_at.map(Timestamp::micros),
    )
    .map_err(|error| error.conflict_over(|| format!("session `{}`", session.id)))?;
    Ok(())
}

/// Revoked and expired ones too, until they are pruned: the caller looks at `revoked_at` and `expires`.
pub async fn get(store: &Store, id: &SessionId) -> Result<Option<Session>, StoreError> {
    Ok(optional!(store, Row, GET, id.as_str())?.map(session))
}

pub async fn get_in(tx: &mut Tx, id: &SessionId) -> Result<Option<Session>, StoreError> {
    Ok(optional!(tx, Row, GET, id.as_str())?.map(session))
}

/// Everything but `id`, `user_id`, `created` and `revoked_at`. False, and nothing written, when the session is revoked,
/// gone or another person's.
pub async fn update(tx: &mut Tx, session: &Session) -> Result<bool, StoreError> {
    let changed = execute!(
        tx,
        "UPDATE session SET secret_hash = $1, signed_in_at = $2, expires = $3, methods = $4, transfer_method = $5 \
         WHERE id = $6 AND user_id = $7 AND revoked_at IS NULL",
        session.secret_hash.as_str(),
        session.signed_in_at.micros(),
        session.expires.micros(),
        session.methods.as_str(),
        session.transfer_method.as_str(),
        session.id.as_str(),
        session.user_id.as_str(),
    )?;
    Ok(changed > 0)
}

/// False when it was revoked already, or is gone.
pub async fn revoke(tx: &mut Tx, id: &SessionId, now: Timestamp) -> Result<bool, StoreError> {
    let changed =
        execute!(tx, "UPDATE session SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL", now.micros(), id.as_str(),)?;
    Ok(changed > 0)
}

/// The sessions that this call revoked, in the order of their ids.
pub async fn revoke_of_user(tx: &mut Tx, user: &UserId, now: Timestamp) -> Result<Vec<SessionId>, StoreError> {
    let rows = all!(
        tx,
        (String,),
        "UPDATE session SET revoked_at = $1 WHERE user_id = $2 AND revoked_at IS NULL RETURNING id",
        now.micros(),
        user.as_str(),
    )?;
    let mut revoked: Vec<SessionId> = rows.iter().map(|(id,)| SessionId::new(id)).collect();
    revoked.sort();
    Ok(revoked)
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Session")
            .field("id", &self.id)
            .field("user_id", &self.user_id)
            .field("expires", &self.expires)
            .field("revoked_at", &self.revoked_at)
            .finish_non_exhaustive()
    }
}

type Row = (String, String, String, i64, i64, i64, String, String, Option<i64>);

const GET: &str = "SELECT id, user_id, secret_hash, created, signed_in_at, expires, methods, transfer_method, revoked_at \
                   FROM session WHERE id = $1";

fn session(row: Row) -> Session {
    let (id, user_id, secret_hash, created, signed_in_at, expires, methods, transfer_method, revoked_at) = row;
    Session {
        id: SessionId::new(&id),
        user_id: UserId::new(&user_id),
        secret_hash,
        created: Timestamp::from_micros(created),
        signed_in_at: Timestamp::from_micros(signed_in_at),
        expires: Timestamp::from_micros(expires),
        methods,
        transfer_method,
        revoked_at: revoked_at.map(Timestamp::from_micros),
    }
}
