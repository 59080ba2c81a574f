//! `countersign logs`: the sign-in log and the audit log of a running server, read over Graph.

use crate::arguments::{Audits, SignIns, Status, Window};
use crate::error::{CommandError, Problem};
use crate::graph::Graph;
use crate::json::{list, text};
use crate::output::{self, Format};
use model::Timestamp;
use runtime::Clock;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// How often a followed log is asked for news.
const POLL: Duration = Duration::from_secs(1);
/// Graph's largest page.
const PAGE: u32 = 1000;

pub async fn sign_ins(arguments: &SignIns, graph: &Graph, clock: &Clock, format: Format) -> Result<(), CommandError> {
    let mut filters = Vec::new();
    filters.extend(arguments.user.as_ref().map(|user| format!("userPrincipalName eq {}", quoted(user))));
    filters.extend(arguments.app.as_ref().map(|app| format!("appId eq {}", quoted(app))));
    filters.extend(arguments.status.map(|status| match status {
        Status::Success => "status/errorCode eq 0".to_owned(),
        Status::Failure => "status/errorCode ne 0".to_owned(),
    }));
    let log = Log {
        path: "/v1.0/auditLogs/signIns",
        time: "createdDateTime",
        filters,
        header: header(SIGN_IN_HEADER),
        row: sign_in_row,
    };
    log.print(&arguments.window, graph, clock, format).await
}

pub async fn audits(arguments: &Audits, graph: &Graph, clock: &Clock, format: Format) -> Result<(), CommandError> {
    let mut filters = Vec::new();
    filters.extend(arguments.activity.as_ref().map(|activity| format!("activityDisplayName eq {}", quoted(activity))));
    filters.extend(arguments.category.as_ref().map(|category| format!("category eq {}", quoted(category))));
    let log = Log {
        path: "/v1.0/auditLogs/directoryAudits",
        time: "activityDateTime",
        filters,
        header: header(AUDIT_HEADER),
        row: audit_row,
    };
    log.print(&arguments.window, graph, clock, format).await
}

struct Log {
    path: &'static str,
    /// The property that orders it.
    time: &'static str,
    filters: Vec<String>,
    header: Row,
    row: fn(&Value) -> Row,
}

/// One line of a table.
type Row = [String; 5];

impl Log {
    /// The newest `limit` records, oldest first, so that a followed log reads on.
    async fn print(&self, window: &Window, graph: &Graph, clock: &Clock, format: Format) -> Result<(), CommandError> {
        let since = window.since.as_deref().map(|text| parse_since(text, clock.now())).transpose()?;
        let mut records = self.newest(window.limit, since, graph).await?;
        records.reverse();
        let rows: Vec<Row> = records.iter().map(self.row).collect();
        let widths = widths(&self.header, &rows);
        if format.is_json() {
            records.iter().for_each(output::json);
        } else {
            std::iter::once(&self.header).chain(&rows).for_each(|row| output::line(line(row, &widths)));
        }
        if !window.follow {
            return Ok(());
        }
        let newest = records.last().and_then(|record| Timestamp::parse(text(record, &format!("/{}", self.time))));
        let seen = records.iter().map(|record| text(record, "/id").to_owned()).collect();
        self.follow(newest.or(since), seen, graph, |record| match format {
            Format::Json => output::json(record),
            Format::Text => output::line(line(&(self.row)(record), &widths)),
        })
        .await
    }

    async fn newest(&self, limit: u32, since: Option<Timestamp>, graph: &Graph) -> Result<Vec<Value>, CommandError> {
        let mut records = Vec::new();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut next = Some(self.address(since, "desc", limit.min(PAGE as usize)));
        while let Some(address) = next.filter(|_| records.len() < limit) {
            let page = page(graph, &address).await?;
            next = page.next;
            records.extend(page.records);
        }
        records.truncate(limit);
        Ok(records)
    }

    /// What is written from `since` on, but for what was `seen`; until Ctrl-C.
    async fn follow(
        &self,
        since: Option<Timestamp>,
        mut seen: BTreeSet<String>,
        graph: &Graph,
        show: impl Fn(&Value),
    ) -> Result<(), CommandError> {
        let mut address = self.address(since, "asc", PAGE as usize);
        let mut interval = tokio::time::interval(POLL);
        loop {
            tokio::select! {
                stopped = tokio::signal::ctrl_c() => return stopped.map_err(|error| Problem::caused_by("no signals", &error).into()),
                _ = interval.tick() => {}
            }
            let page = page(graph, &address).await?;
            for record in page.records.iter().filter(|record| !seen.contains(text(record, "/id"))) {
                show(record);
            }
            if let Some(next) = page.next.or(page.delta) {
                // A position was given: nothing before it comes again.
                seen.clear();
                address = next;
            }
        }
    }

    fn address(&self, since: Option<Timestamp>, direction: &str, size: usize) -> String {
        let mut filters = self.filters.clone();
        filters.extend(since.map(|since| format!("{} ge {since}", self.time)));
        let mut query = form_urlencoded::Serializer::new(String::new());
        if !filters.is_empty() {
            query.append_pair("$filter", &filters.join(" and "));
        }
        query.append_pair("$orderby", &format!("{} {direction}", self.time)).append_pair("$top", &size.max(1).to_string());
        format!("{}?{}", self.path, query.finish())
    }
}

