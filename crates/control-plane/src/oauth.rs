//! OAuth 2.0 and OpenID Connect at Entra's addresses: authorize, token, logout, discovery, keys, and the check of our own
//! bearer tokens.
//!
//! INVARIANT: nothing is issued without a decision made for this very issue, refresh included.

pub(crate) mod answer;
pub(crate) mod authorize;
pub(crate) mod bearer;
pub(crate) mod client;
pub(crate) mod client_credentials;
pub(crate) mod code_detail;
pub(crate) mod code_grant;
pub(crate) mod discovery;
pub(crate) mod logout;
pub(crate) mod refresh;
pub(crate) mod scopes;
pub(crate) mod token;
pub(crate) mod tokens;

use crate::api::{Access, Route};
use crate::state::ControlPlane;
use axum::routing::{self, MethodRouter};
use http::Method;

pub(crate) fn routes() -> Vec<Route> {
    let route = |method, path, handler: MethodRouter<ControlPlane>| Route { method, path, access: Access::Public, handler };
    vec![
        route(Method::GET, "/{tenant}/v2.0/.well-known/openid-configuration", routing::get(discovery::document)),
        route(Method::GET, "/{tenant}/discovery/v2.0/keys", routing::get(discovery::keys)),
        route(Method::GET, "/{tenant}/oauth2/v2.0/authorize", routing::get(authorize::by_query)),
        route(Method::POST, "/{tenant}/oauth2/v2.0/authorize", routing::post(authorize::by_form)),
        route(Method::GET, "/{tenant}/oauth2/v2.0/token", routing::get(token::only_post)),
        route(Method::POST, "/{tenant}/oauth2/v2.0/token", routing::post(token::token)),
        route(Method::GET, "/{tenant}/oauth2/v2.0/logout", routing::get(logout::ask)),
        route(Method::POST, "/{tenant}/oauth2/v2.0/logout", routing::post(logout::confirm)),
    ]
}
