//! Reads a TOML file whole and says everything that is wrong with it, each with line and column: syntax, wrong types,
//! missing and unknown keys. It knows no key by itself.

use crate::error::Problem;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use url::Url;

/// One file's text, and what was found wrong in it so far.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    file: &'a Path,
    text: &'a str,
    problems: RefCell<Vec<Problem>>,
}

/// One table of the file. Ask it for every key there may be, then `finish` it.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    reader: &'a Reader<'a>,
    /// As written in messages: empty for the top.
    name: &'static str,
    span: Range<usize>,
    table: DeTable<'a>,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(file: &'a Path, text: &'a str) -> Self {
        Self { file, text, problems: RefCell::default() }
    }

    pub(crate) fn top(&'a self) -> Section<'a> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            self.report(error.span().unwrap_or(0..0), error.message().to_owned(), None);
        }
        Section { reader: self, name: "", span: 0..0, table: table.into_inner(), known: RefCell::default() }
    }

    pub(crate) fn report(&self, span: Range<usize>, message: String, hint: Option<String>) {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let place = format!("{}:{line}:{column}", self.file.display());
        self.problems.borrow_mut().push(Problem { place, message, hint });
    }

    /// What was found, in the order of the file.
    pub(crate) fn problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }
}

impl<'a> Section<'a> {
    pub(crate) fn section(&self, key: &'static str) -> Option<Section<'a>> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Table(table) => {
                let known = RefCell::default();
                Some(Section { reader: self.reader, name: key, span: value.span(), table: table.clone(), known })
            }
            other => self.wrong(key, value, "a table", other),
        }
    }

    pub(crate) fn text(&self, key: &'static str) -> Option<String> {
        self.spanned_text(key).map(|(text, _)| text)
    }

    pub(crate) fn required_text(&self, key: &'static str) -> Option<String> {
        self.require(key);
        self.text(key)
    }

    /// Relative to the folder that the file is in.
    pub(crate) fn path(&self, key: &'static str) -> Option<PathBuf> {
        let folder = self.reader.file.parent().unwrap_or(Path::new(""));
        self.text(key).map(|text| folder.join(text))
    }

    pub(crate) fn required_path(&self, key: &'static str) -> Option<PathBuf> {
        self.require(key);
        self.path(key)
    }

    /// An https address; its path only where `with_path`.
    pub(crate) fn required_url(&self, key: &'static str, form: &str) -> Option<Url> {
        self.require(key);
        self.url(key, form)
    }

    pub(crate) fn url(&self, key: &'static str, form: &str) -> Option<Url> {
        let (text, span) = self.spanned_text(key)?;
        let with_path = form.ends_with("/v2.0");
        match Url::parse(&text) {
            Ok(url) if url.scheme() == "https" && url.host_str().is_some() && (with_path || url.path() == "/") => Some(url),
            Ok(_) | Err(_) => self.report(span, format!("`{key}` must be an address of the form `{form}`, not `{text}`"), None),
        }
    }

    pub(crate) fn addresses(&self, key: &'static str) -> Option<Vec<SocketAddr>> {
        let mut addresses = Vec::new();
        for (text, span) in self.spanned_texts(key)? {
            match text.parse() {
                Ok(address) => addresses.push(address),
                Err(_) => {
                    let hint = "an address and a port, as in `127.0.0.1:8443` or `[::1]:8443`".to_owned();
                    self.report::<()>(span, format!("`{text}` is not an address to listen on"), Some(hint));
                }
            }
        }
        Some(addresses)
    }

    pub(crate) fn texts(&self, key: &'static str) -> Option<Vec<String>> {
        Some(self.spanned_texts(key)?.into_iter().map(|(text, _)| text).collect())
    }

    pub(crate) fn number(&self, key: &'static str, allowed: RangeInclusive<u64>) -> Option<u64> {
        let value = self.value(key)?;
        let DeValue::Integer(number) = value.get_ref() else { return self.wrong(key, value, "a number", value.get_ref()) };
        let number = u64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok();
        match number.filter(|number| allowed.contains(number)) {
            Some(number) => Some(number),
            None => self.report(value.span(), format!("`{key}` must be from {} to {}", allowed.start(), allowed.end()), None),
        }
    }

    pub(crate) fn seconds(&self, key: &'static str, allowed: RangeInclusive<u64>) -> Option<Duration> {
        self.number(key, allowed).map(Duration::from_secs)
    }

    /// Reports every key that nobody asked for.
    pub(crate) fn finish(self) {
        let known = self.known.borrow();
        for (key, value) in &self.table {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            let place = if self.name.is_empty() { String::new() } else { format!(" in [{}]", self.name) };
            let nearest = known.iter().map(|known| (distance(name, known), *known)).min().filter(|(distance, _)| *distance <= 3);
            let hint = match nearest {
                Some((_, nearest)) => format!("did you mean `{nearest}`?"),
                None => format!("known keys: {}", known.join(", ")),
            };
            let span = if key.span().is_empty() { value.span() } else { key.span() };
            self.reader.report(span, format!("unknown key `{name}`{place}"), Some(hint));
        }
    }

    pub(crate) fn report<T>(&self, span: Range<usize>, message: String, hint: Option<String>) -> Option<T> {
        self.reader.report(span, message, hint);
        None
    }

    /// Where a problem of the whole table, or of this key of it, is.
    pub(crate) fn span_of(&self, key: &str) -> Range<usize> {
        self.entry(key).map_or(self.span.clone(), Spanned::span)
    }

    pub(crate) fn has(&self, key: &'static str) -> bool {
        self.value(key).is_some()
    }

    fn require(&self, key: &'static str) {
        if !self.has(key) {
            let place = if self.name.is_empty() { "the file".to_owned() } else { format!("[{}]", self.name) };
            self.reader.report(self.span.clone(), format!("{place} has no `{key}`"), None);
        }
    }

    fn spanned_text(&self, key: &'static str) -> Option<(String, Range<usize>)> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::String(text) if !text.trim().is_empty() => Some((text.to_string(), value.span())),
            DeValue::String(_) => self.report(value.span(), format!("`{key}` is empty"), None),
            other => self.wrong(key, value, "a text in quotes", other),
        }
    }

    fn spanned_texts(&self, key: &'static str) -> Option<Vec<(String, Range<usize>)>> {
        let value = self.value(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            return self.wrong(key, value, "a list of texts, as in [\"…\"]", value.get_ref());
        };
        let mut texts = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::String(text) => texts.push((text.to_string(), item.span())),
                other => self.wrong(key, item, "a list of texts", other)?,
            }
        }
        if texts.is_empty() { self.report(value.span(), format!("`{key}` is empty"), None) } else { Some(texts) }
    }

    fn wrong<T>(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str, found: &DeValue<'_>) -> Option<T> {
        self.report(value.span(), format!("`{key}` must be {wanted}, not {}", found.type_str()), None)
    }

    fn value(&self, key: &'static str) -> Option<&Spanned<DeValue<'a>>> {
        if !self.known.borrow().contains(&key) {
            self.known.borrow_mut().push(key);
        }
        self.entry(key)
    }

    fn entry(&self, key: &str) -> Option<&Spanned<DeValue<'a>>> {
        self.table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }
}

/// Levenshtein's: how many letters to add, drop or replace.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, a) in left.chars().enumerate() {
        let mut diagonal = index;
        let mut previous = index + 1;
        if let Some(first) = row.first_mut() {
            *first = previous;
        }
        for (b, cell) in right.iter().zip(row.iter_mut().skip(1)) {
            let next = (*cell + 1).min(previous + 1).min(diagonal + usize::from(a != *b));
            diagonal = std::mem::replace(cell, next);
            previous = next;
        }
    }
    row.last().copied().unwrap_or_default()
}
