//! OpenAPI: an index of v3 with a document for each group and version, and one document of v2 for old clients.
//!
//! Documents of v3 are written when somebody asks, in a few milliseconds, and not kept: clients keep them by their hash.
//! That of v2 holds everything, and clients ask for it anew: it is kept, compressed, once somebody has asked.

mod document;
mod gnostic2;
mod gnostic3;
mod naming;
mod operation;
mod parameters;
mod paths;
mod schemas;
mod swagger;
mod text;
#[cfg(test)]
mod upstream;
mod wire;

use std::io::{Read, Write};
use std::sync::OnceLock;

use api::schema;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, EXPIRES, IF_NONE_MATCH, LOCATION, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, json};
use sha2::{Digest, Sha512};

use crate::http::content::{accept, gzip};
use crate::http::openapi::document::Document;
use crate::http::openapi::gnostic2::Gnostic2;
use crate::http::openapi::gnostic3::Gnostic3;
use crate::http::openapi::text::{Json2, Json3};
use crate::http::query::Query;
use crate::http::reply::failure::{failure, no_such_path};
use crate::http::reply::object;
use crate::http::version;
use crate::kinds::erased::KindRef;

/// What can be described.
pub struct OpenApi {
    documents: Vec<Document>,
    /// Of each document, in the same order; a hash changes whenever its document does.
    hashes: OnceLock<Vec<String>>,
    swagger_json: OnceLock<Bytes>,
    swagger_protobuf: OnceLock<Bytes>,
}

const JSON: &str = "application/json";
/// The forms of v3 and of v2. The binary form has two names, the older of which is not a proper media type.
const OFFERED_V3: [&str; 3] = [
    JSON,
    "application/com.github.proto-openapi.spec.v3@v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v3.v1.0+protobuf",
];
const OFFERED_V2: [&str; 3] = [
    JSON,
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
];
/// One year, for what never changes under its address.
const FOREVER: HeaderValue = HeaderValue::from_static("public, immutable, max-age=31536000");

impl OpenApi {
    pub fn new(kinds: &[KindRef]) -> Self {
        Self {
            documents: document::list(&kinds.iter().map(|kind| kind.facts()).collect::<Vec<_>>()),
            hashes: OnceLock::new(),
            swagger_json: OnceLock::new(),
            swagger_protobuf: OnceLock::new(),
        }
    }

    /// Answers `/openapi/v3`.
    pub fn index(&self, headers: &HeaderMap) -> Response {
        let paths = self.documents.iter().zip(self.hashes()).map(|(document, hash)| {
            (document.path.clone(), json!({"serverRelativeURL": address(&document.path, hash)}))
        });
        let index = json!({"paths": paths.collect::<Map<_, _>>()}).to_string();
        let tag = format!("\"{}\"", hex::encode_upper(Sha512::digest(&index)));
        tagged(headers, &tag, || whole(JSON, index, headers))
    }

    /// Answers `/openapi/v3/<path>`.
    pub fn document(&self, path: &str, headers: &HeaderMap, query: &Query<'_>) -> Response {
        let path = path.trim_matches('/');
        let mut all = self.documents.iter().zip(self.hashes());
        let Some((document, hash)) = all.find(|(document, _)| document.path == path) else { return no_such_path() };
        let media_type = match accept::choose(headers, OFFERED_V3) {
            Ok(media_type) => media_type,
            Err(refusal) => return failure(&refusal),
        };
        let given = query.get("hash").unwrap_or_default();
        if !given.is_empty() && given != hash {
            return moved(&address(path, hash));
        }
        let document = std::slice::from_ref(document);
        let mut response = tagged(headers, &format!("\"{hash}\""), || {
            if media_type == JSON {
                return whole(JSON, json3(document), headers);
            }
            let mut writer = Gnostic3::default();
            document::write(document, &mut writer);
            whole(OFFERED_V3[2], writer.finish(), headers)
        });
        if !given.is_empty() {
            response.headers_mut().insert(CACHE_CONTROL, FOREVER);
            response.headers_mut().insert(EXPIRES, HeaderValue::from_static("Thu, 31 Dec 2037 23:55:55 GMT"));
        }
        response
    }

