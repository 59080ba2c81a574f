//! The pages. Templates in `templates/` (their README says what stays stable), escaped by askama; no script but our own, no
//! frame, nothing from elsewhere. Nothing here decides.

use crate::sign_in::attempt::Attempt;
use crate::sign_in::authenticate::{self, Notice};
use crate::sign_in::cookies;
use crate::sign_in::failure::Failure;
use crate::sign_in::flow::{Flow, Pending};
use crate::sign_in::next::Way;
use crate::sign_in::owed::PolicyWords;
use crate::sign_in::session::SignedIn;
use crate::state::ControlPlane;
use askama::Template;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use model::{AppId, User};
use protocol::aadsts::{Aadsts, Fault};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use store::credential::{Credential, CredentialKind};

/// What every page has; before there is a tenant, nothing.
#[derive(Debug, Default)]
pub(crate) struct Shell {
    pub(crate) tenant: String,
    pub(crate) tenant_name: String,
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage<'a> {
    shell: Shell,
    flow: String,
    application: String,
    username: &'a str,
    message: Option<&'a str>,
    options: String,
}

#[derive(Template)]
#[template(path = "select-account.html")]
struct SelectAccountPage<'a> {
    shell: Shell,
    flow: String,
    display_name: &'a str,
    username: &'a str,
}

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordPage<'a> {
    shell: Shell,
    flow: String,
    username: &'a str,
    message: Option<&'a str>,
    policies: &'a [PolicyWords],
    options: String,
}

#[derive(Template)]
#[template(path = "method.html")]
struct MethodPage<'a> {
    shell: Shell,
    flow: String,
    methods: Vec<Choice>,
    policies: &'a [PolicyWords],
}

#[derive(Template)]
#[template(path = "totp.html")]
struct TotpPage<'a> {
    shell: Shell,
    flow: String,
    message: Option<&'a str>,
    policies: &'a [PolicyWords],
    has_other_ways: bool,
}

#[derive(Template)]
#[template(path = "passkey.html")]
struct PasskeyPage<'a> {
    shell: Shell,
    flow: String,
    message: Option<&'a str>,
    policies: &'a [PolicyWords],
    has_other_ways: bool,
    options: String,
}

#[derive(Template)]
#[template(path = "register-totp.html")]
struct RegisterTotpPage<'a> {
    shell: Shell,
    flow: String,
    message: Option<&'a str>,
    secret: &'a str,
    address: &'a str,
}

#[derive(Template)]
#[template(path = "register-passkey.html")]
struct RegisterPasskeyPage<'a> {
    shell: Shell,
    flow: String,
    message: Option<&'a str>,
    options: String,
}

#[derive(Template)]
#[template(path = "refused.html")]
struct RefusedPage<'a> {
    shell: Shell,
    flow: String,
    resource: &'a str,
    policies: &'a [PolicyWords],
    register: Vec<Choice>,
    can_cancel: bool,
    error_code: u32,
    reason: &'a str,
    correlation_id: &'a str,
}

#[derive(Template)]
#[template(path = "security-info.html")]
struct SecurityInfoPage<'a> {
    shell: Shell,
    flow: String,
    username: &'a str,
    credentials: Vec<Listed<'a>>,
}

#[derive(Template)]
#[template(path = "sign-out.html")]
struct SignOutPage<'a> {
    shell: Shell,
    flow: String,
    username: &'a str,
}

#[derive(Template)]
#[template(path = "signed-out.html")]
struct SignedOutPage {
    shell: Shell,
}

#[derive(Template)]
#[template(path = "form-post.html")]
struct FormPostPage<'a> {
    shell: Shell,
    action: &'a str,
    members: &'a [(&'a str, &'a str)],
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    shell: Shell,
    title: &'a str,
    reason: &'a str,
    error_code: u32,
    error: &'a str,
    correlation_id: &'a str,
    timestamp: &'a str,
}

/// A method to choose.
struct Choice {
    value: &'static str,
    label: &'static str,
    hint: &'static str,
}

struct Listed<'a> {
    id: &'a str,
    label: &'a str,
    kind: &'static str,
    created: String,
    last_used: Option<String>,
}

pub(crate) fn account(
    state: &ControlPlane,
    attempt: &mut Attempt,
    mut flow: Flow,
    notice: Notice<'_>,
) -> Result<Response, Failure> {
    let options = usernameless(state, &mut flow)?;
    let page = AccountPage {
        shell: shell(attempt),
        flow: sealed(state, attempt, &flow)?,
        application: application_name(attempt, &flow),
        username: flow.account.as_deref().unwrap_or_default(),
        message: notice.message,
        options,
    };
    html(notice.status, &page, Some(&flow))
}

