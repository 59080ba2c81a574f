//! A file holds at most 600 lines without its tests. `xtask/tidy-exceptions.txt` lists the ones that do not: a path and a
//! number of lines, which may only become smaller.

use std::collections::BTreeMap;

use super::{Finding, Source};

pub(super) const EXCEPTIONS: &str = "xtask/tidy-exceptions.txt";

const MOST: usize = 600;

pub(super) fn check(sources: &[Source], exceptions: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut excepted = BTreeMap::new();
    for (index, line) in exceptions.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.split_once(' ').and_then(|(path, lines)| Some((path, lines.parse::<usize>().ok()?))) {
            Some((path, lines)) => {
                excepted.insert(path, (index + 1, lines));
            }
            None => findings.push(exception(index + 1, "expected a path and a number of lines".to_owned())),
        }
    }
    for source in sources.iter().filter(|source| source.is_rust() && !source.is_test()) {
        let lines = source.lines_before_tests();
        match excepted.remove(source.path.as_str()) {
            None if lines > MOST => {
                findings.push(Finding::new(
                    source,
                    0,
                    format!("{lines} lines without tests, of at most {MOST}: part it by what it does"),
                ));
            }
            None => {}
            Some((at, _)) if lines <= MOST => {
                findings.push(exception(at, format!("`{}` has {lines} lines: it needs no exception any more", source.path)));
            }
            Some((_, allowed)) if lines > allowed => {
                findings.push(Finding::new(
                    source,
                    0,
                    format!("{lines} lines without tests; its exception allows {allowed} and only shrinks"),
                ));
            }
            Some((at, allowed)) if lines < allowed => {
                findings.push(exception(at, format!("`{}` has {lines} lines by now: say {lines}", source.path)));
            }
            Some(_) => {}
        }
    }
    findings.extend(excepted.into_iter().map(|(path, (at, _))| exception(at, format!("there is no `{path}`"))));
    findings
}

fn exception(line: usize, message: String) -> Finding {
    Finding { path: EXCEPTIONS.to_owned(), line, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(lines: usize, exceptions: &str) -> Vec<String> {
        let source = Source { path: "a.rs".to_owned(), text: "x\n".repeat(lines) };
        check(&[source], exceptions).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_long_file_needs_an_exception_that_fits() {
        assert_eq!(found(600, ""), Vec::<String>::new());
        assert_eq!(found(601, "").len(), 1);
        assert_eq!(found(700, "# why\na.rs 700\n"), Vec::<String>::new());
        assert_eq!(found(701, "a.rs 700").len(), 1);
    }

    #[test]
    fn an_exception_only_shrinks() {
        assert_eq!(found(650, "a.rs 700"), ["xtask/tidy-exceptions.txt:1: `a.rs` has 650 lines by now: say 650"]);
        assert_eq!(found(600, "a.rs 700").len(), 1);
        assert_eq!(found(1, "b.rs 700"), ["xtask/tidy-exceptions.txt:1: there is no `b.rs`"]);
    }

    #[test]
    fn tests_in_the_file_do_not_count() {
        let text = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", "x\n".repeat(600), "y\n".repeat(600));
        assert_eq!(check(&[Source { path: "a.rs".to_owned(), text }], ""), []);
    }
}
