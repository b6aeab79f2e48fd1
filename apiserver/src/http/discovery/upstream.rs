//! Compares discovery with what upstream serves.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::*;
use crate::kinds::KINDS;

/// Upstream's documents lie beside the workspace, or beside the folder that it is in.
fn folder() -> Option<PathBuf> {
    let places = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(2);
    let found = places.map(|place| place.join("shared/kubernetes/discovery")).find(|folder| folder.is_dir());
    if found.is_none() {
        println!("SKIPPED: upstream's discovery documents are not at ../shared/kubernetes/discovery");
    }
    found
}

fn read(folder: &Path, file: &str) -> Value {
    let text = std::fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    serde_json::from_str(&text).unwrap()
}

fn of_version(folder: &Path, group: &str, version: &str) -> Value {
    let place = if group.is_empty() { "api".to_owned() } else { format!("apis__{group}") };
    read(folder, &format!("{place}__{version}.json"))
}

fn is_served(group: &str, version: &str) -> bool {
    KINDS.iter().map(|kind| kind.facts()).any(|facts| (facts.group, facts.version) == (group, version))
}

fn facts_of(group: &str, version: &str, plural: &str) -> Option<&'static Facts> {
    let of = |facts: &&Facts| (facts.group, facts.version, facts.plural) == (group, version, plural);
    KINDS.iter().map(|kind| kind.facts()).find(of)
}

/// Whether we have this entry of a resource list: `pods`, `pods/log`.
fn is_entry_served(group: &str, version: &str, name: &str) -> bool {
    let (plural, part) = name.split_once('/').map_or((name, None), |(plural, part)| (plural, Some(part)));
    facts_of(group, version, plural).is_some_and(|facts| part.is_none_or(|part| facts.subresource(part).is_some()))
}

/// Kept by upstream in a version that we do not have; the hash only has to stay the same.
const KEPT_IN_ANOTHER_VERSION: [&str; 3] =
    ["customresourcedefinitions", "mutatingadmissionpolicies", "mutatingadmissionpolicybindings"];

#[test]
fn every_resource_list_is_that_of_upstream() {
    let Some(folder) = folder() else { return };
    for group in groups(KINDS) {
        for (version, kinds) in &group.versions {
            let mut theirs = of_version(&folder, group.name, version);
            let mut ours = plain::resources(group.name, version, kinds, KINDS);
            let entries = theirs["resources"].as_array_mut().unwrap();
            entries.retain(|entry| is_entry_served(group.name, version, entry["name"].as_str().unwrap()));
            for document in [&mut ours, &mut theirs] {
                for entry in document["resources"].as_array_mut().unwrap() {
                    if KEPT_IN_ANOTHER_VERSION.contains(&entry["name"].as_str().unwrap()) {
                        entry.as_object_mut().unwrap().remove("storageVersionHash");
                    }
                }
            }
            let (ours_list, theirs_list) = (ours["resources"].take(), theirs["resources"].take());
            assert_eq!(ours, theirs);
            for (one, other) in ours_list.as_array().unwrap().iter().zip(theirs_list.as_array().unwrap()) {
                assert_eq!(one, other, "in {}/{version}", group.name);
            }
            assert_eq!(ours_list.as_array().unwrap().len(), theirs_list.as_array().unwrap().len());
        }
    }
}

#[test]
fn groups_and_versions_are_in_the_order_of_upstream() {
    let Some(folder) = folder() else { return };
    let groups = groups(KINDS);
    let named: Vec<&Group> = groups.iter().filter(|group| !group.name.is_empty()).collect();
    let mut theirs = read(&folder, "apis.json");
    for group in theirs["groups"].as_array_mut().unwrap() {
        let name = group["name"].clone();
        let versions = group["versions"].as_array_mut().unwrap();
        versions.retain(|version| is_served(name.as_str().unwrap(), version["version"].as_str().unwrap()));
    }
    theirs["groups"].as_array_mut().unwrap().retain(|group| group["versions"] != json!([]));
    assert_eq!(plain::groups(&named), theirs);
    for group in named {
        let mut expected =
            theirs["groups"].as_array().unwrap().iter().find(|g| g["name"] == group.name).unwrap().clone();
        expected["kind"] = "APIGroup".into();
        expected["apiVersion"] = "v1".into();
        assert_eq!(plain::group(group, true), expected);
        let alone = read(&folder, &format!("apis__{}.json", group.name));
        assert_eq!((&alone["kind"], &alone["apiVersion"]), (&expected["kind"], &expected["apiVersion"]));
    }
    let mut core = read(&folder, "api.json");
    core["serverAddressByClientCIDRs"][0]["serverAddress"] = "here:1".into();
    assert_eq!(plain::core_versions(&["v1"], Some("here:1")), core);
}

