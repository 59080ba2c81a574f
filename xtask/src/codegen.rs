//! `cargo xtask codegen`: the reference pages that are made from the code. `tidy` fails while a committed page is stale.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::demo::{Profile, build};
use crate::stage::output;
use crate::tidy::Finding;

const COMMAND_LINE: &str = "docs/reference/command-line.md";

/// Writes every generated page.
pub(crate) fn write(root: &Path) -> Result<bool> {
    let page = command_line(&build(root, Profile::Debug)?)?;
    fs::write(root.join(COMMAND_LINE), page).with_context(|| format!("cannot write `{COMMAND_LINE}`"))?;
    println!("wrote {COMMAND_LINE}");
    Ok(true)
}

/// Compares every generated page with what is committed.
pub(crate) fn check(root: &Path) -> Result<Vec<Finding>> {
    let page = command_line(&build(root, Profile::Debug)?)?;
    let committed = fs::read_to_string(root.join(COMMAND_LINE)).unwrap_or_default();
    if committed == page {
        return Ok(Vec::new());
    }
    let line = committed.lines().zip(page.lines()).take_while(|(left, right)| left == right).count() + 1;
    let message = "not what the code says by now: run `cargo xtask codegen`".to_owned();
    Ok(vec![Finding { path: COMMAND_LINE.to_owned(), line, message }])
}

/// Pages that could not be compared are as good as stale.
pub(crate) fn unchecked(error: &anyhow::Error) -> Finding {
    Finding { path: COMMAND_LINE.to_owned(), line: 0, message: format!("cannot be compared with the code: {error:#}") }
}

/// What the command says of itself, subcommand by subcommand.
fn command_line(binary: &Path) -> Result<String> {
    let mut page = String::from("# Command line\n\nMade by `cargo xtask codegen` from what the command says of itself.\n");
    let mut waiting = vec![Vec::<String>::new()];
    while let Some(words) = waiting.pop() {
        let help = output(Command::new(binary).args(&words).arg("--help"))?;
        let name = std::iter::once("countersign").chain(words.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
        let lines: Vec<&str> = help.trim_end().lines().map(str::trim_end).collect();
        write!(page, "\n## {name}\n\n```text\n{}\n```\n", lines.join("\n"))?;
        let mut below: Vec<Vec<String>> =
            subcommands(&help).map(|word| [words.as_slice(), &[word.to_owned()]].concat()).collect();
        below.reverse();
        waiting.extend(below);
    }
    Ok(page)
}

/// The names in the `Commands:` part of a help text.
fn subcommands(help: &str) -> impl Iterator<Item = &str> {
    let part = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    part.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next()).filter(|word| *word != "help")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subcommands_are_read_from_the_help() {
        let help = "The command\n\nUsage: x <COMMAND>\n\nCommands:\n  demo   a tenant\n         and more\n  serve  b\n  help   c\n\nOptions:\n  -h\n";
        assert_eq!(subcommands(help).collect::<Vec<_>>(), ["demo", "serve"]);
        assert_eq!(subcommands("Usage: x\n").count(), 0);
    }
}
