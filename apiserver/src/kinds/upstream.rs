//! Compares the kinds with upstream's own data: objects of every kind, the columns of tables, defaults.

use std::path::{Path, PathBuf};

use api::schema::{self, Definition, View};
use serde_json::Value;

use crate::kinds::KINDS;
use crate::kinds::erased::KindRef;

/// Upstream's data lies beside the workspace, or beside the folder that it is in.
fn place(name: &str) -> Option<PathBuf> {
    let places = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(2);
    let found = places.map(|place| place.join("shared/kubernetes").join(name)).find(|path| path.exists());
    if found.is_none() {
        println!("SKIPPED: upstream's {name} is not at ../shared/kubernetes");
    }
    found
}

/// None for the kinds of the servers that upstream keeps apart: the data is of the others.
fn fixture(folder: &Path, kind: KindRef) -> Option<Value> {
    let facts = kind.facts();
    if matches!(facts.group, "apiextensions.k8s.io" | "apiregistration.k8s.io") {
        return None;
    }
    let group = if facts.group.is_empty() { "core" } else { facts.group };
    let path = folder.join(format!("{group}.{}.{}.json", facts.version, facts.kind));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
    Some(serde_json::from_str(&text).unwrap())
}

/// What the claims of a StatefulSet are is said in each of them by upstream's server, though not by the fixtures. A time
/// in a map that is null is as good as none.
fn without_what_differs(mut object: Value) -> Value {
    let claims = object.pointer_mut("/spec/volumeClaimTemplates").and_then(Value::as_array_mut);
    for claim in claims.into_iter().flatten().filter_map(Value::as_object_mut) {
        claim.retain(|name, _| name != "apiVersion" && name != "kind");
    }
    if let Some(pods) = object.pointer_mut("/status/disruptedPods").and_then(Value::as_object_mut) {
        pods.retain(|_, time| !time.is_null());
    }
    object
}

#[test]
fn objects_of_every_kind_come_out_as_they_went_in() {
    let Some(folder) = place("fixtures") else { return };
    for kind in KINDS {
        let (what, Some(object)) = (kind.facts().kind, fixture(&folder, *kind)) else { continue };
        let decoded = kind.decode(object.to_string().as_bytes()).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(decoded.unknown_fields, [""; 0], "{what}");
        let encoded: Value = serde_json::from_slice(&decoded.draft.encode()).unwrap();
        assert_eq!(without_what_differs(encoded), without_what_differs(object), "{what}");
    }
}

#[test]
fn every_kind_has_the_columns_of_upstream() {
    let Some(path) = place("tables.csv") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    // Reviews are no lists, and the table is not of the servers that upstream keeps apart.
    let compared = KINDS.iter().filter(|kind| !kind.is_answered() && kind.facts().group != "apiregistration.k8s.io");
    for kind in compared {
        let columns = kind.columns();
        let ours = |wide: bool| {
            let of_this_width = columns.iter().filter(|column| (column.priority > 0) == wide);
            let shown = of_this_width.map(|column| match column.format {
                "" => format!("{}:{}", column.name, column.kind),
                format => format!("{}:{}/{format}", column.name, column.kind),
            });
            shown.collect::<Vec<_>>().join(" | ")
        };
        let rows = text.lines().map(|line| line.split(';').collect::<Vec<_>>());
        let upstream = rows.into_iter().find(|row| row[0] == kind.facts().kind);
        // Its table is not complete.
        let Some((usual, wide)) = upstream.map(|row| (row[1], row[2])) else { continue };
        // The table lacks the columns that upstream adds to some of this kind.
        let shown = match kind.facts().kind {
            "CSIDriver" => ours(false).split(" | TokenRequests").next().unwrap_or_default().to_owned(),
            _ => ours(false),
        };
        assert_eq!((shown.as_str(), ours(true).as_str()), (usual, wide), "{}", kind.facts().kind);
    }
}

/// Fields of objects that upstream's document gives a default for, with values, below what is there.
fn defaults(definition: Definition, value: &Value, at: &str, found: &mut Vec<(String, Value, Option<Value>)>) {
    let Some(object) = value.as_object() else { return };
    for property in definition.properties() {
        let at = format!("{at}.{}", property.name());
        let child = object.get(property.name());
        if let Some(default) = property.default() {
            found.push((at.clone(), serde_json::from_str(default).unwrap(), child.cloned()));
        }
        match (property.shape().view(), child) {
            (View::Reference(definition), Some(child)) => defaults(definition, child, &at, found),
            (View::List(element), Some(Value::Array(list))) => {
                if let View::Reference(definition) = element.view() {
                    list.iter().for_each(|child| defaults(definition, child, &at, found));
                }
            }
            _ => {}
        }
    }
}

/// Everything that may be left out is, save for what makes lists and maps be there.
fn bare(value: &Value, definition: Definition) -> Value {
    let mut bare = serde_json::Map::new();
    for property in definition.properties() {
        let Some(child) = value.get(property.name()) else { continue };
        let has_default = property.default().is_some_and(|default| !matches!(default, "{}" | "\"\"" | "0"));
        let child = match (property.shape().view(), child) {
            (View::Reference(definition), Value::Object(_)) => self::bare(child, definition),
            (View::List(element), Value::Array(list)) => match element.view() {
                View::Reference(definition) => list.iter().map(|child| self::bare(child, definition)).collect(),
                _ => child.clone(),
            },
            _ if has_default => continue,
            _ => child.clone(),
        };
        bare.insert(property.name().to_owned(), child);
    }
    Value::Object(bare)
}

#[test]
fn what_upstreams_document_gives_a_default_has_it() {
    let Some(folder) = place("fixtures") else { return };
    let mut count = 0;
    for kind in KINDS {
        let facts = kind.facts();
        let definition = schema::of_kind(facts.group, facts.version, facts.kind).unwrap();
        let Some(object) = fixture(&folder, *kind) else { continue };
        let object = bare(&object, definition);
        let mut draft = kind.decode_value(object).unwrap().draft;
        draft.fill_defaults();
        let mut found = Vec::new();
        defaults(definition, &draft.to_value(), facts.kind, &mut found);
        for (place, default, value) in found {
            // Of a struct, of a text and of a number this only says what Go has where nothing is.
            if matches!(default.to_string().as_str(), "{}" | "\"\"" | "0") {
                continue;
            }
            count += 1;
            assert_eq!(value.unwrap_or_default(), default, "{place}");
        }
    }
    assert!(count > 50, "{count}");
}
