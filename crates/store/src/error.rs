//! What can go wrong with the store. Never carries a stored value: only names of things.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    // The caller's request.
    /// A unique value is taken. The transaction is over.
    #[error("{what} is already in use")]
    Conflict { what: String },

    // The machine.
    #[error("the disk, or the page limit of the database, is full")]
    Full,
    #[error("the database stayed busy for longer than a writer may wait")]
    Busy,

    // The operator's file.
    #[error("the database has schema version {found}, but this program knows versions up to {known} only")]
    NewerSchema { found: i64, known: i64 },
    #[error("cannot use `{}` as a database: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },

    // This program.
    /// A row that does not read back as what was written.
    #[error("unreadable row in `{table}`: {reason}")]
    Corrupt { table: &'static str, reason: String },
    /// An earlier statement of this transaction failed, so nothing of it may be committed.
    #[error("the transaction was abandoned after an earlier error")]
    Aborted,
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
}

impl StoreError {
    /// Names the value, where the database only said that some unique value is taken.
    pub(crate) fn conflict_over(self, what: impl FnOnce() -> String) -> Self {
        match self {
            Self::Conflict { .. } => Self::Conflict { what: what() },
            Self::Full
            | Self::Busy
            | Self::NewerSchema { .. }
            | Self::Unreadable { .. }
            | Self::Corrupt { .. }
            | Self::Aborted
            | Self::Database(_) => self,
        }
    }
}
