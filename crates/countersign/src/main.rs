//! The `countersign` binary: allocator, environment, logging, exit code. Everything else is in the library.

use clap::Parser;
use countersign::Ending;
use countersign::arguments::Arguments;
use countersign::error::{CommandError, Problem};
use secrecy::SecretString;
use std::io::{self, Write};
use std::process::ExitCode;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Gives memory back to the system: a flood of password hashes or requests leaves nothing behind.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc 3: its binding names the options of few versions.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

fn main() -> ExitCode {
    purge_at_once();
    let arguments = Arguments::parse();
    match start(arguments) {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::No) => ExitCode::from(1),
        Err(error) => {
            let _ = writeln!(io::stderr().lock(), "{error}");
            ExitCode::from(2)
        }
    }
}

/// By default freed memory is purged a second later, at the next large allocation: in a server that has fallen silent, never.
fn purge_at_once() {
    #[expect(unsafe_code, reason = "the allocator has no other way to set an option; no other thread runs yet, as it asks")]
    // SAFETY: sets a number in mimalloc's table of options, from the process's only thread.
    unsafe {
        libmimalloc_sys::mi_option_set(PURGE_DELAY, 0);
    }
}

fn start(arguments: Arguments) -> Result<Ending, CommandError> {
    let filter: Targets = arguments.log.parse().map_err(|error| {
        Problem::caused_by(format!("`{}` is not a log filter", arguments.log), &error)
            .at("--log")
            .hint("as in `info` or `warn,gateway=debug`")
    })?;
    let log = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_filter(filter);
    tracing_subscriber::registry().with(log).init();
    #[expect(clippy::disallowed_methods, reason = "settings are resolved here, once")]
    let token = std::env::var("COUNTERSIGN_TOKEN").ok().filter(|token| !token.trim().is_empty());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Problem::caused_by("the runtime cannot start", &error))?;
    runtime.block_on(countersign::run(arguments, token.map(|token| SecretString::from(token.trim()))))
}
