//! A document names a function, a type or a test as `path/of/the/file.rs::name`, in backticks. Each of them exists.

use super::{files, read, root};
use std::path::PathBuf;

#[test]
fn what_the_documents_name_exists() {
    for document in documents() {
        for named in named_in(&document) {
            assert!(named.is_defined(), "{}: there is no `{named}`", document.display());
        }
    }
}

/// An empty walk would hold no matter what.
#[test]
fn the_walk_of_one_request_names_its_functions() {
    let named = named_in(&PathBuf::from("ARCHITECTURE.md"));
    for part in ["crates/control-plane/src/", "crates/policy/src/", "crates/store/src/", "crates/gateway/src/"] {
        let functions = named.iter().filter(|named| named.path.starts_with(part) && named.is_function()).count();
        assert!(functions >= 2, "the walk names {functions} functions of {part}");
    }
}

/// Each threat names the test that would notice.
#[test]
fn each_threat_names_a_test() {
    let mut threats = 0;
    let text = read("docs/threats.md");
    for part in text.split("\n## ").skip(1) {
        let title = part.lines().next().unwrap_or_default();
        let tests = named_in_text(part);
        assert!(!tests.is_empty(), "docs/threats.md: `{title}` names no test");
        for test in tests {
            assert!(test.is_test(), "docs/threats.md: `{title}`: `{test}` is no test");
        }
        threats += 1;
    }
    assert!(threats >= 10, "docs/threats.md speaks of {threats} threats");
}

#[derive(Debug)]
struct Named {
    path: String,
    name: String,
}

impl Named {
    fn is_defined(&self) -> bool {
        let words = ["fn", "struct", "enum", "trait", "type", "const", "static", "mod", "macro_rules!"];
        self.lines().iter().any(|line| words.iter().any(|word| defines(line, word, &self.name)))
    }

    fn is_function(&self) -> bool {
        self.lines().iter().any(|line| defines(line, "fn", &self.name))
    }

    /// A function with a test's attribute above it.
    fn is_test(&self) -> bool {
        let lines = self.lines();
        lines.iter().enumerate().any(|(index, line)| {
            let above = lines[..index].iter().rev().take_while(|line| line.trim_start().starts_with(['#', '/']));
            defines(line, "fn", &self.name) && above.into_iter().any(|line| line.contains("test"))
        })
    }

    fn lines(&self) -> Vec<String> {
        if root().join(&self.path).is_file() { read(&self.path).lines().map(str::to_owned).collect() } else { Vec::new() }
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}::{}", self.path, self.name)
    }
}

/// Whether `line` holds `word name` with nothing of a longer name on either side.
fn defines(line: &str, word: &str, name: &str) -> bool {
    let whole = |at: usize| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len() + 1 + name.len()..].chars().next();
        !before.is_some_and(is_of_a_name) && !after.is_some_and(is_of_a_name)
    };
    line.match_indices(&format!("{word} {name}")).any(|(at, _)| whole(at))
}

fn is_of_a_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn documents() -> Vec<PathBuf> {
    let mut documents = files("docs", ".md");
    documents.extend(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"].map(PathBuf::from));
    documents
}

fn named_in(document: &PathBuf) -> Vec<Named> {
    named_in_text(&read(document))
}

fn named_in_text(text: &str) -> Vec<Named> {
    let spans = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    let named = spans.filter_map(|span| span.split_once(".rs::"));
    named
        .map(|(path, name)| Named { path: format!("{path}.rs"), name: name.rsplit("::").next().unwrap_or(name).to_owned() })
        .collect()
}
