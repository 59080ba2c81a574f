//! OData `$filter`, the part that is served here: comparisons joined by `and`.
//! <https://docs.oasis-open.org/odata/odata/v4.01/odata-v4.01-part2-url-conventions.html> §5.1.1
//!
//! Text in, value out. What is legal OData but not served (`or`, `not`, functions, brackets) is refused by name, never
//! skipped: a filter that is half understood would show more than was asked for. Nothing here knows which properties exist.

use model::Timestamp;
use std::fmt;

/// Longest filter that is read, in bytes.
pub(crate) const MAX_LENGTH: usize = 2048;
/// Most comparisons in one filter.
pub(crate) const MAX_COMPARISONS: usize = 16;

/// Comparisons that must all hold. Never empty.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Filter {
    pub comparisons: Vec<Comparison>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Comparison {
    /// A property, or a path of them: `status/errorCode`.
    pub property: String,
    pub operator: Operator,
    pub literal: Literal,
    /// Where it starts, in bytes.
    pub at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    GreaterOrEqual,
    LessOrEqual,
    GreaterThan,
    LessThan,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Text(String),
    Integer(i64),
    Time(Timestamp),
    Boolean(bool),
    Null,
}

/// Why a filter cannot be served. `at` counts bytes from the start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    #[error("$filter is longer than {MAX_LENGTH} bytes")]
    TooLong,
    #[error("$filter has more than {MAX_COMPARISONS} comparisons")]
    TooManyComparisons,
    #[error("$filter ends where {expected} should be, at {at}")]
    Ended { at: usize, expected: &'static str },
    #[error("`{found}` at {at} is not {expected}")]
    Unexpected { at: usize, found: String, expected: &'static str },
    #[error("`{found}` at {at} is not supported: comparisons joined by `and` are")]
    NotSupported { at: usize, found: String },
    #[error("the text that starts at {at} has no closing quote")]
    UnclosedText { at: usize },
}

impl Filter {
    pub(crate) fn parse(text: &str) -> Result<Self, FilterError> {
        if text.len() > MAX_LENGTH {
            return Err(FilterError::TooLong);
        }
        let mut scanner = Scanner { text, at: 0 };
        let mut comparisons = vec![scanner.comparison()?];
        loop {
            let at = scanner.skip_space();
            let word = scanner.word();
            match word {
                "" if scanner.rest().is_empty() => return Ok(Self { comparisons }),
                "and" => {}
                "" => return Err(scanner.unexpected(at, "`and`")),
                "or" => return Err(FilterError::NotSupported { at, found: word.to_owned() }),
                other => return Err(FilterError::Unexpected { at, found: other.to_owned(), expected: "`and`" }),
            }
            if comparisons.len() == MAX_COMPARISONS {
                return Err(FilterError::TooManyComparisons);
            }
            comparisons.push(scanner.comparison()?);
        }
    }
}

impl Operator {
    pub(crate) const ALL: [Self; 6] =
        [Self::Equal, Self::NotEqual, Self::GreaterOrEqual, Self::LessOrEqual, Self::GreaterThan, Self::LessThan];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "eq",
            Self::NotEqual => "ne",
            Self::GreaterOrEqual => "ge",
            Self::LessOrEqual => "le",
            Self::GreaterThan => "gt",
            Self::LessThan => "lt",
        }
    }
}

