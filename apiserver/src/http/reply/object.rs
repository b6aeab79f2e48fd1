//! Answers that carry one whole document.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;

use crate::http::content::accept::{Accepted, Encoding, Form};
use crate::http::content::{gzip, pretty, yaml};
use crate::http::reply::{failure, metadata, protobuf, table};
use crate::kinds::erased::KindRef;
use crate::storage::object::Object;

/// One object, in the form that was asked for.
pub fn object(code: StatusCode, accepted: Accepted, kind: KindRef, object: &Object, look: &Look) -> Response {
    if accepted.encoding == Encoding::Protobuf {
        return match protobuf::of_object(accepted.form, object) {
            Ok(bytes) => whole(code, Encoding::Protobuf, bytes.into(), look.gzip),
            Err(refusal) => failure::failure(&refusal),
        };
    }
    let bytes = match accepted.form {
        Form::Table(version) => table::of_object(version, kind, object, look.rows, look.now).into(),
        Form::Metadata(version) => metadata::of_object(version, &object.bytes()).into(),
        Form::Object | Form::AggregatedDiscovery => object.bytes(),
    };
    written(code, accepted, bytes, look.gzip)
}

/// How the request wants its answer, beyond the form.
pub struct Look {
    /// Whether a long answer is to be compressed.
    pub gzip: bool,
    pub rows: table::RowObject,
    pub now: Timestamp,
}

/// A JSON document, written as was asked for.
pub fn document(code: StatusCode, accepted: Accepted, json: impl Into<Bytes>, request: &HeaderMap) -> Response {
    written(code, accepted, json.into(), accepts_gzip(request))
}

/// As `document`.
pub fn written(code: StatusCode, accepted: Accepted, json: Bytes, gzip: bool) -> Response {
    let (encoding, bytes) = encoded(accepted, json);
    whole(code, encoding, bytes, gzip)
}

/// JSON in another encoding. What has no form in protobuf stays JSON, which all clients read.
pub fn encoded(accepted: Accepted, json: Bytes) -> (Encoding, Bytes) {
    match accepted.encoding {
        Encoding::Json if accepted.pretty => (Encoding::Json, pretty::indent(&json).into()),
        Encoding::Json => (Encoding::Json, json),
        Encoding::Yaml => (Encoding::Yaml, as_yaml(&json)),
        Encoding::Protobuf => match protobuf::of_document(&json) {
            Ok(bytes) => (Encoding::Protobuf, bytes.into()),
            Err(_) => (Encoding::Json, json),
        },
    }
}

/// An answer of these bytes.
pub fn whole(code: StatusCode, encoding: Encoding, bytes: Bytes, gzip: bool) -> Response {
    let compress = gzip && bytes.len() > gzip::WORTHWHILE;
    let body = if compress { gzip::compress(&bytes).into() } else { bytes };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = code;
    set_content_headers(response.headers_mut(), encoding.media_type(), compress);
    response
}

pub fn set_content_headers(headers: &mut HeaderMap, media_type: &'static str, compressed: bool) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
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
