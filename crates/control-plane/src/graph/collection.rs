//! A collection of directory objects as Graph lists it: filtered, paged by id, with chosen members. Pure: objects in,
//! a page out.

use super::filter::{Comparison, Filter, Literal, Operator};
use super::query::{Query, QueryOption};
use super::view::{self, Link};
use crate::error::ApiError;
use crate::snapshot::Snapshot;
use model::Kind;
use serde_json::Value;

/// What collections serve beside what they name themselves.
pub(crate) const OPTIONS: [QueryOption; 4] = [QueryOption::Filter, QueryOption::Top, QueryOption::Select, QueryOption::SkipToken];
/// Graph's largest page of directory objects.
pub(crate) const MOST: usize = 999;
const PAGE: usize = 100;

/// A property that a collection can be filtered by, and what it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Property {
    /// Compared without regard to case, as Graph does.
    Text(&'static str),
    Boolean(&'static str),
    /// Only with `null`.
    Object(&'static str),
}

impl Property {
    const fn name(self) -> &'static str {
        match self {
            Self::Text(name) | Self::Boolean(name) | Self::Object(name) => name,
        }
    }

    const fn takes(self, literal: &Literal) -> bool {
        match literal {
            Literal::Text(_) => matches!(self, Self::Text(_)),
            Literal::Boolean(_) => matches!(self, Self::Boolean(_)),
            Literal::Null => true,
            Literal::Integer(_) | Literal::Time(_) => false,
        }
    }
}

/// Every object of `kind`, as stored, in the order of their ids.
pub(crate) fn of_kind(snapshot: &Snapshot, kind: Kind) -> impl Iterator<Item = (&str, &Value)> {
    let objects = snapshot.objects.range((kind, String::new())..).take_while(move |((found, _), _)| *found == kind);
    objects.map(|((_, id), value)| (id.as_str(), value))
}

/// One object, as stored.
pub(crate) fn object<'a>(snapshot: &'a Snapshot, kind: Kind, id: &str) -> Option<&'a Value> {
    snapshot.objects.get(&(kind, id.to_owned()))
}

/// One page of `objects` (in the order of their ids), and the token of the next one.
pub(crate) fn page<'a>(
    objects: impl Iterator<Item = (&'a str, &'a Value)>,
    properties: &[Property],
    query: &Query,
) -> Result<(Vec<Value>, Option<String>), ApiError> {
    if let Some(filter) = &query.filter {
        check(filter, properties)?;
    }
    let after = query.after_id()?;
    let size = query.top.unwrap_or(PAGE);
    let mut values = Vec::new();
    let mut last = None;
    for (id, value) in objects {
        if after.as_deref().is_some_and(|after| id <= after) || !query.filter.as_ref().is_none_or(|filter| matches(filter, value))
        {
            continue;
        }
        if values.len() == size {
            return Ok((values, last.map(super::query::id_token)));
        }
        values.push(view::select(view::public(value.clone()), query.select.as_deref()));
        last = Some(id);
    }
    Ok((values, None))
}

/// The page as an answer.
pub(crate) fn answer(context: &str, (values, next): (Vec<Value>, Option<String>), address: impl Fn(&str) -> String) -> Value {
    view::collection(context, values, next.map(|token| Link::Next(address(&token))))
}

/// Every comparison that cannot be served, each with its place.
fn check(filter: &Filter, properties: &[Property]) -> Result<(), ApiError> {
    let mut problems = Vec::new();
    for Comparison { property, operator, literal, at } in &filter.comparisons {
        match properties.iter().find(|known| known.name() == property) {
            None => {
                let known: Vec<&str> = properties.iter().map(|property| property.name()).collect();
                problems.push(format!("cannot filter by `{property}` (at {at}); hint: by {}", known.join(", ")));
            }
            Some(known) if !known.takes(literal) => {
                problems.push(format!("`{property}` (at {at}) cannot be compared with {literal}"));
            }
            Some(_) if !matches!(operator, Operator::Equal | Operator::NotEqual) => {
                problems.push(format!("`{}` cannot be used on `{property}` (at {at})", operator.as_str()));
            }
            Some(_) => {}
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(ApiError::BadRequest(problems.join("; "))) }
}

fn matches(filter: &Filter, object: &Value) -> bool {
    filter.comparisons.iter().all(|Comparison { property, operator, literal, .. }| {
        let value = property.split('/').try_fold(object, |value, name| value.get(name)).unwrap_or(&Value::Null);
        let is_equal = match literal {
            Literal::Text(text) => value.as_str().is_some_and(|value| value.to_lowercase() == text.to_lowercase()),
            Literal::Boolean(boolean) => value.as_bool() == Some(*boolean),
            Literal::Null => value.is_null(),
            Literal::Integer(_) | Literal::Time(_) => false,
        };
        is_equal == (*operator == Operator::Equal)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const PROPERTIES: [Property; 3] = [Property::Text("name"), Property::Boolean("on"), Property::Object("published")];

    fn objects() -> Vec<(String, Value)> {
        (0..5)
            .map(|index| {
                let mut value = json!({"id": format!("{index}"), "name": format!("N{index}"), "on": index % 2 == 0});
                if index == 3 {
                    value["published"] = json!({"internalUrl": "http://x"});
                }
                (format!("{index}"), value)
            })
            .collect()
    }

    fn ids(text: &str) -> Result<(Vec<String>, Option<String>), String> {
        let objects = objects();
        let query = Query::parse(text, &OPTIONS, MOST).map_err(|error| error.to_string())?;
        let (values, next) = page(objects.iter().map(|(id, value)| (id.as_str(), value)), &PROPERTIES, &query)
            .map_err(|error| error.to_string())?;
        Ok((values.iter().map(|value| value["id"].as_str().unwrap().to_owned()).collect(), next))
    }

    #[test]
    fn filters() {
        for (filter, expected) in [
            ("name eq 'n2'", vec!["2"]),
            ("on eq false", vec!["1", "3"]),
            ("published ne null", vec!["3"]),
            ("published eq null and on eq true", vec!["0", "2", "4"]),
            ("name ne 'N0' and on eq true", vec!["2", "4"]),
        ] {
            assert_eq!(ids(&format!("$filter={filter}")).unwrap().0, expected, "{filter}");
        }
    }

    #[test]
    fn pages_follow_one_another() {
        let (first, next) = ids("$top=2").unwrap();
        assert_eq!(first, ["0", "1"]);
        let (second, next) = ids(&format!("$top=2&$skiptoken={}", next.unwrap())).unwrap();
        assert_eq!(second, ["2", "3"]);
        let (third, next) = ids(&format!("$top=2&$skiptoken={}", next.unwrap())).unwrap();
        assert_eq!((third, next), (vec!["4".to_owned()], None));
        assert_eq!(ids("$top=5").unwrap().1, None);
    }

    #[test]
    fn every_comparison_that_cannot_be_served_is_named() {
        let told = ids("$filter=secret eq 'x' and on eq 'true' and name ge 'a'").unwrap_err();
        assert_eq!(
            told,
            "cannot filter by `secret` (at 0); hint: by name, on, published; `on` (at 18) cannot be compared with 'true'; \
             `ge` cannot be used on `name` (at 35)"
        );
    }
}
