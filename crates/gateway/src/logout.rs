//! `/.auth/logout`: ends the gateway's session for one application at once, then goes on to end the one at the control
//! plane.

use crate::answer::{self, Caller, Message};
use crate::application::PublishedApplication;
use crate::authenticate::is_foreign;
use crate::cookies;
use crate::flow::CutReason;
use crate::gateway::Gateway;
use crate::session::Session;
use http::header::SET_COOKIE;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use protocol::revocation::{Action, Revocation, Subject};
use runtime::client::Body;
use url::Url;

pub(crate) const LOGOUT: &str = "/.auth/logout";

pub(crate) fn logout(gateway: &Gateway, application: &PublishedApplication, head: &Parts, caller: Caller) -> Response<Body> {
    if head.method == Method::GET {
        return confirm(gateway);
    }
    if head.method != Method::POST {
        return answer::method_not_allowed("GET, POST");
    }
    // Browsers send Origin with every POST: one of another site is somebody else's idea.
    if is_foreign(&head.headers, application) {
        let (status, title) = (StatusCode::FORBIDDEN, "Not signed out");
        let text = "The request came from another site.";
        return answer::message(caller, Message { status, code: "cross_site", title, text });
    }
    let sealed = cookies::one(&head.headers, cookies::ACCESS);
    if let Some(session) = sealed.and_then(|sealed| Session::open(sealed, &gateway.inner.sealer, &application.app_id)) {
        end(gateway, application, &session);
    }
    let onward = gateway.inner.control_plane.discovery().ok().and_then(|discovery| discovery.end_session_endpoint.clone());
    let mut answer = onward
        .and_then(|address| answer::redirect(StatusCode::SEE_OTHER, &address))
        .unwrap_or_else(|| answer::page(StatusCode::OK, "Signed out", "<p>You are signed out of this application.</p>", &[]));
    if let Some(cookie) = cookies::clear(cookies::ACCESS) {
        answer.headers_mut().append(SET_COOKIE, cookie);
    }
    answer
}

/// A copy of the cookie is dead from now on, and so is everything that runs on it.
fn end(gateway: &Gateway, application: &PublishedApplication, session: &Session) {
    let subject = Subject {
        user: Some(session.user.as_str().to_owned()),
        session: session.session.as_ref().map(|session| session.as_str().to_owned()),
        device: None,
        application: Some(application.app_id.as_str().to_owned()),
    };
    let at = gateway.inner.clock.now().seconds().max(session.issued_at);
    gateway.inner.signals.revoke(&Revocation { subject: subject.clone(), action: Action::Revoke, at });
    gateway.inner.metrics.cut_revoked.add(gateway.inner.flows.cut(&subject, CutReason::Revoked));
}

fn confirm(gateway: &Gateway) -> Response<Body> {
    // The form's way leads over a redirect to the control plane, which a browser checks against `form-action` too.
    let onward = gateway.inner.control_plane.discovery().ok().and_then(|discovery| {
        let address = Url::parse(discovery.end_session_endpoint.as_deref()?).ok()?;
        Some(address.origin().ascii_serialization())
    });
    let content = format!(
        "<p>You will be signed out of this application and of your account.</p>\
         <form method=\"post\" action=\"{LOGOUT}\"><button type=\"submit\">Sign out</button></form>"
    );
    answer::page(StatusCode::OK, "Sign out?", &content, &onward.as_deref().map_or_else(Vec::new, |origin| vec![origin]))
}
