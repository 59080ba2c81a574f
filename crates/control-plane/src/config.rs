//! What a control plane is told once, before anything opens. Resolved by the command; never read again.

use std::time::Duration;
use url::Url;

#[derive(Clone, Debug)]
pub struct Config {
    /// `https://HOST[:PORT]`, as people and clients see it: issuer, WebAuthn origin, redirect target.
    pub base_url: Url,
    /// The longest that one sign-in lasts without using it.
    pub session_lifetime: Duration,
    /// Without another event, a verification event goes to each stream this often.
    pub heartbeat: Duration,
    /// Threads that hash passwords, each with its own memory.
    pub password_threads: usize,
    /// Passwords waiting for a thread; one more is turned away.
    pub password_queue: usize,
    /// How long a signing key signs before the next one takes over.
    pub signing_key_period: Duration,
    /// How long delivered events are kept.
    pub event_retention: Duration,
    /// How long sign-ins and audit records are kept.
    pub log_retention: Duration,
}

impl Config {
    pub fn new(base_url: Url) -> Self {
        Self {
            base_url,
            session_lifetime: Duration::from_secs(24 * 3600),
            heartbeat: Duration::from_secs(10),
            password_threads: 2,
            password_queue: 64,
            signing_key_period: Duration::from_secs(30 * 24 * 3600),
            event_retention: Duration::from_secs(7 * 24 * 3600),
            // As Entra keeps them with a premium licence.
            log_retention: Duration::from_secs(30 * 24 * 3600),
        }
    }

    /// `https://HOST[:PORT]` without a slash at the end.
    pub fn base(&self) -> &str {
        self.base_url.as_str().trim_end_matches('/')
    }
}