pub(crate) fn select_account(
    state: &ControlPlane,
    attempt: &mut Attempt,
    flow: &Flow,
    signed_in: &SignedIn,
) -> Result<Response, Failure> {
    let page = SelectAccountPage {
        shell: shell(attempt),
        flow: sealed(state, attempt, flow)?,
        display_name: &signed_in.user.display_name,
        username: &signed_in.user.user_principal_name,
    };
    html(StatusCode::OK, &page, Some(flow))
}

/// The same for every name, whoever has it: the passkey options name no account.
pub(crate) fn password(
    state: &ControlPlane,
    attempt: &mut Attempt,
    mut flow: Flow,
    policies: &[PolicyWords],
    notice: Notice<'_>,
) -> Result<Response, Failure> {
    let options = usernameless(state, &mut flow)?;
    let page = PasswordPage {
        shell: shell(attempt),
        flow: sealed(state, attempt, &flow)?,
        username: flow.account.as_deref().unwrap_or_default(),
        message: notice.message,
        policies,
        options,
    };
    html(notice.status, &page, Some(&flow))
}

pub(crate) fn method(
    state: &ControlPlane,
    attempt: &mut Attempt,
    flow: &Flow,
    ways: &BTreeSet<Way>,
    policies: &[PolicyWords],
) -> Result<Response, Failure> {
    let methods = ways.iter().map(|way| choice(*way)).collect();
    let page = MethodPage { shell: shell(attempt), flow: sealed(state, attempt, flow)?, methods, policies };
    html(StatusCode::OK, &page, Some(flow))
}

pub(crate) fn totp(
    state: &ControlPlane,
    attempt: &mut Attempt,
    flow: &Flow,
    policies: &[PolicyWords],
    has_other_ways: bool,
    notice: Notice<'_>,
) -> Result<Response, Failure> {
    let page = TotpPage {
        shell: shell(attempt),
        flow: sealed(state, attempt, flow)?,
        message: notice.message,
        policies,
        has_other_ways,
    };
    html(notice.status, &page, Some(flow))
}

pub(crate) fn passkey(
    state: &ControlPlane,
    attempt: &mut Attempt,
    flow: &Flow,
    options: &Value,
    policies: &[PolicyWords],
    has_other_ways: bool,
    notice: Notice<'_>,
) -> Result<Response, Failure> {
    let page = PasskeyPage {
        shell: shell(attempt),
        flow: sealed(state, attempt, flow)?,
        message: notice.message,
        policies,
        has_other_ways,
        options: script_json(options),
    };
    html(notice.status, &page, Some(flow))
}

pub(crate) fn register_totp(
    state: &ControlPlane,
    attempt: &mut Attempt,
    flow: &Flow,
    secret: &str,
    address: &str,
    notice: Notice<'_>,
) -> Result<Response, Failure> {
    let page =
        RegisterTotpPage { shell: shell(attempt), flow: sealed(state, attempt, flow)?, message: notice.message, secret, address };
    html(notice.status, &page, Some(flow))
}

pub(crate) fn register_passkey(
    state: &ControlPlane,
    attempt: &mut Attempt,
    flow: &Flow,
    options: &Value,
    notice: Notice<'_>,
) -> Result<Response, Failure> {
    let page = RegisterPasskeyPage {
        shell: shell(attempt),
        flow: sealed(state, attempt, flow)?,
        message: notice.message,
        options: script_json(options),
    };
    html(notice.status, &page, Some(flow))
}

pub(crate) fn refused(
    state: &ControlPlane,
    attempt: &mut Attempt,
    flow: &Flow,
    fault: &Fault,
    resource: &str,
    policies: &[PolicyWords],
    register: &BTreeSet<Way>,
) -> Result<Response, Failure> {
    let page = RefusedPage {
        shell: shell(attempt),
        flow: sealed(state, attempt, flow)?,
        resource,
        policies,
        register: register.iter().filter_map(|way| registration_choice(*way)).collect(),
        can_cancel: flow.request().is_some(),
        error_code: fault.number(),
        reason: &fault.text,
        correlation_id: &attempt.correlation_id,
    };
    html(StatusCode::FORBIDDEN, &page, Some(flow))
}

pub(crate) fn security_info(
    state: &ControlPlane,
    attempt: &mut Attempt,
    flow: &Flow,
    user: &User,
    credentials: &[Credential],
) -> Result<Response, Failure> {
    let page = SecurityInfoPage {
        shell: shell(attempt),
        flow: sealed(state, attempt, flow)?,
        username: &user.user_principal_name,
        credentials: credentials.iter().map(listed).collect(),
    };
    html(StatusCode::OK, &page, Some(flow))
}

