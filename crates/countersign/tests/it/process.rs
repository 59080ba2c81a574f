//! The binary as a process: run to its end, or served from and killed.

use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

/// More than the slowest command here needs on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) fn countersign() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.env_remove("COUNTERSIGN_TOKEN").stdin(Stdio::null());
    command
}

/// Runs to the end, with `folder` as the current one. `input` on standard input.
pub(crate) fn run(folder: &Path, arguments: &[&str], input: &str) -> Output {
    finish(countersign().current_dir(folder).args(arguments), input)
}

pub(crate) fn finish(command: &mut Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _bound = kill_in_time(child.id());
    // A command that does not read its input ends without it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

pub(crate) fn json_lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// A process that takes longer is killed, so that whoever waits for it goes on: unless what is returned is dropped before.
fn kill_in_time(id: u32) -> Sender<()> {
    let (ended, waiting) = mpsc::channel();
    thread::spawn(move || {
        if waiting.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").args(["-KILL", &id.to_string()]).status();
        }
    });
    ended
}

/// A server that is killed (SIGKILL), never asked to end.
pub(crate) struct Server {
    child: Child,
    /// What it printed first: its address, and a setup code on an empty store.
    pub(crate) told: Value,
}

impl Server {
    pub(crate) fn start(folder: &Path, config: &str) -> Self {
        Self::start_part("serve", folder, config)
    }

    /// `serve` or `gateway`.
    pub(crate) fn start_part(part: &str, folder: &Path, config: &str) -> Self {
        let mut command = countersign();
        command.current_dir(folder).args([part, "--format", "json", "--config", config]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let _bound = kill_in_time(child.id());
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: `{line}`"));
        Self { child, told }
    }

    /// Asks it to end, as a service manager does. Its exit code.
    pub(crate) fn terminate(&mut self) -> Option<i32> {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(asked.success());
        let _bound = kill_in_time(self.child.id());
        self.child.wait().unwrap().code()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago, for servers whose address must outlive them.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}
