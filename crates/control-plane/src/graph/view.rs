//! What of a stored object leaves the house. Never a secret, nor anything made from one.

use serde_json::{Map, Value};

/// Members that are secrets, or hashes of secrets, wherever they stand.
const SECRET: [&str; 8] =
    ["secretText", "secretSha256", "secretKey", "password", "passwordProfile", "authentication", "passwordHash", "privateKey"];

/// `value` without secrets.
pub(crate) fn public(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .filter(|(name, _)| !SECRET.iter().any(|secret| secret.eq_ignore_ascii_case(name)))
                .map(|(name, value)| (name, public(value)))
                .collect(),
        ),
        Value::Array(elements) => Value::Array(elements.into_iter().map(public).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

/// `$select`: only the members named (and annotations).
pub(crate) fn select(value: Value, select: Option<&[String]>) -> Value {
    match (value, select) {
        (Value::Object(members), Some(select)) => {
            let is_wanted = |name: &str| name.starts_with('@') || select.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
            Value::Object(members.into_iter().filter(|(name, _)| is_wanted(name)).collect())
        }
        (value, _) => value,
    }
}

/// One object, as Graph answers it: its context first.
pub(crate) fn entity(context: &str, value: Value) -> Value {
    let mut out = Map::new();
    out.insert("@odata.context".to_owned(), Value::String(format!("{context}/$entity")));
    match value {
        Value::Object(members) => out.extend(members),
        other => {
            out.insert("value".to_owned(), other);
        }
    }
    Value::Object(out)
}

/// A page of a collection.
pub(crate) fn collection(context: &str, values: Vec<Value>, link: Option<Link>) -> Value {
    let mut out = Map::new();
    out.insert("@odata.context".to_owned(), Value::String(context.to_owned()));
    match link {
        Some(Link::Next(address)) => {
            out.insert("@odata.nextLink".to_owned(), Value::String(address));
        }
        Some(Link::Delta(address)) => {
            out.insert("@odata.deltaLink".to_owned(), Value::String(address));
        }
        None => {}
    }
    out.insert("value".to_owned(), Value::Array(values));
    Value::Object(out)
}

/// Where a collection goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// There is more now.
    Next(String),
    /// There is no more now; ask here for what comes later.
    Delta(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_taken_out_wherever_they_stand() {
        let stored = json!({
            "id": "1", "displayName": "d", "passwordPolicies": "None",
            "passwordProfile": {"password": "p"},
            "authentication": {"softwareOathMethods": [{"secretKey": "k"}]},
            "passwordCredentials": [{"keyId": "k", "secretText": "s", "SecretSha256": "h", "hint": "abc"}],
        });
        assert_eq!(
            public(stored),
            json!({"id": "1", "displayName": "d", "passwordPolicies": "None", "passwordCredentials": [{"keyId": "k", "hint": "abc"}]})
        );
    }

    #[test]
    fn select_keeps_what_is_named() {
        let names = ["ID".to_owned(), "mail".to_owned()];
        assert_eq!(
            select(json!({"id": "1", "displayName": "d", "@odata.id": "x"}), Some(&names)),
            json!({"id": "1", "@odata.id": "x"})
        );
    }
}