pub(crate) fn sign_out(state: &ControlPlane, attempt: &mut Attempt, flow: &Flow, user: &User) -> Result<Response, Failure> {
    let page = SignOutPage { shell: shell(attempt), flow: sealed(state, attempt, flow)?, username: &user.user_principal_name };
    html(StatusCode::OK, &page, Some(flow))
}

pub(crate) fn signed_out(attempt: &Attempt) -> Result<Response, Failure> {
    html(StatusCode::OK, &SignedOutPage { shell: shell(attempt) }, None)
}

/// A page that posts `members` to a redirect address that was checked.
pub(crate) fn form_post(attempt: &Attempt, action: &str, members: &[(&str, &str)]) -> Result<Response, Failure> {
    let page = FormPostPage { shell: shell(attempt), action, members };
    let mut response = html(StatusCode::OK, &page, None)?;
    set_policy(&mut response, &beyond_self(Some(action)));
    Ok(response)
}

/// To an address of our own, or one that was checked.
pub(crate) fn redirect(address: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(value) = HeaderValue::from_str(address) {
        response.headers_mut().insert(header::LOCATION, value);
    } else {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    response
}

/// The answer to a page request: what came of it or an error page, with the cookies that it sets.
pub(crate) fn respond(state: &ControlPlane, attempt: Attempt, result: Result<Response, Failure>) -> Response {
    let mut response = match result {
        Ok(response) => response,
        Err(failure) => {
            let fault = failure.into_fault(&attempt.correlation_id);
            let is_refusal =
                matches!(fault.aadsts, Aadsts::AccountDisabled | Aadsts::BlockedByPolicy | Aadsts::RegistrationBlocked);
            let status = if is_refusal {
                StatusCode::FORBIDDEN
            } else {
                StatusCode::from_u16(fault.aadsts.status()).unwrap_or(StatusCode::BAD_REQUEST)
            };
            error(state, &attempt, &fault, status)
        }
    };
    for cookie in attempt.set_cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    if response.status() == StatusCode::TOO_MANY_REQUESTS || response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().entry(header::RETRY_AFTER).or_insert(HeaderValue::from_static("5"));
    }
    response
}