struct Page {
    records: Vec<Value>,
    next: Option<String>,
    delta: Option<String>,
}

async fn page(graph: &Graph, address: &str) -> Result<Page, CommandError> {
    let body = graph.get(address).await?.map_err(|refusal| refusal.problem())?;
    let link = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    Ok(Page { records: list(&body, "/value").to_vec(), next: link("@odata.nextLink"), delta: link("@odata.deltaLink") })
}

const SIGN_IN_HEADER: [&str; 5] = ["TIME", "USER", "APPLICATION", "RESULT", "POLICIES"];
const AUDIT_HEADER: [&str; 5] = ["TIME", "ACTIVITY", "BY", "RESULT", "TARGETS"];
/// Longer cells push the rest of their line.
const WIDEST: usize = 44;

fn header(names: [&str; 5]) -> Row {
    names.map(str::to_owned)
}

fn sign_in_row(record: &Value) -> Row {
    let result = match record.pointer("/status/errorCode").and_then(Value::as_u64) {
        Some(0) => "success".to_owned(),
        Some(code) => code.to_string(),
        None => String::new(),
    };
    let policies: Vec<String> = list(record, "/appliedConditionalAccessPolicies")
        .iter()
        .filter(|policy| !matches!(text(policy, "/result"), "notApplied" | "notEnabled" | "reportOnlyNotApplied"))
        .map(|policy| {
            let name = text(policy, "/displayName");
            format!("{} {}", name.split_once(':').map_or(name, |(short, _)| short), text(policy, "/result"))
        })
        .collect();
    let application = match text(record, "/resourceDisplayName") {
        "" => text(record, "/appDisplayName"),
        resource => resource,
    };
    let name = text(record, "/userPrincipalName");
    let user = if name.is_empty() { format!("({})", text(record, "/appDisplayName")) } else { name.to_owned() };
    row([time(record, "/createdDateTime"), &user, application, &result, &policies.join(", ")])
}

fn audit_row(record: &Value) -> Row {
    let by = match text(record, "/initiatedBy/user/userPrincipalName") {
        "" => text(record, "/initiatedBy/app/displayName"),
        user => user,
    };
    let targets: Vec<&str> = list(record, "/targetResources").iter().map(|target| text(target, "/displayName")).collect();
    row([
        time(record, "/activityDateTime"),
        text(record, "/activityDisplayName"),
        by,
        text(record, "/result"),
        &targets.join(", "),
    ])
}

/// What a record holds came from outside: control characters would steer the terminal.
fn row(cells: [&str; 5]) -> Row {
    cells.map(|cell| cell.chars().map(|character| if character.is_control() { ' ' } else { character }).collect())
}

fn widths(header: &Row, rows: &[Row]) -> [usize; 5] {
    let mut widths = [0; 5];
    for row in std::iter::once(header).chain(rows) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().min(WIDEST).max(*width);
        }
    }
    widths
}

fn line(row: &Row, widths: &[usize; 5]) -> String {
    let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
    cells.join("  ").trim_end().to_owned()
}

/// To the second.
fn time<'a>(record: &'a Value, pointer: &str) -> &'a str {
    let time = text(record, pointer);
    time.get(..19).unwrap_or(time)
}

/// OData: a quote is doubled.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A time, or an age.
fn parse_since(text: &str, now: Timestamp) -> Result<Timestamp, Problem> {
    let age = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return None,
        };
        Some(now.minus(Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds)?)))
    };
    Timestamp::parse(text).or_else(age).ok_or_else(|| {
        Problem::new(format!("`{text}` is neither a time nor an age"))
            .at("--since")
            .hint("as in `2026-11-22T08:00:00Z`, `30m`, `24h` or `7d`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_and_ages() {
        let now = Timestamp::parse("2026-11-22T08:00:00Z").unwrap();
        assert_eq!(parse_since("30m", now).unwrap().to_string(), "2026-11-22T07:30:00Z");
        assert_eq!(parse_since("7d", now).unwrap().to_string(), "2026-11-15T08:00:00Z");
        assert_eq!(parse_since("2026-11-22T07:00:00Z", now).unwrap().to_string(), "2026-11-22T07:00:00Z");
        for text in ["", "m", "soon", "3", "-3m", "99999999999999999999d", "3€"] {
            assert!(parse_since(text, now).is_err(), "{text}");
        }
    }

    #[test]
    fn rows_are_one_line_whatever_a_record_holds() {
        let record = json!({
            "createdDateTime": "2026-11-22T08:00:00.123Z", "userPrincipalName": "alex@woodgrove.example\u{1b}[2J\n",
            "appDisplayName": "Gateway", "resourceDisplayName": "Payroll", "status": {"errorCode": 50076},
            "appliedConditionalAccessPolicies": [
                {"displayName": "CA001: MFA", "result": "failure"}, {"displayName": "CA002: Block", "result": "notApplied"},
                {"displayName": "CA004: Office", "result": "reportOnlyFailure"}],
        });
        let row = sign_in_row(&record);
        assert_eq!(
            line(&row, &widths(&header(SIGN_IN_HEADER), std::slice::from_ref(&row))),
            "2026-11-22T08:00:00  alex@woodgrove.example [2J   Payroll      50076   CA001 failure, CA004 reportOnlyFailure"
        );
        assert_eq!(quoted("o'neil"), "'o''neil'");
    }
}
