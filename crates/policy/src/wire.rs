//! Reading Graph's JSON with nothing dropped in silence: what is not understood is noted with its place, and the caller
//! is told, so that a condition can be taken to hold anything. Never decides what a value means.

use serde_json::Value;
use std::collections::BTreeSet;

/// One thing in a policy, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Note {
    /// Within the object: `$.conditions.users.includeUsers[0]`.
    pub(crate) place: String,
    pub(crate) reason: String,
    pub(crate) severity: Severity,
}

/// What exports write about a member. `odata.id` is not among them: beside a relationship it would be what it points to.
const MEMBER_ANNOTATIONS: [&str; 13] = [
    "odata.type",
    "odata.context",
    "odata.etag",
    "odata.count",
    "odata.nextLink",
    "odata.deltaLink",
    "odata.navigationLink",
    "odata.associationLink",
    "odata.editLink",
    "odata.readLink",
    "odata.mediaEditLink",
    "odata.mediaReadLink",
    "odata.mediaContentType",
];

/// Whether something changes how the engine takes a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The engine cannot tell what it means, and took the strictest reading.
    NotUnderstood,
    /// Understood; but whoever wrote it should know.
    Remark,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Notes(pub(crate) Vec<Note>);

impl Notes {
    pub(crate) fn not_understood(&mut self, node: &Node<'_>, reason: impl Into<String>) {
        self.0.push(Note { place: node.place.clone(), reason: reason.into(), severity: Severity::NotUnderstood });
    }

    pub(crate) fn remark(&mut self, node: &Node<'_>, reason: impl Into<String>) {
        self.0.push(Note { place: node.place.clone(), reason: reason.into(), severity: Severity::Remark });
    }

    /// What was not understood in `object`, which stands at `node`, is not understood here either.
    pub(crate) fn repeat(&mut self, node: &Node<'_>, object: &str, other: &Self) {
        for note in other.0.iter().take(MOST_REPEATED) {
            self.not_understood(node, format!("{object}: {}: {}", note.place, note.reason));
        }
        if other.0.len() > MOST_REPEATED {
            self.not_understood(node, format!("{object}: and {} more", other.0.len() - MOST_REPEATED));
        }
    }
}

/// Of what was not understood in one object, so much is repeated in each policy that names it.
const MOST_REPEATED: usize = 4;

/// A value and its place. A member that is missing is `null`, as in Graph.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    pub(crate) value: &'a Value,
    pub(crate) place: String,
}

/// What stands where an object may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `null`, missing, or an empty array (which some exports write for an unset object).
    Absent,
    Object,
    /// Something else, already noted.
    Unreadable,
}

impl<'a> Node<'a> {
    pub(crate) fn root(value: &'a Value, name: &str) -> Self {
        Self { value, place: format!("$.{name}") }
    }

    pub(crate) fn member(&self, name: &str) -> Self {
        Self { value: self.value.get(name).unwrap_or(&Value::Null), place: format!("{}.{name}", self.place) }
    }

    /// Every member that is not an OData annotation.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&'a str, Self)> + use<'a, '_> {
        self.value
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, _)| !is_annotation(name))
            .map(|(name, value)| (name.as_str(), Self { value, place: format!("{}.{name}", self.place) }))
    }

    pub(crate) fn elements(&self) -> impl Iterator<Item = Self> + use<'a, '_> {
        self.value
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
            .map(|(index, value)| Self { value, place: format!("{}[{index}]", self.place) })
    }

    /// Some leaf is neither null nor empty: PowerShell exports write every unset object with all its members null.
    pub(crate) fn is_configured(&self) -> bool {
        is_configured(self.value)
    }

    pub(crate) fn is_null(&self) -> bool {
        self.value.is_null()
    }

    pub(crate) fn shape(&self, notes: &mut Notes) -> Shape {
        match self.value {
            Value::Null => Shape::Absent,
            Value::Array(elements) if elements.is_empty() => Shape::Absent,
            Value::Object(_) => Shape::Object,
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                notes.not_understood(self, "not an object");
                Shape::Unreadable
            }
        }
    }

    /// Members beside the `known` ones, noted; true when one of them might widen what the object covers.
    pub(crate) fn unknown_members(&self, known: &[&str], notes: &mut Notes) -> bool {
        let mut widens = false;
        for (name, member) in self.members() {
            if !known.contains(&name) && member.is_configured() {
                notes.not_understood(&member, format!("unknown member `{name}`"));
                widens |= !name.starts_with("exclude");
            }
        }
        widens
    }

    /// A string's words: Graph writes some sets as one string with commas (flags), and some exports as an array.
    pub(crate) fn flags<T: Ord>(&self, notes: &mut Notes, parse: impl Fn(&str) -> Option<T>) -> List<T> {
        match self.value {
            Value::String(text) => {
                let mut list = List { written: true, ..List::default() };
                for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
                    list.push(word, self, notes, &parse);
                }
                list
            }
            Value::Null | Value::Array(_) | Value::Object(_) | Value::Bool(_) | Value::Number(_) => self.list(notes, parse),
        }
    }

    /// A collection of strings. A single string stands for a collection of one (PowerShell writes it so).
    pub(crate) fn list<T: Ord>(&self, notes: &mut Notes, parse: impl Fn(&str) -> Option<T>) -> List<T> {
        let mut list = List { written: !self.is_null(), ..List::default() };
        match self.value {
            Value::Null => {}
            Value::String(word) => list.push(word, self, notes, &parse),
            Value::Array(_) => {
                for element in self.elements() {
                    match element.value.as_str() {
                        Some(word) => list.push(word, &element, notes, &parse),
                        None => {
                            notes.not_understood(&element, "not a string");
                            list.open = true;
                        }
                    }
                }
            }
            Value::Object(_) | Value::Bool(_) | Value::Number(_) => {
                notes.not_understood(self, "not a collection of strings");
                list.open = true;
            }
        }
        list
    }
}

