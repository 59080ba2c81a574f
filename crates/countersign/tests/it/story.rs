//! `countersign demo --exit --format json`: every step holds, and what is printed and written has the shape that
//! programs rely on.

use crate::process::{json_lines, run};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;

#[test]
fn every_step_holds_and_says_what_it_saw() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["demo", "--exit", "--port", "0", "--dir", "data", "--format", "json"], "");
    let errors = String::from_utf8_lossy(&output.stderr);
    let lines = json_lines(&output);
    let file = lines[0]["demo"].as_str().unwrap_or_else(|| panic!("{lines:?} {errors}"));
    let steps = &lines[1..];
    for (index, step) in steps.iter().enumerate() {
        assert_eq!(step["step"], index + 1);
        assert_eq!(step["ok"], true, "{step} {errors}");
        assert!(step["ms"].as_f64().is_some_and(|ms| ms > 0.0), "{step}");
        assert!(step["observed"].as_str().is_some_and(|text| !text.is_empty()) && step["name"].is_string(), "{step}");
        let cut = step["cut"].as_object();
        assert_eq!(cut.is_some(), index == 5);
        for name in ["webSocket", "eventStream", "download"] {
            assert!(cut.is_none_or(|cut| cut[name].as_f64().is_some_and(|ms| ms > 0.0 && ms < 1000.0)), "{step}");
        }
    }
    assert_eq!(steps.len(), 7, "{errors}");
    assert_eq!(output.status.code(), Some(0), "{errors}");
    for (step, words) in [(0, "CA001"), (2, "CA003"), (3, "CA002"), (4, "CA004")] {
        assert!(steps[step]["observed"].as_str().unwrap().contains(words), "{}", steps[step]);
    }

    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    let document: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    for name in [
        "issuer",
        "tenant",
        "domain",
        "caFile",
        "controlPlane",
        "gateway",
        "graph",
        "administratorToken",
        "administratorTokenExpires",
    ] {
        assert!(document[name].as_str().is_some_and(|text| !text.is_empty()), "{name}");
    }
    let accounts = document["accounts"].as_array().unwrap();
    assert_eq!(accounts.len(), 6);
    for account in accounts {
        for name in ["userPrincipalName", "displayName", "id", "password", "purpose"] {
            assert!(account[name].is_string(), "{name}");
        }
    }
    let confidential =
        document["applications"].as_array().unwrap().iter().filter(|application| application["clientSecret"].is_string());
    assert_eq!(confidential.count(), 3);
}

#[test]
fn a_folder_that_a_demo_used_serves_again_with_the_same_authority() {
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("data/ca.pem");
    let mut seen = Vec::new();
    for _ in 0..2 {
        let output = run(folder.path(), &["demo", "--exit", "--port", "0", "--dir", "data"], "");
        assert_eq!(
            output.status.code(),
            Some(0),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.matches('✓').count(), 7, "{text}");
        assert!(
            text.contains("alex@woodgrove.example") && text.contains("ca.pem") && text.contains("https://payroll.localhost:"),
            "{text}"
        );
        seen.push(std::fs::read(&authority).unwrap());
    }
    assert_eq!(seen[0], seen[1]);
}
