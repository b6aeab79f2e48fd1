//! Discovery one group and version at a time, as every client understands it.

use api::names::api_version;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::http::discovery::{Group, subresources};
use crate::kinds::erased::KindRef;
use crate::kinds::facts::{Facts, Subresource};

/// `address` is that under which the client found the server; every client is told the same.
pub fn core_versions(versions: &[&str], address: Option<&str>) -> Value {
    let addresses: Vec<Value> =
        address.map(|address| json!({"clientCIDR": "0.0.0.0/0", "serverAddress": address})).into_iter().collect();
    json!({"kind": "APIVersions", "versions": versions, "serverAddressByClientCIDRs": addresses})
}

pub fn groups(groups: &[&Group]) -> Value {
    let list: Vec<Value> = groups.iter().map(|listed| group(listed, false)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": list})
}

/// A group, as an answer of its own or inside a list.
pub fn group(group: &Group, is_document: bool) -> Value {
    let version = |version: &str| json!({"groupVersion": api_version(group.name, version), "version": version});
    let versions: Vec<Value> = group.versions.iter().map(|(name, _)| version(name)).collect();
    let mut document = Map::new();
    if is_document {
        document.insert("kind".to_owned(), "APIGroup".into());
        document.insert("apiVersion".to_owned(), "v1".into());
    }
    document.insert("name".to_owned(), group.name.into());
    document.insert("preferredVersion".to_owned(), versions.first().cloned().unwrap_or_default());
    document.insert("versions".to_owned(), versions.into());
    document.into()
}

/// `all` are the kinds of the whole server, since a kind may be kept as one of another version.
pub fn resources(group: &str, version: &str, kinds: &[KindRef], all: &[KindRef]) -> Value {
    let mut list = Vec::new();
    for kind in kinds {
        let facts = kind.facts();
        list.push(resource(facts, stored_as(*kind, all)));
        list.extend(subresources(facts).into_iter().map(|subresource| part(facts, subresource)));
    }
    let mut document = json!({"kind": "APIResourceList", "groupVersion": api_version(group, version)});
    if !group.is_empty() {
        document["apiVersion"] = "v1".into();
    }
    document["resources"] = list.into();
    document
}

fn resource(facts: &Facts, stored: &Facts) -> Value {
    let mut entry = json!({
        "name": facts.plural,
        "singularName": facts.singular(),
        "namespaced": facts.namespaced,
        "kind": facts.kind,
        "verbs": facts.verbs,
    });
    // What is answered and forgotten, or made up when it is read, is kept in no version.
    if facts.allows("create") && facts.allows("get") {
        entry["storageVersionHash"] = storage_version_hash(stored).into();
    }
    if !facts.short_names.is_empty() {
        entry["shortNames"] = json!(facts.short_names);
    }
    if !facts.categories.is_empty() {
        entry["categories"] = json!(facts.categories);
    }
    entry
}

fn part(facts: &Facts, subresource: &Subresource) -> Value {
    let mut entry = json!({
        "name": format!("{}/{}", facts.plural, subresource.name),
        "singularName": "",
        "namespaced": facts.namespaced,
        "kind": subresource.of.map_or(facts.kind, |of| of.kind),
        "verbs": subresource.verbs,
    });
    if let Some(of) = subresource.of.filter(|of| (of.group, of.version) != (facts.group, facts.version)) {
        entry["group"] = of.group.into();
        entry["version"] = of.version.into();
    }
    entry
}

/// The kind as whose objects those of this kind are kept.
fn stored_as(kind: KindRef, all: &[KindRef]) -> &'static Facts {
    let storage = kind.storage();
    let keeps = |other: &&KindRef| other.facts().resource() == storage && other.view().is_none();
    let itself = Some(&kind).filter(keeps);
    itself.or_else(|| all.iter().find(keeps)).map_or(kind.facts(), |stored| stored.facts())
}

/// Tells a client whether two resources are the same objects: a hash of the version in which they are stored.
fn storage_version_hash(facts: &Facts) -> String {
    let stored = format!("{}/{}/{}", facts.group, facts.version, facts.kind);
    STANDARD.encode(&Sha256::digest(stored)[..8])
}