    /// Answers `/openapi/v2`.
    pub fn swagger(&self, headers: &HeaderMap) -> Response {
        let media_type = match accept::choose(headers, OFFERED_V2) {
            Ok(media_type) => media_type,
            Err(refusal) => return failure(&refusal),
        };
        let mut all = Sha512::new();
        self.hashes().iter().for_each(|hash| all.update(hash));
        all.update(media_type);
        let tag = format!("\"{}\"", hex::encode_upper(all.finalize()));
        tagged(headers, &tag, || {
            let (media_type, compressed) = if media_type == JSON {
                (JSON, self.swagger_json.get_or_init(|| json2(&self.documents).into()))
            } else {
                (OFFERED_V2[2], self.swagger_protobuf.get_or_init(|| gnostic2(&self.documents).into()))
            };
            from_compressed(media_type, compressed, headers)
        })
    }

    /// Documents follow from the kind list, the tables of types and this program, so these are hashed in their place.
    fn hashes(&self) -> &[String] {
        self.hashes.get_or_init(|| {
            let mut program = Sha512::new();
            program.update(env!("CARGO_PKG_VERSION"));
            program.update(version::MINOR);
            program.update(schema::TABLE);
            program.update(schema::descriptions::PACKED);
            let hash = |document: &Document| {
                let mut hash = program.clone();
                document.hash(&mut hash);
                hex::encode_upper(&hash.finalize()[..32])
            };
            self.documents.iter().map(hash).collect()
        })
    }
}

fn json3(documents: &[Document]) -> Vec<u8> {
    let mut writer = Json3::new();
    document::write(documents, &mut writer);
    writer.finish()
}

/// Compressed.
fn json2(documents: &[Document]) -> Vec<u8> {
    let mut writer = Json2::new(GzEncoder::new(Vec::new(), Compression::default()));
    document::write(documents, &mut writer);
    writer.finish().finish().expect("a Vec takes any bytes")
}

/// Compressed.
fn gnostic2(documents: &[Document]) -> Vec<u8> {
    let mut writer = Gnostic2::default();
    document::write(documents, &mut writer);
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&writer.finish()).expect("a Vec takes any bytes");
    packed.finish().expect("a Vec takes any bytes")
}

fn address(path: &str, hash: &str) -> String {
    format!("/openapi/v3/{path}?hash={hash}")
}

fn tagged(headers: &HeaderMap, tag: &str, write: impl FnOnce() -> Response) -> Response {
    let known = headers.get_all(IF_NONE_MATCH).iter().any(|known| known == tag);
    let mut response = if known {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        write()
    };
    let answer = response.headers_mut();
    answer.insert(ETAG, HeaderValue::try_from(tag).expect("a hash may stand in a header"));
    answer.append(VARY, HeaderValue::from_static("Accept"));
    response
}

fn whole(media_type: &'static str, content: impl Into<Bytes>, request: &HeaderMap) -> Response {
    let content = content.into();
    let compress = content.len() > gzip::WORTHWHILE && object::accepts_gzip(request);
    let content = if compress { gzip::compress(&content).into() } else { content };
    answer(media_type, content, compress)
}

/// As it is kept, for all who understand that.
fn from_compressed(media_type: &'static str, compressed: &Bytes, request: &HeaderMap) -> Response {
    if object::accepts_gzip(request) {
        return answer(media_type, compressed.clone(), true);
    }
    let mut content = Vec::new();
    GzDecoder::new(&compressed[..]).read_to_end(&mut content).expect("we compressed it");
    answer(media_type, content.into(), false)
}

fn answer(media_type: &'static str, content: Bytes, compressed: bool) -> Response {
    let mut response = Response::new(Body::from(content));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    if compressed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    response
}

fn moved(to: &str) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    response.headers_mut().insert(LOCATION, HeaderValue::try_from(to).expect("our own paths are plain"));
    response
}

#[cfg(test)]
mod tests;
