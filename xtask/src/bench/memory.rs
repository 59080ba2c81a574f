//! What a process keeps of 1,000 password sign-ins, once they are over.
//!
//! Measured from outside: the release demo as a child, its own resident memory as the kernel counts it (`VmRSS`), and a
//! client in another process, so that nothing of the client is in the figure.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::demo::{Demo, Profile, build};
use crate::python;
use crate::stage::{succeeds, timed};

/// The bar of `product.md`: 60 MB, decimal.
const MOST_KB: u64 = 60_000_000 / 1024;

const REST: Duration = Duration::from_secs(30);

pub(crate) fn run(root: &Path) -> Result<bool> {
    let target = root.join("target/bench");
    fs::create_dir_all(&target)?;
    let binary = build(root, Profile::Release)?;
    let python = python::environment(root)?;
    let demo = Demo::start(&binary, &target.join("memory"))?;
    println!("{:<44} {:>9}", "after the guided story", shown(resident(&demo)?));
    let (signed_in, took) = timed(|| succeeds(&mut python::script(root, &python, "many_sign_ins.py", &demo)?));
    if !signed_in? {
        bail!("the sign-ins did not all come to their end");
    }
    println!("{:<44} {:>9}", format!("right after them ({:.0} s)", took.as_secs_f64()), shown(resident(&demo)?));
    demo.stay_up(REST)?;
    let resident = resident(&demo)?;
    println!("{:<44} {:>9}", format!("{} s later", REST.as_secs()), shown(resident));
    println!("the bar is {}: {:.2} of it is used", shown(MOST_KB), kilobytes(resident) / kilobytes(MOST_KB));
    Ok(resident <= MOST_KB)
}

/// `VmRSS` in units of 1,024 bytes, as the kernel gives it.
fn resident(demo: &Demo) -> Result<u64> {
    let path = format!("/proc/{}/status", demo.process_id());
    let status = fs::read_to_string(&path).with_context(|| format!("cannot read `{path}`"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the kernel says no `VmRSS`")?;
    line.trim().trim_end_matches(" kB").parse().with_context(|| format!("`{line}` is no number of kilobytes"))
}

fn shown(kb: u64) -> String {
    format!("{:.1} MB", kilobytes(kb) * 1024.0 / 1e6)
}

/// Exact up to 2^53.
fn kilobytes(kb: u64) -> f64 {
    kb as f64
}