/// Reads from the front of `text`, byte offset by byte offset; offsets are always at a character's start.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn comparison(&mut self) -> Result<Comparison, FilterError> {
        let at = self.skip_space();
        let property = self.word();
        if property == "not" || self.rest().starts_with('(') {
            let found = if property.is_empty() { "(" } else { property };
            return Err(FilterError::NotSupported { at, found: found.to_owned() });
        }
        if property.is_empty() || !is_path(property) {
            self.at = at;
            return Err(self.unexpected(at, "a property"));
        }
        let property = property.to_owned();
        let operator = self.operator()?;
        let literal = self.literal()?;
        Ok(Comparison { property, operator, literal, at })
    }

    fn operator(&mut self) -> Result<Operator, FilterError> {
        const EXPECTED: &str = "one of `eq`, `ne`, `ge`, `le`, `gt`, `lt`";
        let at = self.skip_space();
        let word = self.word();
        if let Some(operator) = Operator::ALL.into_iter().find(|operator| operator.as_str() == word) {
            return Ok(operator);
        }
        if matches!(word, "in" | "has" | "add" | "sub" | "mul" | "div" | "mod") {
            return Err(FilterError::NotSupported { at, found: word.to_owned() });
        }
        self.at = at;
        Err(self.unexpected(at, EXPECTED))
    }

    fn literal(&mut self) -> Result<Literal, FilterError> {
        const EXPECTED: &str = "a value: 'text', a whole number, a time such as 2026-01-31T12:00:00Z, true, false or null";
        let at = self.skip_space();
        if self.rest().starts_with('\'') {
            return self.quoted(at);
        }
        let end = self.rest().find([' ', '\t']).unwrap_or(self.rest().len());
        let word = self.take(end);
        let value = match word {
            "true" => Some(Literal::Boolean(true)),
            "false" => Some(Literal::Boolean(false)),
            "null" => Some(Literal::Null),
            _ => integer(word).map(Literal::Integer).or_else(|| Timestamp::parse(word).map(Literal::Time)),
        };
        value.ok_or_else(|| {
            self.at = at;
            self.unexpected(at, EXPECTED)
        })
    }

    /// §5.1.1.14.1: a quote inside is written twice.
    fn quoted(&mut self, at: usize) -> Result<Literal, FilterError> {
        let mut value = String::new();
        self.take(1);
        loop {
            let Some(end) = self.rest().find('\'') else { return Err(FilterError::UnclosedText { at }) };
            value.push_str(self.take(end));
            self.take(1);
            if !self.rest().starts_with('\'') {
                return Ok(Literal::Text(value));
            }
            self.take(1);
            value.push('\'');
        }
    }

    fn unexpected(&self, at: usize, expected: &'static str) -> FilterError {
        let found: String = self.rest().chars().take_while(|character| !character.is_whitespace()).take(40).collect();
        if found.is_empty() {
            return FilterError::Ended { at, expected };
        }
        FilterError::Unexpected { at, found, expected }
    }

    fn skip_space(&mut self) -> usize {
        let rest = self.rest();
        let length = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        self.take(length);
        self.at
    }

    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|character: char| !is_word(character)).unwrap_or(rest.len());
        self.take(end)
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, length: usize) -> &'a str {
        let taken = self.rest().get(..length).unwrap_or_default();
        self.at += taken.len();
        taken
    }
}

/// Digits with at most one sign. `i64::from_str` would also take `+1`.
fn integer(word: &str) -> Option<i64> {
    let digits = word.strip_prefix('-').unwrap_or(word);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    word.parse().ok()
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '/' | '.' | '@')
}

