//! A demo in this process, seen through its `demo.json` as a foreign program would see it.

use bytes::Bytes;
use countersign::demo::{Demo, Settings};
use countersign::graph::Graph;
use countersign::oauth_client::{OauthClient, Tokens};
use http::{HeaderMap, Method};
use runtime::Clock;
use runtime::client::Client;
use secrecy::SecretString;
use serde_json::Value;
use std::time::Duration;
use tempfile::TempDir;
use testkit::streams::{OpenStream, open_body};
use testkit::{Page, Person, person};
use url::Url;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Site {
    pub(crate) demo: Demo,
    pub(crate) document: Value,
    pub(crate) pem: Vec<u8>,
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    _folder: TempDir,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::start_with(Settings::on_port(0)).await
    }

    pub(crate) async fn start_with(settings: Settings) -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::system());
        let demo = Demo::start(folder.path(), settings, &clock).await.unwrap_or_else(|error| panic!("{error}"));
        let document: Value = serde_json::from_slice(&std::fs::read(&demo.file).unwrap()).unwrap();
        let pem = std::fs::read(document["caFile"].as_str().unwrap()).unwrap();
        let client = Client::new(Some(&pem)).unwrap();
        Self { demo, document, pem, client, clock, _folder: folder }
    }

    pub(crate) fn account(&self, name: &str) -> &Value {
        let wanted = format!("{name}@{}", self.document["domain"].as_str().unwrap());
        let accounts = self.document["accounts"].as_array().unwrap();
        accounts.iter().find(|account| account["userPrincipalName"] == wanted.as_str()).unwrap()
    }

    pub(crate) fn application(&self, name: &str) -> &Value {
        self.document["applications"].as_array().unwrap().iter().find(|application| application["name"] == name).unwrap()
    }

    pub(crate) fn person(&self, name: &str) -> Person {
        let account = self.account(name);
        let text = |member: &str| account[member].as_str().map(str::to_owned);
        let known = person::Account {
            user_principal_name: text("userPrincipalName").unwrap(),
            password: text("password").unwrap(),
            totp_secret: text("totpSecret"),
        };
        Person::new(known, self.client.clone(), &self.clock)
    }

    /// With the administrator's token.
    pub(crate) fn graph(&self) -> Graph {
        self.graph_with(self.document["administratorToken"].as_str().unwrap())
    }

    pub(crate) fn graph_with(&self, token: &str) -> Graph {
        let server = Url::parse(self.document["controlPlane"].as_str().unwrap()).unwrap();
        Graph::new(server, &self.pem, SecretString::from(token)).unwrap()
    }

    pub(crate) fn oauth(&self, application: &str) -> OauthClient {
        let application = self.application(application);
        OauthClient {
            tenant_address: self.document["issuer"].as_str().unwrap().trim_end_matches("/v2.0").to_owned(),
            client_id: application["clientId"].as_str().unwrap().to_owned(),
            client_secret: application["clientSecret"].as_str().map(str::to_owned),
            redirect_uri: application["redirectUris"][0].as_str().unwrap().to_owned(),
        }
    }

    /// A code flow in the person's browser.
    pub(crate) async fn tokens(&self, person: &mut Person, application: &str, scope: &str) -> Tokens {
        let oauth = self.oauth(application);
        person.browser.stop_at(&oauth.redirect_uri);
        let authorization = oauth.authorize(scope);
        let landed = person.go(&authorization.address, "").await.unwrap();
        oauth.redeem(&self.client, &authorization, &landed).await.unwrap_or_else(|error| panic!("{error}: {}", landed.text))
    }

    pub(crate) fn url(&self, application: &str, path: &str) -> Url {
        Url::parse(self.application(application)["url"].as_str().unwrap()).unwrap().join(path).unwrap()
    }

    /// Signed in to the application, page and all.
    pub(crate) async fn enter(&self, person: &mut Person, application: &str) {
        let page = person.go(self.url(application, "").as_str(), "").await.unwrap();
        assert_eq!(page.kind, "application", "{}", page.text);
    }

    pub(crate) async fn who_am_i(&self, person: &mut Person, application: &str) -> Page {
        let url = self.url(application, "api/whoami");
        person.browser.fetch(Method::GET, url.as_str(), HeaderMap::new(), Bytes::new()).await.unwrap()
    }

    pub(crate) async fn open_events(&self, person: &Person, application: &str) -> OpenStream {
        let url = self.url(application, "events");
        open_body(&self.client, &url, person.browser.headers_for(&url), &self.clock).await.unwrap()
    }
}
