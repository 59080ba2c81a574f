//! `cargo xtask bench NAME`: figures measured on a running release build, each beside the bar it has to reach.

mod memory;

use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// Resident memory of control plane and gateway in one process, 30 s after 1,000 password sign-ins
    Memory,
}

pub(crate) fn list() -> bool {
    for name in Name::value_variants() {
        if let Some(value) = name.to_possible_value() {
            println!("{:<8} {}", value.get_name(), value.get_help().map(ToString::to_string).unwrap_or_default());
        }
    }
    true
}

pub(crate) fn run(root: &Path, name: Name) -> Result<bool> {
    match name {
        Name::Memory => memory::run(root),
    }
}
