//! The commands against a running server: what scripts read.

use crate::process::{countersign, finish, json_lines, run};
use crate::site::Site;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

fn demo_file(site: &Site) -> String {
    site.demo.file.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_plans_applies_and_then_finds_nothing_to_do() {
    let (site, folder) = (Site::start().await, tempfile::tempdir().unwrap());
    let id = runtime::random::guid();
    let user = json!({"id": id, "userPrincipalName": "zoe@woodgrove.example", "displayName": "Zoe", "accountEnabled": true});
    fs::create_dir(folder.path().join("users")).unwrap();
    fs::write(folder.path().join("users/zoe.json"), user.to_string()).unwrap();
    let demo = demo_file(&site);
    let apply = |more: &[&str]| {
        let mut arguments = vec!["apply", ".", "--demo", &demo, "--format", "json"];
        arguments.extend(more);
        let output = run(folder.path(), &arguments, "");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        json_lines(&output).remove(0)
    };
    let change = |action: &str| json!([{"kind": "user", "id": id, "displayName": "zoe@woodgrove.example", "action": action}]);
    let planned = apply(&["--plan"]);
    assert_eq!(planned["changes"], change("create"));
    let applied = apply(&[]);
    assert_eq!(applied["changes"], change("create"));
    assert_eq!(applied["problems"], json!([]));
    let again = apply(&[]);
    assert_eq!(again["changes"], change("unchanged"));
    assert_eq!(again["revision"], applied["revision"]);
    site.demo.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_does_not_hold_together_is_refused_whole() {
    let (site, folder) = (Site::start().await, tempfile::tempdir().unwrap());
    let good = runtime::random::guid();
    let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
    write(
        "a.json",
        json!({"id": good, "userPrincipalName": "yan@woodgrove.example", "displayName": "Yan", "accountEnabled": true})
            .to_string(),
    );
    write("b.json", json!([{"id": runtime::random::guid(), "displayName": "Team", "securityEnabled": true, "members": [{"id": runtime::random::guid()}]}]).to_string());
    let output = run(folder.path(), &["apply", ".", "--demo", &demo_file(&site)], "");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("b.json, $[0], $.members[0]"), "{errors}");

    write("b.json", "{\"id\": ".to_owned());
    let output = run(folder.path(), &["apply", ".", "--demo", &demo_file(&site)], "");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("b.json"), "{errors}");
    let half = site.graph().get(&format!("/v1.0/users/{good}")).await.unwrap();
    assert_eq!(half.unwrap_err().status, 404);
    site.demo.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_logs_are_read_filtered_and_printed_as_asked() {
    let (site, folder) = (Site::start().await, tempfile::tempdir().unwrap());
    let mut alex = site.person("alex");
    alex.go(site.url("Payroll", "").as_str(), "totp").await.unwrap();
    site.enter(&mut site.person("emergency"), "Payroll").await;
    let demo = demo_file(&site);
    let logs = |more: &[&str]| {
        let mut arguments = vec!["logs"];
        arguments.extend(more);
        arguments.extend(["--demo", demo.as_str()]);
        let output = run(folder.path(), &arguments, "");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        output
    };
    let failures =
        json_lines(&logs(&["sign-ins", "--user", "alex@woodgrove.example", "--status", "failure", "--format", "json"]));
    assert!(!failures.is_empty());
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/tenant/conditionalAccess/policies");
    let policies_of_the_tenant = fs::read_dir(policies).unwrap().count();
    for failure in &failures {
        assert_eq!(failure["userPrincipalName"], "alex@woodgrove.example");
        assert_ne!(failure["status"]["errorCode"], 0);
        assert!(
            failure["appliedConditionalAccessPolicies"]
                .as_array()
                .is_some_and(|policies| policies.len() == policies_of_the_tenant),
            "{failure}"
        );
    }
    let successes = json_lines(&logs(&[
        "sign-ins",
        "--status",
        "success",
        "--user",
        "emergency@woodgrove.example",
        "--limit",
        "1",
        "--format",
        "json",
    ]));
    assert_eq!(successes.len(), 1);
    assert_eq!(json_lines(&logs(&["sign-ins", "--user", "nobody@woodgrove.example", "--format", "json"])), Vec::<Value>::new());
    let table = String::from_utf8(logs(&["sign-ins", "--since", "1h", "--format", "table"]).stdout).unwrap();
    assert!(table.starts_with("TIME") && table.contains("Payroll") && table.contains("CA001"), "{table}");
    let audits = json_lines(&logs(&["audits", "--limit", "100", "--format", "json"]));
    assert!(audits.iter().all(|audit| audit["activityDisplayName"].is_string() && audit["result"] == "success"), "{audits:?}");
    assert!(!audits.is_empty());
    site.demo.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_comes_from_a_file_from_input_or_from_the_environment() {
    let (site, folder) = (Site::start().await, tempfile::tempdir().unwrap());
    let token = site.document["administratorToken"].as_str().unwrap();
    let (server, authority) = (site.document["controlPlane"].as_str().unwrap(), site.document["caFile"].as_str().unwrap());
    fs::write(folder.path().join("token"), format!("{token}\n")).unwrap();
    let base = ["logs", "audits", "--server", server, "--ca-file", authority, "--limit", "1"];
    let with = |from: &'static str| [base.as_slice(), &["--token-file", from]].concat();
    assert_eq!(run(folder.path(), &with("token"), "").status.code(), Some(0));
    assert_eq!(run(folder.path(), &with("-"), token).status.code(), Some(0));
    let mut command = countersign();
    let in_environment = finish(command.current_dir(folder.path()).args(base).env("COUNTERSIGN_TOKEN", token), "");
    assert_eq!(in_environment.status.code(), Some(0));
    let wrong = run(folder.path(), &with("-"), "eyJhbGciOiJub25lIn0.e30.");
    let errors = String::from_utf8_lossy(&wrong.stderr);
    assert_eq!(wrong.status.code(), Some(2), "{errors}");
    assert!(errors.contains("401") && errors.contains("hint: the access token"), "{errors}");
    assert!(!errors.contains("eyJ"), "{errors}");
    assert!(Path::new(authority).exists());
    site.demo.stop().await;
}
