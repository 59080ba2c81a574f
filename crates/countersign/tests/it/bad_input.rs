//! What is wrong is told once, clearly: what, where, why, what to do; exit code 2; nothing half done.

use crate::process::{free_port, run};
use countersign::certificates::Authority;
use countersign::config::read_serve;
use countersign::demo::{Demo, Settings};
use countersign::output::Format;
use countersign::serve;
use runtime::Clock;
use std::fs;
use std::path::Path;
use std::time::Duration;

struct Case {
    files: &'static [(&'static str, &'static str)],
    arguments: &'static str,
    says: &'static [&'static str],
}

const MINIMAL: &str = "data_dir = \"data\"\nbase_url = \"https://localhost:1\"\nlisten = [\"127.0.0.1:0\"]\n";
const CONNECTED: &str = "apply tenant --server https://localhost:1 --ca-file ca.pem --token-file token";

/// `ca.pem`, `token` and `newer.db` are in each folder.
const CASES: &[Case] = &[
    Case { files: &[], arguments: "", says: &["Usage: countersign", "demo", "serve", "--format"] },
    Case { files: &[], arguments: "logs", says: &["Usage: countersign logs", "sign-ins"] },
    Case { files: &[], arguments: "serve", says: &["--config <FILE>"] },
    Case { files: &[], arguments: "serv --config c.toml", says: &["'serve'"] },
    Case {
        files: &[],
        arguments: "serve --config none.toml",
        says: &["error: the configuration cannot be read", "at none.toml", "hint: "],
    },
    Case {
        files: &[("c.toml", "data_dri = \"data\"\nbase_url = \"https://localhost:1\"\n")],
        arguments: "serve --config c.toml",
        says: &["the file has no `data_dir`", "unknown key `data_dri`", "at c.toml:1:1", "hint: did you mean `data_dir`?"],
    },
    Case {
        files: &[("c.toml", "data_dir = \"data\"\nbase_url = \"http://localhost\"\n[signals]\nheartbeat_seconds = 0\n")],
        arguments: "serve --config c.toml",
        says: &[
            "`base_url` must be an address of the form",
            "at c.toml:2:12",
            "`heartbeat_seconds` must be from 1 to 300",
            "at c.toml:4:21",
        ],
    },
    Case { files: &[("c.toml", "data_dir = \n")], arguments: "serve --config c.toml", says: &["at c.toml:1:"] },
    Case {
        files: &[("c.toml", "data_dir = \"data\"\nbase_url = \"https://id.woodgrove.example\"\nlisten = [\"127.0.0.1:0\"]\n")],
        arguments: "serve --config c.toml",
        says: &["no certificate can be made here for `id.woodgrove.example`", "hint: give `certificate_file`"],
    },
    Case {
        files: &[(
            "c.toml",
            "data_dir = \"data\"\nbase_url = \"https://localhost:1\"\nlisten = [\"127.0.0.1:0\"]\ntls = { certificate_file = \"none.pem\", key_file = \"none.key\" }\n",
        )],
        arguments: "serve --config c.toml",
        says: &["the file cannot be read", "none.pem"],
    },
    Case {
        files: &[
            ("c.toml", MINIMAL),
            ("data/countersign.db", "this is no database, but it is long enough to be looked at as one, page by page by page"),
        ],
        arguments: "serve --config c.toml",
        says: &["the database cannot be used", "countersign.db", "hint: "],
    },
    Case {
        files: &[(
            "c.toml",
            "data_dir = \"data\"\nbase_url = \"https://localhost:1\"\nlisten = [\"127.0.0.1:0\"]\ndatabase = \"newer.db\"\n",
        )],
        arguments: "serve --config c.toml",
        says: &["schema version 999", "newer.db", "hint: a newer version of countersign wrote it"],
    },
    Case {
        files: &[("c.toml", MINIMAL), ("data/data.key", "short")],
        arguments: "serve --config c.toml",
        says: &["the key file does not hold 32 bytes", "data.key"],
    },
    Case {
        files: &[(
            "g.toml",
            "issuer = \"https://localhost:1/t/v2.0\"\nbase_url = \"https://gateway.localhost:2\"\nlisten = [\"127.0.0.1:0\"]\nclient_id = \"c\"\nclient_secret_file = \"none\"\nauthority_file = \"ca.pem\"\ntls = { certificate_file = \"ca.pem\", key_file = \"ca.key\" }\n",
        )],
        arguments: "gateway --config g.toml",
        says: &["the file cannot be read", "none"],
    },
    Case {
        files: &[],
        arguments: "apply tenant",
        says: &["no server named", "no certificate authority named", "no access token", "hint: `--token-file FILE`"],
    },
    Case { files: &[], arguments: CONNECTED, says: &["the tenant cannot be read", "at tenant"] },
    Case {
        files: &[("tenant/readme.txt", "nothing here")],
        arguments: CONNECTED,
        says: &["no object of a tenant is here", "at tenant", "hint: "],
    },
    Case {
        files: &[
            ("tenant/a.json", "{\"id\": \"x\", "),
            ("tenant/b.json", "{\"userPrincipalName\": 7}"),
            ("tenant/c.json", "{\"id\": \"g\", \"displayName\": \"G\", \"members\": []}"),
        ],
        arguments: CONNECTED,
        says: &["tenant/a.json", "tenant/b.json"],
    },
    Case {
        files: &[("tenant/g.json", "{\"id\": \"g\", \"displayName\": \"G\", \"members\": []}")],
        arguments: CONNECTED,
        says: &["the server cannot be reached", "at https://localhost:1/", "hint: "],
    },
    Case {
        files: &[],
        arguments: "logs sign-ins --since yesterday --server https://localhost:1 --ca-file ca.pem --token-file token",
        says: &["`yesterday` is neither a time nor an age", "at --since", "hint: "],
    },
    Case {
        files: &[("demo.json", "{}")],
        arguments: "logs audits --demo demo.json",
        says: &["not a demo's file", "at demo.json"],
    },
    Case {
        files: &[("data/thesis.txt", "precious")],
        arguments: "demo --exit --dir data",
        says: &["`thesis.txt`", "hint: name a new or empty folder"],
    },
    Case {
        files: &[("plain", "a file")],
        arguments: "demo --exit --dir plain/below/data",
        says: &["the folder cannot be made", "at plain/below/data", "hint: name another one with `--dir`"],
    },
    Case {
        files: &[("plain", "a file")],
        arguments: "demo --exit --dir plain",
        says: &["the folder cannot be made", "at plain", "hint: name another one with `--dir`"],
    },
    Case { files: &[], arguments: "demo --exit --port 65535", says: &["no port is left for the gateway", "at --port"] },
    Case { files: &[], arguments: "--log a=b=c demo --exit", says: &["`a=b=c` is not a log filter", "at --log"] },
];

