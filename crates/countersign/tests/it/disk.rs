//! A full disk (the database's page limit stands in for it): the change that does not fit is refused whole, what was
//! there is there, and the server goes on answering.

use crate::kill::{Served, data_folder};
use crate::process::run;
use http::Method;
use serde_json::{Value, json};

/// Together more than the database may hold.
const USERS: usize = 3000;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_the_change_and_nothing_else() {
    let served = Served::start("database_limit_megabytes = 1\n").await;
    let graph = served.administrator().await;
    let padding = "x".repeat(400);
    let users: Vec<Value> = (0..USERS)
        .map(|number| {
            let id = runtime::random::guid();
            json!({"id": id, "userPrincipalName": format!("u{number}@woodgrove.example"), "displayName": padding, "accountEnabled": true})
        })
        .collect();
    let folder = data_folder(&served);
    std::fs::write(folder.join("users.json"), Value::from(users.clone()).to_string()).unwrap();
    let token = served.tokens("ada", "openid https://graph.microsoft.com/Directory.ReadWrite.All").await.access_token;
    let base = served.base.clone();
    let arguments = ["apply", "users.json", "--server", &base, "--ca-file", "data/ca.pem", "--token-file", "-"];
    let output = run(folder, &arguments, &token);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("disk is full; nothing was changed") && errors.contains("507"), "{errors}");

    let first = users[0]["id"].as_str().unwrap();
    assert_eq!(graph.get(&format!("/v1.0/users/{first}")).await.unwrap().unwrap_err().status, 404);
    let all = graph.get("/v1.0/users").await.unwrap().unwrap();
    assert_eq!(all["value"].as_array().unwrap().len(), 1, "nothing half applied");
    // What fits is still done.
    let id = all["value"][0]["id"].as_str().unwrap();
    let change = json!({"displayName": "Ada Okafor"});
    graph.send(Method::PATCH, &format!("/v1.0/users/{id}"), Some(&change)).await.unwrap().unwrap();
}
