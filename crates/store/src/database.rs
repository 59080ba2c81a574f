//! The only file that knows the database driver: how to open it, what a transaction is, what its errors mean.
//!
//! SQLite in WAL mode: one connection writes, a few read. A second database joins here, as a second arm of `Store` and
//! `Tx` and of the three macros; the modules beside this file hold text that both understand.

use crate::StoreError;
use crate::migration;
use model::Timestamp;
use sqlx::query::QueryAs;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, FromRow, Sqlite};
use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

/// A writer waits this long for its turn, then gets `StoreError::Busy`.
const WRITER_WAIT: Duration = Duration::from_secs(5);
const READERS: u32 = 4;
/// Readers that nobody needs give their memory back.
const READER_IDLE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, Default)]
pub struct StoreOptions {
    /// The database file never grows beyond this many pages of 4 KiB. Stands in for a full disk.
    pub max_pages: Option<u32>,
}

/// The database. Cheap to clone. Reading through it sees what is committed.
#[derive(Clone)]
pub struct Store {
    writer: SqlitePool,
    readers: SqlitePool,
}

/// One transaction. It holds the only writer: be quick. Dropped without `commit`, it never happened.
///
/// After any error nothing more runs in it and it cannot be committed. (PostgreSQL works that way. SQLite on its own
/// may roll back on a full disk and then run the statements that follow each by itself.)
pub struct Tx {
    transaction: sqlx::Transaction<'static, Sqlite>,
    failed: bool,
}

impl Store {
    /// Opens the database at `path`, or creates it (mode 0600), and brings it to the newest schema. A database with a
    /// newer schema, or a file that is something else, is refused and left as it was.
    pub async fn open(path: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        let unreadable = |error: io::Error| StoreError::Unreadable { path: path.to_owned(), reason: error.to_string() };
        if create(path).await.map_err(unreadable)? > 0 {
            inspect(path).await?;
        }
        let common = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(WRITER_WAIT)
            .foreign_keys(true)
            .synchronous(SqliteSynchronous::Full)
            .statement_cache_capacity(64);
        let mut writing = common
            .clone()
            .journal_mode(SqliteJournalMode::Wal)
            .pragma("journal_size_limit", "16777216")
            .pragma("cache_size", "-1024");
        if let Some(pages) = options.max_pages {
            writing = writing.pragma("max_page_count", pages.to_string());
        }
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(WRITER_WAIT)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            // SQLite may have ended a failed transaction by itself; the driver then still counts one, and would never
            // begin another. Such a connection is closed.
            .after_release(|connection, _| {
                Box::pin(async move {
                    connection.ping().await?;
                    Ok(!connection.is_in_transaction())
                })
            })
            .connect_with(writing)
            .await
            .map_err(|error| opening(path, error))?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(WRITER_WAIT)
            .idle_timeout(READER_IDLE)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_lazy_with(common.pragma("cache_size", "-512").pragma("query_only", "ON"));
        let store = Self { writer, readers };
        match migration::run(&store, path).await {
            Ok(()) => Ok(store),
            Err(error) => {
                store.close().await;
                Err(error)
            }
        }
    }

    /// Waits for the writer, for a bounded time.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        let transaction = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(meaning)?;
        Ok(Tx { transaction, failed: false })
    }

    /// Closes every connection, which also folds the write-ahead log into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    pub(crate) async fn all<Row>(&self, query: QueryAs<'_, Sqlite, Row, SqliteArguments>) -> Result<Vec<Row>, StoreError>
    where
        Row: for<'row> FromRow<'row, SqliteRow> + Send + Unpin,
    {
        query.fetch_all(&self.readers).await.map_err(meaning)
    }

    pub(crate) async fn optional<Row>(&self, query: QueryAs<'_, Sqlite, Row, SqliteArguments>) -> Result<Option<Row>, StoreError>
    where
        Row: for<'row> FromRow<'row, SqliteRow> + Send + Unpin,
    {
        query.fetch_optional(&self.readers).await.map_err(meaning)
    }
}

