//! The sign-in log and the directory audit log over Graph.
//! <https://learn.microsoft.com/graph/api/signin-list>, <https://learn.microsoft.com/graph/api/directoryaudit-list>
//!
//! Newest first, unless `$orderby=… asc`. A page that has more behind it carries `@odata.nextLink`. In ascending order the
//! last page carries `@odata.deltaLink` (as Graph's delta queries do): asked again later, it gives what was written since,
//! in commit order and without gaps. That is how a log is followed.

use super::filter::{Comparison, Filter, Literal, Operator};
use super::query::{self, Direction, OrderBy, Query, QueryOption};
use super::view::{self, Link};
use super::{both, request, versions};
use crate::api::{Permission, Route};
use crate::error::ApiError;
use crate::state::ControlPlane;
use axum::Json;
use axum::extract::{Path, State};
use axum::routing::get;
use http::{Method, Uri};
use model::role::template;
use model::{AppId, Timestamp, UserId};
use serde_json::{Value, json};
use std::time::Duration;
use store::audit::AuditQuery;
use store::sign_in::SignInQuery;

const LOGS: Permission = Permission {
    scopes: &["AuditLog.Read.All"],
    roles: &[
        template::GLOBAL_ADMINISTRATOR,
        template::GLOBAL_READER,
        template::REPORTS_READER,
        template::SECURITY_ADMINISTRATOR,
        template::SECURITY_READER,
    ],
    application: &["AuditLog.Read.All"],
};
const OPTIONS: [QueryOption; 5] =
    [QueryOption::Filter, QueryOption::Top, QueryOption::OrderBy, QueryOption::Select, QueryOption::SkipToken];
/// Graph's largest page of a log.
const MOST: usize = 1000;
const PAGE: usize = 100;
/// `le` and `gt` become the store's "before" and "not before", which are one tick away.
const TICK: Duration = Duration::from_micros(1);

