//! One operation: what a method on a path takes and gives.

use api::names::GroupVersionKind;
use api::schema::{self, Definition};
use serde_json::{Map, Value, json};

use crate::http::openapi::parameters::{self, Parameter};
use crate::http::openapi::schemas;
use crate::registry::options::PatchType;

/// What objects are written as. Upstream has CBOR besides.
pub const OBJECT_TYPES: &[&str] = &["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
const LIST_TYPES: &[&str] = &[
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf;stream=watch",
];
const LOG_TYPES: &[&str] =
    &["text/plain", "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
const ANY_TYPE: &[&str] = &["*/*"];

/// A method on a path, before its parameters are sorted into those of the path and its own.
pub struct Operation {
    pub method: &'static str,
    pub id: String,
    pub description: String,
    pub action: &'static str,
    /// What is read or written.
    pub kind: GroupVersionKind,
    pub parameters: Vec<Value>,
    pub body: Option<Value>,
    pub responses: Value,
}

impl Operation {
    pub fn into_value(self, tag: &str) -> Value {
        let GroupVersionKind { group, version, kind } = self.kind;
        let mut operation = json!({
            "tags": [tag],
            "operationId": self.id,
            "description": self.description,
            "responses": self.responses,
            "x-kubernetes-action": self.action,
            "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind},
        });
        if !self.parameters.is_empty() {
            operation["parameters"] = self.parameters.into();
        }
        if let Some(body) = self.body {
            operation["requestBody"] = body;
        }
        operation
    }
}

/// What a verb takes and gives; `id` and `description` are told by the path.
pub fn of_verb(verb: &str, kind: GroupVersionKind, returns_deleted: bool) -> Operation {
    let (method, action) = method_and_action(verb);
    let list = || schema::of_kind(kind.group, kind.version, &format!("{}List", kind.kind));
    let object = || schema::of_kind(kind.group, kind.version, kind.kind);
    let status = || meta("Status");
    let given = match verb {
        "list" => list(),
        "watch" | "watchlist" => meta("WatchEvent"),
        "delete" if returns_deleted => object(),
        "delete" | "deletecollection" => status(),
        _ => object(),
    };
    let (codes, types): (&[&str], _) = match verb {
        "create" => (&["200", "201", "202"], OBJECT_TYPES),
        "update" | "patch" => (&["200", "201"], OBJECT_TYPES),
        "delete" => (&["200", "202"], OBJECT_TYPES),
        "list" | "watch" | "watchlist" => (&["200"], LIST_TYPES),
        _ => (&["200"], OBJECT_TYPES),
    };
    let body = match verb {
        "create" | "update" => Some((ANY_TYPE.to_vec(), object(), true)),
        "patch" => Some((PatchType::ALL.map(PatchType::media_type).to_vec(), meta("Patch"), true)),
        "delete" | "deletecollection" => Some((ANY_TYPE.to_vec(), meta("DeleteOptions"), false)),
        _ => None,
    };
    Operation {
        method,
        id: String::new(),
        description: String::new(),
        action,
        kind,
        parameters: values(of_query(verb)),
        body: body.map(|(types, definition, required)| self::body(&types, definition, required)),
        responses: responses(codes, types, &reference(given)),
    }
}

/// The log of a container, as text.
pub fn of_log(kind: GroupVersionKind) -> Operation {
    let responses = responses(&["200"], LOG_TYPES, &json!({"type": "string"}));
    Operation { parameters: values(parameters::LOG), responses, ..of_verb("get", kind, false) }
}

/// A connection that is opened with this method.
pub fn of_connection(method: &'static str, kind: GroupVersionKind) -> Operation {
    let responses = responses(&["200"], ANY_TYPE, &json!({"type": "string"}));
    let parameters = values(parameters::of_connection(kind.kind).unwrap_or_default());
    Operation { method, action: "connect", parameters, responses, ..of_verb("get", kind, false) }
}

/// The answers of an operation with these codes. Every refusal is a Status, which upstream leaves unsaid.
pub fn responses(codes: &[&str], types: &[&str], schema: &Value) -> Value {
    let content = |types: &[&str], schema: &Value| -> Map<String, Value> {
        types.iter().map(|media_type| ((*media_type).to_owned(), json!({"schema": schema}))).collect()
    };
    let described = |code: &str| match code {
        "200" => "OK",
        "201" => "Created",
        _ => "Accepted",
    };
    let answers = codes
        .iter()
        .map(|code| ((*code).to_owned(), json!({"description": described(code), "content": content(types, schema)})));
    let mut responses: Map<String, Value> = answers.collect();
    responses.insert("401".to_owned(), json!({"description": "Unauthorized"}));
    let refusal = content(&["application/json"], &reference(meta("Status")));
    responses.insert("default".to_owned(), json!({"description": "Refused", "content": refusal}));
    responses.into()
}

fn body(types: &[&str], definition: Option<Definition>, required: bool) -> Value {
    let schema = reference(definition);
    let content: Map<String, Value> =
        types.iter().map(|media_type| ((*media_type).to_owned(), json!({"schema": schema}))).collect();
    if required { json!({"required": true, "content": content}) } else { json!({"content": content}) }
}

pub fn meta(name: &str) -> Option<Definition> {
    schema::definition(&format!("io.k8s.apimachinery.pkg.apis.meta.v1.{name}"))
}

/// Anything, where a kind is not in the table.
pub fn reference(definition: Option<Definition>) -> Value {
    definition.map_or_else(|| json!({}), schemas::reference)
}

fn values(parameters: &[Parameter]) -> Vec<Value> {
    parameters.iter().map(|parameter| parameter.to_value()).collect()
}

fn of_query(verb: &str) -> &'static [Parameter] {
    match verb {
        "list" | "watch" | "watchlist" => parameters::LIST,
        "create" | "update" => parameters::WRITE,
        "patch" => parameters::PATCH,
        "delete" => parameters::DELETE,
        "deletecollection" => parameters::DELETE_COLLECTION,
        _ => &[],
    }
}

fn method_and_action(verb: &str) -> (&'static str, &'static str) {
    match verb {
        "create" => ("post", "post"),
        "update" => ("put", "put"),
        "patch" => ("patch", "patch"),
        "delete" => ("delete", "delete"),
        "deletecollection" => ("delete", "deletecollection"),
        "list" => ("get", "list"),
        "watch" => ("get", "watch"),
        "watchlist" => ("get", "watchlist"),
        _ => ("get", "get"),
    }
}
