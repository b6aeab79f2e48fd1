//! Refuses bodies that announce themselves as too long. Those that do not are cut off while they are read.

use api::failure::Failure;
use http::header::CONTENT_LENGTH;
use http::request::Parts;

use crate::http::app::App;
use crate::http::content::body;
use crate::http::exchange::Exchange;
use crate::http::filters::filter::Filter;

pub struct BodyLimit;

impl Filter for BodyLimit {
    fn before(&self, _: &App, _: &mut Exchange, request: &Parts) -> Result<(), Failure> {
        let announced: Option<u64> =
            request.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        match announced {
            Some(length) if length > body::LIMIT as u64 => Err(body::too_large()),
            _ => Ok(()),
        }
    }
}
