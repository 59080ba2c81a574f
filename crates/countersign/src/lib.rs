//! The command: what is typed and configured becomes one resolved value, and starts the parts. The parts know nothing of
//! command lines, files of configuration or each other; here they meet.
//!
//! The decision: `demo`, `serve` and the end-to-end tests start the same `platform`. The decision refused: a second,
//! in-process way to wire the parts for tests.
//!
//! It decides nothing about access and holds no SQL.

pub mod apply;
pub mod arguments;
pub mod certificates;
pub mod config;
pub mod demo;
pub mod error;
pub mod folder;
pub mod graph;
mod json;
pub mod logs;
pub mod oauth_client;
pub mod output;
pub mod platform;
pub mod sample;
pub mod serve;

use arguments::{Arguments, Command, Logs};
use control_plane::apply::Mode;
use error::CommandError;
use graph::Graph;
use runtime::Clock;
use secrecy::SecretString;

/// How a command ended, when it could be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Exit code 0.
    Done,
    /// Exit code 1: the answer is no.
    No,
}

/// Carries out what was typed. `token` is the variable COUNTERSIGN_TOKEN.
pub async fn run(arguments: Arguments, token: Option<SecretString>) -> Result<Ending, CommandError> {
    let Arguments { format, command, .. } = arguments;
    let clock = Clock::system();
    match command {
        Command::Demo(demo) => {
            let held = demo::run(&demo, format, &clock, stop()).await?;
            return Ok(if held { Ending::Done } else { Ending::No });
        }
        Command::Serve(file) => serve::serve(&config::read_serve(&file.config)?, format, &clock, stop()).await?,
        Command::Gateway(file) => serve::gateway(&config::read_gateway(&file.config)?, format, &clock, stop()).await?,
        Command::Apply(apply) => {
            let mode = if apply.plan { Mode::Plan } else { Mode::Apply };
            apply::run(&apply.tenant, mode, &Graph::connect(&apply.connection, token)?, format).await?;
        }
        Command::Logs(Logs::SignIns(wanted)) => {
            logs::sign_ins(&wanted, &Graph::connect(&wanted.connection, token)?, &clock, format).await?;
        }
        Command::Logs(Logs::Audits(wanted)) => {
            logs::audits(&wanted, &Graph::connect(&wanted.connection, token)?, &clock, format).await?;
        }
    }
    Ok(Ending::Done)
}

/// Ctrl-C, or the signal with which service managers stop.
async fn stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminated) = signal(SignalKind::terminate()) else {
        return drop(tokio::signal::ctrl_c().await);
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
}
