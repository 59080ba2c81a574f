//! `cargo xtask clients`: a real tenant, and client libraries that none of us wrote.
//!
//! The scripts under `xtask/clients` read `demo.json` and nothing else, as an outside program would.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::demo::{Demo, Profile, build};
use crate::python;
use crate::stage::{Outcome, stage, succeeds, summary};

pub(crate) fn run(root: &Path, profile: Profile) -> Result<bool> {
    let target = root.join("target/clients");
    fs::create_dir_all(&target)?;
    let mut outcomes = Vec::new();
    let interpreter = obtain(&mut outcomes, "install msal", || python::environment(root));
    let modules = obtain(&mut outcomes, "install openid-client", || node_modules(root, &target));
    let binary = obtain(&mut outcomes, "build", || build(root, profile));
    let demo = binary.and_then(|binary| obtain(&mut outcomes, "demo", || Demo::start(&binary, &target.join("demo"))));
    if let (Some(interpreter), Some(modules), Some(demo)) = (interpreter, modules, demo) {
        outcomes.push(stage("msal", || succeeds(&mut python::script(root, &interpreter, "msal_client.py", &demo)?)));
        outcomes.push(stage("openid-client", || {
            let mut node = Command::new("node");
            node.current_dir(&modules).arg("openid_client.mjs").arg(&demo.description);
            python::trust(&mut node, &demo)?;
            succeeds(&mut node)
        }));
    }
    Ok(summary(&outcomes))
}

/// A stage that makes something.
fn obtain<T>(outcomes: &mut Vec<Outcome>, name: &'static str, work: impl FnOnce() -> Result<T>) -> Option<T> {
    let mut made = None;
    outcomes.push(stage(name, || work().map(|value| made = Some(value)).map(|()| true)));
    made
}

/// A folder with the locked npm packages and, beside them, the scripts that import them.
fn node_modules(root: &Path, target: &Path) -> Result<PathBuf> {
    let folder = target.join("node");
    fs::create_dir_all(&folder)?;
    let clients = root.join("xtask/clients");
    let copy = |name: &str| fs::copy(clients.join(name), folder.join(name)).with_context(|| format!("cannot copy `{name}`"));
    for name in ["package.json", "browser.mjs", "openid_client.mjs"] {
        copy(name)?;
    }
    let lock = fs::read(clients.join("package-lock.json"))?;
    if fs::read(folder.join("package-lock.json")).is_ok_and(|have| have == lock) && folder.join("node_modules").is_dir() {
        return Ok(folder);
    }
    copy("package-lock.json")?;
    let mut npm = Command::new("npm");
    npm.current_dir(&folder).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    if !succeeds(&mut npm)? {
        // A lock file beside half an installation would be taken for a whole one.
        fs::remove_file(folder.join("package-lock.json"))?;
        bail!("`npm ci` failed");
    }
    Ok(folder)
}