pub(crate) fn routes() -> Vec<Route> {
    [
        both(&Method::GET, versions!("/auditLogs/signIns"), LOGS, &get(sign_ins)),
        both(&Method::GET, versions!("/auditLogs/signIns/{id}"), LOGS, &get(sign_in)),
        both(&Method::GET, versions!("/auditLogs/directoryAudits"), LOGS, &get(directory_audits)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

async fn sign_ins(State(state): State<ControlPlane>, uri: Uri) -> Result<Json<Value>, ApiError> {
    let query = request::query(&uri, &OPTIONS, MOST)?;
    let direction = direction(&query, "createdDateTime")?;
    let window = Window::new(&query, direction)?;
    let mut wanted = match &query.filter {
        Some(filter) => sign_in_query(filter)?,
        None => SignInQuery::default(),
    };
    (wanted.before, wanted.after, wanted.limit) = (window.before, window.after, window.limit());
    let rows = store::sign_in::list(&state.store, &wanted).await?;
    let rows = rows.into_iter().map(|row| (row.sequence, json!(row.sign_in))).collect();
    Ok(Json(answer(&state, &uri, "auditLogs/signIns", &query, &window, rows)))
}

async fn sign_in(State(state): State<ControlPlane>, Path(id): Path<String>, uri: Uri) -> Result<Json<Value>, ApiError> {
    let query = request::query(&uri, &[QueryOption::Select], MOST)?;
    let found = store::sign_in::get(&state.store, &id).await?;
    let found = found.ok_or_else(|| ApiError::not_found(&id))?;
    let value = view::select(json!(found.sign_in), query.select.as_deref());
    Ok(Json(view::entity(&request::context(&state, &uri, "auditLogs/signIns"), value)))
}

async fn directory_audits(State(state): State<ControlPlane>, uri: Uri) -> Result<Json<Value>, ApiError> {
    let query = request::query(&uri, &OPTIONS, MOST)?;
    let direction = direction(&query, "activityDateTime")?;
    let window = Window::new(&query, direction)?;
    let mut wanted = match &query.filter {
        Some(filter) => audit_query(filter)?,
        None => AuditQuery::default(),
    };
    (wanted.before_sequence, wanted.after_sequence, wanted.limit) = (window.before, window.after, window.limit());
    let rows = store::audit::list(&state.store, &wanted).await?;
    let rows = rows.into_iter().map(|row| (row.sequence, json!(row.audit))).collect();
    Ok(Json(answer(&state, &uri, "auditLogs/directoryAudits", &query, &window, rows)))
}

/// Which part of a log a page shows: at most `size` rows beyond a position, and one more to know whether there is more.
#[derive(Clone, Copy, Debug)]
struct Window {
    direction: Direction,
    before: Option<i64>,
    after: Option<i64>,
    size: usize,
}

impl Window {
    fn new(query: &Query, direction: Direction) -> Result<Self, ApiError> {
        let position = query.position()?;
        let (before, after) = match direction {
            Direction::Descending => (position, None),
            Direction::Ascending => (None, Some(position.unwrap_or(0))),
        };
        // The store's own page limit is `MOST`: one row less leaves room to see whether there is more.
        let size = query.top.unwrap_or(PAGE);
        Ok(Self { direction, before, after, size })
    }

    fn limit(self) -> u32 {
        u32::try_from(self.size.saturating_add(1).min(MOST)).unwrap_or(1)
    }
}

fn answer(state: &ControlPlane, uri: &Uri, set: &str, query: &Query, window: &Window, mut rows: Vec<(i64, Value)>) -> Value {
    // A full largest page cannot tell whether it is the last: it offers a next one, which may be empty.
    let is_more = rows.len() > window.size || rows.len() == MOST;
    rows.truncate(window.size);
    let end = rows.last().map(|(sequence, _)| *sequence).or(window.after);
    let address = |end: i64| request::continued(state, uri, &query::position_token(end));
    let link = match (window.direction, end) {
        (_, Some(end)) if is_more => Some(Link::Next(address(end))),
        (Direction::Ascending, Some(end)) => Some(Link::Delta(address(end))),
        (Direction::Ascending | Direction::Descending, _) => None,
    };
    let values = rows.into_iter().map(|(_, value)| view::select(value, query.select.as_deref())).collect();
    view::collection(&request::context(state, uri, set), values, link)
}

fn direction(query: &Query, time: &str) -> Result<Direction, ApiError> {
    match &query.order_by {
        None => Ok(Direction::Descending),
        Some(OrderBy { property, direction }) if property == time => Ok(*direction),
        Some(OrderBy { property, .. }) => Err(ApiError::BadRequest(format!("cannot order by `{property}`; hint: by {time}"))),
    }
}

fn sign_in_query(filter: &Filter) -> Result<SignInQuery, ApiError> {
    let mut query = SignInQuery::default();
    each(filter, |comparison| match (comparison.property.as_str(), comparison.operator, &comparison.literal) {
        ("userPrincipalName", Operator::Equal, Literal::Text(text)) => once(&mut query.user_principal_name, text.clone()),
        ("userId", Operator::Equal, Literal::Text(text)) => once(&mut query.user_id, UserId::new(text)),
        ("appId", Operator::Equal, Literal::Text(text)) => once(&mut query.app_id, AppId::new(text)),
        ("resourceId", Operator::Equal, Literal::Text(text)) => once(&mut query.resource_id, AppId::new(text)),
        ("correlationId", Operator::Equal, Literal::Text(text)) => once(&mut query.correlation_id, text.clone()),
        ("status/errorCode", Operator::Equal, Literal::Integer(0)) => once(&mut query.outcome, true),
        ("status/errorCode", Operator::NotEqual, Literal::Integer(0)) => once(&mut query.outcome, false),
        ("createdDateTime", operator, Literal::Time(time)) => bound(&mut query.since, &mut query.until, operator, *time),
        _ => Err(Refusal::NotSupported),
    })?;
    Ok(query)
}

fn audit_query(filter: &Filter) -> Result<AuditQuery, ApiError> {
    let mut query = AuditQuery::default();
    each(filter, |comparison| match (comparison.property.as_str(), comparison.operator, &comparison.literal) {
        ("activityDisplayName", Operator::Equal, Literal::Text(text)) => once(&mut query.activity, text.clone()),
        ("category", Operator::Equal, Literal::Text(text)) => once(&mut query.category, text.clone()),
        ("targetResources/id", Operator::Equal, Literal::Text(text)) => once(&mut query.target, text.clone()),
        ("activityDateTime", operator, Literal::Time(time)) => bound(&mut query.since, &mut query.until, operator, *time),
        _ => Err(Refusal::NotSupported),
    })?;
    Ok(query)
}

/// Why one comparison cannot be served.
enum Refusal {
    NotSupported,
    Twice,
}

/// Every comparison that cannot be served is told, not only the first.
fn each(filter: &Filter, mut take: impl FnMut(&Comparison) -> Result<(), Refusal>) -> Result<(), ApiError> {
    let problems: Vec<String> = filter
        .comparisons
        .iter()
        .filter_map(|comparison| match take(comparison) {
            Ok(()) => None,
            Err(Refusal::NotSupported) => Some(format!("cannot filter this log by `{comparison}` (at {})", comparison.at)),
            Err(Refusal::Twice) => Some(format!("`{}` (at {}) is compared twice", comparison.property, comparison.at)),
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(ApiError::BadRequest(problems.join("; "))) }
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Refusal> {
    if place.replace(value).is_some() { Err(Refusal::Twice) } else { Ok(()) }
}

fn bound(
    since: &mut Option<Timestamp>,
    until: &mut Option<Timestamp>,
    operator: Operator,
    time: Timestamp,
) -> Result<(), Refusal> {
    match operator {
        Operator::GreaterOrEqual => once(since, time),
        Operator::GreaterThan => once(since, time.plus(TICK)),
        Operator::LessThan => once(until, time),
        Operator::LessOrEqual => once(until, time.plus(TICK)),
        Operator::Equal | Operator::NotEqual => Err(Refusal::NotSupported),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SignInQuery, String> {
        sign_in_query(&Filter::parse(text).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn filters_become_queries() {
        let query = read(
            "userPrincipalName eq 'alex@woodgrove.example' and status/errorCode ne 0 and createdDateTime ge 2026-01-01T00:00:00Z \
             and createdDateTime le 2026-01-02T00:00:00Z",
        );
        let expected = SignInQuery {
            user_principal_name: Some("alex@woodgrove.example".to_owned()),
            outcome: Some(false),
            since: Timestamp::parse("2026-01-01T00:00:00Z"),
            until: Timestamp::parse("2026-01-02T00:00:00.000001Z"),
            ..SignInQuery::default()
        };
        assert_eq!(query, Ok(expected));
    }

    #[test]
    fn every_part_that_is_not_served_is_told() {
        assert_eq!(
            read("status/errorCode eq 50126 and appId eq 'a' and appId eq 'b' and riskLevel eq 'high'").unwrap_err(),
            "cannot filter this log by `status/errorCode eq 50126` (at 0); `appId` (at 47) is compared twice; \
             cannot filter this log by `riskLevel eq 'high'` (at 64)"
        );
    }
}
