//! OpenAPI documents as JSON, version 3 and version 2.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use crate::http::openapi::document::Writer;
use crate::http::openapi::swagger;

pub const SECURITY: &str = r#"{"BearerToken":{"type":"apiKey","in":"header","name":"authorization","description":"Bearer Token authentication"}}"#;
pub const TITLE: &str = "Kubernetes";
pub const VERSION: &str = "unversioned";

/// A v3 document.
pub struct Json3 {
    out: Vec<u8>,
    paths: Members,
    schemas: Members,
}

impl Json3 {
    pub fn new() -> Self {
        let head = json!({"title": TITLE, "version": VERSION});
        let out = format!(r#"{{"openapi":"3.0.0","info":{head},"paths":{{"#).into_bytes();
        Self { out, paths: Members::default(), schemas: Members::default() }
    }

    pub fn finish(mut self) -> Vec<u8> {
        if self.schemas.is_empty() {
            self.out.extend_from_slice(br#"},"components":{"schemas":{"#);
        }
        self.out.extend_from_slice(br#"},"securitySchemes":"#);
        self.out.extend_from_slice(SECURITY.as_bytes());
        self.out.extend_from_slice(b"}}");
        self.out
    }
}

impl Writer for Json3 {
    fn path(&mut self, path: &str, item: Value) {
        self.paths.write(&mut self.out, path, &item).expect(ENDLESS);
    }

    fn schema(&mut self, name: &str, schema: Value) {
        if self.schemas.is_empty() {
            self.out.extend_from_slice(br#"},"components":{"schemas":{"#);
        }
        self.schemas.write(&mut self.out, name, &schema).expect(ENDLESS);
    }
}

/// A v2 document, written into something that cannot fail.
pub struct Json2<W> {
    out: W,
    paths: Members,
    definitions: Members,
    parameters: Map<String, Value>,
}

impl<W: Write> Json2<W> {
    pub fn new(mut out: W) -> Self {
        let head = json!({"title": TITLE, "version": VERSION});
        write!(out, r#"{{"swagger":"2.0","info":{head},"paths":{{"#).expect(ENDLESS);
        Self { out, paths: Members::default(), definitions: Members::default(), parameters: Map::new() }
    }

    pub fn finish(mut self) -> W {
        if self.definitions.is_empty() {
            write!(self.out, r#"}},"definitions":{{"#).expect(ENDLESS);
        }
        let parameters = Value::from(self.parameters);
        let security = r#"[{"BearerToken":[]}]"#;
        write!(self.out, r#"}},"parameters":{parameters},"securityDefinitions":{SECURITY},"security":{security}}}"#)
            .expect(ENDLESS);
        self.out
    }
}

impl<W: Write> Writer for Json2<W> {
    fn path(&mut self, path: &str, item: Value) {
        let item = swagger::item(item, &mut self.parameters);
        self.paths.write(&mut self.out, path, &item).expect(ENDLESS);
    }

    fn schema(&mut self, name: &str, schema: Value) {
        if self.definitions.is_empty() {
            write!(self.out, r#"}},"definitions":{{"#).expect(ENDLESS);
        }
        self.definitions.write(&mut self.out, name, &swagger::schema(schema)).expect(ENDLESS);
    }
}

const ENDLESS: &str = "memory takes any bytes";

/// The members of a JSON object that are written one by one.
#[derive(Default)]
struct Members(usize);

impl Members {
    fn is_empty(&self) -> bool {
        self.0 == 0
    }

    fn write(&mut self, out: &mut dyn Write, key: &str, value: &Value) -> io::Result<()> {
        if !self.is_empty() {
            out.write_all(b",")?;
        }
        self.0 += 1;
        serde_json::to_writer(&mut *out, key)?;
        out.write_all(b":")?;
        serde_json::to_writer(out, value).map_err(io::Error::from)
    }
}
