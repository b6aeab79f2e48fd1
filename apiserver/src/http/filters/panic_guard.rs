//! Turns a panic into an answer, so that one bad request costs nobody else their connection.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use api::failure::Failure;
use axum::response::Response;
use futures::FutureExt;

use crate::http::reply::failure;

pub async fn guarded(answer: impl Future<Output = Response>) -> Response {
    match AssertUnwindSafe(answer).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!("a request handler panicked");
            failure::failure(&Failure::internal("the server could not carry out the request"))
        }
    }
}
