//! Sign-in: Identify → Authenticate → Gather → `enforce::decide` → controls still owed, or Issue → Record.
//!
//! The state between two pages is a sealed form token (`flow`) bound to the browser; what was proven is a session row.
//! A page never says whether an account exists. Nothing here says what a policy means: `next` asks `decide`, also about
//! what would be if the person used this or that method.

pub(crate) mod attempt;
pub(crate) mod authenticate;
pub(crate) mod cookies;
pub(crate) mod enforce;
pub(crate) mod failure;
pub(crate) mod flow;
pub(crate) mod gather;
pub(crate) mod issue;
pub(crate) mod known;
pub(crate) mod next;
pub(crate) mod owed;
pub(crate) mod pages;
pub(crate) mod passkey;
pub(crate) mod password;
pub(crate) mod record;
pub(crate) mod register;
pub(crate) mod security_info;
pub(crate) mod session;
pub(crate) mod session_end;
pub(crate) mod steps;
pub(crate) mod throttle;
pub(crate) mod totp;

use crate::api::{Access, Route};
use crate::state::ControlPlane;
use axum::routing::{self, MethodRouter};
use http::Method;

pub(crate) fn routes() -> Vec<Route> {
    let get = |path, handler| Route { method: Method::GET, path, access: Access::Public, handler };
    let post = |path, handler: MethodRouter<ControlPlane>| Route { method: Method::POST, path, access: Access::Public, handler };
    vec![
        post("/{tenant}/signin/account", routing::post(steps::account)),
        post("/{tenant}/signin/continue", routing::post(steps::go_on)),
        post("/{tenant}/signin/other", routing::post(steps::other)),
        post("/{tenant}/signin/cancel", routing::post(steps::cancel)),
        post("/{tenant}/signin/method", routing::post(steps::method)),
        post("/{tenant}/signin/password", routing::post(password::submit)),
        post("/{tenant}/signin/totp", routing::post(totp::submit)),
        post("/{tenant}/signin/passkey", routing::post(passkey::submit)),
        post("/{tenant}/signin/register-totp", routing::post(register::totp)),
        post("/{tenant}/signin/register-passkey", routing::post(register::passkey)),
        get("/{tenant}/mysecurityinfo", routing::get(security_info::show)),
        post("/{tenant}/mysecurityinfo", routing::post(security_info::change)),
        get("/error", routing::get(pages::explain_error)),
        get("/static/{file}", routing::get(pages::static_file)),
    ]
}
