//! Checks, measurements and generated files of this repository: `cargo xtask --help`.
//!
//! The decision: this program depends on none of our crates, so that `cargo xtask` starts within seconds on a machine that
//! has compiled nothing; what it measures and checks, it starts as a child and talks to as a stranger would. The decision
//! refused: shell scripts, which no compiler reads.
//!
//! It never changes a file of the source tree, save with `codegen`.
#![expect(clippy::print_stdout, reason = "what a command found goes to standard output")]

mod bench;
mod ci;
mod clients;
mod codegen;
mod demo;
mod python;
mod stage;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// Checks, measurements and generated files of this repository
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Formatting, lints, tidy and documentation: every check that is not a test
    Ci,
    /// The rules of the source tree that no compiler knows
    Tidy,
    /// Write the generated reference pages
    Codegen,
    /// Sign in with client libraries that others wrote (needs Python 3 and Node 20)
    Clients {
        /// Which build of the command they meet
        #[arg(long, value_enum, default_value_t = demo::Profile::Release)]
        profile: demo::Profile,
    },
    /// Measure; without a name, list what can be measured
    Bench {
        /// What to measure
        name: Option<bench::Name>,
    },
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let root = root()?;
    let held = match arguments.command {
        Command::Ci => ci::run(&root)?,
        Command::Tidy => tidy::run(&root)?,
        Command::Codegen => codegen::write(&root)?,
        Command::Clients { profile } => clients::run(&root, profile)?,
        Command::Bench { name: None } => bench::list(),
        Command::Bench { name: Some(name) } => bench::run(&root, name)?,
    };
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The folder of the workspace: the parent of this package's.
fn root() -> Result<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().map(Path::to_path_buf).context("the xtask package lies outside of a workspace")
}
