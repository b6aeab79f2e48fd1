//! Answers that carry one whole document.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;

use crate::http::content::accept::{Accepted, Encoding, Form};
use crate::http::content::{gzip, pretty, yaml};
use crate::http::reply::{metadata, table};
use crate::kinds::erased::KindRef;
use crate::storage::object::Object;

/// One object, in the form that was asked for.
pub fn object(code: StatusCode, accepted: Accepted, kind: KindRef, object: &Object, look: &Look<'_>) -> Response {
    let bytes = match accepted.form {
        Form::Table(version) => table::of_object(version, kind, object, look.rows, look.now).into(),
        Form::Metadata(version) => metadata::of_object(version, &object.bytes).into(),
        Form::Object | Form::AggregatedDiscovery => object.bytes.clone(),
    };
    document(code, accepted, bytes, look.request)
}

/// How the request wants its answer, beyond the form.
pub struct Look<'a> {
    pub request: &'a HeaderMap,
    pub rows: table::RowObject,
    pub now: Timestamp,
}

/// A JSON document, written as was asked for.
pub fn document(code: StatusCode, accepted: Accepted, json: impl Into<Bytes>, request: &HeaderMap) -> Response {
    let json = json.into();
    let bytes = match accepted.encoding {
        Encoding::Json if accepted.pretty => pretty::indent(&json).into(),
        Encoding::Json => json,
        Encoding::Yaml => as_yaml(&json),
    };
    let compress = bytes.len() > gzip::WORTHWHILE && accepts_gzip(request);
    let body = if compress { gzip::compress(&bytes).into() } else { bytes };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = code;
    set_content_headers(response.headers_mut(), accepted.encoding, compress);
    response
}

pub fn set_content_headers(headers: &mut HeaderMap, encoding: Encoding, compressed: bool) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(encoding.media_type()));
    if compressed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

pub fn accepts_gzip(request: &HeaderMap) -> bool {
    let offered = request.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    offered.split(',').any(|offer| offer.split(';').next().is_some_and(|coding| coding.trim() == "gzip"))
}

fn as_yaml(json: &[u8]) -> Bytes {
    let value = serde_json::from_slice(json).expect("what we send is JSON");
    yaml::write(&value).unwrap_or_else(|error| format!("# cannot be written as YAML: {error}\n")).into()
}
