//! The JSON: lists, flags, what is configured, and three-valued membership.

use serde_json::Value;

pub(super) type Tri = Option<bool>;

pub(super) fn include(mut members: impl Iterator<Item = Tri>) -> bool {
    members.any(|member| member != Some(false))
}

pub(super) fn exclude(mut members: impl Iterator<Item = Tri>) -> bool {
    members.any(|member| member == Some(true))
}

pub(super) fn and(left: Tri, right: Tri) -> Tri {
    match (left, right) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

pub(super) fn or(members: impl Iterator<Item = Tri>) -> Tri {
    let members: Vec<Tri> = members.collect();
    if members.contains(&Some(true)) {
        return Some(true);
    }
    if members.contains(&None) { None } else { Some(false) }
}

pub(super) fn string<'a>(object: &'a Value, name: &str) -> &'a str {
    object[name].as_str().unwrap_or_default()
}

/// Members that are not OData annotations: about the object, an action, or about a member.
pub(super) fn own(object: &serde_json::Map<String, Value>) -> impl Iterator<Item = (&str, &Value)> {
    let about_a_member = ["type", "context", "etag", "count", "editLink", "navigationLink", "associationLink"];
    object.iter().map(|(name, value)| (name.as_str(), value)).filter(move |(name, _)| {
        let annotation = name.starts_with('#')
            || name.starts_with('@') && *name != "@odata.bind"
            || about_a_member.iter().any(|term| name.ends_with(&format!("@odata.{term}")));
        !annotation
    })
}

pub(super) fn absent(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

/// Some leaf is neither null nor empty.
pub(super) fn configured(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => elements.iter().any(configured),
        Value::Object(members) => own(members).any(|(_, value)| configured(value)),
    }
}

/// An unknown member that may widen the condition.
pub(super) fn stray(object: &Value, known: &[&str]) -> bool {
    own(object.as_object().unwrap())
        .any(|(name, value)| !known.contains(&name) && configured(value) && !name.starts_with("exclude"))
}

/// A collection; a single string is a collection of one. `None`: not a string.
pub(super) fn list(value: &Value) -> Vec<Option<String>> {
    match value {
        Value::Null => vec![],
        Value::Array(elements) => elements.iter().map(|element| element.as_str().map(|word| word.trim().to_owned())).collect(),
        other => vec![other.as_str().map(|word| word.trim().to_owned())],
    }
}

/// A set of flags: one string with commas, or a collection.
pub(super) fn flags(value: &Value) -> Vec<Option<String>> {
    match value.as_str() {
        Some(text) => text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(|word| Some(word.to_owned())).collect(),
        None => list(value),
    }
}

pub(super) fn is(word: &Option<String>, expected: &str) -> bool {
    word.as_deref().is_some_and(|word| word.eq_ignore_ascii_case(expected))
}

pub(super) fn guid(text: &str) -> bool {
    text.len() == 36
        && text.char_indices().all(|(at, character)| match at {
            8 | 13 | 18 | 23 => character == '-',
            _ => character.is_ascii_hexdigit(),
        })
}
