//! What a filter is.

use api::failure::Failure;
use axum::response::Response;
use http::request::Parts;

use crate::http::app::App;
use crate::http::exchange::Exchange;

/// One thing that is done to every request. What must wrap the handler itself stands beside the list instead.
pub trait Filter: Sync {
    /// On the way in. A failure is the answer: the request goes no further.
    fn before(&self, app: &App, exchange: &mut Exchange, request: &Parts) -> Result<(), Failure> {
        let _ = (app, exchange, request);
        Ok(())
    }

    /// On the way out, also when a later filter or the handler refused.
    fn after(&self, app: &App, exchange: &Exchange, response: &mut Response) {
        let _ = (app, exchange, response);
    }
}
