//! `ApiError`: every way in which a Graph request can fail, and the one table of codes.
//! <https://learn.microsoft.com/graph/errors>

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;
use store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    // The caller's fault.
    #[error("{0}")]
    Unauthenticated(String),
    #[error("{0}")]
    Forbidden(String),
    /// Also where existence is a secret.
    #[error("resource `{0}` does not exist or you may not see it")]
    NotFound(String),
    #[error("{0}")]
    BadRequest(String),
    #[error("{0}")]
    Conflict(String),
    #[error("too many requests at once; try again shortly")]
    Busy,
    // Ours.
    #[error("the server could not complete the request")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the server's disk is full; nothing was changed")]
    StorageFull,
}

/// A principal name is no longer.
const LONGEST_NAME: usize = 256;

/// What an answer said, left in its extensions: with what only the request knows, the guard says it again.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub code: &'static str,
    pub message: String,
    pub request_id: String,
}

impl ApiError {
    pub fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Internal(Box::new(error))
    }

    /// `name` is what the caller wrote; so much of it is said back as anybody reads.
    pub fn not_found(name: &str) -> Self {
        Self::NotFound(name.chars().take(LONGEST_NAME).collect())
    }

    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
        }
    }

    /// Graph's `error.code`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unauthenticated(_) => "InvalidAuthenticationToken",
            Self::Forbidden(_) => "Authorization_RequestDenied",
            Self::NotFound(_) => "Request_ResourceNotFound",
            Self::BadRequest(_) => "Request_BadRequest",
            Self::Conflict(_) => "Request_MultipleObjectsWithSameKeyValue",
            Self::Busy => "TooManyRequests",
            Self::Internal(_) => "InternalServerError",
            Self::StorageFull => "InsufficientStorage",
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::StorageFull,
            StoreError::Busy => Self::Busy,
            StoreError::Conflict { what } => Self::Conflict(format!("another object already has this {what}")),
            other => Self::internal(other),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let request_id = runtime::random::guid();
        if let Self::Internal(source) = &self {
            tracing::error!(error = %source, %request_id, "request failed");
        }
        let body = json!({"error": {
            "code": self.code(),
            "message": self.to_string(),
            "innerError": {"request-id": request_id, "client-request-id": request_id},
        }});
        let mut response = (self.status(), axum::Json(body)).into_response();
        response.extensions_mut().insert(Told { code: self.code(), message: self.to_string(), request_id });
        if matches!(self, Self::Unauthenticated(_)) {
            let challenge = HeaderValue::from_static(r#"Bearer realm="", error="invalid_token""#);
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if matches!(self, Self::Busy) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}
