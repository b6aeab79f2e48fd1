//! Compares discovery with what upstream serves.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;
use crate::kinds::KINDS;

/// Upstream's documents lie beside the workspace, or beside the folder that it is in.
fn folder() -> Option<PathBuf> {
    let places = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(2);
    places.map(|place| place.join("shared/kubernetes/discovery")).find(|folder| folder.is_dir())
}

fn file_of(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api__{version}.json") } else { format!("apis__{group}__{version}.json") }
}

fn named<'a>(list: &'a Value, name: &Value) -> Option<&'a Value> {
    list["resources"].as_array()?.iter().find(|entry| entry["name"] == *name)
}

#[test]
fn every_entry_is_the_one_of_upstream() {
    let Some(folder) = folder() else {
        println!("SKIPPED: upstream's discovery documents are not at ../shared/kubernetes/discovery");
        return;
    };
    for group in groups(KINDS) {
        for (version, kinds) in &group.versions {
            let text = std::fs::read_to_string(folder.join(file_of(group.name, version))).unwrap();
            let upstream: Value = serde_json::from_str(&text).unwrap();
            let ours = plain::resources(group.name, version, kinds);
            assert_eq!(ours["groupVersion"], upstream["groupVersion"]);
            for entry in ours["resources"].as_array().unwrap() {
                let mut entry = entry.clone();
                let mut expected =
                    named(&upstream, &entry["name"]).unwrap_or_else(|| panic!("upstream has no {entry}")).clone();
                // Opaque to clients: it only has to stay the same.
                entry.as_object_mut().unwrap().remove("storageVersionHash");
                expected.as_object_mut().unwrap().remove("storageVersionHash");
                assert_eq!(entry, expected);
            }
        }
    }
}

#[test]
fn the_answer_with_everything_is_the_one_of_upstream() {
    let Some(folder) = folder() else {
        println!("SKIPPED: upstream's discovery documents are not at ../shared/kubernetes/discovery");
        return;
    };
    let text = std::fs::read_to_string(folder.join("aggregated_v2.json")).unwrap();
    let upstream: Value = serde_json::from_str(&text).unwrap();
    let groups = groups(KINDS);
    let ours = aggregated::document(&groups.iter().filter(|group| !group.name.is_empty()).collect::<Vec<_>>());
    let find = |document: &Value, group: &str, version: &str, resource: &str| -> Option<Value> {
        let of = |list: &Value, key: &str, value: &str| list.as_array()?.iter().find(|e| e[key] == value).cloned();
        let group = document["items"].as_array()?.iter().find(|item| item["metadata"]["name"] == group)?.clone();
        of(&of(&group["versions"], "version", version)?["resources"], "resource", resource)
    };
    for kind in KINDS.iter().map(|kind| kind.facts()).filter(|facts| !facts.group.is_empty()) {
        let mut expected = find(&upstream, kind.group, kind.version, kind.plural).unwrap();
        let served = |part: &Value| kind.subresource(part["subresource"].as_str().unwrap()).is_some();
        if let Some(parts) = expected.get_mut("subresources").and_then(Value::as_array_mut) {
            parts.retain(served);
        }
        assert_eq!(find(&ours, kind.group, kind.version, kind.plural).unwrap(), expected);
    }
}

#[test]
fn groups_and_versions_come_in_upstreams_order() {
    let Some(folder) = folder() else {
        println!("SKIPPED: upstream's discovery documents are not at ../shared/kubernetes/discovery");
        return;
    };
    let upstream: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("apis.json")).unwrap()).unwrap();
    let named = |group: &Group| plain::group(group, false)["versions"].clone();
    let ours: Vec<Group> = groups(KINDS).into_iter().filter(|group| !group.name.is_empty()).collect();
    let ours: Vec<Value> = ours.iter().flat_map(|group| named(group).as_array().unwrap().clone()).collect();
    let theirs = upstream["groups"].as_array().unwrap().iter();
    let theirs = theirs.flat_map(|group| group["versions"].as_array().unwrap().clone());
    let shared: Vec<Value> = theirs.filter(|version| ours.contains(version)).collect();
    assert_eq!(ours, shared);
}
