//! A v3 document as gnostic's protobuf: `openapi.v3.Document`.

use serde_json::{Value, json};

use crate::http::openapi::document::Writer;
use crate::http::openapi::text::{SECURITY, TITLE, VERSION};
use crate::http::openapi::wire::{self, Form, Message};

const TEXTS: Form = Form::Each(&Form::Text);
const SCHEMA: Form = Form::Choice(schema);

static FIELDS: Message = Message {
    fields: &[
        ("nullable", 1, Form::Flag),
        ("title", 9, Form::Text),
        ("maximum", 11, Form::Number),
        ("minimum", 13, Form::Number),
        ("pattern", 17, Form::Text),
        ("uniqueItems", 20, Form::Flag),
        ("required", 23, TEXTS),
        ("enum", 24, Form::Each(&Form::Yaml)),
        ("type", 25, Form::Text),
        ("allOf", 26, Form::Each(&SCHEMA)),
        ("oneOf", 27, Form::Each(&SCHEMA)),
        ("anyOf", 28, Form::Each(&SCHEMA)),
        ("items", 30, Form::Within(&[1], &SCHEMA)),
        ("properties", 31, Form::Message(&SCHEMAS)),
        ("additionalProperties", 32, Form::Within(&[1], &SCHEMA)),
        ("default", 33, Form::Choice(default)),
        ("description", 34, Form::Text),
        ("format", 35, Form::Text),
    ],
    others: None,
    extensions: Some(36),
};
static SCHEMAS: Message = Message::map(1, SCHEMA);
static REFERENCE: Message = Message { fields: &[("$ref", 1, Form::Text)], others: None, extensions: None };
static EMPTY: Message = Message { fields: &[], others: None, extensions: None };

fn schema(value: &Value) -> Form {
    if value.get("$ref").is_some() {
        Form::Within(&[2], const { &Form::Message(&REFERENCE) })
    } else {
        Form::Within(&[1], const { &Form::Message(&FIELDS) })
    }
}

/// Only numbers, flags and texts have a place; of an object is said that there is one.
fn default(value: &Value) -> Form {
    match value {
        Value::Number(_) => Form::Within(&[1], &Form::Number),
        Value::Bool(_) => Form::Within(&[2], &Form::Flag),
        Value::String(_) => Form::Within(&[3], &Form::Text),
        _ => Form::Message(&EMPTY),
    }
}

static MEDIA_TYPE: Message = Message { fields: &[("schema", 1, SCHEMA)], others: None, extensions: Some(5) };
static CONTENT: Message = Message::map(1, Form::Message(&MEDIA_TYPE));
static PARAMETER: Message = Message {
    fields: &[
        ("name", 1, Form::Text),
        ("in", 2, Form::Text),
        ("description", 3, Form::Text),
        ("required", 4, Form::Flag),
        ("schema", 10, SCHEMA),
    ],
    others: None,
    extensions: Some(14),
};
const PARAMETERS: Form = Form::Each(&Form::Within(&[1], &Form::Message(&PARAMETER)));
static BODY: Message = Message {
    fields: &[("description", 1, Form::Text), ("content", 2, Form::Message(&CONTENT)), ("required", 3, Form::Flag)],
    others: None,
    extensions: Some(4),
};
static RESPONSE: Message = Message {
    fields: &[("description", 1, Form::Text), ("content", 3, Form::Message(&CONTENT))],
    others: None,
    extensions: Some(5),
};
const ANSWER: Form = Form::Within(&[1], &Form::Message(&RESPONSE));
static RESPONSES: Message =
    Message { fields: &[("default", 1, ANSWER)], others: Some((2, ANSWER)), extensions: Some(3) };
static OPERATION: Message = Message {
    fields: &[
        ("tags", 1, TEXTS),
        ("description", 3, Form::Text),
        ("operationId", 5, Form::Text),
        ("parameters", 6, PARAMETERS),
        ("requestBody", 7, Form::Within(&[1], &Form::Message(&BODY))),
        ("responses", 8, Form::Message(&RESPONSES)),
    ],
    others: None,
    extensions: Some(13),
};
static PATH_ITEM: Message = Message {
    fields: &[
        ("get", 4, Form::Message(&OPERATION)),
        ("put", 5, Form::Message(&OPERATION)),
        ("post", 6, Form::Message(&OPERATION)),
        ("delete", 7, Form::Message(&OPERATION)),
        ("options", 8, Form::Message(&OPERATION)),
        ("head", 9, Form::Message(&OPERATION)),
        ("patch", 10, Form::Message(&OPERATION)),
        ("parameters", 13, PARAMETERS),
    ],
    others: None,
    extensions: Some(14),
};
static INFO: Message =
    Message { fields: &[("title", 1, Form::Text), ("version", 6, Form::Text)], others: None, extensions: None };
static SCHEME: Message = Message {
    fields: &[("type", 1, Form::Text), ("description", 2, Form::Text), ("name", 3, Form::Text), ("in", 4, Form::Text)],
    others: None,
    extensions: None,
};
static SCHEMES: Message = Message::map(1, Form::Within(&[1], &Form::Message(&SCHEME)));

#[derive(Default)]
pub struct Gnostic3 {
    paths: Vec<u8>,
    schemas: Vec<u8>,
}

impl Gnostic3 {
    pub fn finish(self) -> Vec<u8> {
        let mut components = Vec::with_capacity(self.schemas.len() + 1024);
        wire::bytes(1, &self.schemas, &mut components);
        let security = serde_json::from_str(SECURITY).expect("our own text is JSON");
        Form::Message(&SCHEMES).write(7, &security, &mut components);
        let mut out = Vec::with_capacity(self.paths.len() + components.len() + 1024);
        Form::Text.write(1, &"3.0.0".into(), &mut out);
        Form::Message(&INFO).write(2, &json!({"title": TITLE, "version": VERSION}), &mut out);
        wire::bytes(4, &self.paths, &mut out);
        wire::bytes(5, &components, &mut out);
        out
    }
}

impl Writer for Gnostic3 {
    fn path(&mut self, path: &str, item: Value) {
        wire::bytes(1, &wire::pair(path, Form::Message(&PATH_ITEM), &item), &mut self.paths);
    }

    fn schema(&mut self, name: &str, schema: Value) {
        wire::bytes(1, &wire::pair(name, SCHEMA, &schema), &mut self.schemas);
    }
}
