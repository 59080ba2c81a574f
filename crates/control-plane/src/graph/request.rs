//! What every Graph handler does with its request: read the body, read the query, name the context of the answer.

use super::query::{Query, QueryError, QueryOption};
use crate::error::{ApiError, Told};
use crate::passwords::PasswordError;
use crate::state::ControlPlane;
use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use model::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::json;

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

/// The body as JSON, whatever `Content-Type` says.
pub(crate) fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| ApiError::BadRequest(format!("unreadable body: {error}")))
}

/// The system query options, of which `options` are served and pages of at most `most`.
pub(crate) fn query(uri: &Uri, options: &[QueryOption], most: usize) -> Result<Query, ApiError> {
    Ok(Query::parse(uri.query().unwrap_or_default(), options, most)?)
}

/// `@odata.context`: `https://HOST/v1.0/$metadata#users`.
pub(crate) fn context(state: &ControlPlane, uri: &Uri, set: &str) -> String {
    format!("{}/{}/$metadata#{set}", state.config.base(), version(uri))
}

/// The same request with another `$skiptoken`: the address of what comes next.
pub(crate) fn continued(state: &ControlPlane, uri: &Uri, token: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        if name != QueryOption::SkipToken.as_str() {
            query.append_pair(&name, &value);
        }
    }
    query.append_pair(QueryOption::SkipToken.as_str(), token);
    // Graph leaves the dollar as it is, and some clients look for it.
    format!("{}{}?{}", state.config.base(), uri.path(), query.finish().replace("%24", "$"))
}

fn version(uri: &Uri) -> &'static str {
    if uri.path().starts_with("/beta/") { "beta" } else { "v1.0" }
}

/// Why a password that somebody wants to set was not hashed.
pub(crate) fn password_error(error: PasswordError) -> ApiError {
    match error {
        PasswordError::TooShort | PasswordError::TooLong => ApiError::BadRequest(error.to_string()),
        PasswordError::Busy => ApiError::Busy,
        PasswordError::Unavailable => ApiError::internal(error),
    }
}

/// `client-request-id`, where it is a GUID: anything else would be echoed unread.
pub(crate) fn client_request_id(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(CLIENT_REQUEST_ID)?.to_str().ok()?;
    uuid::Uuid::try_parse(text).ok().map(|id| id.to_string())
}

/// An answer with Graph's tracing headers and, where it is an error, the inner error that names them and the time.
pub(crate) fn stamped(mut response: Response, client_request_id: Option<String>, now: Timestamp) -> Response {
    let told = response.extensions_mut().remove::<Told>();
    let request_id = told.as_ref().map_or_else(runtime::random::guid, |told| told.request_id.clone());
    let client_request_id = client_request_id.unwrap_or_else(|| request_id.clone());
    if let Some(Told { code, message, .. }) = told {
        let date = Timestamp::from_seconds(now.seconds()).to_string();
        let inner = json!({
            "date": date.trim_end_matches('Z'), "request-id": request_id, "client-request-id": client_request_id,
        });
        let body = json!({"error": {"code": code, "message": message, "innerError": inner}});
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = Body::from(body.to_string());
    }
    for (name, value) in [(REQUEST_ID, request_id), (CLIENT_REQUEST_ID, client_request_id)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        Self::BadRequest(error.to_string())
    }
}
