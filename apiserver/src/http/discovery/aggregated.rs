//! Discovery of everything in one answer: `apidiscovery.k8s.io/v2`.

use serde_json::{Value, json};

use crate::http::discovery::{Group, subresources};
use crate::kinds::erased::KindRef;
use crate::kinds::facts::{Facts, Subresource};

pub fn document(groups: &[&Group]) -> Value {
    let items: Vec<Value> = groups.iter().map(|listed| group(listed)).collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn group(group: &Group) -> Value {
    let versions = group.versions.iter().map(|(version, kinds)| {
        let resources: Vec<Value> = kinds.iter().map(resource).collect();
        json!({"version": version, "resources": resources, "freshness": "Current"})
    });
    let versions: Vec<Value> = versions.collect();
    let metadata = if group.name.is_empty() { json!({}) } else { json!({"name": group.name}) };
    json!({"metadata": metadata, "versions": versions})
}

fn resource(kind: &KindRef) -> Value {
    let facts = kind.facts();
    let mut entry = json!({
        "resource": facts.plural,
        "responseKind": {"group": "", "version": "", "kind": facts.kind},
        "scope": if facts.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": facts.singular(),
        "verbs": facts.verbs,
    });
    if !facts.short_names.is_empty() {
        entry["shortNames"] = json!(facts.short_names);
    }
    if !facts.categories.is_empty() {
        entry["categories"] = json!(facts.categories);
    }
    if !facts.subresources.is_empty() {
        let parts: Vec<Value> = subresources(facts).into_iter().map(|subresource| part(facts, subresource)).collect();
        entry["subresources"] = parts.into();
    }
    entry
}

/// Group and version stay empty where they are those of the resource.
fn part(facts: &Facts, subresource: &Subresource) -> Value {
    let of = subresource.of.unwrap_or(facts.gvk());
    let foreign = (of.group, of.version) != (facts.group, facts.version);
    let (group, version) = if foreign { (of.group, of.version) } else { ("", "") };
    json!({
        "subresource": subresource.name,
        "responseKind": {"group": group, "version": version, "kind": of.kind},
        "verbs": subresource.verbs,
    })
}
