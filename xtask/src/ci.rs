//! `cargo xtask ci`: every check that is not a test. All of them run, whatever the first one says.

use std::path::Path;

use anyhow::Result;

use crate::stage::{cargo, stage, succeeds, summary};
use crate::tidy;

pub(crate) fn run(root: &Path) -> Result<bool> {
    let outcomes = [
        stage("fmt", || succeeds(cargo(root).args(["fmt", "--all", "--check"]))),
        stage("clippy", || {
            succeeds(cargo(root).args(["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"]))
        }),
        stage("tidy", || tidy::run(root)),
        stage("tests of xtask", || succeeds(cargo(root).args(["test", "--package", "xtask", "--locked", "--quiet"]))),
        stage("doc", || {
            succeeds(
                cargo(root)
                    .args(["doc", "--workspace", "--no-deps", "--document-private-items", "--locked", "--quiet"])
                    .env("RUSTDOCFLAGS", "-D warnings"),
            )
        }),
    ];
    Ok(summary(&outcomes))
}
