//! The grammar of device filter rules: text to tree, nothing more.
//!
//! ```text
//! rule       := all ( -or all )* ;  all := negation ( -and negation )* ;  negation := -not negation | ( rule ) | comparison
//! comparison := device.PROPERTY -OPERATOR ( LITERAL | [ LITERAL , … ] )
//! ```
//!
//! As for dynamic groups (<https://learn.microsoft.com/entra/identity/users/groups-dynamic-membership>): the hyphen of an
//! operator is optional, the documentation also writes it as an en dash; operators are compared without regard to case.

/// A rule over some comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rule<C> {
    All(Vec<Rule<C>>),
    Any(Vec<Rule<C>>),
    Not(Box<Rule<C>>),
    Compare(C),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Comparison {
    pub(crate) property: String,
    pub(crate) operator: Operator,
    pub(crate) literals: Vec<Literal>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Literal {
    Text(String),
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    StartsWith,
    NotStartsWith,
    EndsWith,
    NotEndsWith,
    Contains,
    NotContains,
    In,
    NotIn,
}

const OPERATORS: [(&str, Operator); 10] = [
    ("eq", Operator::Equal),
    ("ne", Operator::NotEqual),
    ("startsWith", Operator::StartsWith),
    ("notStartsWith", Operator::NotStartsWith),
    ("endsWith", Operator::EndsWith),
    ("notEndsWith", Operator::NotEndsWith),
    ("contains", Operator::Contains),
    ("notContains", Operator::NotContains),
    ("in", Operator::In),
    ("notIn", Operator::NotIn),
];

/// Parentheses and `-not` deeper than this are refused.
const MAXIMUM_DEPTH: usize = 32;

impl Operator {
    pub(crate) fn is_positive(self) -> bool {
        match self {
            Self::Equal | Self::StartsWith | Self::EndsWith | Self::Contains | Self::In => true,
            Self::NotEqual | Self::NotStartsWith | Self::NotEndsWith | Self::NotContains | Self::NotIn => false,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        OPERATORS.iter().find(|(_, operator)| *operator == self).map_or("", |(name, _)| name)
    }
}

/// The reason is for the person who wrote the rule.
pub(crate) fn parse(text: &str) -> Result<Rule<Comparison>, String> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0 };
    let rule = parser.any(0)?;
    match parser.peek() {
        None => Ok(rule),
        Some(token) => Err(format!("unexpected {} after the rule's end", token.describe())),
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    OpenList,
    CloseList,
    Comma,
    /// Without the hyphen before it.
    Word(String),
    Quoted(String),
}

impl Token {
    fn describe(&self) -> String {
        match self {
            Self::Open => "`(`".to_owned(),
            Self::Close => "`)`".to_owned(),
            Self::OpenList => "`[`".to_owned(),
            Self::CloseList => "`]`".to_owned(),
            Self::Comma => "`,`".to_owned(),
            Self::Word(word) => format!("`{word}`"),
            Self::Quoted(text) => format!("`\"{text}\"`"),
        }
    }

    fn is_word(&self, expected: &str) -> bool {
        matches!(self, Self::Word(word) if operator_text(word).eq_ignore_ascii_case(expected))
    }
}

/// A word without the hyphen (or en dash) that may stand before an operator.
fn operator_text(word: &str) -> &str {
    word.strip_prefix(['-', '–']).unwrap_or(word)
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '(' => tokens.push(Token::Open),
            ')' => tokens.push(Token::Close),
            '[' => tokens.push(Token::OpenList),
            ']' => tokens.push(Token::CloseList),
            ',' => tokens.push(Token::Comma),
            '"' | '\'' => tokens.push(Token::Quoted(quoted(character, &mut characters)?)),
            _ if character.is_whitespace() => {}
            _ => {
                let mut word = String::from(character);
                while let Some(next) = characters.next_if(|next| !next.is_whitespace() && !"()[],\"'".contains(*next)) {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Ok(tokens)
}

/// In double quotes a backtick escapes a double quote; in single quotes a single quote is doubled.
fn quoted(quote: char, characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, String> {
    let mut text = String::new();
    while let Some(character) = characters.next() {
        if character == '`' && quote == '"' && characters.next_if_eq(&'"').is_some() {
            text.push('"');
        } else if character == quote {
            if quote == '\'' && characters.next_if_eq(&'\'').is_some() {
                text.push('\'');
            } else {
                return Ok(text);
            }
        } else {
            text.push(character);
        }
    }
    Err(format!("`{quote}{text}` has no closing quote"))
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    fn take(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.next).cloned();
        self.next += 1;
        token
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.is_word(word));
        self.next += usize::from(found);
        found
    }

    fn any(&mut self, depth: usize) -> Result<Rule<Comparison>, String> {
        let first = self.all(depth)?;
        let mut rules = vec![first];
        while self.take_word("or") {
            rules.push(self.all(depth)?);
        }
        Ok(one_or(rules, Rule::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Rule<Comparison>, String> {
        let first = self.negation(depth)?;
        let mut rules = vec![first];
        while self.take_word("and") {
            rules.push(self.negation(depth)?);
        }
        Ok(one_or(rules, Rule::All))
    }

    fn negation(&mut self, depth: usize) -> Result<Rule<Comparison>, String> {
        if depth >= MAXIMUM_DEPTH {
            return Err(format!("the rule is nested deeper than {MAXIMUM_DEPTH}"));
        }
        if self.take_word("not") {
            return Ok(Rule::Not(Box::new(self.negation(depth + 1)?)));
        }
        match self.take() {
            Some(Token::Open) => {
                let rule = self.any(depth + 1)?;
                self.expect(&Token::Close)?;
                Ok(rule)
            }
            Some(Token::Word(word)) => self.comparison(&word),
            Some(token) => Err(format!("expected a comparison, found {}", token.describe())),
            None => Err("expected a comparison, found the end".to_owned()),
        }
    }

    fn comparison(&mut self, object: &str) -> Result<Rule<Comparison>, String> {
        let property = match object.split_once('.') {
            Some((prefix, property)) if prefix.eq_ignore_ascii_case("device") && !property.is_empty() => property.to_owned(),
            Some(_) | None => return Err(format!("expected `device.` and a property, found `{object}`")),
        };
        let operator = match self.take() {
            Some(Token::Word(word)) => {
                let text = operator_text(&word);
                let known = OPERATORS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
                known.map(|(_, operator)| *operator).ok_or_else(|| format!("`{word}` is not an operator of device filters"))?
            }
            Some(token) => return Err(format!("expected an operator, found {}", token.describe())),
            None => return Err(format!("expected an operator after `{object}`")),
        };
        let literals = match operator {
            Operator::In | Operator::NotIn => self.list()?,
            Operator::Equal
            | Operator::NotEqual
            | Operator::StartsWith
            | Operator::NotStartsWith
            | Operator::EndsWith
            | Operator::NotEndsWith
            | Operator::Contains
            | Operator::NotContains => vec![self.literal()?],
        };
        Ok(Rule::Compare(Comparison { property, operator, literals }))
    }

    fn list(&mut self) -> Result<Vec<Literal>, String> {
        self.expect(&Token::OpenList)?;
        let mut literals = vec![self.literal()?];
        loop {
            match self.take() {
                Some(Token::Comma) => literals.push(self.literal()?),
                Some(Token::CloseList) => return Ok(literals),
                Some(token) => return Err(format!("expected `,` or `]`, found {}", token.describe())),
                None => return Err("expected `,` or `]`, found the end".to_owned()),
            }
        }
    }

    fn literal(&mut self) -> Result<Literal, String> {
        match self.take() {
            Some(Token::Quoted(text)) => Ok(Literal::Text(text)),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("null") => Ok(Literal::Null),
            Some(Token::Word(word)) => Ok(Literal::Text(word)),
            Some(token) => Err(format!("expected a value, found {}", token.describe())),
            None => Err("expected a value, found the end".to_owned()),
        }
    }

    fn expect(&mut self, expected: &Token) -> Result<(), String> {
        match self.take() {
            Some(token) if token == *expected => Ok(()),
            Some(token) => Err(format!("expected {}, found {}", expected.describe(), token.describe())),
            None => Err(format!("expected {}, found the end", expected.describe())),
        }
    }
}

fn one_or(mut rules: Vec<Rule<Comparison>>, several: fn(Vec<Rule<Comparison>>) -> Rule<Comparison>) -> Rule<Comparison> {
    if rules.len() > 1 {
        return several(rules);
    }
    rules.pop().unwrap_or(Rule::All(Vec::new()))
}
