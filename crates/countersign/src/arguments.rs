//! What is typed: the command line and nothing about what it means.

use crate::output::Format;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// The open Zero Trust control plane: sign in, decide, enforce, cut, record.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, max_term_width = 100)]
pub struct Arguments {
    /// How to print data on standard output.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub format: Format,
    /// What to log on standard error: off, error, warn, info, debug, trace; or `target=level,…`.
    #[arg(long, global = true, value_name = "FILTER", default_value = "warn")]
    pub log: String,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// A whole tenant on this machine, with a guided story.
    Demo(Demo),
    /// The control plane (and, if configured, a gateway) for real use.
    Serve(ConfigFile),
    /// An enforcement point on its own.
    Gateway(ConfigFile),
    /// Bring a running server to the declared state.
    Apply(Apply),
    /// Read the sign-in log and the audit log.
    #[command(subcommand)]
    Logs(Logs),
}

#[derive(Debug, Args)]
pub struct Demo {
    /// End after the story: 0 if every step held, 1 if one did not.
    #[arg(long)]
    pub exit: bool,
    /// Where to keep the data. Without it: a new folder for temporary files, removed at the end.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// The control plane's port; the gateway takes the next one. 0: any two that are free.
    #[arg(long, value_name = "PORT", default_value_t = crate::config::CONTROL_PLANE_PORT)]
    pub port: u16,
}

#[derive(Debug, Args)]
pub struct ConfigFile {
    /// The configuration (TOML).
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// Which server, and as whom.
#[derive(Debug, Args)]
pub struct Connection {
    /// The control plane's address.
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// The authority that signed the server's certificate (PEM).
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// A file with an access token for Graph, or `-` for standard input. Without it: the variable COUNTERSIGN_TOKEN.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Take all three from a demo's `demo.json`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["server", "ca_file", "token_file"])]
    pub demo: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Apply {
    /// A folder, a file, or `-`: Graph objects, recognised by shape.
    #[arg(value_name = "TENANT")]
    pub tenant: PathBuf,
    /// Show the difference only.
    #[arg(long)]
    pub plan: bool,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Debug, Subcommand)]
pub enum Logs {
    /// Who signed in, to what, and what each policy said.
    SignIns(SignIns),
    /// What administrators changed.
    Audits(Audits),
}

#[derive(Debug, Args)]
pub struct SignIns {
    /// Only this user principal name.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Only this client (app id).
    #[arg(long, value_name = "APP-ID")]
    pub app: Option<String>,
    #[arg(long, value_enum)]
    pub status: Option<Status>,
    #[command(flatten)]
    pub window: Window,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Debug, Args)]
pub struct Audits {
    /// Only this activity, as `Disable account`.
    #[arg(long, value_name = "NAME")]
    pub activity: Option<String>,
    /// Only this category, as `UserManagement`.
    #[arg(long, value_name = "NAME")]
    pub category: Option<String>,
    #[command(flatten)]
    pub window: Window,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Debug, Args)]
pub struct Window {
    /// Not older than this: a time (2026-11-22T08:00:00Z) or an age (30m, 24h, 7d).
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: u32,
    /// Go on with what is recorded from now on, until Ctrl-C.
    #[arg(long)]
    pub follow: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Status {
    Success,
    Failure,
}
