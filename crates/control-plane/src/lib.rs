//! The policy administrator (NIST SP 800-207 §3): sign-in, tokens, administration over Graph, signals.
//!
//! The decision: a request becomes values (`sign_in::gather`), `sign_in::enforce` decides, and what follows from the
//! answer is committed with its record in one transaction. The decision refused: rules in handlers or in the store.
//!
//! A process holds nothing that another could not rebuild from the store.

pub mod api;
pub mod apply;
mod audit;
pub mod bootstrap;
mod config;
mod error;
mod graph;
mod keys;
mod legacy;
mod oauth;
mod passkeys;
pub mod passwords;
mod sign_in;
pub mod signals;
mod snapshot;
pub mod state;
mod totp;
pub mod users;

pub use api::router;
pub use config::Config;
pub use error::ApiError;
pub use state::{ControlPlane, StartError};

use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often a process looks for what other processes committed.
const REFRESH: Duration = Duration::from_secs(1);
/// How often what has expired is removed.
const PRUNE: Duration = Duration::from_secs(600);

/// Everything that goes on without a request: event delivery, key rotation, fresh snapshots, removal of what expired.
/// Ends, with all of its parts, after `shutdown`.
pub async fn run(state: ControlPlane, shutdown: CancellationToken) {
    tokio::join!(
        signals::run(state.clone(), shutdown.clone()),
        keys::run(state.clone(), shutdown.clone()),
        refresh(state.clone(), shutdown.clone()),
        prune(state, shutdown),
    );
}

async fn refresh(state: ControlPlane, shutdown: CancellationToken) {
    let mut interval = tokio::time::interval(REFRESH);
    while next(&mut interval, &shutdown).await {
        if let Err(error) = state.reload_if_changed().await {
            tracing::error!(%error, "the directory could not be read again; the last one read stays in force");
        }
    }
}

async fn prune(state: ControlPlane, shutdown: CancellationToken) {
    let mut interval = tokio::time::interval(PRUNE);
    while next(&mut interval, &shutdown).await {
        loop {
            match prune_once(&state).await {
                Ok(0) => break,
                Ok(_) => tokio::task::yield_now().await,
                Err(error) => {
                    tracing::warn!(%error, "what has expired could not be removed");
                    break;
                }
            }
            if shutdown.is_cancelled() {
                return;
            }
        }
    }
}

/// One bounded bite, so that nobody waits long for the writer.
async fn prune_once(state: &ControlPlane) -> Result<u64, store::StoreError> {
    let mut tx = state.store.begin().await?;
    let removed = store::prune(&mut tx, state.clock.now(), state.config.log_retention).await?;
    state.commit(tx).await?;
    Ok(removed)
}

async fn next(interval: &mut tokio::time::Interval, shutdown: &CancellationToken) -> bool {
    tokio::select! {
        () = shutdown.cancelled() => false,
        _ = interval.tick() => true,
    }
}
