//! Compares the documents with upstream's, and lists every difference with its reason.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::*;
use crate::kinds::KINDS;
use crate::kinds::facts::Facts;

/// Upstream's documents lie beside the workspace, or beside the folder that it is in.
fn folder() -> Option<PathBuf> {
    let places = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(2);
    let found = places.map(|place| place.join("shared/kubernetes/openapi")).find(|folder| folder.is_dir());
    if found.is_none() {
        println!("SKIPPED: upstream's OpenAPI documents are not at ../shared/kubernetes/openapi");
    }
    found
}

fn read(file: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))).unwrap()
}

/// Something that is not the same in both.
struct Difference {
    /// The keys that lead there.
    at: Vec<String>,
    ours: Value,
    theirs: Value,
}

impl Difference {
    fn key(&self) -> &str {
        self.at.last().map_or("", String::as_str)
    }

    fn is_in(&self, key: &str) -> bool {
        self.at.iter().any(|part| part == key)
    }

    fn is_missing(&self) -> bool {
        self.ours.is_null()
    }

    fn is_more(&self) -> bool {
        self.theirs.is_null()
    }
}

/// A sentence, and what it explains.
type Reason = (&'static str, fn(&Difference) -> bool);

/// Why something is not as upstream has it. This is the list that `docs/api-conformance.md` tells.
const REASONS: &[Reason] = &[
    ("CBOR is not spoken: it is an alpha feature that is off in upstream's servers too", |difference| {
        let cbor = |text: &str| text.ends_with("cbor") || text.ends_with("cbor-seq");
        difference.is_missing() && (cbor(difference.key()) || difference.theirs.as_str().is_some_and(cbor))
    }),
    ("parameters are described in our own words", |difference| {
        difference.key() == "description" && difference.is_in("parameters") && !difference.is_missing()
    }),
    ("every operation says that a refusal is a Status, where upstream says nothing", |difference| {
        difference.key() == "default" && difference.is_in("responses") && difference.is_more()
    }),
    ("so documents without deletions have the types of a Status as well", |difference| {
        let types = ["Status", "StatusCause", "StatusDetails", "ListMeta", "ShardInfo"];
        let is_schema = difference.at.first().is_some_and(|part| part == "components") && difference.at.len() == 3;
        is_schema && difference.is_more() && types.iter().any(|name| difference.key().ends_with(&format!(".v1.{name}")))
    }),
    ("list types are described alike: they are one generic type in k8s-openapi", |difference| {
        difference.key() == "description"
            && difference.at.iter().any(|part| part.starts_with("io.k8s.") && part.ends_with("List"))
    }),
    ("the description of WatchEvent holds that of its field: it is an enum in k8s-openapi", |difference| {
        difference.is_in(WATCH_EVENT) && matches!(difference.key(), "description" | "allOf" | "$ref")
    }),
    (
        "DeleteOptions and WatchEvent are kinds of the groups that are served, not of all that upstream knows",
        |difference| {
            difference.is_in("x-kubernetes-group-version-kind")
                && (difference.is_in("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions")
                    || difference.is_in(WATCH_EVENT))
        },
    ),
    (
        "the deletion of a namespace is answered with the namespace, by upstream too, whose document says a Status",
        |difference| {
            let is_deletion =
                difference.at.iter().any(|part| part == "/api/v1/namespaces/{name}") && difference.is_in("delete");
            is_deletion && difference.key() == "$ref"
        },
    ),
];

const WATCH_EVENT: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent";

/// Notes what differs; lists whose order means nothing are compared as sets.
fn compare(ours: &Value, theirs: &Value, at: &mut Vec<String>, found: &mut Vec<Difference>) {
    match (ours, theirs) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for key in keys {
                at.push(key.clone());
                compare(one.get(key).unwrap_or(&Value::Null), other.get(key).unwrap_or(&Value::Null), at, found);
                at.pop();
            }
        }
        (Value::Array(one), Value::Array(other)) if at.last().is_some_and(|key| key == "parameters") => {
            compare(&by_name(one), &by_name(other), at, found);
        }
        (Value::Array(one), Value::Array(other)) if is_set(at) => {
            let mut note = |ours: Value, theirs: Value| found.push(Difference { at: at.clone(), ours, theirs });
            one.iter().filter(|element| !other.contains(element)).for_each(|extra| note(extra.clone(), Value::Null));
            other.iter().filter(|element| !one.contains(element)).for_each(|lost| note(Value::Null, lost.clone()));
        }
        _ if ours != theirs => {
            found.push(Difference { at: at.clone(), ours: ours.clone(), theirs: theirs.clone() });
        }
        _ => {}
    }
}

