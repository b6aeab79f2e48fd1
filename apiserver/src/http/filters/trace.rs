//! Puts a span around the work on a request.

use std::future::Future;

use axum::response::Response;
use tracing::Instrument;

use crate::http::exchange::Exchange;

pub async fn spanned(exchange: &Exchange, answer: impl Future<Output = Response>) -> Response {
    let span = tracing::debug_span!(
        "request",
        verb = exchange.attributes.verb.name(),
        path = exchange.attributes.path,
        audit_id = exchange.audit_id,
    );
    if span.is_disabled() {
        return answer.await;
    }
    answer.instrument(span).await
}
