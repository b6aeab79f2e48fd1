//! The OpenAPI document of one group and version.

use std::collections::BTreeSet;

use api::schema::{self, Definition};
use serde_json::json;

use crate::http::openapi::{paths, schemas};
use crate::kinds::erased::KindRef;

/// Writes the document piece by piece, so that it never stands in memory as a tree.
pub fn write(group: &'static str, version: &'static str, kinds: &[KindRef]) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 * 1024);
    let mut used = BTreeSet::new();
    out.extend_from_slice(br#"{"openapi":"3.0.0","info":{"title":"Kubernetes","version":"unversioned"},"paths":{"#);
    let mut first = true;
    for kind in kinds {
        for (path, item) in paths::of_kind(kind.facts()) {
            write_member(&mut out, &mut first, &path, &item);
        }
        used.extend(paths::definitions(kind.facts()));
    }
    out.extend_from_slice(br#"},"components":{"schemas":{"#);
    let mut first = true;
    for definition in reachable(used) {
        write_member(&mut out, &mut first, definition.name(), &schemas::of(definition, group, version));
    }
    let security = json!({"BearerToken": {
        "type": "apiKey", "in": "header", "name": "authorization", "description": "Bearer Token authentication",
    }});
    out.extend_from_slice(br#"},"securitySchemes":"#);
    serde_json::to_writer(&mut out, &security).expect("a Vec takes any bytes");
    out.extend_from_slice(b"}}");
    out
}

fn write_member(out: &mut Vec<u8>, first: &mut bool, key: &str, value: &serde_json::Value) {
    if !std::mem::take(first) {
        out.push(b',');
    }
    serde_json::to_writer(&mut *out, key).expect("a Vec takes any bytes");
    out.push(b':');
    serde_json::to_writer(out, value).expect("a Vec takes any bytes");
}

/// All types that these lead to, and themselves.
fn reachable(roots: BTreeSet<Definition>) -> BTreeSet<Definition> {
    let mut found = roots.clone();
    let mut open: Vec<Definition> = roots.into_iter().collect();
    while let Some(definition) = open.pop() {
        let shapes = definition.properties().map(schema::Property::shape).chain([definition.shape()]);
        for other in shapes.filter_map(schemas::referred) {
            if found.insert(other) {
                open.push(other);
            }
        }
    }
    found
}