/// One list of a condition.
#[derive(Clone, Debug)]
pub(crate) struct List<T> {
    pub(crate) known: BTreeSet<T>,
    /// It has members that were not understood: as an include list it may hold anything, as an exclude list it surely
    /// holds only what is known.
    pub(crate) open: bool,
    /// The list is there, if only empty.
    pub(crate) written: bool,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { known: BTreeSet::new(), open: false, written: false }
    }
}

impl<T: Ord> List<T> {
    pub(crate) fn may_contain(&self, value: &T) -> bool {
        self.open || self.known.contains(value)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty() && !self.open
    }

    fn push(&mut self, word: &str, node: &Node<'_>, notes: &mut Notes, parse: &impl Fn(&str) -> Option<T>) {
        match parse(word.trim()) {
            Some(value) => {
                self.known.insert(value);
            }
            None => {
                notes.not_understood(node, format!("unknown value `{word}`"));
                self.open = true;
            }
        }
    }
}

/// Finds `word` in a vocabulary, without regard to case (exports differ).
pub(crate) fn word<T: Copy>(vocabulary: &[(&str, T)], word: &str) -> Option<T> {
    vocabulary.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, value)| *value)
}

/// A GUID in its usual form: what every Graph id in a policy is.
pub(crate) fn is_guid(text: &str) -> bool {
    let mut lengths = [8, 4, 4, 4, 12].into_iter();
    text.split('-').all(|group| Some(group.len()) == lengths.next() && group.bytes().all(|byte| byte.is_ascii_hexdigit()))
        && lengths.next().is_none()
}

/// An OData annotation: it tells something about an object or a member, and asks nothing. Anything else with an `@` is a
/// member: `name@odata.bind` sets a relationship, as `name` itself would.
/// <https://docs.oasis-open.org/odata/odata-json-format/v4.01/odata-json-format-v4.01.html#sec_RepresentingAnnotationsasJSONProperties>
pub fn is_annotation(name: &str) -> bool {
    match name.split_once('@') {
        Some(("", "odata.bind")) => false,
        Some(("", _)) => true,
        Some((_, term)) => MEMBER_ANNOTATIONS.contains(&term),
        None => name.starts_with('#'),
    }
}

fn is_configured(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => elements.iter().any(is_configured),
        Value::Object(members) => members.iter().any(|(name, value)| !is_annotation(name) && is_configured(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids() {
        for (text, expected) in [
            ("00000003-0000-0ff1-ce00-000000000000", true),
            ("00000003-0000-0FF1-CE00-000000000000", true),
            ("00000003-0000-0ff1-ce00-00000000000", false),
            ("00000003-0000-0ff1-ce00", false),
            ("00000003-0000-0ff1-ce00-000000000000-", false),
            ("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", false),
            ("<ExclusionTempGroup>", false),
            ("", false),
        ] {
            assert_eq!(is_guid(text), expected, "{text}");
        }
    }

    #[test]
    fn annotations() {
        for (name, expected) in [
            ("@odata.type", true),
            ("@odata.id", true),
            ("@microsoft.graph.tips", true),
            ("#microsoft.graph.restore", true),
            ("authenticationStrength@odata.context", true),
            ("authenticationStrength@odata.navigationLink", true),
            ("includeUsers@odata.type", true),
            ("authenticationStrength@odata.bind", false),
            ("authenticationStrength@odata.id", false),
            ("authenticationStrength@odata.Type", false),
            ("a@b@odata.type", false),
            ("mfa@example.com", false),
            ("@odata.bind", false),
            ("state", false),
            ("", false),
        ] {
            assert_eq!(is_annotation(name), expected, "{name}");
        }
    }

    #[test]
    fn configured_means_some_leaf_is_neither_null_nor_empty() {
        for (text, expected) in [
            ("null", false),
            ("[]", false),
            ("{}", false),
            (r#"{"a":null,"b":[],"c":{"d":null}}"#, false),
            (r##"{"@odata.type":"#x","a@odata.type":"y","#microsoft.graph.restore":{"title":"t"}}"##, false),
            (r#"{"a@odata.bind":[],"b@odata.bind":null}"#, false),
            (r#"{"a@odata.bind":"x"}"#, true),
            (r#"{"@odata.bind":"x"}"#, true),
            (r#"{"a":{"b":[null,"x"]}}"#, true),
            ("false", true),
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(Node::root(&value, "x").is_configured(), expected, "{text}");
        }
    }
}
