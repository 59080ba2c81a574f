//! A process that is killed at any moment loses nothing that it acknowledged, and leaves nothing half-done.
//!
//! The process is this test binary again: `the_process_to_kill` goes on for ever when it is told a database.

use crate::fixture::{NOW, Place, audit, group, raw};
use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use store::audit::AuditQuery;
use store::{Store, StoreError, StoreOptions, audit as audits, object, outbox};

const DATABASE: &str = "STORE_KILL_TEST_DATABASE";
const MARK: &str = "acknowledged ";
const ROUNDS: u64 = 8;

#[tokio::test]
async fn nothing_acknowledged_is_lost_and_nothing_is_half_done() {
    let place = Place::new();
    let mut acknowledged = BTreeSet::new();
    for round in 0..ROUNDS {
        let before = acknowledged.len();
        let lines = usize::try_from(RandomState::new().hash_one(round) % 120).unwrap() + 1;
        acknowledged.extend(run_and_kill(&place.path(), lines));
        assert!(acknowledged.len() >= before + lines, "each round goes on where the last one was killed");

        let store = Store::open(&place.path(), StoreOptions::default()).await.unwrap();
        let found = read_back(&store).await;
        let lost: Vec<_> = acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "lost {lost:?} of {} in round {round}", acknowledged.len());
        store.close().await;
        let (verdict,): (String,) =
            sqlx::query_as("PRAGMA integrity_check").fetch_one(&mut raw(&place.path()).await).await.unwrap();
        assert_eq!(verdict, "ok");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_to_kill() {
    let Some(path) = std::env::var_os(DATABASE) else {
        let place = Place::new();
        let store = place.open().await;
        for _ in 0..5 {
            commit_one(&store).await.unwrap();
        }
        assert_eq!(read_back(&store).await, (1..=5).collect());
        return;
    };
    let store = Store::open(Path::new(&path), StoreOptions::default()).await.unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        writers.spawn(acknowledge_for_ever(store.clone()));
    }
    // Only a failure ends this process by itself, and the other test sees that it did.
    writers.join_all().await;
}

async fn acknowledge_for_ever(store: Store) -> std::convert::Infallible {
    loop {
        let sequence = commit_one(&store).await.unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n{MARK}{sequence}.").unwrap();
        out.flush().unwrap();
    }
}

/// An object, its audit record and its event, under the event's number.
async fn commit_one(store: &Store) -> Result<i64, StoreError> {
    let mut tx = store.begin().await?;
    let id = outbox::last_sequence_in(&mut tx).await? + 1;
    object::put(&mut tx, &group(&id.to_string()), NOW).await?;
    audits::append(&mut tx, &audit(&id.to_string(), 0, "Add group", "GroupManagement", &[&id.to_string()])).await?;
    let sequence = outbox::append(&mut tx, &id.to_string(), "{}", NOW).await?;
    tx.commit().await?;
    Ok(sequence)
}

/// The numbers that are there, each with all its parts and without a gap.
async fn read_back(store: &Store) -> BTreeSet<i64> {
    let events = outbox::after(store, 0, u32::MAX).await.unwrap();
    let numbers: Vec<i64> = events.iter().map(|event| event.sequence).collect();
    let last = outbox::last_sequence(store).await.unwrap();
    assert_eq!(numbers, (1..=last).collect::<Vec<_>>());
    let numbers: BTreeSet<i64> = numbers.into_iter().collect();

    let objects = object::all(store).await.unwrap();
    assert_eq!(objects.iter().map(|object| object.id.parse().unwrap()).collect::<BTreeSet<i64>>(), numbers);
    let mut audited = BTreeSet::new();
    let mut query = AuditQuery { limit: 1000, ..AuditQuery::default() };
    loop {
        let page = audits::list(store, &query).await.unwrap();
        let Some(oldest) = page.last() else { break };
        query.before_sequence = Some(oldest.sequence);
        audited.extend(page.iter().map(|recorded| recorded.audit.id.parse::<i64>().unwrap()));
    }
    assert_eq!(audited, numbers);
    numbers
}

/// Kills the process after it has acknowledged so many, wherever it is then; everything it had acknowledged.
fn run_and_kill(path: &Path, lines: usize) -> Vec<i64> {
    let mut child = start(path);
    let mut acknowledged = Vec::new();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).unwrap() == 0 {
            break;
        }
        // A line that the kill cut short has no full stop, and tells nothing.
        if let Some(number) = line.strip_prefix(MARK).and_then(|rest| rest.strip_suffix(".\n")) {
            acknowledged.push(number.parse().unwrap());
        }
        if acknowledged.len() == lines {
            // SIGKILL. What it acknowledged meanwhile is still in the pipe.
            child.kill().unwrap();
        }
    }
    let status = child.wait().unwrap();
    assert!(status.code().is_none(), "it was killed, and did not end by itself: {status}");
    acknowledged
}

fn start(path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::the_process_to_kill", "--nocapture", "--test-threads=1"])
        .env(DATABASE, path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}
