//! Each crate takes the workspace's lints, and has no Cargo feature of its own.

use super::{Finding, Source};

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.path != "Cargo.toml" && source.path.ends_with("/Cargo.toml")) {
        if source.text.lines().any(|line| line == "[workspace]") {
            continue;
        }
        if !source.text.contains("[lints]\nworkspace = true\n") {
            findings.push(Finding::new(source, 0, "`[lints]` with `workspace = true` is missing"));
        }
        if let Some(index) = source.text.lines().position(|line| line == "[features]") {
            findings.push(Finding::new(source, index + 1, "a crate of ours has no features: a feature would change behaviour"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> usize {
        check(&[Source { path: "crates/a/Cargo.toml".to_owned(), text: text.to_owned() }]).len()
    }

    #[test]
    fn a_crate_takes_the_lints_and_has_no_features() {
        assert_eq!(found("[package]\n\n[lints]\nworkspace = true\n"), 0);
        assert_eq!(found("[package]\n"), 1);
        assert_eq!(found("[lints]\nworkspace = true\n\n[features]\nfast = []\n"), 1);
    }
}
