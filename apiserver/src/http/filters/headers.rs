//! The headers that every answer has.

use axum::response::Response;
use http::header::CACHE_CONTROL;
use http::{HeaderName, HeaderValue};

use crate::http::app::App;
use crate::http::exchange::Exchange;
use crate::http::filters::filter::Filter;

/// Which flow schema and priority level a request fell under. All are treated alike here.
const FLOW_SCHEMA: HeaderName = HeaderName::from_static("x-kubernetes-pf-flowschema-uid");
const PRIORITY_LEVEL: HeaderName = HeaderName::from_static("x-kubernetes-pf-prioritylevel-uid");
const FLOW_SCHEMA_UID: HeaderValue = HeaderValue::from_static("6b1a1a1e-7f0b-4a0f-9a4c-0d5a6f1c8e01");
const PRIORITY_LEVEL_UID: HeaderValue = HeaderValue::from_static("6b1a1a1e-7f0b-4a0f-9a4c-0d5a6f1c8e02");

pub struct Headers;

impl Filter for Headers {
    fn after(&self, _: &App, _: &Exchange, response: &mut Response) {
        let headers = response.headers_mut();
        // Discovery and OpenAPI may be kept, and have said so already.
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache, private"));
        headers.insert(FLOW_SCHEMA, FLOW_SCHEMA_UID);
        headers.insert(PRIORITY_LEVEL, PRIORITY_LEVEL_UID);
    }
}
