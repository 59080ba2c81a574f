//! `cargo xtask tidy`: the rules of the source tree that no compiler knows. `CONTRIBUTING.md` says them in words.
//!
//! Every breach is reported, each with its place; a rule never changes what it reads.

mod documents;
mod length;
mod manifests;
mod words;

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::codegen;
use crate::stage::output;

/// One breach of one rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) path: String,
    /// 1-based; 0 speaks of the whole file.
    pub(crate) line: usize,
    pub(crate) message: String,
}

/// One text file of the repository, by its path from the root.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

pub(crate) fn run(root: &Path) -> Result<bool> {
    let sources = sources(root)?;
    let mut findings = Vec::new();
    findings.extend(words::check(&sources));
    findings.extend(length::check(&sources, &fs::read_to_string(root.join(length::EXCEPTIONS))?));
    findings.extend(manifests::check(&sources));
    findings.extend(documents::check(&sources));
    findings.extend(codegen::check(root).unwrap_or_else(|error| vec![codegen::unchecked(&error)]));
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    println!("tidy: {} files read, {} findings", sources.len(), findings.len());
    Ok(findings.is_empty())
}

impl Source {
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    pub(crate) fn is_markdown(&self) -> bool {
        self.path.ends_with(".md")
    }

    /// The lines of a Rust file before its own tests: all of them where it has none.
    pub(crate) fn lines_before_tests(&self) -> usize {
        let lines: Vec<&str> = self.text.lines().collect();
        let tests = lines.windows(2).position(|pair| matches!(pair, ["#[cfg(test)]", next] if next.starts_with("mod ")));
        tests.unwrap_or(lines.len())
    }

    /// Whether the whole file is a test.
    pub(crate) fn is_test(&self) -> bool {
        self.path.split('/').any(|folder| folder == "tests")
    }
}

impl Finding {
    pub(crate) fn new(source: &Source, line: usize, message: impl Into<String>) -> Self {
        Self { path: source.path.clone(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(formatter, "{}: {}", self.path, self.message),
            line => write!(formatter, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// What git knows of and what it would be asked to add; a file that is not text is no business of ours.
fn sources(root: &Path) -> Result<Vec<Source>> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listed = output(&mut git).context("tidy asks git which files are ours")?;
    let mut sources = Vec::new();
    for path in listed.split('\0').filter(|path| !path.is_empty()) {
        let file = root.join(path);
        if !file.is_file() {
            continue;
        }
        let bytes = fs::read(&file).with_context(|| format!("cannot read `{path}`"))?;
        if let Ok(text) = String::from_utf8(bytes) {
            sources.push(Source { path: path.to_owned(), text });
        }
    }
    sources.sort_by(|left, right| left.path.cmp(&right.path));
    sources.dedup_by(|left, right| left.path == right.path);
    Ok(sources)
}
