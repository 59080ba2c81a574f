//! `demo.json`: everything that a program from outside needs to check the demo. Mode 0600: it holds secrets.

use super::tenant::{Account, Addresses, Application, Tenant};
use crate::error::Problem;
use crate::folder;
use model::Timestamp;
use serde::Serialize;
use std::path::{Path, PathBuf};
use url::Url;

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    pub(super) issuer: String,
    /// Tenant id.
    pub(super) tenant: String,
    pub(super) domain: String,
    /// PEM of the authority that every certificate here is signed by.
    pub(super) ca_file: PathBuf,
    /// Base address, without a slash at the end; so are the next two.
    pub(super) control_plane: String,
    pub(super) gateway: String,
    pub(super) graph: String,
    pub(super) applications: Vec<Application>,
    pub(super) accounts: Vec<Account>,
    /// An app-only token for Graph, renewed here before it expires.
    pub(super) administrator_token: String,
    pub(super) administrator_token_expires: Timestamp,
}

impl Document {
    pub(super) fn new(tenant: &Tenant, addresses: &Addresses, ca_file: &Path) -> Self {
        let base = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
        let control_plane = base(&addresses.control_plane);
        Self {
            issuer: format!("{control_plane}/{}/v2.0", tenant.id),
            tenant: tenant.id.clone(),
            domain: tenant.domain.clone(),
            ca_file: ca_file.to_owned(),
            gateway: base(&addresses.gateway),
            graph: format!("{control_plane}/v1.0"),
            control_plane,
            applications: tenant.applications.clone(),
            accounts: tenant.accounts.clone(),
            administrator_token: String::new(),
            administrator_token_expires: Timestamp::default(),
        }
    }

    pub(super) fn write(&self, file: &Path) -> Result<(), Problem> {
        let text =
            serde_json::to_string_pretty(self).map_err(|error| Problem::caused_by("demo.json cannot be written", &error))?;
        folder::write_private(file, format!("{text}\n").as_bytes())
    }
}