fn is_set(at: &[String]) -> bool {
    let sets = ["required", "x-kubernetes-group-version-kind", "consumes", "produces"];
    at.last().is_some_and(|key| sets.contains(&key.as_str()))
}

fn by_name(parameters: &[Value]) -> Value {
    let named = parameters.iter().map(|one| {
        let part = |key: &str| one[key].as_str().unwrap_or_default();
        (format!("{} {}", part("in"), part("name")), one.clone())
    });
    named.collect::<Map<_, _>>().into()
}

/// Every difference has a reason, and every reason that must have one a difference.
fn explain(found: &[Difference], expected: &[&str]) {
    let mut unexplained = Vec::new();
    let mut used = BTreeSet::new();
    for difference in found {
        match REASONS.iter().find(|(_, covers)| covers(difference)) {
            Some((reason, _)) => _ = used.insert(*reason),
            None => {
                let short = |value: &Value| value.to_string().chars().take(160).collect::<String>();
                let (ours, theirs) = (short(&difference.ours), short(&difference.theirs));
                unexplained.push(format!("{}\n    ours   {ours}\n    theirs {theirs}", difference.at.join(" ")));
            }
        }
    }
    let shown: Vec<&String> = unexplained.iter().take(30).collect();
    let all = unexplained.len();
    assert!(
        unexplained.is_empty(),
        "{all} differences without a reason:\n{}",
        shown.iter().map(|text| format!("{text}\n")).collect::<String>()
    );
    for start in expected {
        assert!(used.iter().any(|reason| reason.starts_with(start)), "nothing differs any more because {start}");
    }
}

/// Whether we serve what stands behind a path of upstream.
fn is_served(kinds: &[&'static Facts], path: &str) -> bool {
    let (root, rest) = match path.trim_start_matches('/').split('/').collect::<Vec<_>>().as_slice() {
        ["api", version, rest @ ..] => (("".to_owned(), (*version).to_owned()), rest.to_vec()),
        ["apis", group, version, rest @ ..] => (((*group).to_owned(), (*version).to_owned()), rest.to_vec()),
        _ => return false,
    };
    let of_version = |facts: &&Facts| (facts.group, facts.version) == (root.0.as_str(), root.1.as_str());
    let mut kinds = kinds.iter().copied().filter(of_version);
    let rest = rest.strip_prefix(&["watch"]).unwrap_or(&rest);
    let rest = rest.strip_prefix(&["namespaces", "{namespace}"]).unwrap_or(rest);
    match rest {
        [""] => kinds.next().is_some(),
        [plural] | [plural, _] => kinds.any(|facts| facts.plural == *plural),
        [plural, _, part, ..] => kinds.any(|facts| facts.plural == *plural && facts.subresource(part).is_some()),
        [] => false,
    }
}

fn keep_paths(document: &mut Value, keep: impl Fn(&str) -> bool) {
    document["paths"].as_object_mut().unwrap().retain(|path, _| keep(path));
}

/// Leaves of the types those that paths and the types that are left lead to.
fn keep_reachable(document: &mut Value, place: &[&str], prefix: &str, also: &str) {
    let pointer = format!("/{}", place.join("/"));
    let all = document.pointer(&pointer).cloned().unwrap_or_else(|| json!({}));
    let mut open = vec![document["paths"].clone()];
    let watches = document["paths"].as_object().unwrap().keys().any(|path| path.contains("/watch/"));
    let mut found = BTreeSet::new();
    if watches && found.insert(also.to_owned()) {
        open.push(all[also].clone());
    }
    while let Some(value) = open.pop() {
        for part in value.to_string().split(prefix).skip(1) {
            let name = part.split('"').next().unwrap().to_owned();
            if found.insert(name.clone()) {
                open.push(all[&name].clone());
            }
        }
    }
    if let Some(types) = document.pointer_mut(&pointer).and_then(Value::as_object_mut) {
        types.retain(|name, _| found.contains(name));
    }
}

fn facts() -> Vec<&'static Facts> {
    KINDS.iter().map(|kind| kind.facts()).collect()
}

