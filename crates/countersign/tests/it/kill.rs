//! Kill the server at any moment: whatever it acknowledged is there when it is back.

use crate::process::{Server, free_port};
use countersign::graph::Graph;
use countersign::oauth_client::{OauthClient, OauthError, Tokens};
use http::Method;
use runtime::Clock;
use runtime::client::Client;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;
use testkit::{Browser, Person, person};
use tokio::sync::Notify;
use url::Url;

/// The command line's client, which every tenant has.
const COMMAND_LINE: &str = "48018f5e-1863-41da-abca-5daa475d779c";
const PASSWORD: &str = "a-Password-nobody-guesses-7";
const ROUNDS: u64 = 5;
const WRITERS: usize = 3;

/// A server in a process of its own, with a tenant of one administrator.
pub(crate) struct Served {
    pub(crate) folder: TempDir,
    pub(crate) base: String,
    pub(crate) pem: Vec<u8>,
    pub(crate) server: Server,
    client: Client,
    clock: Clock,
}

impl Served {
    pub(crate) async fn start(more: &str) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let config = format!("data_dir = \"data\"\nbase_url = \"https://localhost:{port}\"\n{more}");
        std::fs::write(folder.path().join("c.toml"), config).unwrap();
        let server = Server::start(folder.path(), "c.toml");
        let pem = std::fs::read(folder.path().join("data/ca.pem")).unwrap();
        let client = Client::new(Some(&pem)).unwrap();
        let served = Self { base: format!("https://localhost:{port}"), server, client, pem, folder, clock: Clock::system() };
        served.set_up().await;
        served
    }

    /// The first administrator, by the one-time code.
    async fn set_up(&self) {
        let mut browser = Browser::new(self.client.clone(), self.clock.clone());
        let setup = &self.server.told["setup"];
        let page = browser.open(setup["address"].as_str().unwrap()).await.unwrap();
        let fields = [
            ("code", setup["code"].as_str().unwrap()),
            ("organization", "Woodgrove"),
            ("domain", "woodgrove.example"),
            ("display_name", "Ada"),
            ("username", "ada@woodgrove.example"),
            ("password", PASSWORD),
        ];
        let page = browser.submit(&page, "/setup", &fields).await.unwrap();
        assert_eq!(page.status, 201, "{}", page.text);
    }

    pub(crate) fn person(&self, name: &str) -> Person {
        let account = person::Account {
            user_principal_name: format!("{name}@woodgrove.example"),
            password: PASSWORD.to_owned(),
            totp_secret: None,
        };
        Person::new(account, self.client.clone(), &self.clock)
    }

    /// As the discovery document says it: with the tenant's id.
    pub(crate) async fn issuer(&self) -> String {
        let address = format!("{}/woodgrove.example/v2.0/.well-known/openid-configuration", self.base);
        let answer = self.client.send(http::Request::get(address).body(bytes::Bytes::new()).unwrap()).await.unwrap();
        serde_json::from_slice::<Value>(answer.body()).unwrap()["issuer"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn tokens(&self, name: &str, scope: &str) -> Tokens {
        let mut person = self.person(name);
        let oauth = self.oauth();
        person.browser.stop_at(&oauth.redirect_uri);
        let authorization = oauth.authorize(scope);
        let landed = person.go(&authorization.address, "").await.unwrap();
        oauth
            .redeem(&self.client, &authorization, &landed)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error} {}", landed.text))
    }

    pub(crate) async fn administrator(&self) -> Graph {
        let names = ["Directory.ReadWrite.All", "User.ReadWrite.All", "AuditLog.Read.All"];
        let scope = names.map(|name| format!("https://graph.microsoft.com/{name}")).join(" ");
        let tokens = self.tokens("ada", &format!("openid {scope}")).await;
        Graph::new(Url::parse(&self.base).unwrap(), &self.pem, SecretString::from(tokens.access_token)).unwrap()
    }

    fn oauth(&self) -> OauthClient {
        OauthClient {
            tenant_address: format!("{}/woodgrove.example", self.base),
            client_id: COMMAND_LINE.to_owned(),
            client_secret: None,
            redirect_uri: "http://localhost".to_owned(),
        }
    }

    fn restart(&mut self) {
        self.server = Server::start(self.folder.path(), "c.toml");
    }
}

