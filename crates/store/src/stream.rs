//! Event streams (OpenID Shared Signals Framework 1.0 §8.1): who is told of what, where, and how far they have got.

use crate::database::{all, execute, optional};
use crate::{Store, StoreError, Tx};
use model::{AppId, Timestamp};
use std::fmt;

#[derive(Clone, PartialEq, Eq)]
pub struct Stream {
    pub id: String,
    /// Who made it, and may see and change it.
    pub client_id: AppId,
    pub audience: String,
    pub endpoint: String,
    pub sealed_authorization: Option<Vec<u8>>,
    /// The SSF stream object, JSON.
    pub detail: String,
    pub status: String,
    pub created: Timestamp,
    /// The outbox sequence up to which everything was acknowledged.
    pub acknowledged: i64,
}

pub async fn insert(tx: &mut Tx, stream: &Stream) -> Result<(), StoreError> {
    execute!(
        tx,
        "INSERT INTO event_stream \
         (id, client_id, audience, endpoint, sealed_authorization, detail, status, created, acknowledged) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        stream.id.as_str(),
        stream.client_id.as_str(),
        stream.audience.as_str(),
        stream.endpoint.as_str(),
        stream.sealed_authorization.as_deref(),
        stream.detail.as_str(),
        stream.status.as_str(),
        stream.created.micros(),
        stream.acknowledged,
    )
    .map_err(|error| error.conflict_over(|| format!("stream `{}`", stream.id)))?;
    Ok(())
}

pub async fn get(store: &Store, id: &str) -> Result<Option<Stream>, StoreError> {
    let row = optional!(
        store,
        Row,
        "SELECT id, client_id, audience, endpoint, sealed_authorization, detail, status, created, acknowledged \
         FROM event_stream WHERE id = $1",
        id,
    )?;
    Ok(row.map(stream))
}

/// Oldest first.
pub async fn all(store: &Store) -> Result<Vec<Stream>, StoreError> {
    let rows = all!(
        store,
        Row,
        "SELECT id, client_id, audience, endpoint, sealed_authorization, detail, status, created, acknowledged \
         FROM event_stream ORDER BY created, id",
    )?;
    Ok(rows.into_iter().map(stream).collect())
}

/// Oldest first.
pub async fn of_client(store: &Store, client: &AppId) -> Result<Vec<Stream>, StoreError> {
    Ok(all!(store, Row, OF_CLIENT, client.as_str())?.into_iter().map(stream).collect())
}

/// The same within a transaction, to bound how many streams a client makes.
pub async fn of_client_in(tx: &mut Tx, client: &AppId) -> Result<Vec<Stream>, StoreError> {
    Ok(all!(tx, Row, OF_CLIENT, client.as_str())?.into_iter().map(stream).collect())
}

/// Everything but `id`, `client_id`, `created` and `acknowledged`. False when it is gone or another client's.
pub async fn update(tx: &mut Tx, stream: &Stream) -> Result<bool, StoreError> {
    let changed = execute!(
        tx,
        "UPDATE event_stream SET audience = $1, endpoint = $2, sealed_authorization = $3, detail = $4, status = $5 \
         WHERE id = $6 AND client_id = $7",
        stream.audience.as_str(),
        stream.endpoint.as_str(),
        stream.sealed_authorization.as_deref(),
        stream.detail.as_str(),
        stream.status.as_str(),
        stream.id.as_str(),
        stream.client_id.as_str(),
    )?;
    Ok(changed > 0)
}

pub async fn delete(tx: &mut Tx, id: &str) -> Result<bool, StoreError> {
    Ok(execute!(tx, "DELETE FROM event_stream WHERE id = $1", id)? > 0)
}

/// Only ever forward: false when it stood there or further already, or is gone.
pub async fn acknowledge(tx: &mut Tx, id: &str, sequence: i64) -> Result<bool, StoreError> {
    let changed = execute!(tx, "UPDATE event_stream SET acknowledged = $1 WHERE id = $2 AND acknowledged < $1", sequence, id)?;
    Ok(changed > 0)
}

impl fmt::Debug for Stream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Stream")
            .field("id", &self.id)
            .field("client_id", &self.client_id)
            .field("endpoint", &self.endpoint)
            .field("status", &self.status)
            .field("acknowledged", &self.acknowledged)
            .finish_non_exhaustive()
    }
}

type Row = (String, String, String, String, Option<Vec<u8>>, String, String, i64, i64);

const OF_CLIENT: &str = "SELECT id, client_id, audience, endpoint, sealed_authorization, detail, status, created, acknowledged \
                         FROM event_stream WHERE client_id = $1 ORDER BY created, id";

fn stream(row: Row) -> Stream {
    let (id, client_id, audience, endpoint, sealed_authorization, detail, status, created, acknowledged) = row;
    Stream {
        id,
        client_id: AppId::new(&client_id),
        audience,
        endpoint,
        sealed_authorization,
        detail,
        status,
        created: Timestamp::from_micros(created),
        acknowledged,
    }
}
