//! The table in `ARCHITECTURE.md` against `cargo metadata`. The table is the rule: it is read here, not repeated.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::LazyLock;

use super::{files, read, root};

/// What no pure crate may reach, by whatever way: something that runs tasks, speaks HTTP or TLS, or drives a database.
const IMPURE: &[&str] = &[
    "async-std",
    "axum",
    "h2",
    "http",
    "hyper",
    "hyper-util",
    "libsqlite3-sys",
    "mio",
    "native-tls",
    "openssl",
    "postgres",
    "quinn",
    "reqwest",
    "rusqlite",
    "rustls",
    "smol",
    "socket2",
    "sqlx",
    "sqlx-core",
    "tokio",
    "tokio-postgres",
    "tower",
    "ureq",
];

/// Sources of time and randomness, which no pure crate may depend on directly.
const AMBIENT: &[&str] =
    &["chrono", "fastrand", "getrandom", "jiff", "jsonwebtoken", "quanta", "rand", "rand_core", "ulid", "webauthn-rs"];

/// Calls by which a pure crate would reach the world around it.
const AMBIENT_CALLS: &[&str] = &[
    "now_utc",
    "now_local",
    "SystemTime",
    "Instant",
    "rand::",
    "getrandom",
    "new_v4",
    "now_v7",
    "std::env",
    "env::var",
    "std::fs",
    "std::io",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "std::process",
    "std::thread",
];

#[test]
fn each_crate_uses_what_the_table_says_and_nothing_else() {
    let (table, graph) = (Table::read(), Graph::once());
    assert_eq!(graph.ours, table.rows.keys().cloned().collect(), "crates of the workspace, and crates of the table");
    for (name, row) in &table.rows {
        assert_eq!(graph.our_dependencies(name), row.uses, "what `{name}` uses of ours, and what the table says it may");
    }
}

#[test]
fn tests_reach_no_further_than_the_crates_they_test() {
    let (table, graph) = (Table::read(), Graph::once());
    for (name, row) in &table.rows {
        let mut may = graph.closure(name);
        if row.kind != "pure" {
            may.insert("testkit".to_owned());
            may.extend(graph.closure("testkit"));
        }
        let beyond: Vec<_> = graph.our_test_dependencies(name).into_iter().filter(|other| !may.contains(other)).collect();
        assert!(beyond.is_empty(), "tests of `{name}` use {beyond:?}");
    }
}

#[test]
fn pure_crates_reach_no_runtime_no_network_and_no_database() {
    let (table, graph) = (Table::read(), Graph::once());
    for name in table.pure() {
        let reached: Vec<_> = graph.closure(&name).into_iter().filter(|other| IMPURE.contains(&other.as_str())).collect();
        assert!(reached.is_empty(), "`{name}` reaches {reached:?}");
        let ambient: Vec<_> = graph.dependencies(&name).into_iter().filter(|other| AMBIENT.contains(&other.as_str())).collect();
        assert!(ambient.is_empty(), "`{name}` depends on {ambient:?}");
    }
    // The check can see what it looks for.
    assert!(graph.closure("gateway").contains("tokio"));
    assert!(graph.closure("store").contains("libsqlite3-sys"));
}

#[test]
fn pure_crates_ask_neither_clock_nor_chance_nor_environment() {
    for name in Table::read().pure() {
        let sources = files(&format!("crates/{name}/src"), ".rs");
        assert!(!sources.is_empty(), "`{name}` has no sources");
        for path in sources {
            for (index, line) in read(&path).lines().enumerate() {
                let code = line.split("//").next().unwrap_or(line);
                let found = AMBIENT_CALLS.iter().find(|call| code.contains(**call));
                assert_eq!(found, None, "{}:{}: {line}", path.display(), index + 1);
            }
        }
    }
}

#[test]
fn pure_crates_match_their_enums_without_wildcards() {
    for name in Table::read().pure() {
        let path = format!("crates/{name}/src/lib.rs");
        let denied =
            read(&path).lines().any(|line| line.starts_with("#![deny(") && line.contains("clippy::wildcard_enum_match_arm"));
        assert!(denied, "{path} does not deny `clippy::wildcard_enum_match_arm`");
    }
}

#[test]
fn the_gateway_can_neither_decide_nor_read_the_store() {
    let reached = Graph::once().closure("gateway");
    for other in ["policy", "store", "control-plane"] {
        assert!(!reached.contains(other), "the gateway reaches `{other}`");
    }
}

