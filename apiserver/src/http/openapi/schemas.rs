//! The types of the API as OpenAPI schemas.

use api::schema::descriptions::Descriptions;
use api::schema::{Definition, Property, Shape, View};
use serde_json::{Map, Value, json};

/// Written as text or as a number, and always read as text.
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";

/// A type as the schema of a v3 document that is about these groups and versions.
pub fn of(definition: Definition, descriptions: &Descriptions, about: &[(&str, &str)]) -> Value {
    let mut schema = match definition.shape().view() {
        _ if definition.name() == QUANTITY => json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
        View::Object => json!({"type": "object"}),
        _ => shape(definition.shape()),
    };
    describe(&mut schema, descriptions.of(definition));
    let properties = definition.properties().enumerate().map(|(number, property)| {
        let text = descriptions.of_property(definition, number);
        (property.name().to_owned(), of_property(property, text))
    });
    let properties: Map<String, Value> = properties.collect();
    if !properties.is_empty() {
        schema["properties"] = properties.into();
    }
    let required: Vec<&str> =
        definition.properties().filter(|property| property.is_required()).map(Property::name).collect();
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    if definition.is_atomic() {
        schema["x-kubernetes-map-type"] = "atomic".into();
    }
    if let Some(unions) = definition.unions().and_then(|text| serde_json::from_str::<Value>(text).ok()) {
        schema["x-kubernetes-unions"] = unions;
    }
    let kinds: Vec<Value> = definition
        .kinds()
        .flat_map(|(group, version, kind)| {
            // Types such as DeleteOptions are a kind of every group and version.
            let of_all = group == "*";
            let own = (!of_all).then_some((group, version));
            let about = about.iter().copied().filter(move |_| of_all);
            own.into_iter().chain(about).map(move |(group, version)| (group, version, kind))
        })
        .map(|(group, version, kind)| json!({"group": group, "version": version, "kind": kind}))
        .collect();
    if !kinds.is_empty() {
        schema["x-kubernetes-group-version-kind"] = kinds.into();
    }
    schema
}

fn of_property(property: Property, description: &str) -> Value {
    let mut schema = shape(property.shape());
    let mut beside = Map::new();
    let mut add = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            beside.insert(key.to_owned(), value);
        }
    };
    add("default", property.default().and_then(|text| serde_json::from_str(text).ok()));
    add("x-kubernetes-list-type", property.list_type().map(Value::from));
    let keys: Vec<&str> = property.list_map_keys().collect();
    add("x-kubernetes-list-map-keys", (!keys.is_empty()).then(|| keys.into()));
    add("x-kubernetes-map-type", property.map_type().map(Value::from));
    add("x-kubernetes-patch-strategy", property.patch_strategy().map(Value::from));
    add("x-kubernetes-patch-merge-key", property.patch_merge_key().map(Value::from));
    add("description", (!description.is_empty()).then(|| description.into()));
    if schema.get("$ref").is_some() && !beside.is_empty() {
        // Beside a bare reference nothing else may stand.
        schema = json!({"allOf": [schema]});
    }
    schema.as_object_mut().expect("a schema is an object").extend(beside);
    schema
}

fn describe(schema: &mut Value, description: &str) {
    if !description.is_empty() {
        schema["description"] = description.into();
    }
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

const REFERENCE: &str = "#/components/schemas/";

pub fn reference(definition: Definition) -> Value {
    json!({"$ref": format!("{REFERENCE}{}", definition.name())})
}

/// The types that are referred to anywhere below a value.
pub fn references(value: &Value, found: &mut dyn FnMut(Definition)) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                match member.as_str().and_then(|text| text.strip_prefix(REFERENCE)) {
                    Some(name) if key == "$ref" => api::schema::definition(name).into_iter().for_each(&mut *found),
                    _ => references(member, found),
                }
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| references(element, found)),
        _ => {}
    }
}
