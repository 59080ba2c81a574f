//! Microsoft Graph, the part that administers this tenant: `/v1.0/…` and, with the same handlers, `/beta/…`.
//!
//! A handler reads its request, calls the function that does the work, and shapes the answer. It holds no SQL and decides
//! nothing about access beyond its route's `Permission` and `privilege`. What is not served is refused by name.

pub(crate) mod audit_logs;
pub(crate) mod authentication_methods;
pub(crate) mod collection;
pub(crate) mod directory;
pub(crate) mod filter;
pub(crate) mod policies;
pub(crate) mod privilege;
pub(crate) mod query;
pub(crate) mod request;
pub(crate) mod users;
pub(crate) mod view;

use crate::api::{Access, Permission, Route};
use crate::state::ControlPlane;
use axum::routing::MethodRouter;
use http::Method;

pub(crate) fn routes() -> Vec<Route> {
    let mut routes = Vec::new();
    routes.extend(users::routes());
    routes.extend(authentication_methods::routes());
    routes.extend(directory::routes());
    routes.extend(policies::routes());
    routes.extend(audit_logs::routes());
    routes
}

/// One endpoint in both versions.
fn both(method: &Method, paths: [&'static str; 2], permission: Permission, handler: &MethodRouter<ControlPlane>) -> [Route; 2] {
    paths.map(|path| Route { method: method.clone(), path, access: Access::Graph(permission), handler: handler.clone() })
}

/// The paths of an endpoint in both versions.
macro_rules! versions {
    ($path:literal) => {
        [concat!("/v1.0", $path), concat!("/beta", $path)]
    };
}
pub(crate) use versions;
