//! Words that must not stand in the tree: unfinished code, tests that do not test or that sleep, addresses of package
//! registries (a mirror serves as well; lock files name what is installed), paths of one person's machine.

use super::{Finding, Source};

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    sources.iter().flat_map(check_one).collect()
}

/// Where a word is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Rust,
    RustTests,
    Everywhere,
}

/// The pieces are joined here, so that this file does not hold what it looks for.
const WORDS: &[(Place, &[&str], &str)] = &[
    (Place::Rust, &["to", "do!"], "unfinished code"),
    (Place::Rust, &["unimple", "mented!"], "unfinished code"),
    (Place::Rust, &["#[ig", "nore"], "a test that does not run"),
    (Place::Rust, &["#[should", "_panic"], "assert what is returned instead of a panic"),
    (Place::Rust, &["thread::", "sleep"], "wait on an event, or turn the fake clock"),
    (Place::RustTests, &["time::", "sleep"], "wait on an event, or turn the fake clock"),
    (Place::Everywhere, &["TO", "DO"], "finish it, or file an issue"),
    (Place::Everywhere, &["FIX", "ME"], "finish it, or file an issue"),
    (Place::Everywhere, &["pypi", ".org"], "no addresses of package registries"),
    (Place::Everywhere, &["pythonhosted", ".org"], "no addresses of package registries"),
    (Place::Everywhere, &["npmjs", "."], "no addresses of package registries"),
    (Place::Everywhere, &["crates", ".io"], "no addresses of package registries"),
    (Place::Everywhere, &["deb.debian", ".org"], "no addresses of package registries"),
    (Place::Everywhere, &["/work", "/"], "no path of one machine"),
    (Place::Everywhere, &["/home", "/"], "no path of one machine"),
];

fn check_one(source: &Source) -> Vec<Finding> {
    // Cargo writes the name of its registry into its lock file.
    if source.path == "Cargo.lock" || source.path == "LICENSE" {
        return Vec::new();
    }
    let mut findings = Vec::new();
    if source.is_rust() && !source.text.starts_with("//!") {
        findings.push(Finding::new(source, 1, "a file opens with `//!`: what it is for, what it never does"));
    }
    let tests_from = if source.is_test() { 0 } else { source.lines_before_tests() };
    for (index, line) in source.text.lines().enumerate() {
        for (place, pieces, why) in WORDS {
            let looked_for = match place {
                Place::Rust => source.is_rust(),
                Place::RustTests => source.is_rust() && index >= tests_from,
                Place::Everywhere => true,
            };
            let word = pieces.concat();
            if looked_for && stands_alone(line, &word) {
                findings.push(Finding::new(source, index + 1, format!("`{word}`: {why}")));
            }
        }
    }
    findings
}

/// Whether `line` holds `word` where no other word runs into its beginning.
fn stands_alone(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|head| head.chars().next_back());
        !before.is_some_and(|character| character.is_alphanumeric() || character == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &str, text: &str) -> Vec<String> {
        check(&[Source { path: path.to_owned(), text: text.to_owned() }]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn unfinished_code_is_found_with_its_line() {
        let text = format!("//! x\nfn f() {{ {}() }}\n", ["to", "do!"].concat());
        assert_eq!(messages("a.rs", &text), [format!("a.rs:2: `{}`: unfinished code", ["to", "do!"].concat())]);
    }

    #[test]
    fn a_sleep_is_a_breach_in_tests_and_not_before_them() {
        let sleep = ["tokio::time::", "sleep(d).await;"].concat();
        let text = format!("//! x\n{sleep}\n#[cfg(test)]\nmod tests {{\n{sleep}\n}}\n");
        let found = messages("a.rs", &text);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("a.rs:5: "), "{found:?}");
    }

    #[test]
    fn a_file_without_its_opening_is_found() {
        assert_eq!(messages("a.rs", "fn f() {}\n").len(), 1);
        assert_eq!(messages("a.py", "print()\n").len(), 0);
    }

    #[test]
    fn a_word_within_a_word_is_another_word() {
        let within = ["MASTO", "DON"].concat();
        assert_eq!(messages("a.md", &within), Vec::<String>::new());
    }
}
