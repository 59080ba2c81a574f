//! The sign-in log as the story reads it: over Graph, page by page.

use super::StepError;
use crate::graph::Graph;
use crate::json::{list, text};
use serde_json::Value;
use std::collections::BTreeSet;

/// Pages of a thousand that a story could fill, and then some.
const PAGES: usize = 10;

/// Newest first.
pub(super) struct Attempts(Vec<Value>);

pub(super) struct Attempt<'a>(&'a Value);

impl Attempts {
    pub(super) async fn read(graph: &Graph) -> Result<Self, StepError> {
        let mut attempts = Vec::new();
        let mut next = Some("/v1.0/auditLogs/signIns?$top=999".to_owned());
        for _ in 0..PAGES {
            let Some(address) = next else { break };
            let page = graph.get(&address).await?.map_err(|refusal| refusal.problem())?;
            attempts.extend_from_slice(list(&page, "/value"));
            next = page.get("@odata.nextLink").and_then(Value::as_str).map(str::to_owned);
        }
        Ok(Self(attempts))
    }

    /// Those that are not in `earlier`.
    pub(super) fn since(mut self, earlier: &Self) -> Self {
        let known: BTreeSet<&str> = earlier.0.iter().map(|record| text(record, "/id")).collect();
        self.0.retain(|record| !known.contains(text(record, "/id")));
        self
    }

    /// Of people: what applications do for themselves is left out.
    pub(super) fn all(&self) -> impl Iterator<Item = Attempt<'_>> {
        self.0.iter().filter(|record| !text(record, "/userPrincipalName").is_empty()).map(Attempt)
    }

    pub(super) fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Attempt<'a>> {
        self.all().filter(move |attempt| text(attempt.0, "/userPrincipalName") == name)
    }
}

impl Attempt<'_> {
    pub(super) fn resource(&self) -> &str {
        text(self.0, "/resourceDisplayName")
    }

    pub(super) fn error_code(&self) -> u64 {
        self.0.pointer("/status/errorCode").and_then(Value::as_u64).unwrap_or(u64::MAX)
    }

    /// How many policies' results it holds.
    pub(super) fn policies(&self) -> usize {
        self.results().count()
    }

    /// An attempt that failed before any policy could be asked (a wrong password, a disabled account) holds no results.
    pub(super) fn was_decided(&self) -> bool {
        self.policies() > 0
    }

    /// The name of the policy whose name begins with `prefix`, if its result is `result`.
    pub(super) fn policy_with(&self, prefix: &str, result: &str) -> Result<String, StepError> {
        let policy = self.results().find(|policy| text(policy, "/displayName").starts_with(prefix));
        let found = policy.map_or("missing", |policy| text(policy, "/result"));
        match policy {
            Some(policy) if found == result => Ok(text(policy, "/displayName").to_owned()),
            Some(_) | None => Err(StepError::Seen(format!("{prefix} in the log: {found}, not {result}"))),
        }
    }

    fn results(&self) -> impl Iterator<Item = &Value> {
        list(self.0, "/appliedConditionalAccessPolicies").iter()
    }
}
