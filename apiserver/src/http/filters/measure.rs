//! Counts requests and how long they take.

use axum::response::Response;

use crate::http::app::App;
use crate::http::exchange::Exchange;
use crate::http::filters::filter::Filter;

pub struct Measure;

impl Filter for Measure {
    fn after(&self, app: &App, exchange: &Exchange, response: &mut Response) {
        let code = response.status().as_u16();
        app.measures.answered(exchange, code);
        tracing::debug!(
            verb = exchange.attributes.verb.name(),
            path = exchange.attributes.path,
            user = exchange.user.name,
            code,
            microseconds = exchange.started.elapsed().as_micros(),
            audit_id = exchange.audit_id,
            "answered"
        );
    }
}
