//! OData system query options of one request: `$filter`, `$top`, `$orderby`, `$select`, `$skiptoken`, `$expand`.
//! <https://docs.oasis-open.org/odata/odata/v4.01/odata-v4.01-part2-url-conventions.html> §5.1
//!
//! An option that a collection does not serve is refused by name: ignoring `$filter` would answer another question than
//! the one asked. Options without `$` are custom ones and left alone, as OData has it. Nothing here reads the store.

use super::filter::{Filter, FilterError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Longest query string that is read, in bytes.
const MAX_LENGTH: usize = 8192;
const MAX_SELECTED: usize = 64;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Query {
    pub filter: Option<Filter>,
    pub top: Option<usize>,
    pub order_by: Option<OrderBy>,
    pub select: Option<Vec<String>>,
    pub expand: Option<String>,
    pub skip_token: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrderBy {
    pub property: String,
    pub direction: Direction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

/// The system query options, as a collection names those that it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueryOption {
    Filter,
    Top,
    OrderBy,
    Select,
    Expand,
    SkipToken,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    #[error("the query is longer than {MAX_LENGTH} bytes")]
    TooLong,
    #[error("`{0}` is not supported here")]
    NotSupported(String),
    #[error("`{0}` is given twice")]
    Twice(&'static str),
    #[error("$top=`{given}` is not a whole number from 1 to {most}")]
    Top { given: String, most: usize },
    #[error("$orderby=`{0}` is not one property and `asc` or `desc`")]
    OrderBy(String),
    #[error("$select=`{0}` is not a list of at most {MAX_SELECTED} properties")]
    Select(String),
    #[error("$skiptoken is not one that was given out here")]
    SkipToken,
    #[error(transparent)]
    Filter(#[from] FilterError),
}

impl QueryOption {
    const ALL: [Self; 6] = [Self::Filter, Self::Top, Self::OrderBy, Self::Select, Self::Expand, Self::SkipToken];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Filter => "$filter",
            Self::Top => "$top",
            Self::OrderBy => "$orderby",
            Self::Select => "$select",
            Self::Expand => "$expand",
            Self::SkipToken => "$skiptoken",
        }
    }
}

impl Query {
    /// Reads `text` (what follows `?`, percent-encoded) for a collection that serves `options` and pages of at most `most`.
    pub(crate) fn parse(text: &str, options: &[QueryOption], most: usize) -> Result<Self, QueryError> {
        if text.len() > MAX_LENGTH {
            return Err(QueryError::TooLong);
        }
        let mut query = Self::default();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if !name.starts_with('$') {
                continue;
            }
            let option = QueryOption::ALL.into_iter().find(|option| option.as_str() == name && options.contains(option));
            let option = option.ok_or_else(|| QueryError::NotSupported(name.chars().take(40).collect()))?;
            query.take(option, &value, most)?;
        }
        Ok(query)
    }

    fn take(&mut self, option: QueryOption, value: &str, most: usize) -> Result<(), QueryError> {
        let is_second = match option {
            QueryOption::Filter => self.filter.replace(Filter::parse(value)?).is_some(),
            QueryOption::Top => self.top.replace(top(value, most)?).is_some(),
            QueryOption::OrderBy => self.order_by.replace(order_by(value)?).is_some(),
            QueryOption::Select => self.select.replace(select(value)?).is_some(),
            QueryOption::Expand => self.expand.replace(value.to_owned()).is_some(),
            QueryOption::SkipToken => self.skip_token.replace(value.to_owned()).is_some(),
        };
        if is_second { Err(QueryError::Twice(option.as_str())) } else { Ok(()) }
    }

    /// The position in a log that `$skiptoken` stands for.
    pub(crate) fn position(&self) -> Result<Option<i64>, QueryError> {
        let Some(text) = self.token(POSITION)? else { return Ok(None) };
        let position = text.parse().ok().filter(|position: &i64| *position >= 0 && position.to_string() == text);
        position.map(Some).ok_or(QueryError::SkipToken)
    }

    /// The id of a collection's object that `$skiptoken` stands for.
    pub(crate) fn after_id(&self) -> Result<Option<String>, QueryError> {
        self.token(ID)
    }

    fn token(&self, kind: &str) -> Result<Option<String>, QueryError> {
        let Some(token) = &self.skip_token else { return Ok(None) };
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| QueryError::SkipToken)?;
        let text = String::from_utf8(bytes).map_err(|_| QueryError::SkipToken)?;
        text.strip_prefix(kind).map(|text| Some(text.to_owned())).ok_or(QueryError::SkipToken)
    }
}

