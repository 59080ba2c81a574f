//! The sealed form token: what a sign-in is for, and how far it has come, between one page and the next.
//!
//! INVARIANT: a form is accepted only from the browser that the page was made for (`__Host-browser`), within half an hour,
//! and where it carries a challenge or a new secret, once. So nobody can be made to submit a sign-in that another began.

use crate::passkeys::Ceremony;
use crate::sign_in::attempt::Attempt;
use crate::sign_in::next::Way;
use crate::sign_in::steps;
use model::{Timestamp, UserId};
use protocol::aadsts::{Aadsts, Fault};
use protocol::oauth::{AuthorizeRequest, Prompt};
use runtime::seal::Sealer;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use store::{StoreError, Tx};

const PURPOSE: &str = "sign-in form";
/// How long a person may take over one page.
const LIFETIME: Duration = Duration::from_secs(1800);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Flow {
    pub correlation_id: String,
    pub purpose: Purpose,
    /// The name that was typed or hinted; nobody may have it.
    pub account: Option<String>,
    /// Methods used before this moment do not count (`prompt=login`, `max_age`).
    pub fresh_since: Option<Timestamp>,
    /// Nothing that was proven before this sign-in counts (`prompt=login`), and nothing has been proven in it yet.
    pub must_authenticate: bool,
    /// The person was asked which account to use, and answered.
    pub account_chosen: bool,
    /// The person asked for another account than the one signed in.
    pub other_account: bool,
    /// The method that the person asked to register, once that is allowed.
    pub wants_to_register: Option<Way>,
    /// That controls are owed was recorded once for this sign-in.
    pub interruption_recorded: bool,
    pub pending: Option<Pending>,
    browser: String,
    issued: Timestamp,
    /// Names this token, so that it can be used up.
    once: String,
}

/// What is signed in for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Purpose {
    Authorize(Box<AuthorizeRequest>),
    /// The person's own page of methods.
    SecurityInfo,
    /// Confirming to sign out; then to this address.
    SignOut {
        redirect: Option<String>,
    },
}

/// A challenge or a secret that the page shows and the next form answers.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Pending {
    Passkey(Ceremony),
    /// A TOTP secret that is not registered until a code of it came back.
    Totp {
        user: UserId,
        secret: Vec<u8>,
    },
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Passkey(_) => "Passkey",
            Self::Totp { .. } => "Totp",
        })
    }
}

impl Flow {
    pub(crate) fn begin(attempt: &Attempt, purpose: Purpose, now: Timestamp) -> Self {
        let mut flow = Self {
            correlation_id: attempt.correlation_id.clone(),
            account: None,
            fresh_since: None,
            must_authenticate: false,
            account_chosen: false,
            other_account: false,
            wants_to_register: None,
            interruption_recorded: false,
            pending: None,
            browser: String::new(),
            issued: now,
            once: String::new(),
            purpose,
        };
        if let Purpose::Authorize(request) = &flow.purpose {
            let by_age = request.max_age.map(|seconds| now.minus(Duration::from_secs(seconds)));
            flow.fresh_since = by_age;
            flow.must_authenticate = request.asks(Prompt::Login);
            flow.account = request.login_hint.clone().filter(|hint| steps::is_name(hint));
        }
        flow
    }

    /// A first factor was proven in this sign-in: where only that counts, it counts from then on.
    pub(crate) fn authenticated(&mut self, now: Timestamp) {
        if std::mem::take(&mut self.must_authenticate) {
            self.fresh_since = Some(now);
        }
    }

    /// The text for the form, bound to `browser` (the cookie's value).
    pub(crate) fn seal(&self, sealer: &Sealer, browser: &str, now: Timestamp) -> Result<String, serde_json::Error> {
        let mut flow = self.clone();
        flow.browser = runtime::hash::sha256_base64url(browser.as_bytes());
        flow.issued = now;
        flow.once = runtime::random::token();
        Ok(sealer.seal_text(PURPOSE, &serde_json::to_vec(&flow)?))
    }

    /// The flow that `text` holds, if this browser got it. The attempt goes on under the flow's correlation id.
    pub(crate) fn open(sealer: &Sealer, text: &str, attempt: &mut Attempt, now: Timestamp) -> Result<Self, Fault> {
        let plain = sealer.open_text(PURPOSE, text).ok_or(Aadsts::FlowMismatch)?;
        let flow: Self = serde_json::from_slice(&plain).map_err(|_| Aadsts::FlowMismatch)?;
        let browser = attempt.browser.as_deref().ok_or(Aadsts::FlowMismatch)?;
        let bound = runtime::hash::sha256_base64url(browser.as_bytes());
        if !runtime::hash::equal(bound.as_bytes(), flow.browser.as_bytes()) {
            return Err(Aadsts::FlowMismatch.into());
        }
        if now > flow.issued.plus(LIFETIME) {
            return Err(Aadsts::FlowExpired.into());
        }
        attempt.correlation_id.clone_from(&flow.correlation_id);
        Ok(flow)
    }

    /// Uses this token up. A second use finds it taken; the transaction is over then.
    pub(crate) async fn use_up(&self, tx: &mut Tx) -> Result<(), super::failure::Failure> {
        let hash = runtime::hash::sha256_hex(self.once.as_bytes());
        match store::one_time::insert(tx, &hash, PURPOSE, self.issued.plus(LIFETIME)).await {
            Err(StoreError::Conflict { .. }) => Err(Aadsts::FlowExpired.into()),
            other => Ok(other?),
        }
    }

    /// Must answer at once, without a page (`prompt=none`).
    pub(crate) fn is_silent(&self) -> bool {
        matches!(&self.purpose, Purpose::Authorize(request) if request.asks(Prompt::None))
    }

    pub(crate) fn request(&self) -> Option<&AuthorizeRequest> {
        match &self.purpose {
            Purpose::Authorize(request) => Some(request),
            Purpose::SecurityInfo | Purpose::SignOut { .. } => None,
        }
    }
}
