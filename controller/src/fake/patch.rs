//! Patches: merge patches, and of strategic ones what the controllers send.

use serde_json::Value;

/// Lists that strategic patches merge, and by which key.
const MERGED: &[(&str, &str)] = &[("conditions", "type"), ("taints", "key")];

pub fn merge(target: &mut Value, change: &Value, strategic: bool) {
    let Value::Object(change) = change else {
        *target = change.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, value) in change {
        let merged = MERGED.iter().find(|(list, _)| list == key).filter(|_| strategic);
        match (value, merged) {
            (Value::Null, _) => {
                target.remove(key);
            }
            (Value::Array(elements), Some((_, by))) => {
                let list = target.entry(key.clone()).or_insert_with(|| Value::Array(Vec::new()));
                merge_list(list, elements, by);
            }
            _ => merge(target.entry(key.clone()).or_insert(Value::Null), value, strategic),
        }
    }
}

fn merge_list(list: &mut Value, elements: &[Value], by: &str) {
    let Value::Array(list) = list else { return };
    for element in elements {
        match list.iter_mut().find(|other| other[by] == element[by]) {
            Some(other) => merge(other, element, true),
            None => list.push(element.clone()),
        }
    }
}