/// What a resource list says, as discovery in one answer says it.
fn in_one_answer(list: &Value) -> Vec<Value> {
    let mut resources: Vec<Value> = Vec::new();
    for entry in list["resources"].as_array().unwrap() {
        let response = json!({
            "group": entry.get("group").unwrap_or(&json!("")),
            "version": entry.get("version").unwrap_or(&json!("")),
            "kind": entry["kind"],
        });
        let name = entry["name"].as_str().unwrap();
        if let Some((_, part)) = name.split_once('/') {
            let parent = resources.last_mut().unwrap().as_object_mut().unwrap();
            let parts = parent.entry("subresources").or_insert_with(|| json!([])).as_array_mut().unwrap();
            parts.push(json!({"subresource": part, "responseKind": response, "verbs": entry["verbs"]}));
            continue;
        }
        let scope = if entry["namespaced"] == true { "Namespaced" } else { "Cluster" };
        let mut resource = Map::from_iter([
            ("resource".to_owned(), name.into()),
            ("responseKind".to_owned(), response),
            ("scope".to_owned(), scope.into()),
            ("singularResource".to_owned(), entry["singularName"].clone()),
            ("verbs".to_owned(), entry["verbs"].clone()),
        ]);
        for key in ["shortNames", "categories"] {
            resource.extend(entry.get(key).map(|value| (key.to_owned(), value.clone())));
        }
        resources.push(resource.into());
    }
    resources
}

/// The version of upstream's answer, with what we serve of it.
fn served(mut resources: Vec<Value>, group: &str, version: &str) -> Vec<Value> {
    resources.retain_mut(|resource| {
        let Some(facts) = facts_of(group, version, resource["resource"].as_str().unwrap()) else { return false };
        if let Some(parts) = resource.get_mut("subresources").and_then(Value::as_array_mut) {
            parts.retain(|part| facts.subresource(part["subresource"].as_str().unwrap()).is_some());
        }
        if resource["subresources"] == json!([]) {
            resource.as_object_mut().unwrap().remove("subresources");
        }
        true
    });
    resources
}

#[test]
fn the_answers_with_everything_are_those_of_upstream() {
    let Some(folder) = folder() else { return };
    let mut theirs = read(&folder, "aggregated_v2.json");
    for group in theirs["items"].as_array_mut().unwrap() {
        let name = group["metadata"]["name"].as_str().unwrap().to_owned();
        let versions = group["versions"].as_array_mut().unwrap();
        versions.retain(|version| is_served(&name, version["version"].as_str().unwrap()));
        for entry in versions {
            let version = entry["version"].as_str().unwrap().to_owned();
            let resources: Vec<Value> = entry["resources"].as_array().unwrap().clone();
            entry["resources"] = served(resources, &name, &version).into();
        }
    }
    theirs["items"].as_array_mut().unwrap().retain(|group| group["versions"] != json!([]));
    let groups = groups(KINDS);
    let (core, named): (Vec<&Group>, Vec<&Group>) = groups.iter().partition(|group| group.name.is_empty());
    let ours = aggregated::document(&named);
    for (one, other) in ours["items"].as_array().unwrap().iter().zip(theirs["items"].as_array().unwrap()) {
        assert_eq!(one, other);
    }
    assert_eq!(ours, theirs);
    // Of the core there is no such answer to compare with, so it is made of the list of its resources.
    let list = of_version(&folder, "", "v1");
    let resources = served(in_one_answer(&list), "", "v1");
    let version = json!({"version": "v1", "resources": resources, "freshness": "Current"});
    assert_eq!(aggregated::document(&core)["items"], json!([{"metadata": {}, "versions": [version]}]));
    let apps = served(in_one_answer(&of_version(&folder, "apps", "v1")), "apps", "v1");
    let of_apps = named.iter().find(|group| group.name == "apps").unwrap();
    assert_eq!(aggregated::document(&[of_apps])["items"][0]["versions"][0]["resources"], json!(apps));
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
