//! A v2 document as gnostic's protobuf: `openapi.v2.Document`.

use serde_json::{Map, Value, json};

use crate::http::openapi::document::Writer;
use crate::http::openapi::swagger;
use crate::http::openapi::text::{SECURITY, TITLE, VERSION};
use crate::http::openapi::wire::{self, Form, Message};

const TEXTS: Form = Form::Each(&Form::Text);

static SCHEMA: Message = Message {
    fields: &[
        ("$ref", 1, Form::Text),
        ("format", 2, Form::Text),
        ("title", 3, Form::Text),
        ("description", 4, Form::Text),
        ("default", 5, Form::Yaml),
        ("maximum", 7, Form::Number),
        ("minimum", 9, Form::Number),
        ("pattern", 13, Form::Text),
        ("uniqueItems", 16, Form::Flag),
        ("required", 19, TEXTS),
        ("enum", 20, Form::Each(&Form::Yaml)),
        ("additionalProperties", 21, Form::Within(&[1], &Form::Message(&SCHEMA))),
        ("type", 22, Form::Within(&[1], &Form::Text)),
        ("items", 23, Form::Within(&[1], &Form::Message(&SCHEMA))),
        ("allOf", 24, Form::Each(&Form::Message(&SCHEMA))),
        ("properties", 25, Form::Message(&SCHEMAS)),
    ],
    others: None,
    extensions: Some(31),
};
static SCHEMAS: Message = Message::map(1, Form::Message(&SCHEMA));

static BODY_PARAMETER: Message = Message {
    fields: &[
        ("description", 1, Form::Text),
        ("name", 2, Form::Text),
        ("in", 3, Form::Text),
        ("required", 4, Form::Flag),
        ("schema", 5, Form::Message(&SCHEMA)),
    ],
    others: None,
    extensions: Some(6),
};
static QUERY_PARAMETER: Message = Message {
    fields: &[
        ("required", 1, Form::Flag),
        ("in", 2, Form::Text),
        ("description", 3, Form::Text),
        ("name", 4, Form::Text),
        ("type", 6, Form::Text),
        ("format", 7, Form::Text),
        ("uniqueItems", 20, Form::Flag),
    ],
    others: None,
    extensions: Some(23),
};
static PATH_PARAMETER: Message = Message {
    fields: &[
        ("required", 1, Form::Flag),
        ("in", 2, Form::Text),
        ("description", 3, Form::Text),
        ("name", 4, Form::Text),
        ("type", 5, Form::Text),
        ("format", 6, Form::Text),
        ("uniqueItems", 19, Form::Flag),
    ],
    others: None,
    extensions: Some(22),
};
static REFERENCE: Message = Message { fields: &[("$ref", 1, Form::Text)], others: None, extensions: None };

/// In a list, where a parameter may stand somewhere else.
fn listed_parameter(value: &Value) -> Form {
    if value.get("$ref").is_some() {
        Form::Within(&[2], const { &Form::Message(&REFERENCE) })
    } else {
        Form::Within(&[1], &Form::Choice(parameter))
    }
}

fn parameter(value: &Value) -> Form {
    match value["in"].as_str() {
        Some("body") => Form::Within(&[1], const { &Form::Message(&BODY_PARAMETER) }),
        Some("path") => Form::Within(&[2, 4], const { &Form::Message(&PATH_PARAMETER) }),
        _ => Form::Within(&[2, 3], const { &Form::Message(&QUERY_PARAMETER) }),
    }
}

static RESPONSE: Message = Message {
    fields: &[("description", 1, Form::Text), ("schema", 2, Form::Within(&[1], &Form::Message(&SCHEMA)))],
    others: None,
    extensions: Some(5),
};
static RESPONSES: Message = Message::map(1, Form::Within(&[1], &Form::Message(&RESPONSE)));

const PARAMETERS: Form = Form::Each(&Form::Choice(listed_parameter));
static OPERATION: Message = Message {
    fields: &[
        ("tags", 1, TEXTS),
        ("description", 3, Form::Text),
        ("operationId", 5, Form::Text),
        ("produces", 6, TEXTS),
        ("consumes", 7, TEXTS),
        ("parameters", 8, PARAMETERS),
        ("responses", 9, Form::Message(&RESPONSES)),
        ("schemes", 10, TEXTS),
    ],
    others: None,
    extensions: Some(13),
};
static PATH_ITEM: Message = Message {
    fields: &[
        ("get", 2, Form::Message(&OPERATION)),
        ("put", 3, Form::Message(&OPERATION)),
        ("post", 4, Form::Message(&OPERATION)),
        ("delete", 5, Form::Message(&OPERATION)),
        ("options", 6, Form::Message(&OPERATION)),
        ("head", 7, Form::Message(&OPERATION)),
        ("patch", 8, Form::Message(&OPERATION)),
        ("parameters", 9, PARAMETERS),
    ],
    others: None,
    extensions: Some(10),
};

static SECURITY_KEY: Message = Message {
    fields: &[("type", 1, Form::Text), ("name", 2, Form::Text), ("in", 3, Form::Text), ("description", 4, Form::Text)],
    others: None,
    extensions: None,
};
static INFO: Message =
    Message { fields: &[("title", 1, Form::Text), ("version", 2, Form::Text)], others: None, extensions: None };

/// All but paths and definitions, which are written one by one.
static REST: Message = Message {
    fields: &[
        ("parameters", 10, Form::Message(&Message::map(1, Form::Choice(parameter)))),
        ("security", 12, Form::Each(&Form::Message(&Message::map(1, Form::Within(&[1], &TEXTS))))),
        ("securityDefinitions", 13, Form::Message(&Message::map(1, Form::Within(&[2], &Form::Message(&SECURITY_KEY))))),
    ],
    others: None,
    extensions: None,
};

#[derive(Default)]
pub struct Gnostic2 {
    paths: Vec<u8>,
    definitions: Vec<u8>,
    parameters: Map<String, Value>,
}

impl Gnostic2 {
    pub fn finish(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.paths.len() + self.definitions.len() + 16 * 1024);
        Form::Text.write(1, &"2.0".into(), &mut out);
        Form::Message(&INFO).write(2, &json!({"title": TITLE, "version": VERSION}), &mut out);
        wire::bytes(8, &self.paths, &mut out);
        wire::bytes(9, &self.definitions, &mut out);
        let definitions: Value = serde_json::from_str(SECURITY).expect("our own text is JSON");
        let required = json!([{"BearerToken": []}]);
        let rest = json!({"parameters": self.parameters, "security": required, "securityDefinitions": definitions});
        out.extend(REST.write(&rest));
        out
    }
}

impl Writer for Gnostic2 {
    fn path(&mut self, path: &str, item: Value) {
        let item = swagger::item(item, &mut self.parameters);
        wire::bytes(2, &wire::pair(path, Form::Message(&PATH_ITEM), &item), &mut self.paths);
    }

    fn schema(&mut self, name: &str, schema: Value) {
        let schema = swagger::schema(schema);
        wire::bytes(1, &wire::pair(name, Form::Message(&SCHEMA), &schema), &mut self.definitions);
    }
}