fn differences3(folder: &Path, kinds: &[&'static Facts]) -> Vec<Difference> {
    let mut found = Vec::new();
    for document in document::list(kinds) {
        let ours: Value = serde_json::from_slice(&json3(std::slice::from_ref(&document))).unwrap();
        let mut theirs = read(&folder.join(format!("v3/{}_openapi.json", document.path.replace('/', "__"))));
        if document.path.contains("/v") {
            keep_paths(&mut theirs, |path| is_served(kinds, path));
            keep_reachable(&mut theirs, &["components", "schemas"], "#/components/schemas/", WATCH_EVENT);
        }
        compare(&ours, &theirs, &mut Vec::new(), &mut found);
    }
    found
}

#[test]
fn the_documents_of_v3_are_those_of_upstream() {
    let Some(folder) = folder() else { return };
    let expected =
        ["CBOR", "parameters", "every operation", "so documents", "list types", "the description of WatchEvent"];
    explain(&differences3(&folder, &facts()), &expected);
}

/// Puts shared parameters where they are referred to.
fn resolve(document: &mut Value) {
    let shared = document["parameters"].take();
    document.as_object_mut().unwrap().remove("parameters");
    let fill = |list: &mut Value| {
        for parameter in list.as_array_mut().into_iter().flatten() {
            let name = parameter["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/parameters/"));
            if let Some(name) = name.map(str::to_owned) {
                *parameter = shared[&name].clone();
            }
        }
    };
    for item in document["paths"].as_object_mut().unwrap().values_mut() {
        for (name, member) in item.as_object_mut().unwrap() {
            fill(if name == "parameters" { member } else { &mut member["parameters"] });
        }
    }
}

fn differences2(folder: &Path, kinds: &[&'static Facts]) -> Vec<Difference> {
    let compressed = json2(&document::list(kinds));
    let mut text = Vec::new();
    GzDecoder::new(&compressed[..]).read_to_end(&mut text).unwrap();
    let mut ours: Value = serde_json::from_slice(&text).unwrap();
    let mut theirs = read(&folder.join("swagger.json"));
    resolve(&mut ours);
    resolve(&mut theirs);
    let groups: BTreeSet<&str> = kinds.iter().map(|facts| facts.group).collect();
    keep_paths(&mut theirs, |path| {
        let plain = ["/api/", "/apis/", "/version/"].contains(&path);
        plain || is_served(kinds, path) || groups.iter().any(|group| path == format!("/apis/{group}/"))
    });
    keep_reachable(&mut theirs, &["definitions"], "#/definitions/", WATCH_EVENT);
    let mut found = Vec::new();
    compare(&ours, &theirs, &mut Vec::new(), &mut found);
    found
}

#[test]
fn the_document_of_v2_is_that_of_upstream() {
    let Some(folder) = folder() else { return };
    let expected = ["CBOR", "parameters", "DeleteOptions", "list types", "the description of WatchEvent"];
    explain(&differences2(&folder, &facts()), &expected);
}
