//! What is served, told to clients: built once from the kind list, kept as bytes.
//!
//! All but the list of the core's versions, which says under which address the client found the server.

mod aggregated;
mod plain;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod upstream;

use std::collections::HashMap;

use api::failure::Failure;
use api::names::api_version;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, ETAG, HOST, IF_NONE_MATCH, VARY};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;
use sha2::{Digest, Sha512};

use crate::http::content::accept::{self, Encoding, Form, Offer};
use crate::http::path::ApiPath;
use crate::http::query::Query;
use crate::http::reply::object;
use crate::kinds::erased::KindRef;
use crate::kinds::facts::{Facts, Subresource};

/// All documents of discovery.
pub struct Discovery {
    core_versions: Vec<&'static str>,
    groups: Bytes,
    /// By group, and by group and version.
    each_group: HashMap<String, Bytes>,
    each_version: HashMap<(String, String), Bytes>,
    aggregated_core: Aggregated,
    aggregated_groups: Aggregated,
}

/// A document that holds everything, and the tag by which a client recognises it.
struct Aggregated {
    bytes: Bytes,
    tag: HeaderValue,
}

/// A group with its versions, the preferred one first, and the kinds of each.
struct Group {
    name: &'static str,
    versions: Vec<(&'static str, Vec<KindRef>)>,
}

impl Discovery {
    pub fn new(kinds: &[KindRef]) -> Self {
        let groups = groups(kinds);
        let (core, named): (Vec<&Group>, Vec<&Group>) = groups.iter().partition(|group| group.name.is_empty());
        let mut each_version = HashMap::new();
        for group in &groups {
            for (version, of_version) in &group.versions {
                let key = (group.name.to_owned(), (*version).to_owned());
                each_version.insert(key, bytes(&plain::resources(group.name, version, of_version, kinds)));
            }
        }
        Self {
            core_versions: core.iter().flat_map(|group| group.versions.iter().map(|(version, _)| *version)).collect(),
            groups: bytes(&plain::groups(&named)),
            each_group: named.iter().map(|group| (group.name.to_owned(), bytes(&plain::group(group, true)))).collect(),
            each_version,
            aggregated_core: Aggregated::new(&aggregated::document(&core)),
            aggregated_groups: Aggregated::new(&aggregated::document(&named)),
        }
    }

    /// All paths that are answered.
    pub fn paths(&self) -> Vec<String> {
        let roots = ["/api", "/apis", "/apis/"].map(str::to_owned);
        let versions = self.each_version.keys().map(|(group, version)| {
            let root = if group.is_empty() { "/api" } else { "/apis" };
            format!("{root}/{}", api_version(group, version))
        });
        roots.into_iter().chain(self.each_group.keys().map(|group| format!("/apis/{group}"))).chain(versions).collect()
    }

    /// Answers `/api`, `/apis` and what lies directly below; an unknown group or version is no resource.
    pub fn answer(&self, place: &ApiPath, request: &Parts) -> Result<Response, Failure> {
        let headers = &request.headers;
        let query = Query::parse(request.uri.query().unwrap_or(""));
        let (plain, aggregated) = match place {
            ApiPath::CoreVersions => {
                let document = plain::core_versions(&self.core_versions, address(request));
                (Some(bytes(&document)), Some(&self.aggregated_core))
            }
            ApiPath::Groups => (Some(self.groups.clone()), Some(&self.aggregated_groups)),
            ApiPath::Group(group) => (self.each_group.get(group).cloned(), None),
            ApiPath::GroupVersion { group, version } => {
                (self.each_version.get(&(group.clone(), version.clone())).cloned(), None)
            }
            ApiPath::Resource(_) | ApiPath::Unknown => (None, None),
        };
        let offer = if aggregated.is_some() { Offer::Discovery } else { Offer::Plain };
        let accepted = accept::negotiate(headers, query.get("pretty"), || offer)?;
        let plain = plain.ok_or_else(Failure::unknown_resource)?;
        let mut response = match aggregated {
            Some(aggregated) if accepted.form == Form::AggregatedDiscovery => aggregated.answer(headers),
            _ => object::document(StatusCode::OK, accepted, plain, headers),
        };
        if offer == Offer::Discovery {
            response.headers_mut().append(VARY, HeaderValue::from_static("Accept"));
        }
        Ok(response)
    }
}

/// The address that the client has asked at.
fn address(request: &Parts) -> Option<&str> {
    let of_uri = request.uri.authority().map(Authority::as_str);
    of_uri.or_else(|| request.headers.get(HOST).and_then(|host| host.to_str().ok()))
}

/// Clients throw the answer away unless it says exactly this.
const AGGREGATED_TYPE: HeaderValue =
    HeaderValue::from_static("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");

impl Aggregated {
    fn new(document: &Value) -> Self {
        let bytes = bytes(document);
        let tag = format!("\"{}\"", hex::encode_upper(Sha512::digest(&bytes)));
        Self { bytes, tag: HeaderValue::try_from(tag).expect("hexadecimal digits may stand in a header") }
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        let known = headers.get_all(IF_NONE_MATCH).iter().any(|tag| *tag == self.tag);
        let mut response = if known {
            let mut response = Response::default();
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            let accepted =
                accept::Accepted { encoding: Encoding::Json, form: Form::AggregatedDiscovery, pretty: false };
            object::document(StatusCode::OK, accepted, self.bytes.clone(), headers)
        };
        let answer = response.headers_mut();
        answer.insert(http::header::CONTENT_TYPE, AGGREGATED_TYPE);
        answer.insert(ETAG, self.tag.clone());
        answer.insert(CACHE_CONTROL, HeaderValue::from_static("public"));
        response
    }
}

fn bytes(document: &Value) -> Bytes {
    document.to_string().into()
}

/// The parts of a kind, by name.
fn subresources(facts: &Facts) -> Vec<&'static Subresource> {
    let mut parts: Vec<&Subresource> = facts.subresources.iter().collect();
    parts.sort_by_key(|part| part.name);
    parts
}

/// The groups in the order of the list; within a version, resources by name.
fn groups(kinds: &[KindRef]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for kind in kinds {
        let facts = kind.facts();
        let at = groups.iter().position(|group| group.name == facts.group).unwrap_or_else(|| {
            groups.push(Group { name: facts.group, versions: Vec::new() });
            groups.len() - 1
        });
        let versions = &mut groups[at].versions;
        match versions.iter_mut().find(|(version, _)| *version == facts.version) {
            Some((_, kinds)) => kinds.push(*kind),
            None => versions.push((facts.version, vec![*kind])),
        }
    }
    for (_, kinds) in groups.iter_mut().flat_map(|group| &mut group.versions) {
        kinds.sort_by_key(|kind| kind.facts().plural);
    }
    groups
}
