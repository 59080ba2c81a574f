//! `countersign serve` and `countersign gateway`: the parts for real use, from one resolved configuration.

use crate::certificates::Authority;
use crate::config::{CertificateSource, ControlPlaneConfig, GatewayConfig, ServeConfig};
use crate::error::{CommandError, Problem};
use crate::folder;
use crate::output::{self, Format};
use crate::platform::{self, Platform};
use runtime::Clock;
use runtime::client::Client;
use runtime::listen::Listener;
use serde_json::json;
use std::future::Future;
use std::path::Path;

/// Until `stop`.
pub async fn serve(
    config: &ServeConfig,
    format: Format,
    clock: &Clock,
    stop: impl Future<Output = ()>,
) -> Result<(), CommandError> {
    let mut platform = start(config, format, clock).await?;
    let ended = platform.run_until(stop).await;
    platform.stop().await;
    Ok(ended?)
}

/// Until `stop`.
pub async fn gateway(
    config: &GatewayConfig,
    format: Format,
    clock: &Clock,
    stop: impl Future<Output = ()>,
) -> Result<(), CommandError> {
    let listener = platform::bind("gateway", &config.listen, "`listen`").await?;
    let client = client(&trusted(None, config.authority_file.as_deref())?)?;
    let mut platform = Platform::new();
    start_gateway(&mut platform, config, listener, None, client, clock)?;
    tell(format, "gateway", config.base_url.as_str());
    let ended = platform.run_until(stop).await;
    platform.stop().await;
    Ok(ended?)
}

/// Everything running, the addresses told.
pub async fn start(config: &ServeConfig, format: Format, clock: &Clock) -> Result<Platform, CommandError> {
    let ServeConfig { data_dir, control_plane, gateway } = config;
    let listener = platform::bind("control plane", &control_plane.listen, "`listen`").await?;
    let gateway_listener = match gateway {
        Some(gateway) => Some(platform::bind("gateway", &gateway.listen, "`listen` in [gateway]").await?),
        None => None,
    };
    folder::create(data_dir)?;
    let lock = folder::lock(&data_dir.join("serve.lock"))?.ok_or_else(|| {
        Problem::new("another server runs from the folder").at(data_dir.display()).hint("end it, or name another `data_dir`")
    })?;
    let authority = authority(config, data_dir, clock)?;
    let tls = platform::tls(&control_plane.certificate, authority.as_ref(), clock)?;
    let outgoing = client(&trusted(authority.as_ref(), control_plane.authority_file.as_deref())?)?;

    let store = platform::open_store(&control_plane.database, control_plane.database_max_pages).await?;
    let state = platform::open_control_plane(control_plane, store, outgoing, clock).await?;
    let code = match control_plane::bootstrap::needed(&state) {
        false => None,
        true => Some(control_plane::bootstrap::issue_code(&state).await.map_err(|error| {
            Problem::caused_by("no one-time code could be made", &error).at(control_plane.database.display())
        })?),
    };
    let mut platform = Platform::new();
    platform.hold(lock);
    platform.control_plane(&state, listener, tls);
    let issuer = state.snapshot().tenant().map(|tenant| state.issuer(tenant));
    tell_control_plane(format, control_plane, authority.as_ref(), issuer.as_deref(), code.as_deref());
    if let (Some(gateway), Some(listener)) = (gateway, gateway_listener) {
        let client = client(&trusted(authority.as_ref(), gateway.authority_file.as_deref())?)?;
        start_gateway(&mut platform, gateway, listener, authority.as_ref(), client, clock)?;
        tell(format, "gateway", gateway.base_url.as_str());
    }
    Ok(platform)
}

fn start_gateway(
    platform: &mut Platform,
    config: &GatewayConfig,
    listener: Listener,
    authority: Option<&Authority>,
    client: Client,
    clock: &Clock,
) -> Result<(), Problem> {
    let tls = platform::tls(&config.certificate, authority, clock)?;
    let gateway = platform::open_gateway(platform::gateway_settings(config)?, client, clock)?;
    platform.gateway(&gateway, listener, tls);
    Ok(())
}

/// The data folder's authority, where anything here needs one.
fn authority(config: &ServeConfig, folder: &Path, clock: &Clock) -> Result<Option<Authority>, Problem> {
    let is_made = |source: &CertificateSource| matches!(source, CertificateSource::Made { .. });
    let needed = is_made(&config.control_plane.certificate)
        || config.gateway.as_ref().is_some_and(|gateway| is_made(&gateway.certificate));
    if needed { Authority::open(folder, clock.now()).map(Some) } else { Ok(None) }
}

/// PEM of everybody that calls from here trust.
fn trusted(own: Option<&Authority>, file: Option<&Path>) -> Result<Option<Vec<u8>>, Problem> {
    let mut pem = own.map(|authority| authority.certificate_pem.clone().into_bytes()).unwrap_or_default();
    if let Some(file) = file {
        pem.extend(folder::read(file)?);
    }
    Ok(if pem.is_empty() { None } else { Some(pem) })
}

fn client(authorities: &Option<Vec<u8>>) -> Result<Client, Problem> {
    Client::new(authorities.as_deref())
        .map_err(|error| Problem::caused_by("the authorities in `authority_file` cannot be used", &error))
}

fn tell_control_plane(
    format: Format,
    config: &ControlPlaneConfig,
    authority: Option<&Authority>,
    issuer: Option<&str>,
    code: Option<&str>,
) {
    let base = config.settings.base_url.as_str().trim_end_matches('/');
    let setup = code.map(|code| (format!("{base}/setup"), code));
    if format.is_json() {
        let authority = authority.map(|authority| &authority.certificate_file);
        let setup = setup.map(|(address, code)| json!({"address": address, "code": code}));
        output::json(&json!({"part": "controlPlane", "address": base, "authority": authority, "issuer": issuer, "setup": setup}));
        return;
    }
    output::line(format!("control plane at {base}"));
    if let Some(authority) = authority {
        output::line(format!("  its certificate is signed by {}", authority.certificate_file.display()));
    }
    if let Some(issuer) = issuer {
        output::line(format!("  its issuer is {issuer}"));
    }
    if let Some((address, code)) = setup {
        output::line(format!(
            "  the store is empty: make the first administrator at {address} with the one-time code\n\n    {code}\n"
        ));
    }
}

fn tell(format: Format, part: &str, address: &str) {
    let address = address.trim_end_matches('/');
    if format.is_json() {
        output::json(&json!({"part": part, "address": address}));
    } else {
        output::line(format!("{part} at {address}"));
    }
}
