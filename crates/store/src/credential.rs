//! How a person proves who they are: password hashes, TOTP secrets, passkeys.
//!
//! `secret` is whatever the caller keeps (a hash, a sealed secret, a public key): nothing here looks into it.

use crate::database::{all, execute, optional};
use crate::{Store, StoreError, Tx};
use model::{Timestamp, UserId};
use std::fmt;

#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    pub id: String,
    pub user_id: UserId,
    pub kind: CredentialKind,
    /// The name that its owner gave it.
    pub label: String,
    pub secret: Vec<u8>,
    pub created: Timestamp,
    pub last_used: Option<Timestamp>,
    /// What must only grow: the last TOTP step used (RFC 6238 §5.2), a passkey's signature counter (WebAuthn §6.1.1).
    pub counter: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CredentialKind {
    /// At most one a person.
    Password,
    Totp,
    Passkey,
}

impl CredentialKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Totp => "totp",
            Self::Passkey => "passkey",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Password, Self::Totp, Self::Passkey].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Oldest first.
pub async fn of_user(store: &Store, user: &UserId) -> Result<Vec<Credential>, StoreError> {
    all!(store, Row, OF_USER, user.as_str())?.into_iter().map(credential).collect()
}

pub async fn of_user_in(tx: &mut Tx, user: &UserId) -> Result<Vec<Credential>, StoreError> {
    all!(tx, Row, OF_USER, user.as_str())?.into_iter().map(credential).collect()
}

pub async fn by_id(store: &Store, id: &str) -> Result<Option<Credential>, StoreError> {
    optional!(store, Row, BY_ID, id)?.map(credential).transpose()
}

pub async fn insert(tx: &mut Tx, credential: &Credential) -> Result<(), StoreError> {
    execute!(
        tx,
        INSERT,
        credential.id.as_str(),
        credential.user_id.as_str(),
        credential.kind.as_str(),
        credential.label.as_str(),
        credential.secret.as_slice(),
        credential.created.micros(),
        credential.last_used.map(Timestamp::micros),
        credential.counter,
    )
    .map_err(|error| error.conflict_over(|| format!("credential `{}`", credential.id)))?;
    Ok(())
}

/// Sets the person's one password, new or changed.
pub async fn set_password(tx: &mut Tx, user: &UserId, secret: &[u8], now: Timestamp) -> Result<(), StoreError> {
    let changed = execute!(
        tx,
        "UPDATE credential SET secret = $1, created = $2, last_used = NULL, counter = 0 \
         WHERE user_id = $3 AND kind = 'password'",
        secret,
        now.micros(),
        user.as_str(),
    )?;
    if changed > 0 {
        return Ok(());
    }
    insert(
        tx,
        &Credential {
            id: format!("password-{user}"),
            user_id: user.clone(),
            kind: CredentialKind::Password,
            label: String::new(),
            secret: secret.to_vec(),
            created: now,
            last_used: None,
            counter: 0,
        },
    )
    .await
}

/// Replaces the secret in place (a hash made anew with newer parameters, a passkey whose backup state changed) and notes
/// the use. False when there is no such credential.
pub async fn set_secret(tx: &mut Tx, id: &str, secret: &[u8], now: Timestamp) -> Result<bool, StoreError> {
    let changed = execute!(tx, "UPDATE credential SET secret = $1, last_used = $2 WHERE id = $3", secret, now.micros(), id)?;
    Ok(changed > 0)
}

/// One winner for each value: false when the counter has already reached `to`, or the credential is gone.
pub async fn advance_counter(tx: &mut Tx, id: &str, to: i64, now: Timestamp) -> Result<bool, StoreError> {
    let changed =
        execute!(tx, "UPDATE credential SET counter = $1, last_used = $2 WHERE id = $3 AND counter < $1", to, now.micros(), id,)?;
    Ok(changed > 0)
}

/// Notes the use of a credential.
pub async fn touch(tx: &mut Tx, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    Ok(execute!(tx, "UPDATE credential SET last_used = $1 WHERE id = $2", now.micros(), id)? > 0)
}

pub async fn delete(tx: &mut Tx, id: &str) -> Result<bool, StoreError> {
    Ok(execute!(tx, "DELETE FROM credential WHERE id = $1", id)? > 0)
}

/// How many there were.
pub async fn delete_of_user(tx: &mut Tx, user: &UserId) -> Result<u64, StoreError> {
    execute!(tx, "DELETE FROM credential WHERE user_id = $1", user.as_str())
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credential")
            .field("id", &self.id)
            .field("user_id", &self.user_id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

type Row = (String, String, String, String, Vec<u8>, i64, Option<i64>, i64);

const OF_USER: &str = "SELECT id, user_id, kind, label, secret, created, last_used, counter FROM credential \
                       WHERE user_id = $1 ORDER BY created, id";
const BY_ID: &str = "SELECT id, user_id, kind, label, secret, created, last_used, counter FROM credential WHERE id = $1";
const INSERT: &str = "INSERT INTO credential (id, user_id, kind, label, secret, created, last_used, counter) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

fn credential((id, user_id, kind, label, secret, created, last_used, counter): Row) -> Result<Credential, StoreError> {
    let kind = CredentialKind::parse(&kind)
        .ok_or_else(|| StoreError::Corrupt { table: "credential", reason: format!("unknown kind `{kind}`") })?;
    Ok(Credential {
        id,
        user_id: UserId::new(&user_id),
        kind,
        label,
        secret,
        created: Timestamp::from_micros(created),
        last_used: last_used.map(Timestamp::from_micros),
        counter,
    })
}
