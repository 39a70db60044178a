//! Answers: JSON, Redivis' errors, and the storage service's bare ones.

use std::io;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::json;

/// The largest request body of an API call; 1000 registrations with long names stay below 2 MiB.
pub(super) const API_BODY_LIMIT: usize = 8 * 1024 * 1024;

/// A request that is not granted: a 4xx or 5xx with its reason.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// Redivis' short code.
    pub code: &'static str,
    /// Words for people.
    pub description: String,
}

impl Refusal {
    /// A refusal with this status.
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        description: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code,
            description: description.into(),
        }
    }

    /// 400.
    pub(super) fn bad_request(code: &'static str, description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, description)
    }

    /// 404.
    pub(super) fn not_found(description: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found_error", description)
    }

    /// As the API answers it. A HEAD has no body, so a header repeats the error.
    pub(super) fn into_api_response(self) -> Response {
        let body = json!({
            "error": self.code,
            "error_description": self.description,
            "status": self.status.as_u16(),
        });
        let payload = utf8_percent_encode(&body.to_string(), NON_ALPHANUMERIC).to_string();
        let mut response = json(self.status, &body);
        if let Ok(value) = HeaderValue::from_str(&payload) {
            response
                .headers_mut()
                .insert("x-redivis-error-payload", value);
        }
        response
    }

    /// As the storage service answers it: plain text.
    pub(super) fn into_storage_response(self) -> Response {
        let mut response = Response::new(Body::from(format!("{}\n", self.description)));
        *response.status_mut() = self.status;
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        response
    }
}

/// A disk that fails is the server's own trouble.
impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "server_error",
            format!("the practice server's disk: {error}"),
        )
    }
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let text = serde_json::to_vec(body).unwrap_or_default();
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Sets a header whose value the server made itself; a value that is no header is left out.
pub(super) fn set(response: &mut Response, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