#[test]
fn only_the_store_knows_a_database() {
    let graph = Graph::once();
    for name in &graph.ours {
        let drivers: Vec<_> =
            graph.dependencies(name).into_iter().filter(|other| other.contains("sql") || other.contains("postgres")).collect();
        assert_eq!(drivers.is_empty(), name != "store", "`{name}` depends on {drivers:?}");
    }
}

/// The table of crates in `ARCHITECTURE.md`.
#[derive(Debug)]
struct Table {
    rows: BTreeMap<String, Row>,
}

#[derive(Debug)]
struct Row {
    kind: String,
    uses: BTreeSet<String>,
}

impl Table {
    fn read() -> Self {
        let text = read("ARCHITECTURE.md");
        let lines = text.lines().skip_while(|line| !line.starts_with("| crate | kind |")).skip(2);
        let rows = lines.take_while(|line| line.starts_with('|')).map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [name, kind, _, uses] = cells[..] else { panic!("a row of the table has four cells: {line}") };
            let uses = uses.split(',').map(|name| name.trim().trim_matches('`').to_owned()).filter(|name| name != "–").collect();
            (name.trim_matches('`').to_owned(), Row { kind: kind.to_owned(), uses })
        });
        let rows: BTreeMap<_, _> = rows.collect();
        assert!(!rows.is_empty(), "ARCHITECTURE.md has no table of crates");
        Self { rows }
    }

    fn pure(&self) -> Vec<String> {
        let pure: Vec<_> = self.rows.iter().filter(|(_, row)| row.kind == "pure").map(|(name, _)| name.clone()).collect();
        assert!(!pure.is_empty(), "the table names no pure crate");
        pure
    }
}

/// Packages by name, as cargo resolved them for this machine. Two versions of one package count as one.
#[derive(Debug)]
struct Graph {
    /// The crates under `crates/`.
    ours: BTreeSet<String>,
    normal: BTreeMap<String, BTreeSet<String>>,
    tests: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// Cargo is asked once for all tests.
    fn once() -> &'static Self {
        static GRAPH: LazyLock<Graph> = LazyLock::new(Graph::read);
        &GRAPH
    }

    fn read() -> Self {
        let metadata = metadata();
        let names: BTreeMap<&str, &str> =
            list(&metadata["packages"]).iter().map(|package| (text(&package["id"]), text(&package["name"]))).collect();
        let ours = list(&metadata["packages"])
            .iter()
            .filter(|package| text(&package["manifest_path"]).starts_with(&*root().join("crates").to_string_lossy()))
            .map(|package| text(&package["name"]).to_owned())
            .collect();
        let (mut normal, mut tests) = (BTreeMap::<_, BTreeSet<_>>::new(), BTreeMap::<_, BTreeSet<_>>::new());
        for node in list(&metadata["resolve"]["nodes"]) {
            let from = names[text(&node["id"])].to_owned();
            for dependency in list(&node["deps"]) {
                let to = names[text(&dependency["pkg"])];
                for kind in list(&dependency["dep_kinds"]) {
                    let edges = if kind["kind"] == "dev" { &mut tests } else { &mut normal };
                    edges.entry(from.clone()).or_default().insert(to.to_owned());
                }
            }
        }
        Self { ours, normal, tests }
    }

    fn dependencies(&self, name: &str) -> BTreeSet<String> {
        self.normal.get(name).cloned().unwrap_or_default()
    }

    fn our_dependencies(&self, name: &str) -> BTreeSet<String> {
        self.dependencies(name).intersection(&self.ours).cloned().collect()
    }

    fn our_test_dependencies(&self, name: &str) -> BTreeSet<String> {
        self.tests.get(name).cloned().unwrap_or_default().intersection(&self.ours).cloned().collect()
    }

    /// Everything that `name` is built from, itself included.
    fn closure(&self, name: &str) -> BTreeSet<String> {
        let mut reached = BTreeSet::from([name.to_owned()]);
        let mut waiting = vec![name.to_owned()];
        while let Some(name) = waiting.pop() {
            waiting.extend(self.dependencies(&name).into_iter().filter(|other| reached.insert(other.clone())));
        }
        reached
    }
}

fn metadata() -> Value {
    let host = run(Command::new(env!("CARGO")).arg("-vV"));
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).expect("cargo names its host");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["metadata", "--format-version", "1", "--locked", "--filter-platform", host]);
    serde_json::from_str(&run(&mut cargo)).expect("cargo metadata prints JSON")
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}
