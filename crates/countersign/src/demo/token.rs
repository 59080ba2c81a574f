//! The administrator's token in `demo.json`: asked for as any program would, and renewed before it expires.

use super::document::Document;
use super::tenant::{AUTOMATION, Tenant};
use crate::error::Problem;
use crate::oauth_client::OauthClient;
use crate::platform::Platform;
use runtime::Clock;
use runtime::client::Client;
use std::path::PathBuf;
use std::time::Duration;

/// Renewed when this much of its life is left, so that a program that reads the file has that long.
const MARGIN: Duration = Duration::from_secs(20 * 60);
const RETRY: Duration = Duration::from_secs(30);

pub(super) async fn renew(document: &mut Document, tenant: &Tenant, client: &Client, clock: &Clock) -> Result<(), Problem> {
    let application = tenant.application(AUTOMATION)?;
    let oauth = OauthClient {
        tenant_address: format!("{}/{}", document.control_plane, document.tenant),
        client_id: application.client_id.clone(),
        client_secret: application.client_secret.clone(),
        redirect_uri: String::new(),
    };
    let now = clock.now();
    let tokens = oauth.client_credentials(client, "https://graph.microsoft.com/.default").await;
    let tokens = tokens.map_err(|error| Problem::caused_by("no administrator’s token", &error))?;
    document.administrator_token_expires = now.plus(Duration::from_secs(tokens.expires_in));
    document.administrator_token = tokens.access_token;
    Ok(())
}

pub(super) fn keep_renewed(
    platform: &mut Platform,
    mut document: Document,
    file: PathBuf,
    tenant: &Tenant,
    client: &Client,
    clock: &Clock,
) -> Result<(), Problem> {
    let automation = tenant.only(AUTOMATION)?;
    let (client, clock, shutdown) = (client.clone(), clock.clone(), platform.shutdown());
    platform.spawn("renewal of the administrator's token", async move {
        loop {
            let left = document.administrator_token_expires.since(clock.now());
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(left.saturating_sub(MARGIN).max(RETRY)) => {}
            }
            let renewed = renew(&mut document, &automation, &client, &clock).await.and_then(|()| document.write(&file));
            if let Err(problem) = renewed {
                tracing::warn!(%problem, "the administrator's token in demo.json was not renewed");
            }
        }
    });
    Ok(())
}
