//! Bytes of a tenant's files → Graph objects, with a verdict on each.
//!
//! Takes what exports really are: UTF-8 with or without a byte order mark, UTF-16, any line ending; one object, an array,
//! or `{"value": […]}`. Every object is judged by itself: a bad one is reported with its place and never stops the rest.
//! Never opens a file: callers hand in bytes and the name to report by.

use model::object::ObjectError;
use model::{Kind, Object};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

/// What one file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    pub objects: Vec<ReadObject>,
    pub problems: Vec<ReadProblem>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ReadObject {
    pub file: String,
    /// `$`, `$[3]`, `$.value[3]`.
    pub place: String,
    pub object: Object,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadProblem {
    pub file: String,
    pub place: String,
    pub verdict: Verdict,
    pub reason: String,
    pub hint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Not an object of a tenant: left out, and nothing is missing for it.
    Ignored,
    /// Something that was meant as an object, or a file, cannot be read.
    Refused,
}

impl fmt::Display for ReadProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}`: {}: {}", self.file, self.place, self.reason)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(formatter, "\nhint: {hint}"))
    }
}

/// Tens of thousands of objects fit; a file beyond is a mistake or an attack.
const MAXIMUM_FILE_SIZE: usize = 64 * 1024 * 1024;

/// Arrays and `value` wrappers inside each other.
const MAXIMUM_WRAPPING: usize = 4;

/// Reads one file. `file` is only its name in reports.
pub fn read(file: &str, bytes: &[u8]) -> Contents {
    let mut reader = Reader { file, contents: Contents::default(), duplicates: RefCell::default() };
    match reader.parse(bytes) {
        Ok(value) => reader.value(value, "$", 0),
        Err((reason, hint)) => reader.problem("$", Verdict::Refused, reason, hint),
    }
    reader.contents
}

struct Reader<'a> {
    file: &'a str,
    contents: Contents,
    /// Places of members that stand twice in their object.
    duplicates: RefCell<BTreeSet<String>>,
}

impl Reader<'_> {
    fn parse(&mut self, bytes: &[u8]) -> Result<Value, (String, Option<String>)> {
        if bytes.len() > MAXIMUM_FILE_SIZE {
            return Err((format!("larger than {} MiB", MAXIMUM_FILE_SIZE / (1024 * 1024)), None));
        }
        let text = decode(bytes)
            .map_err(|reason| (reason, Some("save the file as UTF-8, or as UTF-16 with a byte order mark".to_owned())))?;
        if text.trim().is_empty() {
            return Err(("empty".to_owned(), None));
        }
        let mut deserializer = serde_json::Deserializer::from_str(&text);
        let seed = Strict { place: &Place::Root, duplicates: &self.duplicates };
        let value = seed.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
        value.map_err(|error| (format!("not JSON: {error}"), None))
    }

    fn value(&mut self, value: Value, place: &str, wrapping: usize) {
        if wrapping > MAXIMUM_WRAPPING {
            let reason = format!("arrays inside each other deeper than {MAXIMUM_WRAPPING}");
            return self.problem(place, Verdict::Refused, reason, None);
        }
        let kind = Kind::of(&value);
        match value {
            Value::Array(elements) => self.elements(elements, place, wrapping),
            Value::Object(mut members) => {
                if kind.is_none()
                    && let Some(Value::Array(elements)) = members.get_mut("value")
                {
                    let elements = std::mem::take(elements);
                    self.wrapped(elements, &format!("{place}.value"), wrapping);
                } else {
                    self.object(members, kind, place);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                self.problem(place, Verdict::Ignored, "not an object".to_owned(), None);
            }
        }
    }

    fn wrapped(&mut self, elements: Vec<Value>, place: &str, wrapping: usize) {
        if self.duplicates.borrow().contains(place) {
            let hint = Some("keep the one that is meant".to_owned());
            self.problem(place, Verdict::Refused, "stands twice: only the last is read".to_owned(), hint);
        }
        self.elements(elements, place, wrapping);
    }

    fn elements(&mut self, elements: Vec<Value>, place: &str, wrapping: usize) {
        for (index, element) in elements.into_iter().enumerate() {
            self.value(element, &format!("{place}[{index}]"), wrapping + 1);
        }
    }

    fn object(&mut self, members: Map<String, Value>, kind: Option<Kind>, place: &str) {
        let Some(kind) = kind else {
            let (verdict, reason, hint) = judge_unknown(&members);
            return self.problem(place, verdict, reason.to_owned(), hint.map(str::to_owned));
        };
        // Places within an object follow its own place in order.
        let first = self.duplicates.borrow().range(place.to_owned()..).next().cloned();
        let doubled = first.filter(|duplicate| is_within(duplicate, place));
        if let Some(doubled) = doubled {
            let reason = format!("unreadable {kind}: member {doubled} stands twice");
            return self.problem(place, Verdict::Refused, reason, Some("keep the one that is meant".to_owned()));
        }
        match Object::of_kind(kind, Value::Object(members)) {
            Ok(object) => {
                self.contents.objects.push(ReadObject { file: self.file.to_owned(), place: place.to_owned(), object });
            }
            Err(error) => {
                let hint = hint(&error);
                self.problem(place, Verdict::Refused, error.to_string(), hint);
            }
        }
    }

    fn problem(&mut self, place: &str, verdict: Verdict, reason: String, hint: Option<String>) {
        self.contents.problems.push(ReadProblem { file: self.file.to_owned(), place: place.to_owned(), verdict, reason, hint });
    }
}

/// UTF-8 with or without a byte order mark, UTF-16 with one.
fn decode(bytes: &[u8]) -> Result<String, String> {
    match bytes {
        [0xFF, 0xFE, rest @ ..] => decode_utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => decode_utf16(rest, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => decode_utf8(rest),
        _ => decode_utf8(bytes),
    }
}

fn decode_utf8(bytes: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("not UTF-8 from byte {} on", error.valid_up_to()))?;
    Ok(text.to_owned())
}

fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("UTF-16 that ends within a character".to_owned());
    }
    let units = pairs.iter().map(|pair| unit(*pair));
    char::decode_utf16(units).collect::<Result<String, _>>().map_err(|error| format!("not UTF-16: {error}"))
}

/// An object of no known kind: was a policy meant? Then it must not get lost.
fn judge_unknown(members: &Map<String, Value>) -> (Verdict, &'static str, Option<&'static str>) {
    let has = |name: &str| members.contains_key(name);
    let odata_type = members.get("@odata.type").and_then(Value::as_str).unwrap_or_default();
    if has("TenantId") && has("Objects") {
        (Verdict::Ignored, "a migration table: ids are taken as the export has them", None)
    } else if has("Conditions") || has("GrantControls") || has("IpRanges") || has("CountriesAndRegions") || has("DisplayName") {
        let hint = "export over Microsoft Graph, or convert the member names: `DisplayName` is `displayName` in Graph";
        (Verdict::Refused, "members in PascalCase, as PowerShell writes them", Some(hint))
    } else if has("conditions")
        || has("grantControls")
        || has("sessionControls")
        || odata_type.ends_with(".conditionalAccessPolicy")
    {
        let hint = "a conditionalAccessPolicy has `conditions`, `state` and `grantControls` or `sessionControls`";
        (Verdict::Refused, "looks like a conditionalAccessPolicy, but lacks what makes one", Some(hint))
    } else {
        (Verdict::Ignored, "not a Graph object of a known kind", None)
    }
}

fn hint(error: &ObjectError) -> Option<String> {
    match error {
        ObjectError::UnknownKind => None,
        ObjectError::Unreadable { reason, .. } => {
            let missing = reason.contains("missing field `id`");
            missing.then(|| "templates have no ids: give the object a GUID of its own".to_owned())
        }
        ObjectError::NoId { .. } => Some("give the object a GUID of its own".to_owned()),
    }
}

fn is_within(place: &str, outer: &str) -> bool {
    place.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// JSON values, noting members that stand twice in an object (which of them counts differs between readers, and so can
/// hide a condition). Depth is bounded by serde_json (128).
struct Strict<'a> {
    place: &'a Place<'a>,
    duplicates: &'a RefCell<BTreeSet<String>>,
}

/// Where the parser is. Only written out where there is something to report.
enum Place<'a> {
    Root,
    Member(&'a Self, &'a str),
    Element(&'a Self, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => formatter.write_str("$"),
            Self::Member(parent, name) => write!(formatter, "{parent}.{name:.LONGEST_NAME$}"),
            Self::Element(parent, index) => write!(formatter, "{parent}[{index}]"),
        }
    }
}

/// Names are cut to this in places.
const LONGEST_NAME: usize = 64;

/// A file with more members that stand twice is refused as a whole.
const MAXIMUM_DUPLICATES: usize = 1000;

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut elements = Vec::new();
        loop {
            let place = Place::Element(self.place, elements.len());
            match sequence.next_element_seed(Strict { place: &place, duplicates: self.duplicates })? {
                Some(element) => elements.push(element),
                None => break,
            }
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let place = Place::Member(self.place, &name);
            let value = map.next_value_seed(Strict { place: &place, duplicates: self.duplicates })?;
            if members.contains_key(&name) {
                let mut duplicates = self.duplicates.borrow_mut();
                duplicates.insert(place.to_string());
                if duplicates.len() > MAXIMUM_DUPLICATES {
                    return Err(serde::de::Error::custom(format_args!("more than {MAXIMUM_DUPLICATES} members stand twice")));
                }
            }
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}
