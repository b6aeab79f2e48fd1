//! Writes refusals in the form that the client reads, wherever they come from.

use api::failure::Failure;
use axum::response::Response;
use http::request::Parts;

use crate::http::app::App;
use crate::http::content::accept::{self, Accepted, Offer};
use crate::http::exchange::Exchange;
use crate::http::filters::filter::Filter;
use crate::http::query::Query;
use crate::http::reply::failure;

pub struct Refusal;

impl Filter for Refusal {
    fn before(&self, _: &App, exchange: &mut Exchange, request: &Parts) -> Result<(), Failure> {
        let query = Query::parse(request.uri.query().unwrap_or(""));
        // Who accepts nothing that is here gets JSON, to be told so.
        let accepted = accept::negotiate(&request.headers, query.get("pretty"), || Offer::Plain);
        exchange.refused_in = accepted.unwrap_or(Accepted::JSON);
        Ok(())
    }

    fn after(&self, _: &App, exchange: &Exchange, response: &mut Response) {
        if exchange.refused_in != Accepted::JSON {
            failure::rewrite(response, exchange.refused_in);
        }
    }
}
