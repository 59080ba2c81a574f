//! Running one command of a longer job, with its time.
//!
//! Never hides what a command prints, and never lets one failure keep the next stage from running: a person who pushes
//! once wants every failure at once.

use std::ffi::OsStr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// What became of one stage.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    pub(crate) held: bool,
    pub(crate) took: Duration,
}

/// Does `work`, says how long it took, and turns an error into a stage that did not hold.
pub(crate) fn stage(name: &'static str, work: impl FnOnce() -> Result<bool>) -> Outcome {
    println!("── {name}");
    let (result, took) = timed(work);
    let held = match result {
        Ok(held) => held,
        Err(error) => {
            println!("error: {error:#}");
            false
        }
    };
    println!("── {name}: {} in {:.1} s", verdict(held), took.as_secs_f64());
    Outcome { name, held, took }
}

/// One line for each stage; whether all held.
pub(crate) fn summary(outcomes: &[Outcome]) -> bool {
    for outcome in outcomes {
        println!("{:>8.1} s  {:<8} {}", outcome.took.as_secs_f64(), verdict(outcome.held), outcome.name);
    }
    outcomes.iter().all(|outcome| outcome.held)
}

/// Runs a command with our own standard streams; whether it exited with 0.
pub(crate) fn succeeds(command: &mut Command) -> Result<bool> {
    let program = command.get_program().to_owned();
    let status = command.status().with_context(|| format!("cannot run `{}`", program.display()))?;
    Ok(status.success())
}

/// Runs a command and returns what it printed; an error with its complaint if it failed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = shown(command);
    let output = command.output().with_context(|| format!("cannot run `{shown}`"))?;
    if !output.status.success() {
        anyhow::bail!("`{shown}` failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{shown}` printed something that is not UTF-8"))
}

/// The cargo that started us, at the workspace's root.
pub(crate) fn cargo(root: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root);
    command
}

/// Does `work` and measures it.
#[expect(clippy::disallowed_methods, reason = "how long a stage took is read by a person and decides nothing")]
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let value = work();
    (value, started.elapsed())
}

fn verdict(held: bool) -> &'static str {
    if held { "ok" } else { "FAILED" }
}

fn shown(command: &Command) -> String {
    std::iter::once(command.get_program()).chain(command.get_args()).map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
