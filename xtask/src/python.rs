//! A Python of our own under `target/`, with exactly the packages of `xtask/clients/requirements.txt`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::demo::Demo;
use crate::stage::succeeds;

const REQUIREMENTS: &str = "xtask/clients/requirements.txt";

/// The interpreter, made at the first call and again whenever the requirements changed.
pub(crate) fn environment(root: &Path) -> Result<PathBuf> {
    let requirements = root.join(REQUIREMENTS);
    let wanted = fs::read_to_string(&requirements).with_context(|| format!("cannot read `{REQUIREMENTS}`"))?;
    let folder = root.join("target/clients/python");
    let python = folder.join("bin/python3");
    let installed = folder.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|have| have == wanted) && python.is_file() {
        return Ok(python);
    }
    if !succeeds(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))? {
        bail!("`python3 -m venv` failed\nhint: it needs Python 3.11 or newer with its venv module");
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--requirement"])
        .arg(&requirements);
    if !succeeds(&mut pip)? {
        bail!("`pip install` failed");
    }
    fs::write(&installed, wanted)?;
    Ok(python)
}

/// A script under `xtask/clients`, told where the demo is, that trusts the demo's certificate authority and no other.
pub(crate) fn script(root: &Path, python: &Path, name: &str, demo: &Demo) -> Result<Command> {
    let mut command = Command::new(python);
    command.args(["-B", "-u"]).arg(root.join("xtask/clients").join(name)).arg(&demo.description);
    trust(&mut command, demo)?;
    Ok(command)
}

/// Tells foreign programs to trust the demo's certificate authority, and to go to it without a proxy.
pub(crate) fn trust(command: &mut Command, demo: &Demo) -> Result<()> {
    let authority = authority(demo)?;
    for name in ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"] {
        command.env(name, &authority);
    }
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(name);
    }
    Ok(())
}

fn authority(demo: &Demo) -> Result<PathBuf> {
    let text = fs::read_to_string(&demo.description).with_context(|| format!("cannot read `{}`", demo.description.display()))?;
    let description: Value = serde_json::from_str(&text)?;
    let file = description.get("caFile").and_then(Value::as_str).context("`demo.json` names no `caFile`")?;
    Ok(PathBuf::from(file))
}
