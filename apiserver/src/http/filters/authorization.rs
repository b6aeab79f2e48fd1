//! Refuses what the user may not do.

use api::failure::Failure;
use http::request::Parts;

use crate::http::app::App;
use crate::http::exchange::Exchange;
use crate::http::filters::filter::Filter;

pub struct Authorize;

impl Filter for Authorize {
    fn before(&self, app: &App, exchange: &mut Exchange, _: &Parts) -> Result<(), Failure> {
        app.authorizers.check(&exchange.user, &exchange.attributes)
    }
}