/// `response`, which says when it is of use to come again.
pub(crate) fn retry_after(mut response: Response, wait: Duration) -> Response {
    let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

fn error(state: &ControlPlane, attempt: &Attempt, fault: &Fault, status: StatusCode) -> Response {
    let occurrence = attempt.occurrence(state.config.base(), state.clock.now());
    let page = ErrorPage {
        shell: shell(attempt),
        title: if status.is_server_error() { "Something went wrong here" } else { "That didn't work" },
        reason: &fault.text,
        error_code: fault.number(),
        error: fault.aadsts.authorize_error(),
        correlation_id: &attempt.correlation_id,
        timestamp: &occurrence.timestamp,
    };
    html(status, &page, None).unwrap_or_else(|_| status.into_response())
}

/// `/error?code=N`: what `error_uri` points to.
pub(crate) async fn explain_error(State(_): State<ControlPlane>, attempt: Attempt, RawQuery(query): RawQuery) -> Response {
    let code = form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .find(|(name, _)| name == "code")
        .and_then(|(_, value)| value.parse().ok());
    let row = code.and_then(|code| Aadsts::with_number(code).next());
    let Some(row) = row else { return StatusCode::NOT_FOUND.into_response() };
    let text = row.template().replace("{}", "…");
    let page = ErrorPage {
        shell: shell(&attempt),
        title: "About this error",
        reason: &text,
        error_code: row.number(),
        error: row.token_error(),
        correlation_id: "",
        timestamp: "",
    };
    html(StatusCode::OK, &page, None).unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// `/static/{file}`: compiled in, so that a page and its script are of one version.
pub(crate) async fn static_file(Path(file): Path<String>) -> Response {
    let (kind, text) = match file.as_str() {
        "style.css" => ("text/css; charset=utf-8", include_str!("../../static/style.css")),
        "icon.svg" => ("image/svg+xml", include_str!("../../static/icon.svg")),
        "passkey.js" => ("text/javascript; charset=utf-8", include_str!("../../static/passkey.js")),
        "form-post.js" => ("text/javascript; charset=utf-8", include_str!("../../static/form-post.js")),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    response
}

/// `flow`: of the forms on the page, which may end at a client's address. Without one they end here.
pub(crate) fn html(status: StatusCode, page: &impl Template, flow: Option<&Flow>) -> Result<Response, Failure> {
    let text = page.render().map_err(Failure::ours)?;
    let mut response = (status, Body::from(text)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let redirect = |flow: &Flow| beyond_self(flow.request().map(|request| request.envelope.redirect_uri.as_str()));
    set_policy(&mut response, &flow.map(redirect).unwrap_or_default());
    Ok(response)
}

/// Content Security Policy Level 3.
fn set_policy(response: &mut Response, form_targets: &str) {
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; \
         frame-ancestors 'none'; form-action 'self'{form_targets}"
    );
    let value = HeaderValue::from_str(&policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"));
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, value);
}

/// A form may end at the client's address, by way of redirects, which some browsers hold against `form-action`; so https is
/// allowed, and the scheme of a native client's address.
fn beyond_self(redirect: Option<&str>) -> String {
    let scheme = redirect
        .and_then(|address| url::Url::parse(address).ok())
        .map(|url| url.scheme().to_owned())
        .filter(|scheme| scheme != "https");
    let extra = match scheme.as_deref() {
        None => String::new(),
        // Only loopback addresses are registered with it.
        Some("http") => " http://localhost:* http://127.0.0.1:* http://[::1]:*".to_owned(),
        Some(scheme) => format!(" {scheme}:"),
    };
    format!(" https:{extra}")
}

fn shell(attempt: &Attempt) -> Shell {
    Shell { tenant: attempt.tenant_segment().to_owned(), tenant_name: attempt.tenant_name().to_owned() }
}

/// The flow for the page's forms, bound to this browser, which gets its cookie now if it had none.
fn sealed(state: &ControlPlane, attempt: &mut Attempt, flow: &Flow) -> Result<String, Failure> {
    let browser = match &attempt.browser {
        Some(browser) => browser.clone(),
        None => {
            let browser = runtime::random::token();
            attempt.set_cookies.push(cookies::set_browser(&browser));
            attempt.browser = Some(browser.clone());
            browser
        }
    };
    Ok(flow.seal(&state.sealer, &browser, state.clock.now())?)
}

fn usernameless(state: &ControlPlane, flow: &mut Flow) -> Result<String, Failure> {
    let (options, ceremony) = crate::passkeys::start_usernameless(&state.webauthn).map_err(Failure::ours)?;
    flow.pending = Some(Pending::Passkey(ceremony));
    Ok(script_json(&options))
}

/// JSON for inside `<script>`: no `<` can end the element or begin a comment.
fn script_json(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// What the person wants to get to: the published application, where a gateway asks on its behalf; else the client.
fn application_name(attempt: &Attempt, flow: &Flow) -> String {
    let Some(request) = flow.request() else { return String::new() };
    let applications = &attempt.snapshot.directory.applications;
    let resource = authenticate::asked(attempt, flow).ok().and_then(|asked| applications.get(&asked.resource));
    let published = resource.filter(|resource| resource.on_premises_publishing.is_some());
    let shown = published.or_else(|| applications.get(&AppId::new(&request.envelope.client_id)));
    shown.map(|application| application.display_name.clone()).unwrap_or_default()
}

const fn choice(way: Way) -> Choice {
    match way {
        Way::Password => Choice { value: "password", label: "Password", hint: "Enter your password" },
        Way::Totp => Choice { value: "totp", label: "Authenticator app", hint: "Enter the six-digit code that it shows" },
        Way::Passkey => {
            Choice { value: "passkey", label: "Passkey", hint: "Use your fingerprint, face, device PIN or security key" }
        }
    }
}

/// Nobody registers a password of their own accord.
const fn registration_choice(way: Way) -> Option<Choice> {
    match way {
        Way::Password => None,
        Way::Totp => {
            Some(Choice { value: "register-totp", label: "Set up an authenticator app", hint: "Six-digit codes on your phone" })
        }
        Way::Passkey => Some(Choice {
            value: "register-passkey",
            label: "Set up a passkey",
            hint: "Fingerprint, face, device PIN or security key",
        }),
    }
}

fn listed(credential: &Credential) -> Listed<'_> {
    let day = |at: model::Timestamp| at.to_string().chars().take(10).collect::<String>();
    Listed {
        id: if credential.kind == CredentialKind::Password { "" } else { &credential.id },
        label: &credential.label,
        kind: match credential.kind {
            CredentialKind::Password => "Password",
            CredentialKind::Totp => "Authenticator app",
            CredentialKind::Passkey => "Passkey",
        },
        created: day(credential.created),
        last_used: credential.last_used.map(day),
    }
}
