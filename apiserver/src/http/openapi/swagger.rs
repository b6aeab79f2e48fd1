//! From OpenAPI v3 to v2: what old clients read, of the same source.

use serde_json::{Map, Value, json};

/// What v2 lists in an order; v3 has no order there.
const MEDIA_TYPES: &[&str] = &[
    "text/plain",
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf;stream=watch",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];

/// The methods of a path. Parameters that many operations have are put into `shared`, and referred to.
pub fn item(item: Value, shared: &mut Map<String, Value>) -> Value {
    let Value::Object(members) = item else { return item };
    let mut converted = Map::new();
    let mut common = Vec::new();
    let mut methods = Vec::new();
    for (name, member) in members {
        if name == "parameters" {
            common = parameters(member);
        } else {
            methods.push((name, operation(member)));
        }
    }
    for (name, mut operation) in methods {
        let own = operation["parameters"].take();
        if let Some(list) = list_of(own.as_array().cloned().unwrap_or_default(), shared) {
            operation["parameters"] = list;
        } else if let Some(operation) = operation.as_object_mut() {
            operation.remove("parameters");
        }
        converted.insert(name, operation);
    }
    if let Some(list) = list_of(common, shared) {
        converted.insert("parameters".to_owned(), list);
    }
    converted.into()
}

fn operation(operation: Value) -> Value {
    let mut converted = Map::new();
    let mut consumes = Vec::new();
    let mut produces = Vec::new();
    let mut own = Vec::new();
    let Value::Object(members) = operation else { return operation };
    for (name, mut member) in members {
        match name.as_str() {
            "parameters" => own.extend(parameters(member)),
            "requestBody" => {
                consumes = media_types(&member["content"]);
                own.push(body(&member));
            }
            "responses" => {
                produces = media_types(&member["200"]["content"]);
                converted.insert(name, responses(member.take()));
            }
            _ => {
                converted.insert(name, member);
            }
        }
    }
    if consumes.is_empty() {
        let is_plain = !converted.contains_key("x-kubernetes-action");
        consumes = if is_plain { produces.clone() } else { vec!["*/*".to_owned()] };
    }
    converted.insert("consumes".to_owned(), consumes.into());
    converted.insert("produces".to_owned(), produces.into());
    converted.insert("schemes".to_owned(), json!(["https"]));
    converted.insert("parameters".to_owned(), own.into());
    converted.into()
}

fn body(body: &Value) -> Value {
    let content = body["content"].as_object().and_then(|content| content.values().next());
    let sent = content.map_or_else(|| json!({}), |content| schema(content["schema"].clone()));
    let mut parameter = json!({"name": "body", "in": "body", "schema": sent});
    if body["required"] == true {
        parameter["required"] = true.into();
    }
    parameter
}

/// The answers by code; what v3 says of all other codes is left out, as upstream leaves it out.
fn responses(responses: Value) -> Value {
    let Value::Object(members) = responses else { return responses };
    let answers = members.into_iter().filter(|(code, _)| code != "default").map(|(code, answer)| {
        let mut converted = json!({"description": answer["description"]});
        if let Some(content) = answer["content"].as_object().and_then(|content| content.values().next()) {
            converted["schema"] = schema(content["schema"].clone());
        }
        (code, converted)
    });
    answers.collect::<Map<_, _>>().into()
}

fn media_types(content: &Value) -> Vec<String> {
    let mut types: Vec<String> = content.as_object().into_iter().flat_map(Map::keys).cloned().collect();
    types.sort_by_key(|name| MEDIA_TYPES.iter().position(|known| known == name).unwrap_or(MEDIA_TYPES.len()));
    types
}

fn parameters(list: Value) -> Vec<Value> {
    let Value::Array(list) = list else { return Vec::new() };
    let flat = list.into_iter().map(|mut parameter| {
        let Value::Object(schema) = parameter["schema"].take() else { return parameter };
        if let Some(parameter) = parameter.as_object_mut() {
            parameter.remove("schema");
            parameter.extend(schema);
        }
        parameter
    });
    flat.collect()
}

/// Sorted by name; `None` if there are none.
fn list_of(mut parameters: Vec<Value>, shared: &mut Map<String, Value>) -> Option<Value> {
    parameters.sort_by_key(|parameter| parameter["name"].as_str().unwrap_or_default().to_owned());
    let list: Vec<Value> = parameters.into_iter().map(|parameter| share(parameter, shared)).collect();
    (!list.is_empty()).then(|| list.into())
}

/// Some stay where they are: those that are about one kind, and those by which old kubectl tells what the server can.
fn share(parameter: Value, shared: &mut Map<String, Value>) -> Value {
    let name = parameter["name"].as_str().unwrap_or_default();
    let sent = parameter["schema"]["$ref"].as_str().unwrap_or_default();
    if matches!(name, "name" | "dryRun" | "fieldValidation")
        || (name == "body" && !sent.starts_with("#/definitions/io.k8s.apimachinery"))
    {
        return parameter;
    }
    let mut number = 0;
    loop {
        let key = if number == 0 { name.to_owned() } else { format!("{name}-{number}") };
        match shared.get(&key) {
            Some(other) if *other != parameter => number += 1,
            known => {
                let reference = json!({"$ref": format!("#/parameters/{key}")});
                if known.is_none() {
                    shared.insert(key, parameter);
                }
                return reference;
            }
        }
    }
}

/// A schema without what v2 cannot say: defaults and choices go, and words may stand beside a reference.
pub fn schema(schema: Value) -> Value {
    let Value::Object(members) = schema else { return schema };
    let mut converted = Map::new();
    for (key, value) in members {
        match key.as_str() {
            "default" => {}
            "oneOf" => _ = converted.insert("type".to_owned(), "string".into()),
            "allOf" => {
                if let Value::Array(parts) = value {
                    parts
                        .into_iter()
                        .filter_map(|part| object(self::schema(part)))
                        .for_each(|part| converted.extend(part));
                }
            }
            "$ref" => {
                let name = value.as_str().and_then(|reference| reference.rsplit('/').next()).unwrap_or_default();
                converted.insert(key, format!("#/definitions/{name}").into());
            }
            "items" | "additionalProperties" => _ = converted.insert(key, self::schema(value)),
            "properties" => {
                let Value::Object(properties) = value else { continue };
                let properties: Map<_, _> =
                    properties.into_iter().map(|(name, property)| (name, self::schema(property))).collect();
                converted.insert(key, properties.into());
            }
            _ => _ = converted.insert(key, value),
        }
    }
    converted.into()
}

fn object(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(members) => Some(members),
        _ => None,
    }
}
