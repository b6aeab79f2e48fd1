//! Compares the kinds with upstream's own data: objects of every kind, the columns of tables, defaults.

use std::path::{Path, PathBuf};

use api::field::FieldErrors;
use api::schema::{self, Definition, View};
use serde_json::{Value, json};

use crate::kinds::KINDS;
use crate::kinds::erased::KindRef;
use crate::kinds::strict::Search;

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
        let decoded = kind
            .decode(object.to_string().as_bytes(), Search::Everything)
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(decoded.complaints, [""; 0], "{what}");
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

/// The field labels of a row of upstream's table, without notes and with what stands for several written out.
fn labels(text: &str) -> Vec<String> {
    let mut rest = text.to_owned();
    while let (Some(begin), Some(end)) = (rest.find('('), rest.find(')')) {
        rest.replace_range(begin..=end, "");
    }
    if let (Some(begin), Some(end)) = (rest.find('{'), rest.find('}')) {
        let stem = rest[..begin].rsplit(',').next().unwrap_or_default().to_owned();
        let all: Vec<String> = rest[begin + 1..end].split(',').map(|part| format!("{stem}{part}")).collect();
        rest.replace_range(begin - stem.len()..=end, &all.join(","));
    }
    let names = rest.split(',').map(|label| label.split("->").next().unwrap_or_default().trim().to_owned());
    let mut labels: Vec<String> = names.filter(|label| !label.is_empty() && !label.starts_with("metadata.")).collect();
    labels.sort_unstable();
    labels
}

#[test]
fn every_kind_has_the_flags_and_field_labels_of_upstream() {
    let Some(path) = place("strategies.csv") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(';').collect()).collect();
    let mut compared = 0;
    for kind in KINDS.iter().filter(|kind| kind.facts().allows("update")) {
        let (facts, what) = (kind.facts(), kind.facts().plural);
        let is_of = |row: &&Vec<&str>| row[1] == facts.plural || row[1] == facts.singular();
        // The table is of one of upstream's servers; kinds of the others are not in it.
        let Some(row) = rows.iter().find(is_of) else { continue };
        compared += 1;
        let flags = facts.flags;
        let ours = [
            flags.create_on_update.to_string(),
            flags.unconditional_update.to_string(),
            (if flags.returns_deleted { "yes" } else { "no" }).to_owned(),
        ];
        let expected = [row[2], row[3], row[4].split(' ').next().unwrap_or_default()];
        assert_eq!(ours, expected, "{what}");
        assert_eq!(flags.orphans_by_default, row[5].starts_with("Orphan"), "{what}");
        assert_eq!(flags.ignores_dependents, row[5] == "Unsupported", "{what}");
        // What is another kind in another shape has labels in that shape.
        if kind.storage() == facts.resource() {
            let mut ours: Vec<&str> = kind.field_labels().iter().map(|label| label.label).collect();
            ours.sort_unstable();
            assert_eq!(ours, labels(row[8]), "{what}");
        }
    }
    assert!(compared > 30, "{compared}");
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
        let mut draft = kind.decode_value(object, Search::Silence).unwrap().draft;
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

/// Values that stand where others were.
fn oddities() -> Vec<Value> {
    vec![
        json!(null),
        json!(0),
        json!(-1),
        json!(i64::MAX),
        json!(i32::MIN),
        json!(true),
        json!(""),
        json!("100%"),
        json!("-5-"),
        json!("9e999"),
        json!("é\u{0}😀"),
        json!("::/0"),
        json!([]),
        json!({}),
    ]
}

/// Every place in a value, as a pointer.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(object) => object.iter().for_each(|(name, value)| {
            places(value, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
        }),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(index, value)| places(value, &format!("{at}/{index}"), found));
        }
        _ => {}
    }
}

/// Everything that a write does to an object, whatever it says.
fn endure(kind: KindRef, object: &Value, old: &Value) {
    let Ok(mut decoded) = kind.decode_value(object.clone(), Search::Everything) else { return };
    let old = kind.decode_value(old.clone(), Search::Silence).unwrap().draft;
    let mut errors = FieldErrors::default();
    let draft = &mut decoded.draft;
    draft.fill_defaults();
    let mut created = draft.copy();
    created.before_create();
    created.validate(&mut errors);
    created.validate_create(&mut errors);
    created.warnings();
    let _ = created.scaled();
    draft.before_update(&*old);
    draft.validate(&mut errors);
    draft.validate_update(&*old, &mut errors);
    let mut part = draft.copy();
    part.before_subresource_update("status", &*old);
    part.validate_subresource_update("status", &*old, &mut errors);
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    kind.cells(&created.encode(), now).expect("what was written can be read");
    let _ = kind.encode_stored(&*created).map(|stored| kind.view().map(|view| view(&stored)));
}

#[test]
fn no_object_breaks_its_kind() {
    let Some(folder) = place("fixtures") else { return };
    let oddities = oddities();
    // The same row of numbers every time, so that what is found is found again.
    let mut state: u64 = 0x5EED;
    let mut below = |count: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % count
    };
    for kind in KINDS {
        let Some(original) = fixture(&folder, *kind).map(without_what_differs) else { continue };
        let mut all = Vec::new();
        places(&original, "", &mut all);
        endure(*kind, &original, &original);
        for _ in 0..20 {
            let mut object = original.clone();
            for _ in 0..=below(4) {
                if let Some(place) = object.pointer_mut(&all[below(all.len())]) {
                    *place = oddities[below(oddities.len())].clone();
                }
            }
            endure(*kind, &object, &original);
        }
    }
}
