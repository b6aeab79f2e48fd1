//! Reading an object that is JSON: its kind, its name, a field by its path.

use api::names::split_api_version;
use serde_json::Value;

/// What stands at a path such as `spec.template.spec`; null where nothing does.
pub fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    const NOTHING: &Value = &Value::Null;
    let mut here = value;
    for name in path.split('.') {
        here = match here.get(name) {
            Some(inner) => inner,
            None => return NOTHING,
        };
    }
    here
}

pub fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    at(value, path).as_str().unwrap_or_default()
}

pub fn items<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    at(value, path).as_array().map(Vec::as_slice).unwrap_or_default()
}

pub fn api_version(object: &Value) -> &str {
    text(object, "apiVersion")
}

pub fn kind(object: &Value) -> &str {
    text(object, "kind")
}

pub fn name(object: &Value) -> &str {
    text(object, "metadata.name")
}

pub fn namespace(object: &Value) -> &str {
    text(object, "metadata.namespace")
}

pub fn uid(object: &Value) -> &str {
    text(object, "metadata.uid")
}

pub fn resource_version(object: &Value) -> &str {
    text(object, "metadata.resourceVersion")
}

/// Whether it holds other objects: a `List`, a `PodList`.
pub fn is_list(object: &Value) -> bool {
    kind(object).ends_with("List") && object.get("items").is_some_and(Value::is_array)
}

/// `pod` or `deployment.apps`: how commands speak of an object's kind.
pub fn spoken_kind(object: &Value) -> String {
    let (group, _) = split_api_version(api_version(object));
    let kind = kind(object).to_lowercase();
    if group.is_empty() { kind } else { format!("{kind}.{group}") }
}

/// `pod/x` or `deployment.apps/x`.
pub fn spoken(object: &Value) -> String {
    format!("{}/{}", spoken_kind(object), name(object))
}

/// `metadata`, made where it is missing.
pub fn metadata_of(object: &mut Value) -> &mut serde_json::Map<String, Value> {
    map_in(as_map(object), "metadata")
}

/// A map such as `labels` inside `metadata`, made where it is missing.
pub fn metadata_map<'a>(object: &'a mut Value, field: &str) -> &'a mut serde_json::Map<String, Value> {
    map_in(metadata_of(object), field)
}

fn as_map(value: &mut Value) -> &mut serde_json::Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(serde_json::Map::new());
    }
    value.as_object_mut().expect("it was just made one")
}

fn map_in<'a>(map: &'a mut serde_json::Map<String, Value>, field: &str) -> &'a mut serde_json::Map<String, Value> {
    as_map(map.entry(field).or_insert(Value::Null))
}

/// Takes away what only the server's bookkeeping needs.
pub fn remove_managed_fields(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    if let Some(items) = object.get_mut("items").and_then(Value::as_array_mut) {
        items.iter_mut().for_each(remove_managed_fields);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_is_spoken_of_by_kind_and_group() {
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}});
        assert_eq!(spoken(&object), "deployment.apps/x");
        assert_eq!(text(&object, "metadata.nothing.here"), "");
        assert!(!is_list(&object));
        assert!(is_list(&json!({"kind": "PodList", "items": []})));
    }

    #[test]
    fn metadata_is_made_where_it_is_missing() {
        let mut object = json!({"kind": "Pod"});
        metadata_map(&mut object, "labels").insert("a".into(), "b".into());
        assert_eq!(object["metadata"]["labels"]["a"], "b");
    }
}
