//! The sign-in log. Beside each record: the request as it was decided and the decision, so that it can be replayed.

use crate::database::{all, execute, next, optional};
use crate::{Store, StoreError, Tx};
use model::sign_in::SignIn;
use model::{AppId, Timestamp, UserId};
use sqlx::AssertSqlSafe;

/// No page is longer, whatever was asked for.
pub const PAGE_LIMIT: u32 = 1000;

/// Every part that is there must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInQuery {
    pub user_id: Option<UserId>,
    /// Without regard to case.
    pub user_principal_name: Option<String>,
    pub app_id: Option<AppId>,
    pub resource_id: Option<AppId>,
    /// Let in, or not.
    pub outcome: Option<bool>,
    pub correlation_id: Option<String>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// The next page: the smallest sequence of this one.
    pub before: Option<i64>,
    /// What is new: the largest sequence seen. The answer then comes oldest first, so that none is left out.
    pub after: Option<i64>,
    pub limit: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    pub sequence: i64,
    pub sign_in: SignIn,
}

impl Default for SignInQuery {
    fn default() -> Self {
        Self {
            user_id: None,
            user_principal_name: None,
            app_id: None,
            resource_id: None,
            outcome: None,
            correlation_id: None,
            since: None,
            until: None,
            before: None,
            after: None,
            limit: 100,
        }
    }
}

/// `request` and `decision` are JSON, kept byte for byte. Returns the sequence.
pub async fn append(tx: &mut Tx, sign_in: &SignIn, request: &str, decision: &str) -> Result<i64, StoreError> {
    let body = serde_json::to_string(sign_in).map_err(|error| corrupt(&error))?;
    let sequence = next(tx, "sign_in", sign_in.created_date_time).await?;
    execute!(
        tx,
        "INSERT INTO sign_in (sequence, id, at, correlation_id, user_id, user_principal_name, app_id, resource_id, \
         succeeded, body, request, decision) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        sequence,
        sign_in.id.as_str(),
        sign_in.created_date_time.micros(),
        sign_in.correlation_id.as_str(),
        sign_in.user_id.as_ref().map(UserId::as_str),
        sign_in.user_principal_name.to_lowercase(),
        sign_in.app_id.as_str(),
        sign_in.resource_id.as_str(),
        sign_in.status.error_code == 0,
        body,
        request,
        decision,
    )
    .map_err(|error| error.conflict_over(|| format!("sign-in `{}`", sign_in.id)))?;
    Ok(sequence)
}

/// Newest first; oldest first when `after` is given.
pub async fn list(store: &Store, query: &SignInQuery) -> Result<Vec<Recorded>, StoreError> {
    let mut sql = String::from("SELECT sequence, body FROM sign_in WHERE TRUE");
    let conditions = [
        (query.user_id.is_some(), " AND user_id = $1"),
        (query.user_principal_name.is_some(), " AND user_principal_name = $2"),
        (query.app_id.is_some(), " AND app_id = $3"),
        (query.resource_id.is_some(), " AND resource_id = $4"),
        (query.outcome.is_some(), " AND succeeded = $5"),
        (query.correlation_id.is_some(), " AND correlation_id = $6"),
        (query.since.is_some(), " AND at >= $7"),
        (query.until.is_some(), " AND at < $8"),
        (query.before.is_some(), " AND sequence < $9"),
        (query.after.is_some(), " AND sequence > $10"),
    ];
    sql.extend(conditions.into_iter().filter(|(asked, _)| *asked).map(|(_, condition)| condition));
    sql.push_str(if query.after.is_some() { " ORDER BY sequence LIMIT $11" } else { " ORDER BY sequence DESC LIMIT $11" });
    let rows = all!(
        store,
        (i64, String),
        AssertSqlSafe(sql),
        query.user_id.as_ref().map(UserId::as_str),
        query.user_principal_name.as_deref().map(str::to_lowercase),
        query.app_id.as_ref().map(AppId::as_str),
        query.resource_id.as_ref().map(AppId::as_str),
        query.outcome,
        query.correlation_id.as_deref(),
        query.since.map(Timestamp::micros),
        query.until.map(Timestamp::micros),
        query.before,
        query.after,
        i64::from(query.limit.min(PAGE_LIMIT)),
    )?;
    rows.into_iter().map(recorded).collect()
}

pub async fn get(store: &Store, id: &str) -> Result<Option<Recorded>, StoreError> {
    optional!(store, (i64, String), "SELECT sequence, body FROM sign_in WHERE id = $1", id)?.map(recorded).transpose()
}

/// The request and the decision of one sign-in, as they were appended.
pub async fn evidence(store: &Store, id: &str) -> Result<Option<(String, String)>, StoreError> {
    optional!(store, (String, String), "SELECT request, decision FROM sign_in WHERE id = $1", id)
}

fn recorded((sequence, body): (i64, String)) -> Result<Recorded, StoreError> {
    let sign_in = serde_json::from_str(&body).map_err(|error| corrupt(&error))?;
    Ok(Recorded { sequence, sign_in })
}

fn corrupt(error: &serde_json::Error) -> StoreError {
    StoreError::Corrupt { table: "sign_in", reason: error.to_string() }
}
