//! The paths of a kind, with what each method takes and gives.

use api::schema::{self, Definition};
use serde_json::{Map, Value, json};

use crate::http::openapi::{path, schemas};
use crate::kinds::facts::{Facts, Subresource};
use crate::registry::options::PatchType;

/// What clients look for in the parameters of writes.
const WRITE_PARAMETERS: [(&str, &str); 3] = [
    ("dryRun", "`All`: everything is done except the storing."),
    ("fieldManager", "Who is noted as the writer of the fields."),
    ("fieldValidation", "What happens to unknown and duplicate fields: `Ignore`, `Warn` or `Strict`."),
];
const DELETE_PARAMETERS: [(&str, &str); 3] = [
    ("dryRun", "`All`: everything is done except the storing."),
    ("gracePeriodSeconds", "How long the object may take to end."),
    ("propagationPolicy", "What becomes of dependents: `Orphan`, `Background` or `Foreground`."),
];
const LIST_PARAMETERS: [(&str, &str); 9] = [
    ("allowWatchBookmarks", "Whether a watch may send bookmarks."),
    ("continue", "Where the next page begins."),
    ("fieldSelector", "Which objects, by their fields."),
    ("labelSelector", "Which objects, by their labels."),
    ("limit", "How many at most."),
    ("resourceVersion", "How new at least."),
    ("resourceVersionMatch", "How `resourceVersion` is meant."),
    ("timeoutSeconds", "How long a watch may last."),
    ("watch", "Whether to go on with what happens."),
];

/// What the documents of a kind speak of.
pub fn definitions(facts: &Facts) -> Vec<Definition> {
    let subresources = facts.subresources.iter().filter_map(|subresource| subresource.of);
    let kinds = subresources.filter_map(|of| schema::of_kind(of.group, of.version, of.kind));
    let list = schema::of_kind(facts.group, facts.version, &facts.list_kind());
    let meta = ["DeleteOptions", "Patch", "Status", "WatchEvent"];
    let meta =
        meta.iter().filter_map(|name| schema::definition(&format!("io.k8s.apimachinery.pkg.apis.meta.v1.{name}")));
    kinds.chain(schema::of_kind(facts.group, facts.version, facts.kind)).chain(list).chain(meta).collect()
}

/// All paths of a kind.
pub fn of_kind(facts: &Facts) -> Vec<(String, Value)> {
    let root = format!("/{}", path(facts.group, facts.version));
    let scoped = if facts.namespaced { format!("{root}/namespaces/{{namespace}}") } else { root.clone() };
    let collection = format!("{scoped}/{}", facts.plural);
    let named = format!("{collection}/{{name}}");
    let mut paths = Vec::new();
    if facts.namespaced && facts.allows("list") {
        paths.push((format!("{root}/{}", facts.plural), item(facts, None, &["list"], false, false)));
    }
    paths.push((collection, item(facts, None, &["list", "create", "deletecollection"], facts.namespaced, false)));
    paths.push((named.clone(), item(facts, None, &["get", "update", "patch", "delete"], facts.namespaced, true)));
    for subresource in facts.subresources {
        let verbs = ["get", "create", "update", "patch"];
        let item = item(facts, Some(subresource), &verbs, facts.namespaced, true);
        paths.push((format!("{named}/{}", subresource.name), item));
    }
    paths
}

fn item(facts: &Facts, subresource: Option<&Subresource>, verbs: &[&str], namespaced: bool, named: bool) -> Value {
    let allowed = subresource.map_or(facts.verbs, |subresource| subresource.verbs);
    let mut item = Map::new();
    for verb in verbs.iter().filter(|verb| allowed.contains(verb)) {
        let mut operation = operation(facts, subresource, verb);
        operation["operationId"] = operation_id(facts, subresource, verb, namespaced).into();
        item.insert(method(verb).to_owned(), operation);
    }
    let in_path = |name: &str| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}});
    let mut parameters = Vec::new();
    parameters.extend(named.then(|| in_path("name")));
    parameters.extend(namespaced.then(|| in_path("namespace")));
    parameters.push(parameter("pretty", "Whether the answer is indented."));
    item.insert("parameters".to_owned(), parameters.into());
    item.into()
}

fn method(verb: &str) -> &'static str {
    match verb {
        "create" => "post",
        "update" => "put",
        "patch" => "patch",
        "delete" | "deletecollection" => "delete",
        _ => "get",
    }
}

fn parameter(name: &str, description: &str) -> Value {
    let kind = match name {
        "limit" | "timeoutSeconds" | "gracePeriodSeconds" => "integer",
        "watch" | "allowWatchBookmarks" => "boolean",
        _ => "string",
    };
    json!({"name": name, "in": "query", "description": description, "schema": {"type": kind, "uniqueItems": true}})
}

fn operation(facts: &Facts, subresource: Option<&Subresource>, verb: &str) -> Value {
    let kind = subresource.and_then(|subresource| subresource.of).unwrap_or(facts.gvk());
    let sent = schema::of_kind(kind.group, kind.version, kind.kind);
    let given = match verb {
        "list" => schema::of_kind(facts.group, facts.version, &facts.list_kind()),
        "delete" | "deletecollection" => schema::of_kind("", "v1", "Status"),
        _ => sent,
    };
    let parameters: &[(&str, &str)] = match verb {
        "list" => &LIST_PARAMETERS,
        "create" | "update" | "patch" => &WRITE_PARAMETERS,
        "delete" | "deletecollection" => &DELETE_PARAMETERS,
        _ => &[],
    };
    let parameters: Vec<Value> = parameters.iter().map(|(name, text)| parameter(name, text)).collect();
    let content = |definition: Option<Definition>| {
        let schema = definition.map_or_else(|| json!({}), schemas::reference);
        json!({"application/json": {"schema": schema}, "application/yaml": {"schema": schema}})
    };
    let mut operation = json!({
        "tags": [facts.api_version().replace('/', "_")],
        "parameters": parameters,
        "responses": {
            "200": {"description": "OK", "content": content(given)},
            "401": {"description": "Unauthorized"},
        },
        "x-kubernetes-action": action(verb),
        "x-kubernetes-group-version-kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
    });
    match verb {
        "create" | "update" => operation["requestBody"] = json!({"required": true, "content": content(sent)}),
        "patch" => {
            let patch = schema::definition("io.k8s.apimachinery.pkg.apis.meta.v1.Patch");
            let schema = patch.map_or_else(|| json!({}), schemas::reference);
            let types = PatchType::ALL.map(|patch| (patch.media_type().to_owned(), json!({"schema": schema})));
            operation["requestBody"] = json!({"required": true, "content": Map::from_iter(types)});
        }
        _ => {}
    }
    operation
}

fn action(verb: &str) -> &str {
    match verb {
        "create" => "post",
        "update" => "put",
        other => other,
    }
}

/// Unique in its document: generators make method names of it.
fn operation_id(facts: &Facts, subresource: Option<&Subresource>, verb: &str, namespaced: bool) -> String {
    let scope = if namespaced { "Namespaced" } else { "" };
    let part = match subresource {
        Some(subresource) => subresource.name,
        None if facts.namespaced && !namespaced => "forAllNamespaces",
        None => "",
    };
    let version: String = facts.api_version().split(['/', '.']).map(capitalized).collect();
    format!("{verb}{version}{scope}{}{}", facts.kind, capitalized(part))
}

fn capitalized(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + characters.as_str())
}
