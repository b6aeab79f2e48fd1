//! Ends requests that take too long. Watches and logs may take as long as they like.

use std::future::Future;
use std::time::Duration;

use api::failure::Failure;
use axum::response::Response;

use crate::http::exchange::Exchange;
use crate::http::reply::failure;

const LONGEST: Duration = Duration::from_secs(60);

pub async fn within(exchange: &Exchange, answer: impl Future<Output = Response>) -> Response {
    if exchange.is_long_running() {
        return answer.await;
    }
    let text = "request did not complete within requested timeout - context deadline exceeded";
    tokio::time::timeout(LONGEST, answer).await.unwrap_or_else(|_| failure::failure(&Failure::timeout(text)))
}