const POSITION: &str = "at:";
const ID: &str = "after:";

/// A position in a log as a `$skiptoken`. It grants nothing: a caller who may read the log may read all of it.
pub(crate) fn position_token(position: i64) -> String {
    URL_SAFE_NO_PAD.encode(format!("{POSITION}{position}"))
}

/// The last object of a page as a `$skiptoken`.
pub(crate) fn id_token(id: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{ID}{id}"))
}

fn top(value: &str, most: usize) -> Result<usize, QueryError> {
    let number = value.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| QueryError::Top { given: value.chars().take(40).collect(), most })
}

fn order_by(value: &str) -> Result<OrderBy, QueryError> {
    let mut words = value.split_ascii_whitespace();
    let property = words.next().unwrap_or_default();
    let direction = match words.next() {
        None | Some("asc") => Some(Direction::Ascending),
        Some("desc") => Some(Direction::Descending),
        Some(_) => None,
    };
    match direction {
        Some(direction) if is_property(property) && words.next().is_none() => {
            Ok(OrderBy { property: property.to_owned(), direction })
        }
        _ => Err(QueryError::OrderBy(value.chars().take(60).collect())),
    }
}

fn select(value: &str) -> Result<Vec<String>, QueryError> {
    let properties: Vec<String> = value.split(',').map(|property| property.trim().to_owned()).collect();
    if properties.len() > MAX_SELECTED || !properties.iter().all(|property| is_property(property)) {
        return Err(QueryError::Select(value.chars().take(60).collect()));
    }
    Ok(properties)
}

fn is_property(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'/' | b'.' | b'@'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [QueryOption; 6] = QueryOption::ALL;

    #[test]
    fn options_are_read() {
        let text = "$filter=appId%20eq%20'x'&$top=5&%24orderby=createdDateTime+desc&$select=id,displayName&trace=1";
        let query = Query::parse(text, &ALL, 1000).unwrap();
        assert_eq!(query.filter.map(|filter| filter.to_string()).as_deref(), Some("appId eq 'x'"));
        assert_eq!(query.top, Some(5));
        assert_eq!(query.order_by, Some(OrderBy { property: "createdDateTime".to_owned(), direction: Direction::Descending }));
        assert_eq!(query.select, Some(vec!["id".to_owned(), "displayName".to_owned()]));
    }

    #[test]
    fn what_a_collection_does_not_serve_is_refused_by_name() {
        let refused = |text: &str| Query::parse(text, &[QueryOption::Top], 1000).unwrap_err().to_string();
        assert_eq!(refused("$filter=a eq 1"), "`$filter` is not supported here");
        assert_eq!(refused("$search=x"), "`$search` is not supported here");
        assert_eq!(refused("$top=0"), "$top=`0` is not a whole number from 1 to 1000");
        assert_eq!(refused("$top=1001"), "$top=`1001` is not a whole number from 1 to 1000");
        assert_eq!(refused("$top=1&$top=2"), "`$top` is given twice");
        assert_eq!(refused(&"a".repeat(MAX_LENGTH + 1)), format!("the query is longer than {MAX_LENGTH} bytes"));
    }

    #[test]
    fn a_skip_token_made_elsewhere_is_refused() {
        for text in ["", "x", "YXQ6LTE", "YXQ6MDE"] {
            let query = Query { skip_token: Some(text.to_owned()), ..Query::default() };
            assert_eq!(query.position(), Err(QueryError::SkipToken), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_skip_token_carries_its_position(at in 0i64..) {
            let query = Query { skip_token: Some(position_token(at)), ..Query::default() };
            prop_assert_eq!(query.position(), Ok(Some(at)));
        }

        #[test]
        fn any_query_is_read_or_refused(text in "\\PC{0,120}") {
            if let Ok(query) = Query::parse(&text, &ALL, 10) {
                prop_assert!(query.top.is_none_or(|top| top <= 10));
            }
        }
    }
}
