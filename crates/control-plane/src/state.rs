//! One control plane: its store, clock, keys, and the snapshot that requests decide from.

use crate::config::Config;
use crate::keys::SigningKeys;
use crate::passwords::PasswordPool;
use crate::snapshot::{Snapshot, SnapshotError};
use model::{TenantId, Timestamp};
use runtime::Clock;
use runtime::client::Client;
use runtime::seal::Sealer;
use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use store::{Store, StoreError, Tx};
use tokio::sync::Notify;
use webauthn_rs::Webauthn;

/// Cheap to clone; every handler has one.
#[derive(Clone, Debug)]
pub struct ControlPlane(Arc<Inner>);

#[derive(Debug)]
pub struct Inner {
    pub config: Config,
    pub store: Store,
    pub clock: Clock,
    /// Under the data key: form state, signing keys at rest, TOTP seeds, receivers' authorisation headers.
    pub sealer: Sealer,
    pub keys: SigningKeys,
    pub passwords: PasswordPool,
    pub webauthn: Webauthn,
    pub client: Client,
    /// Told after each commit.
    pub outbox_changed: Notify,
    snapshot: RwLock<Arc<Snapshot>>,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the store cannot be used")]
    Store(#[from] StoreError),
    #[error("the store holds something unreadable")]
    Snapshot(#[from] SnapshotError),
    #[error("the data key does not open what the store holds; it is another store's key")]
    WrongDataKey,
    #[error("the clock says {now}, but the store's newest record is from {newest}")]
    ClockWentBack { now: Timestamp, newest: Timestamp },
    #[error("the signing keys cannot be used")]
    Keys(#[from] crate::keys::KeyError),
    #[error("the address `{0}` cannot be a WebAuthn origin")]
    Origin(String),
    #[error("no threads for password hashing")]
    Threads(#[source] std::io::Error),
}

/// A clock may be set back by a little (NTP) without harm; by more than this, expiry and replay guards would be wrong.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(300);
/// Names the check value that tells whether the data key is this store's.
const DATA_KEY_CHECK: &str = "dataKeyCheck";

impl ControlPlane {
    pub async fn start(
        config: Config,
        store: Store,
        clock: Clock,
        data_key: &[u8; 32],
        client: Client,
    ) -> Result<Self, StartError> {
        let now = clock.now();
        if let Some(newest) = store::newest_time(&store).await?
            && newest.since(now) > CLOCK_TOLERANCE
        {
            return Err(StartError::ClockWentBack { now, newest });
        }
        let mut tx = store.begin().await?;
        store::record_start(&mut tx, now).await?;
        tx.commit().await?;
        let sealer = Sealer::new(data_key);
        check_data_key(&store, &sealer).await?;
        let keys = SigningKeys::open(&store, &sealer, &clock, config.signing_key_period).await?;
        let passwords = PasswordPool::start(config.password_threads, config.password_queue).map_err(StartError::Threads)?;
        let webauthn = crate::passkeys::verifier(&config).ok_or_else(|| StartError::Origin(config.base().to_owned()))?;
        let snapshot = read_snapshot(&store).await?;
        Ok(Self(Arc::new(Inner {
            config,
            store,
            clock,
            sealer,
            keys,
            passwords,
            webauthn,
            client,
            outbox_changed: Notify::new(),
            snapshot: RwLock::new(Arc::new(snapshot)),
        })))
    }

    /// Commits `tx`, and wakes whoever delivers what it wrote to the outbox. Every transaction of the control plane ends
    /// here, so that nobody has to remember whether it raised an event.
    pub(crate) async fn commit(&self, tx: Tx) -> Result<(), StoreError> {
        tx.commit().await?;
        self.outbox_changed.notify_waiters();
        Ok(())
    }

    /// What requests of this moment decide from.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// After a commit that changed objects: what follows sees it.
    pub async fn reload(&self) -> Result<(), StartError> {
        let fresh = read_snapshot(&self.store).await?;
        let mut current = self.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        if fresh.revision > current.revision {
            *current = Arc::new(fresh);
        }
        Ok(())
    }

    /// Takes up what other processes committed.
    pub async fn reload_if_changed(&self) -> Result<(), StartError> {
        if store::object::revision(&self.store).await? == self.snapshot().revision { Ok(()) } else { self.reload().await }
    }

    /// `{base}/{tenant}/v2.0`.
    pub fn issuer(&self, tenant: &TenantId) -> String {
        format!("{}/{tenant}/v2.0", self.config.base())
    }
}

impl Deref for ControlPlane {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

async fn read_snapshot(store: &Store) -> Result<Snapshot, StartError> {
    // The revision is read first: a change in between is then read twice, never missed.
    let revision = store::object::revision(store).await?;
    Ok(Snapshot::build(store::object::all(store).await?, revision)?)
}

async fn check_data_key(store: &Store, sealer: &Sealer) -> Result<(), StartError> {
    match store::setting::get(store, DATA_KEY_CHECK).await? {
        Some(sealed) => sealer.open(DATA_KEY_CHECK, &sealed).map(|_| ()).ok_or(StartError::WrongDataKey),
        None => {
            let mut tx = store.begin().await?;
            store::setting::put(&mut tx, DATA_KEY_CHECK, &sealer.seal(DATA_KEY_CHECK, DATA_KEY_CHECK.as_bytes())).await?;
            Ok(tx.commit().await?)
        }
    }
}
