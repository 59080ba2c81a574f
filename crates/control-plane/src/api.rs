//! The API description: every endpoint with who may call it. The router is built from it, so that an endpoint which is
//! not described, or is described without its guard, does not exist.

use crate::error::ApiError;
use crate::graph::request;
use crate::oauth::bearer;
use crate::state::ControlPlane;
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use http::{HeaderValue, Method, StatusCode, header};
use model::{AppId, RoleTemplateId, SessionId, UserId};
use std::collections::BTreeSet;
use std::time::Duration;

/// One endpoint.
#[derive(Clone, Debug)]
pub struct Route {
    pub method: Method,
    /// In axum's notation: `/v1.0/users/{id}`.
    pub path: &'static str,
    pub access: Access,
    pub handler: MethodRouter<ControlPlane>,
}

/// Who may call an endpoint.
#[derive(Clone, Copy, Debug)]
pub enum Access {
    /// Anyone: pages and protocol endpoints, which authenticate by their own rules. Each is in
    /// `docs/reference/unauthenticated-endpoints.txt`.
    Public,
    /// A Graph token that is one of these.
    Graph(Permission),
}

/// Delegated: one of the scopes *and* one of the roles (no roles named: anyone, for themselves).
/// Application: one of the application permissions.
#[derive(Clone, Copy, Debug)]
pub struct Permission {
    pub scopes: &'static [&'static str],
    /// Role template ids.
    pub roles: &'static [&'static str],
    pub application: &'static [&'static str],
}

/// Who calls, as a valid Graph token says and the store confirms. In the request's extensions on every Graph route.
#[derive(Clone, Debug)]
pub struct Caller {
    /// `None`: the application itself.
    pub user: Option<CallerUser>,
    pub client: AppId,
    /// `roles` of an app-only token.
    pub application_permissions: BTreeSet<String>,
}

#[derive(Clone, Debug)]
pub struct CallerUser {
    pub id: UserId,
    pub user_principal_name: String,
    pub session: SessionId,
    pub scopes: BTreeSet<String>,
    /// Active directory roles *now*, not when the token was made.
    pub roles: BTreeSet<RoleTemplateId>,
}

/// The longest body of a form or a protocol message.
const PUBLIC_BODY: usize = 64 * 1024;
/// The longest body of a Graph request; a whole tenant is applied in one.
const GRAPH_BODY: usize = 16 * 1024 * 1024;
/// The longest that a request takes, its body's arrival included.
const REQUEST_TIME: Duration = Duration::from_secs(60);

/// Every endpoint there is.
pub fn routes() -> Vec<Route> {
    let mut routes = Vec::new();
    routes.extend(crate::oauth::routes());
    routes.extend(crate::sign_in::routes());
    routes.extend(crate::graph::routes());
    routes.extend(crate::signals::routes());
    routes.extend(crate::apply::routes());
    routes.extend(crate::legacy::routes());
    routes.extend(crate::bootstrap::routes());
    routes
}

pub fn router(state: ControlPlane) -> Router {
    let mut router = Router::new();
    for Route { path, access, handler, .. } in routes() {
        let handler = match access {
            Access::Public => handler.layer(DefaultBodyLimit::max(PUBLIC_BODY)),
            Access::Graph(permission) => handler
                .layer(DefaultBodyLimit::max(GRAPH_BODY))
                .layer(middleware::from_fn_with_state((state.clone(), permission), guard)),
        };
        router = router.route(path, handler);
    }
    router.layer(middleware::from_fn(limit_time)).layer(middleware::map_response(harden)).with_state(state)
}

impl Permission {
    /// Whether `caller` may; if not, what is missing.
    pub fn check(&self, caller: &Caller) -> Result<(), ApiError> {
        let Some(user) = &caller.user else {
            if self.application.is_empty() {
                return Err(ApiError::Forbidden("only a signed-in user may do this, not an application".to_owned()));
            }
            return if self.application.iter().any(|permission| caller.application_permissions.contains(*permission)) {
                Ok(())
            } else {
                Err(ApiError::Forbidden(format!("needs one of the application permissions {}", self.application.join(", "))))
            };
        };
        if self.scopes.is_empty() {
            return Err(ApiError::Forbidden("only an application may do this, not a signed-in user".to_owned()));
        }
        if !self.scopes.iter().any(|scope| user.scopes.contains(*scope)) {
            return Err(ApiError::Forbidden(format!("needs one of the scopes {}", self.scopes.join(", "))));
        }
        if !self.roles.is_empty() && !self.roles.iter().any(|role| user.roles.contains(&RoleTemplateId::new(role))) {
            return Err(ApiError::Forbidden("the signed-in user holds no directory role that allows this".to_owned()));
        }
        Ok(())
    }
}

async fn guard(State((state, permission)): State<(ControlPlane, Permission)>, request: Request<Body>, next: Next) -> Response {
    let client_request_id = request::client_request_id(request.headers());
    let response = admit(&state, permission, request, next).await;
    request::stamped(response, client_request_id, state.clock.now())
}

async fn admit(state: &ControlPlane, permission: Permission, mut request: Request<Body>, next: Next) -> Response {
    let caller = match bearer::caller(state, request.headers()).await {
        Ok(caller) => caller,
        Err(error) => return error.into_response(),
    };
    if let Err(error) = permission.check(&caller) {
        return error.into_response();
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// Nobody holds a request open by sending its body a byte at a time.
async fn limit_time(request: Request<Body>, next: Next) -> Response {
    let answer = async {
        match with_small_body(request).await {
            Ok(request) => next.run(request).await,
            Err(status) => status.into_response(),
        }
    };
    match tokio::time::timeout(REQUEST_TIME, answer).await {
        Ok(response) => response,
        Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}

/// A body that says it is small is read before anything is answered: over HTTP/2 an answer to a half-sent request ends in a
/// stream reset, for which some clients (curl 7.88) throw the answer away.
async fn with_small_body(request: Request<Body>) -> Result<Request<Body>, StatusCode> {
    let is_small = |length: u64| length > 0 && length <= PUBLIC_BODY as u64;
    if !http_body::Body::size_hint(request.body()).exact().is_some_and(is_small) {
        return Ok(request);
    }
    let (head, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, PUBLIC_BODY).await.map_err(|_| StatusCode::BAD_REQUEST)?;
    Ok(Request::from_parts(head, Body::from(bytes)))
}

/// Headers that every answer has. Pages add their Content-Security-Policy.
async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
