//! The one list of migrations. Each runs once, in one transaction with the note that it ran. `schema.sql` is what they
//! give together, to read; a test compares the two. A migration that has landed is never edited.

use crate::database::{all, execute, tables};
use crate::{Store, StoreError};
use std::path::Path;

struct Migration {
    version: i64,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = &[Migration { version: 1, sql: include_str!("../migrations/0001_first.sql") }];

const TABLE: &str = "schema_migration";

/// The newest version that has run here.
pub(crate) const VERSION: &str = "SELECT COALESCE(MAX(version), 0) FROM schema_migration";

/// Whether a database with these tables is ours already. An empty one is not yet; another program's is an error.
pub(crate) fn is_ours(path: &Path, tables: &[String]) -> Result<bool, StoreError> {
    if tables.iter().any(|table| table == TABLE) {
        return Ok(true);
    }
    if tables.is_empty() {
        return Ok(false);
    }
    Err(StoreError::Unreadable { path: path.to_owned(), reason: "it holds the tables of another program".to_owned() })
}

pub(crate) fn accept(found: i64) -> Result<(), StoreError> {
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    if found > known { Err(StoreError::NewerSchema { found, known }) } else { Ok(()) }
}

/// Runs what has not run yet. Two processes that start at once do it one after the other.
pub(crate) async fn run(store: &Store, path: &Path) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    if !is_ours(path, &tables(&mut tx).await?)? {
        tx.script("CREATE TABLE schema_migration (version BIGINT PRIMARY KEY)").await?;
    }
    let rows = all!(tx, (i64,), VERSION)?;
    let found = rows.first().map_or(0, |(version,)| *version);
    accept(found)?;
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > found) {
        tx.script(migration.sql).await?;
        execute!(tx, "INSERT INTO schema_migration (version) VALUES ($1)", migration.version)?;
    }
    tx.commit().await
}
