//! Answers that say that something failed: a Status.

use api::failure::Failure;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};

use crate::http::content::accept::Accepted;
use crate::http::reply::object::encoded;

/// Marks the answers of `failure`, whose Status `rewrite` finds here.
#[derive(Clone)]
struct StatusJson(Bytes);

/// The Status of a failure, with the code and the headers that go with it. It is JSON, whatever the client reads:
/// `rewrite` makes that good for all of them in one place.
pub fn failure(failure: &Failure) -> Response {
    let bytes = Bytes::from(serde_json::to_vec(&failure.status()).expect("a Status is JSON"));
    let mut response = Response::new(Body::from(bytes.clone()));
    response.extensions_mut().insert(StatusJson(bytes));
    *response.status_mut() = StatusCode::from_u16(failure.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(seconds) = failure.details.as_ref().map(|details| details.retry_after_seconds).filter(|s| *s > 0) {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Writes the Status of a failure as was asked for. Other answers stay as they are.
pub fn rewrite(response: &mut Response, accepted: Accepted) {
    let Some(StatusJson(json)) = response.extensions_mut().remove() else { return };
    let (encoding, bytes) = encoded(accepted, json);
    *response.body_mut() = Body::from(bytes);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(encoding.media_type()));
}

/// A path that no part of the server knows.
pub fn no_such_path() -> Response {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

/// Plain text, as health checks and proxies speak.
pub fn text(code: StatusCode, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