/// What the server said it had done.
#[derive(Default)]
struct Acknowledged {
    created: Vec<String>,
    disabled: Vec<String>,
    revoked: Vec<Tokens>,
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost() {
    let mut served = Served::start("").await;
    let graph = served.administrator().await;
    let mut all = Acknowledged::default();
    for round in 0..ROUNDS {
        let victim = create(&graph, &format!("victim{round}")).await.unwrap();
        all.created.push(victim.clone());
        let scope = "openid offline_access https://graph.microsoft.com/User.Read";
        let tokens = served.tokens(&format!("victim{round}"), scope).await;
        let tokens = served.oauth().refresh(&served.client, tokens.refresh_token.as_deref().unwrap()).await.unwrap();

        // The kill comes when so many changes were acknowledged, with others under way.
        let [random] = runtime::random::bytes::<1>();
        let (count, enough) = (Arc::new(AtomicU64::new(0)), Arc::new(Notify::new()));
        let limit = 1 + u64::from(random % 12);
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            let (graph, count, enough, victim) = (graph.clone(), count.clone(), enough.clone(), victim.clone());
            writers.spawn(async move {
                let acknowledge = || {
                    if count.fetch_add(1, Ordering::SeqCst) + 1 >= limit {
                        enough.notify_one();
                    }
                };
                let mut acknowledged = Acknowledged::default();
                let mut revoked = false;
                if writer == 0 {
                    let path = format!("/v1.0/users/{victim}/revokeSignInSessions");
                    revoked = matches!(graph.send(Method::POST, &path, None).await, Ok(Ok(_)));
                    acknowledge();
                }
                for number in 0.. {
                    let Some(id) = create(&graph, &format!("r{round}w{writer}n{number}")).await else { break };
                    acknowledged.created.push(id.clone());
                    acknowledge();
                    let change = json!({"accountEnabled": false});
                    let Ok(Ok(_)) = graph.send(Method::PATCH, &format!("/v1.0/users/{id}"), Some(&change)).await else { break };
                    acknowledged.disabled.push(id);
                    acknowledge();
                }
                (acknowledged, revoked)
            });
        }
        enough.notified().await;
        served.server.kill();
        let mut was_revoked = false;
        while let Some(ended) = writers.join_next().await {
            let (acknowledged, revoked) = ended.unwrap();
            all.created.extend(acknowledged.created);
            all.disabled.extend(acknowledged.disabled);
            was_revoked |= revoked;
        }
        if was_revoked {
            all.revoked.push(tokens);
        }
        served.restart();
        check(&served, &graph, &all).await;
    }
    assert!(all.created.len() > usize::try_from(ROUNDS).unwrap() && !all.disabled.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_end_it_ends_gracefully_and_comes_back() {
    let mut served = Served::start("").await;
    let graph = served.administrator().await;
    let id = create(&graph, "lena").await.unwrap();
    assert_eq!(served.server.terminate(), Some(0));
    served.restart();
    assert_eq!(served.server.told["setup"], Value::Null, "the tenant is made");
    assert_eq!(graph.get(&format!("/v1.0/users/{id}")).await.unwrap().unwrap()["displayName"], "lena");
}

/// One account with the common password, enabled.
async fn create(graph: &Graph, name: &str) -> Option<String> {
    let user = json!({
        "userPrincipalName": format!("{name}@woodgrove.example"), "displayName": name, "accountEnabled": true,
        "mailNickname": name, "passwordProfile": {"password": PASSWORD, "forceChangePasswordNextSignIn": false},
    });
    match graph.send(Method::POST, "/v1.0/users", Some(&user)).await {
        Ok(Ok(user)) => user["id"].as_str().map(str::to_owned),
        Ok(Err(refusal)) => panic!("{refusal:?}"),
        // Killed meanwhile: it may have happened or not.
        Err(_) => None,
    }
}

async fn check(served: &Served, graph: &Graph, all: &Acknowledged) {
    for id in &all.created {
        let user = graph.get(&format!("/v1.0/users/{id}")).await.unwrap().unwrap();
        // One whose disabling was under way when the server was killed may be either.
        assert!(user["accountEnabled"] == false || !all.disabled.contains(id), "{user}");
        let activities = activities(graph, id).await;
        assert!(activities.iter().any(|activity| activity == "Add user"), "{id}: {activities:?}");
        if all.disabled.contains(id) {
            assert!(activities.iter().any(|activity| activity == "Disable account"), "{id}: {activities:?}");
        }
    }
    for tokens in &all.revoked {
        let refused = served.oauth().refresh(&served.client, tokens.refresh_token.as_deref().unwrap()).await.unwrap_err();
        assert!(matches!(&refused, OauthError::Refused { error, .. } if error == "invalid_grant"), "{refused}");
    }
}

async fn activities(graph: &Graph, id: &str) -> Vec<String> {
    let query =
        form_urlencoded::Serializer::new(String::new()).append_pair("$filter", &format!("targetResources/id eq '{id}'")).finish();
    let page: Value = graph.get(&format!("/v1.0/auditLogs/directoryAudits?{query}")).await.unwrap().unwrap();
    let records = page["value"].as_array().unwrap();
    records.iter().map(|record| record["activityDisplayName"].as_str().unwrap().to_owned()).collect()
}

/// A folder that was served from: for tests that look at files.
pub(crate) fn data_folder(served: &Served) -> &Path {
    served.folder.path()
}
