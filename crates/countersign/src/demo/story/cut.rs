//! Step 6: what is open when an account is disabled ends, each in its own time, and nothing that was issued before is
//! good any more.

use super::{COMMAND_LINE, PAYROLL, Seen, Stage, StepError, Tokens, WEB_CLIENT, join, milliseconds, unexpected};
use crate::graph::Graph;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::json;
use std::time::Duration;
use testkit::streams::{self, OpenStream};

/// Until a stream counts as not cut.
const PATIENCE: Duration = Duration::from_secs(10);
/// AADSTS number of a disabled account.
const DISABLED: u64 = 50057;

/// Milliseconds from sending the change to the end of each stream.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::demo) struct CutTimes {
    web_socket: f64,
    event_stream: f64,
    download: f64,
}

impl Stage<'_> {
    /// 6. Each stream is cut; the refresh token, the session cookie and a replayed access token are refused.
    pub(super) async fn disabled(&mut self) -> Result<Seen, StepError> {
        let tokens = self.alex_tokens().await?;
        let replay = self.graph_as(&tokens)?;
        let me = replay.get("/v1.0/me").await?;
        me.map_err(|refusal| StepError::Seen(format!("the access token was refused before: {}", refusal.problem())))?;
        let (web_socket, event_stream, download) = self.open_streams().await?;

        let administrator = self.administrator_graph().await?;
        let path = format!("/v1.0/users/{}", self.tenant.account("alex")?.id);
        let begun = self.clock.monotonic();
        let disabled = administrator.send(Method::PATCH, &path, Some(&json!({"accountEnabled": false}))).await?;
        disabled.map_err(|refusal| StepError::Seen(format!("the account could not be disabled: {}", refusal.problem())))?;
        let cut = |stream: OpenStream, name: &'static str| async move {
            let end = stream.cut(PATIENCE).await.filter(|end| !(name == "download" && end.complete));
            let end = end.ok_or_else(|| StepError::Seen(format!("the {name} was still open after {} s", PATIENCE.as_secs())))?;
            Ok::<_, StepError>(milliseconds(end.at.saturating_sub(begun)))
        };
        let times = CutTimes {
            web_socket: cut(web_socket, "WebSocket").await?,
            event_stream: cut(event_stream, "event stream").await?,
            download: cut(download, "download").await?,
        };
        self.refused_afterwards(&tokens, &replay).await?;
        let observed = format!(
            "cut after {:.1} ms (WebSocket), {:.1} ms (event stream), {:.1} ms (download); refresh token, session cookie and \
             access token are refused",
            times.web_socket, times.event_stream, times.download
        );
        Ok(Seen { observed, cut: Some(times) })
    }

    /// After the story every account that was printed can be used.
    pub(super) async fn enable_again(&mut self) -> Result<(), StepError> {
        let administrator = self.administrator_graph().await?;
        let path = format!("/v1.0/users/{}", self.tenant.account("alex")?.id);
        let enabled = administrator.send(Method::PATCH, &path, Some(&json!({"accountEnabled": true}))).await?;
        enabled.map(|_| ()).map_err(|refusal| StepError::Seen(refusal.problem().to_string()))
    }

    /// A refresh token that was rotated once, and the access token that came with it.
    async fn alex_tokens(&mut self) -> Result<Tokens, StepError> {
        let oauth = self.oauth(WEB_CLIENT)?;
        let scope = "openid profile offline_access https://graph.microsoft.com/User.Read";
        let first = Self::tokens(&mut self.alex, &self.client, &oauth, scope).await?;
        let refresh = first.refresh_token.ok_or_else(|| StepError::Seen("no refresh token came".to_owned()))?;
        Ok(oauth.refresh(&self.client, &refresh).await?)
    }

    async fn open_streams(&self) -> Result<(OpenStream, OpenStream, OpenStream), StepError> {
        let base = self.address(PAYROLL)?;
        let (web_socket, events, download) = (join(&base, "ws")?, join(&base, "events")?, join(&base, "download")?);
        let headers = self.alex.browser.headers_for(&events);
        let web_socket =
            streams::open_web_socket(self.authorities_pem, &web_socket, headers.clone(), "hello", &self.clock).await?;
        let event_stream = streams::open_body(&self.client, &events, headers.clone(), &self.clock).await?;
        let download = streams::open_body(&self.client, &download, headers, &self.clock).await?;
        Ok((web_socket, event_stream, download))
    }

    async fn refused_afterwards(&mut self, tokens: &Tokens, replay: &Graph) -> Result<(), StepError> {
        let oauth = self.oauth(WEB_CLIENT)?;
        let refresh = tokens.refresh_token.as_deref().unwrap_or_default();
        match oauth.refresh(&self.client, refresh).await {
            Err(error) if error.codes().contains(&DISABLED) => {}
            Err(error) => return Err(StepError::Seen(format!("the refresh token was refused for another reason: {error}"))),
            Ok(_) => return Err(StepError::Seen("the refresh token was still good".to_owned())),
        }
        match replay.get("/v1.0/me").await? {
            Err(refusal) if refusal.status == StatusCode::UNAUTHORIZED => {}
            Err(refusal) => return Err(StepError::Seen(format!("the access token was answered with {}", refusal.status))),
            Ok(_) => return Err(StepError::Seen("the access token was still good".to_owned())),
        }
        let who = join(&self.address(PAYROLL)?, "api/whoami")?;
        let page = self.alex.browser.fetch(Method::GET, who.as_str(), HeaderMap::new(), Bytes::new()).await?;
        if !page.status.is_client_error() {
            return Err(unexpected(&page));
        }
        // Neither the gateway's cookie nor the control plane's session lets in: it begins with the account again.
        let page = self.alex.go(&self.address(PAYROLL)?, "account").await?;
        if page.kind == "account" { Ok(()) } else { Err(unexpected(&page)) }
    }

    /// Ada, as a person, through the command line's client: a delegated token, good by her role.
    async fn administrator_graph(&mut self) -> Result<Graph, StepError> {
        let oauth = self.oauth(COMMAND_LINE)?;
        let scope = "openid https://graph.microsoft.com/User.ReadWrite.All";
        let tokens = Self::tokens(&mut self.ada, &self.client, &oauth, scope).await?;
        self.graph_as(&tokens)
    }

    fn graph_as(&self, tokens: &Tokens) -> Result<Graph, StepError> {
        let token = SecretString::from(tokens.access_token.as_str());
        Ok(Graph::new(self.control_plane.clone(), self.authorities_pem, token)?)
    }
}
