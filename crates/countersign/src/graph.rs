//! The command as a client of a running server: Graph requests with a bearer token, nothing in-process.

use crate::arguments::Connection;
use crate::error::{CommandError, Problem};
use crate::folder;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use runtime::client::Client;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::io::Read;
use std::path::Path;
use url::Url;

/// The longest token that is read from a file.
const TOKEN_LIMIT: u64 = 64 * 1024;

/// A server, and the right to ask it.
#[derive(Clone, Debug)]
pub struct Graph {
    server: Url,
    client: Client,
    token: SecretString,
}

/// What the server answered, when it was not what was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub status: StatusCode,
    pub body: Value,
}

impl Graph {
    pub fn new(server: Url, authorities_pem: &[u8], token: SecretString) -> Result<Self, Problem> {
        let client =
            Client::new(Some(authorities_pem)).map_err(|error| Problem::caused_by("the authority cannot be used", &error))?;
        Ok(Self { server, client, token })
    }

    /// Resolves what was typed. `token` is the variable COUNTERSIGN_TOKEN.
    pub fn connect(connection: &Connection, token: Option<SecretString>) -> Result<Self, CommandError> {
        if let Some(file) = &connection.demo {
            return Ok(Self::from_demo(file)?);
        }
        let mut problems = Vec::new();
        let mut keep = |result: Result<_, Problem>| result.map_err(|problem| problems.push(problem)).ok();
        let server = keep(match &connection.server {
            Some(text) => parse_server(text).map(Wanted::Server),
            None => Err(Problem::new("no server named").hint("`--server https://localhost:8443`, or `--demo DIR/demo.json`")),
        });
        let authority = keep(match &connection.ca_file {
            Some(file) => folder::read(file).map(Wanted::Authority),
            None => Err(Problem::new("no certificate authority named")
                .hint("`--ca-file FILE`: the PEM file that the server's certificate is checked with")),
        });
        let token =
            keep(match (&connection.token_file, token) {
                (Some(file), _) => read_token(file).map(Wanted::Token),
                (None, Some(token)) => Ok(Wanted::Token(token)),
                (None, None) => Err(Problem::new("no access token")
                    .hint("`--token-file FILE`, `--token-file -`, or the variable COUNTERSIGN_TOKEN")),
            });
        match (server, authority, token) {
            (Some(Wanted::Server(server)), Some(Wanted::Authority(authority)), Some(Wanted::Token(token))) => {
                let place = connection.ca_file.as_deref().unwrap_or(Path::new("")).display().to_string();
                Ok(Self::new(server, &authority, token).map_err(|problem| problem.at(place))?)
            }
            (_, _, _) => Err(problems.into()),
        }
    }

    fn from_demo(file: &Path) -> Result<Self, Problem> {
        let unreadable = |what: &str| Problem::new(format!("not a demo's file: {what}")).at(file.display());
        let document: Value = serde_json::from_slice(&folder::read(file)?).map_err(|error| unreadable(&error.to_string()))?;
        let text = |name: &str| document.get(name).and_then(Value::as_str).ok_or_else(|| unreadable(&format!("no `{name}`")));
        let authority = folder::read(Path::new(text("caFile")?))?;
        Self::new(parse_server(text("controlPlane")?)?, &authority, SecretString::from(text("administratorToken")?))
    }

    /// `path` begins with `/v1.0` or `/beta`.
    pub async fn get(&self, path: &str) -> Result<Result<Value, Refusal>, Problem> {
        self.send(Method::GET, path, None).await
    }

    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Result<Value, Refusal>, Problem> {
        let address = self.server.join(path).map_err(|_| Problem::new(format!("`{path}` is not an address")))?;
        // A link that the server gave leads back to it, or the token does not go along.
        if address.origin() != self.server.origin() {
            return Err(Problem::new(format!("the server links to another one, `{address}`")).at(&self.server));
        }
        let mut request = Request::builder()
            .method(method)
            .uri(address.as_str())
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, format!("Bearer {}", self.token.expose_secret()));
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request =
            request.body(Bytes::from(body)).map_err(|_| Problem::new("the token holds characters that no token has"))?;
        let answer = self.client.send(request).await.map_err(|error| {
            Problem::caused_by("the server cannot be reached", &error)
                .at(&self.server)
                .hint("is it running, and is its certificate signed by the authority in `--ca-file`?")
        })?;
        let status = answer.status();
        let body: Value = match answer.body() {
            empty if empty.is_empty() => Value::Null,
            text => serde_json::from_slice(text)
                .map_err(|_| Problem::new(format!("the server answered {status}, but not in JSON")).at(&address))?,
        };
        Ok(if status.is_success() { Ok(body) } else { Err(Refusal { status, body }) })
    }
}

impl Refusal {
    /// As one problem: Graph's code and message.
    pub fn problem(&self) -> Problem {
        let text = |pointer: &str| self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let problem = Problem::new(format!(
            "the server refused: {} ({}, {})",
            text("/error/message"),
            self.status.as_u16(),
            text("/error/code")
        ));
        if self.status == StatusCode::UNAUTHORIZED {
            problem.hint("the access token has expired or is for another server; get a new one")
        } else {
            problem
        }
    }
}

enum Wanted {
    Server(Url),
    Authority(Vec<u8>),
    Token(SecretString),
}

fn parse_server(text: &str) -> Result<Url, Problem> {
    match Url::parse(text) {
        Ok(url) if url.scheme() == "https" && url.host_str().is_some() && url.path() == "/" => Ok(url),
        Ok(_) | Err(_) => Err(Problem::new(format!("`{text}` is not a server's address")).hint("as in `https://localhost:8443`")),
    }
}

fn read_token(file: &Path) -> Result<SecretString, Problem> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(TOKEN_LIMIT).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(TOKEN_LIMIT).read_to_string(&mut text))
    };
    read.map_err(|error| Problem::caused_by("the token cannot be read", &error).at(file.display()))?;
    match text.trim() {
        "" => Err(Problem::new("the token is empty").at(file.display())),
        token => Ok(SecretString::from(token)),
    }
}
