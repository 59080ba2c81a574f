//! A `countersign demo` of our own: built, started as a child on free ports, listened to, and ended by its process id.
//!
//! Waits are for a line of the child's output, and bounded; nothing here sleeps.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::Value;

use crate::stage::{cargo, output};

/// How the command is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    Debug,
    Release,
}

/// A demo that runs until this value is dropped.
#[derive(Debug)]
pub(crate) struct Demo {
    child: Child,
    lines: Receiver<String>,
    /// What an outside program needs to know: addresses, accounts, the certificate authority.
    pub(crate) description: PathBuf,
}

/// How long one line of the story may let us wait.
const LINE: Duration = Duration::from_secs(120);

/// How long the demo may take to end once it was asked to.
const END: Duration = Duration::from_secs(20);

const STEPS: u64 = 7;

/// Compiles the command and says where it lies.
pub(crate) fn build(root: &Path, profile: Profile) -> Result<PathBuf> {
    let mut command = cargo(root);
    command.args(["build", "--locked", "--quiet", "--bin", "countersign", "--message-format=json-render-diagnostics"]);
    if profile == Profile::Release {
        command.arg("--release");
    }
    let messages = output(command.stderr(Stdio::inherit()))?;
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut executables = artifacts.filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from));
    executables.next_back().context("cargo built no executable")
}

impl Demo {
    /// Starts a demo in `folder`, which is emptied first, and listens until its story has ended well.
    pub(crate) fn start(binary: &Path, folder: &Path) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("cannot empty `{}`", folder.display()))?;
        }
        fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
        let log = folder.with_extension("log");
        let mut child = Command::new(binary)
            .arg("demo")
            .arg("--dir")
            .arg(folder)
            .args(["--format", "json", "--port", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("cannot start `{}`", binary.display()))?;
        let stdout = child.stdout.take().context("the demo has no standard output")?;
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut demo = Self { child, lines, description: PathBuf::new() };
        demo.listen_to_the_story().with_context(|| format!("what the demo said of it is in `{}`", log.display()))?;
        Ok(demo)
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Waits while the demo does nothing but stay up; an error if it ends.
    pub(crate) fn stay_up(&self, time: Duration) -> Result<()> {
        match self.lines.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Ok(line) => bail!("the demo was to say nothing more, and said `{line}`"),
            Err(RecvTimeoutError::Disconnected) => bail!("the demo ended by itself"),
        }
    }

    fn listen_to_the_story(&mut self) -> Result<()> {
        let first = self.next_line()?;
        let path = first
            .get("demo")
            .and_then(Value::as_str)
            .with_context(|| format!("expected the place of `demo.json` first, got `{first}`"))?;
        self.description = PathBuf::from(path);
        for number in 1..=STEPS {
            let step = self.next_line()?;
            println!("demo: {step}");
            if step.get("step").and_then(Value::as_u64) != Some(number) || step.get("ok") != Some(&Value::Bool(true)) {
                bail!("step {number} of the story did not hold");
            }
        }
        Ok(())
    }

    fn next_line(&self) -> Result<Value> {
        let line = self.lines.recv_timeout(LINE).context("waiting for the demo's next line")?;
        serde_json::from_str(&line).with_context(|| format!("the demo said `{line}`, which is no JSON"))
    }

    /// Asks with the signal that Ctrl-C sends; whether it ended within its time.
    fn end(&mut self) -> bool {
        let asked = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        if !asked.is_ok_and(|status| status.success()) {
            return false;
        }
        loop {
            match self.lines.recv_timeout(END) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if !self.end() {
            println!("warning: the demo did not end when asked to");
            // Fails only for a process that has ended already.
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