fn is_path(word: &str) -> bool {
    word.split('/').all(|part| {
        part.starts_with(|first: char| first.is_ascii_alphabetic())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

impl fmt::Display for Filter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, comparison) in self.comparisons.iter().enumerate() {
            if index > 0 {
                formatter.write_str(" and ")?;
            }
            write!(formatter, "{comparison}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} {}", self.property, self.operator.as_str(), self.literal)
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(formatter, "'{}'", text.replace('\'', "''")),
            Self::Integer(integer) => write!(formatter, "{integer}"),
            Self::Time(time) => write!(formatter, "{time}"),
            Self::Boolean(boolean) => write!(formatter, "{boolean}"),
            Self::Null => formatter.write_str("null"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    fn check(text: &str, expected: Expect) {
        let shown = match Filter::parse(text) {
            Ok(filter) => filter
                .comparisons
                .iter()
                .map(|comparison| {
                    format!("{} | {:?} | {:?} @{}", comparison.property, comparison.operator, comparison.literal, comparison.at)
                })
                .collect::<Vec<_>>()
                .join("\n"),
            Err(error) => format!("error: {error}"),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn comparisons() {
        check(
            "userPrincipalName eq 'alex@woodgrove.example'",
            expect![[r#"userPrincipalName | Equal | Text("alex@woodgrove.example") @0"#]],
        );
        check(
            "status/errorCode ne 0 and createdDateTime ge 2026-01-31T12:00:00Z",
            expect![[r#"
                status/errorCode | NotEqual | Integer(0) @0
                createdDateTime | GreaterOrEqual | Time(Timestamp(1769860800000000)) @26"#]],
        );
        check("displayName eq 'O''Neill and son'", expect![[r#"displayName | Equal | Text("O'Neill and son") @0"#]]);
        check(
            "onPremisesPublishing ne null and accountEnabled eq false",
            expect![[r#"
                onPremisesPublishing | NotEqual | Null @0
                accountEnabled | Equal | Boolean(false) @33"#]],
        );
    }

    #[test]
    fn what_is_not_served_is_refused_by_name_and_place() {
        check("a eq 1 or b eq 2", expect!["error: `or` at 7 is not supported: comparisons joined by `and` are"]);
        check("not a eq 1", expect!["error: `not` at 0 is not supported: comparisons joined by `and` are"]);
        check("(a eq 1)", expect!["error: `(` at 0 is not supported: comparisons joined by `and` are"]);
        check(
            "startswith(displayName,'a')",
            expect!["error: `startswith` at 0 is not supported: comparisons joined by `and` are"],
        );
        check("a in ('x','y')", expect!["error: `in` at 2 is not supported: comparisons joined by `and` are"]);
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        check("", expect!["error: $filter ends where a property should be, at 0"]);
        check("a", expect!["error: $filter ends where one of `eq`, `ne`, `ge`, `le`, `gt`, `lt` should be, at 1"]);
        check("a is 1", expect!["error: `is` at 2 is not one of `eq`, `ne`, `ge`, `le`, `gt`, `lt`"]);
        check("a eq 'x", expect!["error: the text that starts at 5 has no closing quote"]);
        check("a eq 1 b eq 2", expect!["error: `b` at 7 is not `and`"]);
        check("a eq 1 and", expect!["error: $filter ends where a property should be, at 10"]);
        check("a//b eq 1", expect!["error: `a//b` at 0 is not a property"]);
        check(
            "a eq +1",
            expect![
                "error: `+1` at 5 is not a value: 'text', a whole number, a time such as 2026-01-31T12:00:00Z, true, false or null"
            ],
        );
    }

    #[test]
    fn it_is_bounded() {
        assert_eq!(Filter::parse(&"a".repeat(MAX_LENGTH + 1)), Err(FilterError::TooLong));
        let many = vec!["a eq 1"; MAX_COMPARISONS + 1].join(" and ");
        assert_eq!(Filter::parse(&many), Err(FilterError::TooManyComparisons));
        let most = vec!["a eq 1"; MAX_COMPARISONS].join(" and ");
        assert_eq!(Filter::parse(&most).unwrap().comparisons.len(), MAX_COMPARISONS);
    }

    fn literal() -> impl Strategy<Value = Literal> {
        prop_oneof![
            "[ -~äß'’]{0,20}".prop_map(Literal::Text),
            any::<i64>().prop_map(Literal::Integer),
            (0i64..4_000_000_000_000_000).prop_map(|micros| Literal::Time(Timestamp::from_micros(micros))),
            any::<bool>().prop_map(Literal::Boolean),
            Just(Literal::Null),
        ]
    }

    fn comparison() -> impl Strategy<Value = Comparison> {
        ("[a-z][a-zA-Z0-9_]{0,8}(/[a-z][a-zA-Z]{0,8})?", 0usize..Operator::ALL.len(), literal())
            .prop_filter("`not` is a word of its own", |(property, ..)| property != "not")
            .prop_map(|(property, operator, literal)| Comparison { property, operator: Operator::ALL[operator], literal, at: 0 })
    }

    proptest! {
        #[test]
        fn printing_then_parsing_gives_the_same(comparisons in prop::collection::vec(comparison(), 1..6)) {
            let filter = Filter { comparisons };
            let mut parsed = Filter::parse(&filter.to_string()).unwrap();
            parsed.comparisons.iter_mut().for_each(|comparison| comparison.at = 0);
            prop_assert_eq!(parsed, filter);
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC{0,80}") {
            if let Ok(filter) = Filter::parse(&text) {
                prop_assert!(!filter.comparisons.is_empty());
            }
        }
    }
}
