//! The types of the API as OpenAPI schemas.

use api::schema::{Definition, Property, Shape, View};
use serde_json::{Map, Value, json};

/// The schema of a type, in a document of this group and version.
pub fn of(definition: Definition, group: &str, version: &str) -> Value {
    let View::Object = definition.shape().view() else { return shape(definition.shape()) };
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    let properties: Map<String, Value> =
        definition.properties().map(|property| (property.name().to_owned(), of_property(property))).collect();
    if !properties.is_empty() {
        schema.insert("properties".to_owned(), properties.into());
    }
    let required: Vec<&str> =
        definition.properties().filter(|property| property.is_required()).map(Property::name).collect();
    if !required.is_empty() {
        schema.insert("required".to_owned(), required.into());
    }
    if definition.is_atomic() {
        schema.insert("x-kubernetes-map-type".to_owned(), "atomic".into());
    }
    // Types such as DeleteOptions are a kind of every group and version.
    let kinds = definition.kinds().map(|(own_group, own_version, kind)| {
        let (group, version) = if own_group == "*" { (group, version) } else { (own_group, own_version) };
        json!({"group": group, "version": version, "kind": kind})
    });
    let kinds: Vec<Value> = kinds.collect();
    if !kinds.is_empty() {
        schema.insert("x-kubernetes-group-version-kind".to_owned(), kinds.into());
    }
    schema.into()
}

fn of_property(property: Property) -> Value {
    let mut schema = shape(property.shape());
    if let Some(reference) = schema.get("$ref").cloned() {
        // Beside a bare reference nothing else may stand.
        schema = json!({"allOf": [{"$ref": reference}]});
    }
    if let Some(default) = property.default().and_then(|text| serde_json::from_str::<Value>(text).ok()) {
        schema["default"] = default;
    }
    if let Some(list_type) = property.list_type() {
        schema["x-kubernetes-list-type"] = list_type.into();
    }
    let keys: Vec<&str> = property.list_map_keys().collect();
    if !keys.is_empty() {
        schema["x-kubernetes-list-map-keys"] = keys.into();
    }
    if let Some(map_type) = property.map_type() {
        schema["x-kubernetes-map-type"] = map_type.into();
    }
    if let Some(strategy) = property.patch_strategy() {
        schema["x-kubernetes-patch-strategy"] = strategy.into();
    }
    if let Some(key) = property.patch_merge_key() {
        schema["x-kubernetes-patch-merge-key"] = key.into();
    }
    schema
}

fn shape(shape: Shape) -> Value {
    match shape.view() {
        View::String => json!({"type": "string"}),
        View::Time => json!({"type": "string", "format": "date-time"}),
        View::Bytes => json!({"type": "string", "format": "byte"}),
        View::Int32 => json!({"type": "integer", "format": "int32"}),
        View::Int64 => json!({"type": "integer", "format": "int64"}),
        View::Number => json!({"type": "number", "format": "double"}),
        View::Boolean => json!({"type": "boolean"}),
        View::IntOrString => json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}),
        View::Object => json!({"type": "object"}),
        View::Any => json!({}),
        View::List(element) => json!({"type": "array", "items": self::shape(element)}),
        View::Map(element) => json!({"type": "object", "additionalProperties": self::shape(element)}),
        View::Reference(definition) => reference(definition),
    }
}

pub fn reference(definition: Definition) -> Value {
    json!({"$ref": format!("#/components/schemas/{}", definition.name())})
}

/// The type at the end of lists and maps, if it has a name.
pub fn referred(shape: Shape) -> Option<Definition> {
    match shape.view() {
        View::List(element) | View::Map(element) => referred(element),
        View::Reference(definition) => Some(definition),
        _ => None,
    }
}