impl Tx {
    pub async fn commit(self) -> Result<(), StoreError> {
        if self.failed {
            return Err(StoreError::Aborted);
        }
        self.transaction.commit().await.map_err(meaning)
    }

    pub(crate) async fn all<Row>(&mut self, query: QueryAs<'_, Sqlite, Row, SqliteArguments>) -> Result<Vec<Row>, StoreError>
    where
        Row: for<'row> FromRow<'row, SqliteRow> + Send + Unpin,
    {
        self.unless_failed()?;
        let result = query.fetch_all(&mut *self.transaction).await;
        self.note(result)
    }

    pub(crate) async fn optional<Row>(
        &mut self,
        query: QueryAs<'_, Sqlite, Row, SqliteArguments>,
    ) -> Result<Option<Row>, StoreError>
    where
        Row: for<'row> FromRow<'row, SqliteRow> + Send + Unpin,
    {
        self.unless_failed()?;
        let result = query.fetch_optional(&mut *self.transaction).await;
        self.note(result)
    }

    /// Rows changed.
    pub(crate) async fn execute(&mut self, query: sqlx::query::Query<'_, Sqlite, SqliteArguments>) -> Result<u64, StoreError> {
        self.unless_failed()?;
        let result = query.execute(&mut *self.transaction).await;
        self.note(result).map(|done| done.rows_affected())
    }

    /// Several statements without values: a migration.
    pub(crate) async fn script(&mut self, sql: &'static str) -> Result<(), StoreError> {
        self.unless_failed()?;
        let result = sqlx::raw_sql(sql).execute(&mut *self.transaction).await;
        self.note(result).map(|_| ())
    }

    fn unless_failed(&self) -> Result<(), StoreError> {
        if self.failed { Err(StoreError::Aborted) } else { Ok(()) }
    }

    fn note<T>(&mut self, result: Result<T, sqlx::Error>) -> Result<T, StoreError> {
        result.map_err(|error| {
            self.failed = true;
            meaning(error)
        })
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Store").finish_non_exhaustive()
    }
}

impl fmt::Debug for Tx {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tx").field("failed", &self.failed).finish_non_exhaustive()
    }
}

/// Every row, as tuples: `all!(on, (String, i64), "SELECT …", value, …)`. `on` is a `&Store` or a `&mut Tx`.
macro_rules! all {
    ($on:expr, $row:ty, $sql:expr $(, $value:expr)* $(,)?) => {
        $on.all(sqlx::query_as::<sqlx::Sqlite, $row>($sql)$(.bind($value))*).await
    };
}

/// The first row, if there is one.
macro_rules! optional {
    ($on:expr, $row:ty, $sql:expr $(, $value:expr)* $(,)?) => {
        $on.optional(sqlx::query_as::<sqlx::Sqlite, $row>($sql)$(.bind($value))*).await
    };
}

/// How many rows were changed.
macro_rules! execute {
    ($tx:expr, $sql:expr $(, $value:expr)* $(,)?) => {
        $tx.execute(sqlx::query::<sqlx::Sqlite>($sql)$(.bind($value))*).await
    };
}

pub(crate) use {all, execute, optional};

/// The next number of a counter row. The row stays locked until the transaction ends, so numbers are given in commit
/// order and without gaps. It also keeps the newest time of what was numbered.
pub(crate) async fn next(tx: &mut Tx, counter: &'static str, at: Timestamp) -> Result<i64, StoreError> {
    let row = optional!(
        tx,
        (i64,),
        "UPDATE counter SET value = value + 1, newest = CASE WHEN newest > $1 THEN newest ELSE $1 END \
         WHERE name = $2 RETURNING value",
        at.micros(),
        counter,
    )?;
    row.map(|(value,)| value).ok_or_else(|| no_counter(counter))
}