#[test]
fn each_is_told_with_its_place_and_ends_with_2() {
    for Case { files, arguments, says } in CASES {
        let folder = tempfile::tempdir().unwrap();
        Authority::open(folder.path(), Clock::system().now()).unwrap();
        fs::write(folder.path().join("token"), "a-token").unwrap();
        fs::write(folder.path().join("newer.db"), include_bytes!("newer.db")).unwrap();
        for (name, text) in *files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let output = run(folder.path(), &arguments.split_whitespace().collect::<Vec<_>>(), "");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {errors}");
        for words in *says {
            assert!(errors.contains(words), "{arguments}: no `{words}` in: {errors}");
        }
        assert_eq!(output.stdout, b"", "{arguments}");
        for (name, text) in *files {
            assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), *text, "{arguments}");
        }
    }
}

#[test]
fn a_port_in_use_is_named_with_the_option_that_chooses_it() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = format!("data_dir = \"data\"\nbase_url = \"https://localhost:{port}\"\n");
    fs::write(folder.path().join("c.toml"), config).unwrap();
    for (arguments, option) in [
        (vec!["serve".to_owned(), "--config".to_owned(), "c.toml".to_owned()], "with `listen`"),
        (
            vec![
                "demo".to_owned(),
                "--exit".to_owned(),
                "--port".to_owned(),
                port.to_string(),
                "--dir".to_owned(),
                "d".to_owned(),
            ],
            "with `--port`",
        ),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = run(folder.path(), &arguments, "");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{errors}");
        for words in ["the port is in use by another program", &format!("127.0.0.1:{port}"), option] {
            assert!(errors.contains(words), "no `{words}` in: {errors}");
        }
    }
    assert!(!folder.path().join("data").exists(), "nothing is made before the port is ours");
}

/// Starts a server with `clock`, lets it write, and ends it.
async fn serve_once(folder: &Path, clock: &Clock) {
    let platform = serve::start(&read_serve(&folder.join("c.toml")).unwrap(), Format::Json, clock).await;
    platform.unwrap_or_else(|error| panic!("{error}")).stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumped_back_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let config = format!("data_dir = \".\"\nbase_url = \"https://localhost:{}\"\n", free_port());
    fs::write(folder.path().join("c.toml"), config).unwrap();
    let ahead = Clock::manual(Clock::system().now().plus(Duration::from_secs(3600)));
    Demo::start(folder.path(), Settings::on_port(0), &ahead).await.unwrap_or_else(|error| panic!("{error}")).stop().await;
    let output = run(folder.path(), &["serve", "--config", "c.toml"], "");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("the clock says") && errors.contains("hint: set the machine's clock right"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_key_of_another_store_or_none_at_all_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = format!("data_dir = \"data\"\nbase_url = \"https://localhost:{}\"\n", free_port());
    fs::write(folder.path().join("c.toml"), config).unwrap();
    serve_once(folder.path(), &Clock::system()).await;
    let key = folder.path().join("data/data.key");
    fs::write(&key, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
    let refused = run(folder.path(), &["serve", "--config", "c.toml"], "");
    let errors = String::from_utf8_lossy(&refused.stderr);
    assert!(
        refused.status.code() == Some(2) && errors.contains("it is another store's key") && errors.contains("data.key"),
        "{errors}"
    );
    fs::remove_file(&key).unwrap();
    let refused = run(folder.path(), &["serve", "--config", "c.toml"], "");
    let errors = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && errors.contains("the key file does not exist"), "{errors}");
    assert!(!key.exists());
}
