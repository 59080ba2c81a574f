//! What a document points at exists: relative links with their anchors, and files of the tree named in backticks.
//!
//! Functions and tests named as `path.rs::name` are checked by `cargo test` (`crates/model/tests/workspace/names.rs`).

use std::collections::BTreeSet;

use super::{Finding, Source};

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let paths = known_paths(sources);
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.is_markdown()) {
        for (line, text) in prose(&source.text) {
            for target in links(text) {
                if let Some(message) = broken_link(source, target, &paths, sources) {
                    findings.push(Finding::new(source, line, message));
                }
            }
            for path in named_paths(text) {
                if !paths.contains(path) {
                    findings.push(Finding::new(source, line, format!("there is no `{path}`")));
                }
            }
        }
    }
    findings
}

/// Folders whose files are named from the root of the repository.
const FOLDERS: &[&str] = &["crates/", "xtask/", "docs/", "examples/", "bench/", "fuzz/", ".ci/"];

/// Every file and every folder that holds one.
fn known_paths(sources: &[Source]) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for source in sources {
        paths.insert(source.path.clone());
        paths.extend(source.path.match_indices('/').filter_map(|(at, _)| source.path.get(..at)).map(str::to_owned));
    }
    paths
}

/// The numbered lines outside of code fences.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            lines.push((index + 1, line));
        }
    }
    lines
}

/// The targets of `[text](target)`.
fn links(line: &str) -> Vec<&str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target).collect()
}

/// What stands in backticks, where it is a path of the tree: `crates/a/src/b.rs`, `crates/a/src/b.rs::f`, `crates/a/`.
fn named_paths(line: &str) -> Vec<&str> {
    let spans = line.split('`').skip(1).step_by(2);
    spans
        .filter(|span| FOLDERS.iter().any(|folder| span.starts_with(folder)))
        .filter(|span| !span.contains(['*', '{', '<', ' ']) && !span.contains("NAME"))
        .map(|span| span.split("::").next().unwrap_or(span).trim_end_matches('/'))
        .collect()
}

fn broken_link(source: &Source, target: &str, paths: &BTreeSet<String>, sources: &[Source]) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let path = if file.is_empty() { source.path.clone() } else { resolve(&source.path, file) };
    if !paths.contains(&path) && !path.is_empty() {
        return Some(format!("the link `{target}` leads to no file"));
    }
    let page = sources.iter().find(|page| page.path == path && page.is_markdown())?;
    let anchor = anchor?;
    let headings = prose(&page.text).into_iter().filter_map(|(_, line)| line.strip_prefix('#'));
    let known = headings.map(|heading| slug(heading.trim_start_matches('#').trim())).any(|slug| slug == anchor);
    (!known).then(|| format!("the link `{target}` leads to no heading"))
}

/// `file` as seen from the folder of `from`.
fn resolve(from: &str, file: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// The anchor that code hosts make of a heading.
fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|character| character.is_alphanumeric() || matches!(character, ' ' | '-' | '_'));
    kept.map(|character| if character == ' ' { '-' } else { character.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let page = Source { path: "docs/a.md".to_owned(), text: text.to_owned() };
        let other = Source { path: "crates/b/src/lib.rs".to_owned(), text: String::new() };
        check(&[page, other]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn links_and_paths_that_exist_are_fine() {
        let text = "# One thing\n[x](../crates/b/src/lib.rs) [y](#one-thing) `crates/b/` `crates/b/src/lib.rs::f` [z](https://example.com)\n";
        assert_eq!(found(text), Vec::<String>::new());
    }

    #[test]
    fn links_and_paths_that_do_not_exist_are_found() {
        assert_eq!(found("[x](b.md)"), ["docs/a.md:1: the link `b.md` leads to no file"]);
        assert_eq!(found("# One\n[x](#two)"), ["docs/a.md:2: the link `#two` leads to no heading"]);
        assert_eq!(found("see `crates/c/src/lib.rs`"), ["docs/a.md:1: there is no `crates/c/src/lib.rs`"]);
    }

    #[test]
    fn code_fences_are_not_prose() {
        assert_eq!(found("```\n[x](b.md)\n```\n"), Vec::<String>::new());
    }
}
