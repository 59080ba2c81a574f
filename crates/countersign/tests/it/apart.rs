//! `serve` and `gateway` as two processes, as they stand on two machines, with an application behind them.

use crate::kill::Served;
use crate::process::{Server, free_port, run};
use crate::site::PATIENCE;
use countersign::certificates::Authority;
use countersign::sample::{Kind, Sample, SampleConfig};
use runtime::Clock;
use runtime::client::Client;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tokio_util::sync::CancellationToken;
use url::Url;

const SECRET: &str = "a-client-secret-of-many-letters-0123456789";

fn example(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/tenant/applications");
    let all = fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
    let mut objects = all.map(|bytes| serde_json::from_slice::<Value>(&bytes).unwrap());
    objects.find(|object| object["displayName"] == name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_on_its_own_serves_what_the_control_plane_publishes() {
    let (served, clock, port) = (Served::start("").await, Clock::system(), free_port());
    let folder = served.folder.path();
    let sample = Sample::bind().await.unwrap();

    let (mut payroll, mut gateway) = (example("Payroll"), example("Countersign Gateway"));
    let external = format!("https://payroll.localhost:{port}/");
    payroll["onPremisesPublishing"]["externalUrl"] = json!(external);
    payroll["onPremisesPublishing"]["internalUrl"] = json!(sample.internal_url.as_str());
    gateway["web"]["redirectUris"] = json!([format!("{external}.auth/callback")]);
    gateway["passwordCredentials"] = json!([{"keyId": runtime::random::guid(), "displayName": "test", "secretText": SECRET}]);
    let needed = gateway["requiredResourceAccess"].as_array_mut().unwrap();
    needed.retain(|needed| {
        needed["resourceAppId"] == payroll["appId"] || needed["resourceAppId"] == model::application::well_known::MICROSOFT_GRAPH
    });
    fs::write(folder.join("applications.json"), json!([payroll, gateway]).to_string()).unwrap();
    let token = served.tokens("ada", "openid https://graph.microsoft.com/Directory.ReadWrite.All").await.access_token;
    let arguments = ["apply", "applications.json", "--server", &served.base, "--ca-file", "data/ca.pem", "--token-file", "-"];
    let applied = run(folder, &arguments, &token);
    assert_eq!(applied.status.code(), Some(0), "{}", String::from_utf8_lossy(&applied.stderr));

    let authority = Authority::open(&folder.join("data"), clock.now()).unwrap();
    let names = ["gateway.localhost".to_owned(), "payroll.localhost".to_owned()];
    let certificate = authority.issue(&names, clock.now()).unwrap();
    fs::write(folder.join("gateway.pem"), certificate.chain_pem).unwrap();
    fs::write(folder.join("gateway.key"), certificate.key_pem).unwrap();
    fs::write(folder.join("secret"), SECRET).unwrap();
    let issuer = served.issuer().await;
    let client_id = gateway["appId"].as_str().unwrap();
    let config = format!(
        "issuer = \"{issuer}\"\nbase_url = \"https://gateway.localhost:{port}\"\nclient_id = \"{client_id}\"\n\
         client_secret_file = \"secret\"\nauthority_file = \"data/ca.pem\"\n\
         tls = {{ certificate_file = \"gateway.pem\", key_file = \"gateway.key\" }}\n"
    );
    fs::write(folder.join("g.toml"), config).unwrap();
    let process = Server::start_part("gateway", folder, "g.toml");
    assert_eq!(process.told, json!({"part": "gateway", "address": format!("https://gateway.localhost:{port}")}));

    let shutdown = CancellationToken::new();
    let config = SampleConfig {
        kind: Kind::Payroll,
        display_name: "Payroll".to_owned(),
        app_id: payroll["appId"].as_str().unwrap().to_owned(),
        external_url: Url::parse(&external).unwrap(),
        gateway_url: Url::parse(&format!("https://gateway.localhost:{port}/")).unwrap(),
        legacy_accounts: Vec::new(),
    };
    let client = Client::new(Some(&served.pem)).unwrap();
    let application = tokio::spawn(sample.serve(config, client, clock, shutdown.clone()));
    let mut ada = served.person("ada");
    // Until it has heard from the control plane the gateway admits nobody, and says so.
    let admitted = async {
        loop {
            let page = ada.browser.open(&external).await.unwrap();
            if page.status != 503 {
                break page;
            }
            tokio::task::yield_now().await;
        }
    };
    let page = tokio::time::timeout(PATIENCE, admitted).await.unwrap();
    let page = ada.answer(page, "").await.unwrap();
    assert_eq!(
        (page.kind.as_str(), page.element("user-principal-name")),
        ("application", Some("ada@woodgrove.example")),
        "{}",
        page.text
    );
    shutdown.cancel();
    application.await.unwrap();
}
