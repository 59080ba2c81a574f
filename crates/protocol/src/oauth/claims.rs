//! The `claims` parameter (OpenID Connect Core §5.5) as Entra uses it: authentication contexts asked for (`acrs`), and what the
//! client can do (`xms_cc`). The text itself is kept and handed on as it was.

use crate::aadsts::{Aadsts, Fault};
use serde_json::Value;
use std::collections::BTreeSet;

/// In bytes.
pub const LONGEST: usize = 8 * 1024;

/// Checks that `text` is a JSON object of a bearable size.
pub fn parse(text: &str) -> Result<Value, Fault> {
    let refused = || Aadsts::MalformedRequest.fault(&["'claims' is not a JSON object"]);
    if text.len() > LONGEST {
        return Err(refused());
    }
    serde_json::from_str(text).ok().filter(Value::is_object).ok_or_else(refused)
}

/// `acrs` asked for in the access token or the ID token: `c1` … `c99`. One that is not of that form is kept too, so that no
/// policy can be stepped around by a misspelling.
pub fn authentication_contexts(claims: &Value) -> BTreeSet<String> {
    requested_values(claims, "acrs")
}

/// Client capabilities: `cp1` says that the client understands claims challenges.
pub fn capabilities(claims: &Value) -> BTreeSet<String> {
    requested_values(claims, "xms_cc")
}

fn requested_values(claims: &Value, name: &str) -> BTreeSet<String> {
    ["access_token", "id_token"]
        .into_iter()
        .filter_map(|token| claims.get(token)?.get(name))
        .flat_map(|member| {
            let one = member.get("value").into_iter();
            one.chain(member.get("values").and_then(Value::as_array).into_iter().flatten())
        })
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_and_capabilities_are_found_in_both_spellings() {
        let claims = parse(
            r#"{"access_token":{"acrs":{"essential":true,"value":"c1"},"xms_cc":{"values":["cp1"]}},"id_token":{"acrs":{"values":["c2","c3"]}}}"#,
        )
        .unwrap();
        assert_eq!(authentication_contexts(&claims).into_iter().collect::<Vec<_>>(), ["c1", "c2", "c3"]);
        assert_eq!(capabilities(&claims).into_iter().collect::<Vec<_>>(), ["cp1"]);
        assert!(authentication_contexts(&parse("{}").unwrap()).is_empty());
    }

    #[test]
    fn what_is_not_an_object_is_refused() {
        assert!(parse("[]").is_err());
        assert!(parse("{").is_err());
        assert!(parse(&format!("{{\"a\":\"{}\"}}", "x".repeat(LONGEST))).is_err());
    }
}
