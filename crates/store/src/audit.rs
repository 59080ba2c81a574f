//! The audit log: one record for each administrative change, written in the transaction that changes.

use crate::database::{all, execute, next};
use crate::{Store, StoreError, Tx};
use model::Timestamp;
use model::audit::DirectoryAudit;
use sqlx::AssertSqlSafe;
use std::collections::BTreeSet;

/// No page is longer, whatever was asked for.
pub const PAGE_LIMIT: u32 = 1000;

/// Every part that is there must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditQuery {
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    pub activity: Option<String>,
    pub category: Option<String>,
    /// The id of one of the objects changed.
    pub target: Option<String>,
    /// The next page: the smallest sequence of this one.
    pub before_sequence: Option<i64>,
    /// What is new: the largest sequence seen. The answer then comes oldest first, so that none is left out.
    pub after_sequence: Option<i64>,
    pub limit: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    pub sequence: i64,
    pub audit: DirectoryAudit,
}

impl Default for AuditQuery {
    fn default() -> Self {
        Self {
            since: None,
            until: None,
            activity: None,
            category: None,
            target: None,
            before_sequence: None,
            after_sequence: None,
            limit: 100,
        }
    }
}

/// Returns its sequence.
pub async fn append(tx: &mut Tx, audit: &DirectoryAudit) -> Result<i64, StoreError> {
    let body = serde_json::to_string(audit).map_err(|error| corrupt(&error))?;
    let sequence = next(tx, "directory_audit", audit.activity_date_time).await?;
    execute!(
        tx,
        "INSERT INTO directory_audit (sequence, id, at, activity, category, body) VALUES ($1, $2, $3, $4, $5, $6)",
        sequence,
        audit.id.as_str(),
        audit.activity_date_time.micros(),
        audit.activity_display_name.as_str(),
        audit.category.as_str(),
        body,
    )
    .map_err(|error| error.conflict_over(|| format!("audit record `{}`", audit.id)))?;
    let targets: BTreeSet<String> = audit.target_resources.iter().map(|target| target.id.to_lowercase()).collect();
    for target in targets {
        execute!(tx, "INSERT INTO directory_audit_target (target, sequence) VALUES ($1, $2)", target, sequence)?;
    }
    Ok(sequence)
}

/// Newest first; oldest first when `after_sequence` is given.
pub async fn list(store: &Store, query: &AuditQuery) -> Result<Vec<Recorded>, StoreError> {
    let mut sql = String::from("SELECT sequence, body FROM directory_audit WHERE TRUE");
    let conditions = [
        (query.since.is_some(), " AND at >= $1"),
        (query.until.is_some(), " AND at < $2"),
        (query.activity.is_some(), " AND activity = $3"),
        (query.category.is_some(), " AND category = $4"),
        (query.target.is_some(), " AND sequence IN (SELECT sequence FROM directory_audit_target WHERE target = $5)"),
        (query.before_sequence.is_some(), " AND sequence < $6"),
        (query.after_sequence.is_some(), " AND sequence > $7"),
    ];
    sql.extend(conditions.into_iter().filter(|(asked, _)| *asked).map(|(_, condition)| condition));
    sql.push_str(if query.after_sequence.is_some() { " ORDER BY sequence LIMIT $8" } else { " ORDER BY sequence DESC LIMIT $8" });
    let rows = all!(
        store,
        (i64, String),
        AssertSqlSafe(sql),
        query.since.map(Timestamp::micros),
        query.until.map(Timestamp::micros),
        query.activity.as_deref(),
        query.category.as_deref(),
        query.target.as_deref().map(str::to_lowercase),
        query.before_sequence,
        query.after_sequence,
        i64::from(query.limit.min(PAGE_LIMIT)),
    )?;
    rows.into_iter()
        .map(|(sequence, body)| {
            let audit = serde_json::from_str(&body).map_err(|error| corrupt(&error))?;
            Ok(Recorded { sequence, audit })
        })
        .collect()
}

fn corrupt(error: &serde_json::Error) -> StoreError {
    StoreError::Corrupt { table: "directory_audit", reason: error.to_string() }
}
