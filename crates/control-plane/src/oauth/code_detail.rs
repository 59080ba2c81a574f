//! What an authorization code and a refresh grant remember of the request that they came from.

use policy::request::{Network, Platform};
use protocol::oauth::{ClientKind, CodeChallenge, RequestedScopes};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Kept with an authorization code. Where the person was is taken from here when the code is redeemed: the client that
/// redeems it may be a server elsewhere.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CodeDetail {
    pub redirect_uri: String,
    pub client_kind: ClientKind,
    pub code_challenge: Option<CodeChallenge>,
    pub nonce: Option<String>,
    pub scopes: RequestedScopes,
    pub authentication_contexts: BTreeSet<String>,
    pub platform: Platform,
    pub network: Network,
    /// Of the access token, chosen beforehand: the log already names it.
    pub unique_token_identifier: String,
}

/// Kept with a grant (a family of refresh tokens).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GrantDetail {
    pub client_kind: ClientKind,
    pub scopes: RequestedScopes,
}
