//! OpenAPI v3: an index, and a document for each group and version.
//!
//! Documents are written when somebody asks, in a few milliseconds, and not kept: clients keep them by their hash.

mod document;
mod paths;
mod schemas;

use api::names::api_version;
use axum::response::Response;
use http::header::{CACHE_CONTROL, ETAG, EXPIRES, IF_NONE_MATCH, LOCATION, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, json};
use sha2::{Digest, Sha512};

use crate::http::content::accept::{self, Accepted, Encoding, Form, Offer};
use crate::http::query::Query;
use crate::http::reply::failure::{failure, no_such_path};
use crate::http::reply::object;
use crate::http::version;
use crate::kinds::erased::KindRef;

/// What can be described.
pub struct OpenApi {
    versions: Vec<Version>,
}

/// A group and version, as a path below `/openapi/v3/`.
struct Version {
    path: String,
    group: &'static str,
    version: &'static str,
    kinds: Vec<KindRef>,
    /// Changes whenever the document does.
    hash: String,
}

const PLAIN: Accepted = Accepted { encoding: Encoding::Json, form: Form::Object, pretty: false };
/// One year, for what never changes under its address.
const FOREVER: HeaderValue = HeaderValue::from_static("public, immutable, max-age=31536000");

impl OpenApi {
    pub fn new(kinds: &[KindRef]) -> Self {
        let mut versions: Vec<Version> = Vec::new();
        for kind in kinds {
            let facts = kind.facts();
            match versions.iter_mut().find(|known| (known.group, known.version) == (facts.group, facts.version)) {
                Some(known) => known.kinds.push(*kind),
                None => versions.push(Version {
                    path: path(facts.group, facts.version),
                    group: facts.group,
                    version: facts.version,
                    kinds: vec![*kind],
                    hash: String::new(),
                }),
            }
        }
        for version in &mut versions {
            version.hash = version.hash();
        }
        Self { versions }
    }

    /// Answers `/openapi/v3`.
    pub fn index(&self, headers: &HeaderMap) -> Response {
        let paths = self.versions.iter().map(|version| {
            let url = format!("/openapi/v3/{}?hash={}", version.path, version.hash);
            (version.path.clone(), json!({"serverRelativeURL": url}))
        });
        let index = json!({"paths": paths.collect::<Map<_, _>>()}).to_string();
        let tag = format!("\"{}\"", hex::encode_upper(Sha512::digest(&index)));
        tagged(headers, &tag, || object::document(StatusCode::OK, PLAIN, index, headers))
    }

    /// Answers `/openapi/v3/<path>`.
    pub fn document(&self, path: &str, headers: &HeaderMap, query: &Query<'_>) -> Response {
        let path = path.trim_matches('/');
        let Some(version) = self.versions.iter().find(|version| version.path == path) else { return no_such_path() };
        // The binary form comes with the other binary forms; whoever takes nothing else is told so.
        if let Err(refusal) = accept::negotiate(headers, None, Offer::Plain) {
            return failure(&refusal);
        }
        let given = query.get("hash").unwrap_or_default();
        if !given.is_empty() && given != version.hash {
            return moved(&format!("/openapi/v3/{}?hash={}", version.path, version.hash));
        }
        let tag = format!("\"{}\"", version.hash);
        let write = || object::document(StatusCode::OK, PLAIN, version.write(), headers);
        let mut response = tagged(headers, &tag, write);
        if !given.is_empty() {
            response.headers_mut().insert(CACHE_CONTROL, FOREVER);
            response.headers_mut().insert(EXPIRES, HeaderValue::from_static("Thu, 31 Dec 2037 23:55:55 GMT"));
        }
        response
    }
}

impl Version {
    /// The document follows from the kind list and from this program, so these are hashed in its place.
    fn hash(&self) -> String {
        let mut hash = Sha512::new();
        hash.update(env!("CARGO_PKG_VERSION"));
        hash.update(version::MINOR);
        for kind in &self.kinds {
            hash.update(format!("{:?}", kind.facts()));
        }
        for definition in api::schema::definitions() {
            hash.update(definition.name());
        }
        hex::encode_upper(&hash.finalize()[..32])
    }

    fn write(&self) -> Vec<u8> {
        document::write(self.group, self.version, &self.kinds)
    }
}

/// `api/v1`, `apis/apps/v1`.
fn path(group: &str, version: &str) -> String {
    format!("{}/{}", if group.is_empty() { "api" } else { "apis" }, api_version(group, version))
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

fn moved(to: &str) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    response.headers_mut().insert(LOCATION, HeaderValue::try_from(to).expect("our own paths are plain"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::KINDS;
    use http_body_util::BodyExt;
    use serde_json::Value;

    async fn body(response: Response) -> Value {
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
    }

    #[tokio::test]
    async fn the_index_leads_to_documents_that_may_be_kept() {
        let openapi = OpenApi::new(KINDS);
        let headers = HeaderMap::new();
        let index = body(openapi.index(&headers)).await;
        let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().unwrap();
        let (path, query) = url.strip_prefix("/openapi/v3/").unwrap().split_once('?').unwrap();
        let response = openapi.document(path, &headers, &Query::parse(query));
        assert_eq!(response.headers()[CACHE_CONTROL], FOREVER);
        let document = body(response).await;
        let patch = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
        assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Deployment");
        let parameters = patch["parameters"].as_array().unwrap();
        assert!(parameters.iter().any(|p| p["name"] == "fieldValidation" && p["in"] == "query"));
    }

    #[tokio::test]
    async fn an_old_address_leads_to_the_new_one() {
        let openapi = OpenApi::new(KINDS);
        let response = openapi.document("api/v1", &HeaderMap::new(), &Query::parse("hash=OLD"));
        assert_eq!(response.status(), StatusCode::MOVED_PERMANENTLY);
        assert!(response.headers()[LOCATION].to_str().unwrap().starts_with("/openapi/v3/api/v1?hash="));
        assert_eq!(openapi.document("api/v2", &HeaderMap::new(), &Query::parse("")).status(), StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn every_reference_of_a_document_is_in_the_document() {
        let openapi = OpenApi::new(KINDS);
        for version in &openapi.versions {
            let text = String::from_utf8(version.write()).unwrap();
            let document: Value = serde_json::from_str(&text).unwrap();
            for part in text.split("\"#/components/schemas/").skip(1) {
                let name = part.split('"').next().unwrap();
                assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
            }
        }
    }
}
