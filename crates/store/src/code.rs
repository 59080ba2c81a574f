//! Authorization codes (RFC 6749 §4.1.2): good once. A used one is kept for a while, so that a second use is known for
//! what it is and the session of the first can be revoked.

use crate::database::{execute, optional};
use crate::{Store, StoreError, Tx};
use model::{AppId, SessionId, Timestamp, UserId};
use std::fmt;

#[derive(Clone, PartialEq, Eq)]
pub struct AuthorizationCode {
    pub hash: String,
    pub session_id: SessionId,
    pub user_id: UserId,
    pub client_id: AppId,
    /// JSON: redirect address, challenge, scopes, nonce, …
    pub detail: String,
    pub expires: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redeemed {
    /// This call, and no other, redeemed it.
    Fresh,
    /// It was redeemed before: stolen, or sent twice.
    Used,
    Expired,
    Unknown,
}

pub async fn insert(tx: &mut Tx, code: &AuthorizationCode) -> Result<(), StoreError> {
    execute!(
        tx,
        "INSERT INTO authorization_code (hash, session_id, user_id, client_id, detail, expires) \
         VALUES ($1, $2, $3, $4, $5, $6)",
        code.hash.as_str(),
        code.session_id.as_str(),
        code.user_id.as_str(),
        code.client_id.as_str(),
        code.detail.as_str(),
        code.expires.micros(),
    )
    .map_err(|error| error.conflict_over(|| "the authorization code".to_owned()))?;
    Ok(())
}

/// Looks without redeeming, used and expired ones too.
pub async fn get(store: &Store, hash: &str) -> Result<Option<AuthorizationCode>, StoreError> {
    let row = optional!(
        store,
        Row,
        "SELECT hash, session_id, user_id, client_id, detail, expires FROM authorization_code WHERE hash = $1",
        hash,
    )?;
    Ok(row.map(code))
}

/// Exactly one caller gets `Fresh`.
pub async fn redeem(tx: &mut Tx, hash: &str, now: Timestamp) -> Result<Redeemed, StoreError> {
    let fresh = execute!(
        tx,
        "UPDATE authorization_code SET redeemed_at = $1 WHERE hash = $2 AND redeemed_at IS NULL AND expires > $1",
        now.micros(),
        hash,
    )?;
    if fresh > 0 {
        return Ok(Redeemed::Fresh);
    }
    let known = optional!(tx, (Option<i64>,), "SELECT redeemed_at FROM authorization_code WHERE hash = $1", hash)?;
    Ok(match known {
        Some((Some(_),)) => Redeemed::Used,
        Some((None,)) => Redeemed::Expired,
        None => Redeemed::Unknown,
    })
}

impl fmt::Debug for AuthorizationCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AuthorizationCode")
            .field("session_id", &self.session_id)
            .field("user_id", &self.user_id)
            .field("client_id", &self.client_id)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

type Row = (String, String, String, String, String, i64);

fn code((hash, session_id, user_id, client_id, detail, expires): Row) -> AuthorizationCode {
    AuthorizationCode {
        hash,
        session_id: SessionId::new(&session_id),
        user_id: UserId::new(&user_id),
        client_id: AppId::new(&client_id),
        detail,
        expires: Timestamp::from_micros(expires),
    }
}
