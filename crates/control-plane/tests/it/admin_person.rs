//! A person who signs in through the pages, as far as tests of administration need one.

use crate::admin_fixture::{Answer, BASE, PASSWORD, Platform, SECRET, TENANT, WEB};
use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use serde_json::Value;
use std::collections::BTreeMap;

const REDIRECT: &str = "https://client.localhost/callback";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// A browser, as far as it is needed: cookies, and the hidden input of a page.
#[derive(Default)]
pub(crate) struct Person {
    cookies: BTreeMap<String, String>,
}

impl Person {
    /// Signs in with the password of every test account, to the web client; with a session that stands, silently. Gives
    /// the tokens.
    pub(crate) async fn sign_in(&mut self, platform: &Platform, username: &str) -> Value {
        let code = self.code(platform, username).await;
        token(
            platform,
            &[("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", REDIRECT), ("code_verifier", VERIFIER)],
        )
        .await
        .expect(200)
        .json()
    }

    async fn code(&mut self, platform: &Platform, username: &str) -> String {
        let challenge = runtime::hash::sha256_base64url(VERIFIER.as_bytes());
        let query = encode(&[
            ("client_id", WEB),
            ("response_type", "code"),
            ("redirect_uri", REDIRECT),
            ("scope", "openid offline_access https://graph.microsoft.com/User.Read"),
            ("state", "s"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let mut answer = self.ask(platform, Method::GET, &format!("/{TENANT}/oauth2/v2.0/authorize?{query}"), None).await;
        for (step, name, value) in [("account", "username", username), ("password", "password", PASSWORD)] {
            if answer.status != StatusCode::OK {
                break;
            }
            let flow = flow(&answer.text());
            let body = encode(&[("flow", &flow), (name, value)]);
            answer = self.ask(platform, Method::POST, &format!("/{TENANT}/signin/{step}"), Some(body)).await;
        }
        let location = answer.headers.get(header::LOCATION).unwrap_or_else(|| panic!("{}", answer.text()));
        let address: url::Url = location.to_str().unwrap().parse().unwrap();
        let code = address.query_pairs().find(|(name, _)| name == "code");
        code.unwrap_or_else(|| panic!("{address}")).1.into_owned()
    }

    async fn ask(&mut self, platform: &Platform, method: Method, path: &str, body: Option<String>) -> Answer {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost:8443")
            .header(header::ORIGIN, BASE)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::COOKIE, cookies.join("; "));
        let answer = platform.raw(request.body(body.map_or_else(Body::empty, Body::from)).unwrap()).await;
        for cookie in answer.headers.get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        answer
    }
}

pub(crate) async fn refresh(platform: &Platform, refresh_token: &str) -> Answer {
    token(platform, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
}

async fn token(platform: &Platform, parameters: &[(&str, &str)]) -> Answer {
    let client = encode(&[("client_id", WEB), ("client_secret", SECRET)]);
    let request = Request::post(format!("/{TENANT}/oauth2/v2.0/token"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(format!("{client}&{}", encode(parameters))));
    platform.raw(request.unwrap()).await
}

fn encode(parameters: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

fn flow(page: &str) -> String {
    let (_, rest) = page.split_once(r#"name="flow" value=""#).unwrap_or_else(|| panic!("no flow in {page}"));
    rest.split('"').next().unwrap().to_owned()
}
