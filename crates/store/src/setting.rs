//! Small named values of the server itself (not of the tenant).

use crate::database::{execute, optional};
use crate::{Store, StoreError, Tx};

pub async fn get(store: &Store, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(optional!(store, (Vec<u8>,), "SELECT value FROM setting WHERE name = $1", name)?.map(|(value,)| value))
}

pub async fn put(tx: &mut Tx, name: &str, value: &[u8]) -> Result<(), StoreError> {
    execute!(
        tx,
        "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        name,
        value,
    )?;
    Ok(())
}