pub(crate) async fn current(store: &Store, counter: &'static str) -> Result<i64, StoreError> {
    let row = optional!(store, (i64,), CURRENT, counter)?;
    row.map(|(value,)| value).ok_or_else(|| no_counter(counter))
}

pub(crate) async fn current_in(tx: &mut Tx, counter: &'static str) -> Result<i64, StoreError> {
    let row = optional!(tx, (i64,), CURRENT, counter)?;
    row.map(|(value,)| value).ok_or_else(|| no_counter(counter))
}

/// The names of the tables, to tell an empty database from ours and from somebody else's.
pub(crate) async fn tables(tx: &mut Tx) -> Result<Vec<String>, StoreError> {
    let rows = all!(tx, (String,), TABLES)?;
    Ok(rows.into_iter().map(|(name,)| name).collect())
}

const CURRENT: &str = "SELECT value FROM counter WHERE name = $1";
const TABLES: &str = "SELECT name FROM sqlite_schema WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_' ORDER BY name";

fn no_counter(counter: &str) -> StoreError {
    StoreError::Corrupt { table: "counter", reason: format!("no row `{counter}`") }
}

/// Makes sure that the file is there, readable by its owner alone when it is new. Returns its length.
///
/// A file that is there is never opened here: closing it would drop the locks that SQLite holds on it elsewhere in this
/// process (<https://www.sqlite.org/howtocorrupt.html>, 2.2).
async fn create(path: &Path) -> io::Result<u64> {
    match tokio::fs::metadata(path).await {
        Ok(metadata) => return Ok(metadata.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    match options.open(path).await {
        Ok(file) => file.sync_all().await?,
        // Another process was a moment earlier.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(0),
        Err(error) => return Err(error),
    }
    // The name too must survive a power cut.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tokio::fs::File::open(folder).await?.sync_all().await?;
    Ok(0)
}

/// Refuses what is not ours before anything is written: the connection can only read.
async fn inspect(path: &Path) -> Result<(), StoreError> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(WRITER_WAIT);
    let mut connection = options.connect().await.map_err(|error| opening(path, error))?;
    let outcome = inspect_with(path, &mut connection).await;
    // Nothing was written, so nothing can be lost by closing.
    drop(connection.close().await);
    outcome
}

async fn inspect_with(path: &Path, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let rows: Vec<(String,)> = sqlx::query_as(TABLES).fetch_all(&mut *connection).await.map_err(|error| opening(path, error))?;
    let tables: Vec<String> = rows.into_iter().map(|(name,)| name).collect();
    if !migration::is_ours(path, &tables)? {
        return Ok(());
    }
    let (found,): (i64,) =
        sqlx::query_as(migration::VERSION).fetch_one(&mut *connection).await.map_err(|error| opening(path, error))?;
    migration::accept(found)
}

fn opening(path: &Path, error: sqlx::Error) -> StoreError {
    match meaning(error) {
        StoreError::Database(error) => {
            let reason = match error {
                sqlx::Error::Database(error) => error.message().to_owned(),
                error => error.to_string(),
            };
            StoreError::Unreadable { path: path.to_owned(), reason }
        }
        error => error,
    }
}

fn meaning(error: sqlx::Error) -> StoreError {
    // Primary result codes, <https://www.sqlite.org/rescode.html>.
    const BUSY: i32 = 5;
    const LOCKED: i32 = 6;
    const FULL: i32 = 13;
    match &error {
        sqlx::Error::PoolTimedOut => return StoreError::Busy,
        sqlx::Error::Database(reported) => {
            if reported.is_unique_violation() {
                return StoreError::Conflict { what: "a value that must be unique".to_owned() };
            }
            match reported.code().and_then(|code| code.parse::<i32>().ok()).map(|code| code & 0xff) {
                Some(FULL) => return StoreError::Full,
                Some(BUSY | LOCKED) => return StoreError::Busy,
                Some(_) | None => {}
            }
        }
        _ => {}
    }
    StoreError::Database(error)
}
