//! Writes `api/src/schema/table.txt` from upstream's OpenAPI documents: the facts about types that k8s-openapi lacks.
//!
//! The format is told in `api/src/schema/mod.rs`, which reads it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;

pub const ARGUMENTS: &str = "OPENAPI_FOLDER";
const TABLE: &str = "api/src/schema/table.txt";

/// The command: `cargo xtask schema FOLDER`, where the folder is upstream's `api/openapi-spec`.
pub fn run(arguments: Vec<String>) -> anyhow::Result<()> {
    let [folder] = arguments.as_slice() else { bail!("name the folder that holds swagger.json and v3/") };
    generate(Path::new(folder), Path::new(TABLE))
}

/// `openapi` holds `swagger.json`, and `v3/` for the defaults.
fn generate(openapi: &Path, table: &Path) -> anyhow::Result<()> {
    let swagger = read(&openapi.join("swagger.json"))?;
    let definitions: BTreeMap<&String, &Value> =
        swagger["definitions"].as_object().context("swagger.json has definitions")?.iter().collect();
    let defaults = defaults(&openapi.join("v3"))?;
    let numbers: BTreeMap<&str, usize> =
        definitions.keys().enumerate().map(|(number, name)| (name.as_str(), number)).collect();
    let mut text = String::new();
    for (name, definition) in definitions {
        header(&mut text, name, definition, &numbers)?;
        let properties: BTreeMap<&String, &Value> =
            definition["properties"].as_object().into_iter().flatten().collect();
        for (property, schema) in properties {
            let required = list(&definition["required"]).any(|required| required == property);
            let default = defaults.get(&format!("{name} {property}"));
            let code = shape(schema, &numbers).with_context(|| format!("property {property} of {name}"))?;
            let mark = if required { "!" } else { "" };
            writeln!(text, " {mark}{property} {code}{}", attributes(schema, default))?;
        }
    }
    std::fs::write(table, text).with_context(|| format!("write {}", table.display()))
}

fn read(path: &Path) -> anyhow::Result<Value> {
    let bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("read {} as JSON", path.display()))
}

/// `definition property` → the default, from all documents of OpenAPI v3.
fn defaults(folder: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let document = read(&entry?.path())?;
        for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
            for (property, schema) in schema["properties"].as_object().into_iter().flatten() {
                if let Some(default) = schema.get("default") {
                    found.insert(format!("{name} {property}"), default.to_string());
                }
            }
        }
    }
    Ok(found)
}

/// `name shape kinds…`: an object unless a shape is said.
fn header(text: &mut String, name: &str, definition: &Value, numbers: &BTreeMap<&str, usize>) -> anyhow::Result<()> {
    let code = if definition.get("properties").is_some() { "o" } else { &shape(definition, numbers)? };
    write!(text, "{name} {code}")?;
    if definition["x-kubernetes-map-type"] == "atomic" {
        text.push_str(" A");
    }
    let kinds: Vec<String> = definition["x-kubernetes-group-version-kind"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|kind| {
            let part = |key: &str| kind[key].as_str().unwrap_or_default().to_owned();
            format!("{}/{}/{}", part("group"), part("version"), part("kind"))
        })
        .collect();
    match kinds.as_slice() {
        [] => {}
        [kind] => write!(text, " {kind}")?,
        // Of every group and version: DeleteOptions and WatchEvent.
        [first, ..] => write!(text, " */*/{}", first.rsplit('/').next().unwrap_or_default())?,
    }
    if let Some(unions) = definition.get("x-kubernetes-unions") {
        write!(text, " U{unions}")?;
    }
    text.push('\n');
    Ok(())
}

fn shape(schema: &Value, numbers: &BTreeMap<&str, usize>) -> anyhow::Result<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.trim_start_matches("#/definitions/");
        return Ok(format!("@{}", numbers.get(name).with_context(|| format!("no definition {name}"))?));
    }
    let code = match (schema["type"].as_str(), schema["format"].as_str()) {
        (Some("string"), None) => "s",
        (Some("string"), Some("byte")) => "y",
        (Some("string"), Some("date-time")) => "t",
        (Some("string"), Some("int-or-string")) => "x",
        (Some("integer"), Some("int32")) => "i",
        (Some("integer"), _) => "l",
        (Some("number"), _) => "d",
        (Some("boolean"), _) => "b",
        (None, _) => "a",
        (Some("array"), _) => return Ok(format!("[{}", shape(&schema["items"], numbers)?)),
        (Some("object"), _) if schema["additionalProperties"].is_object() => {
            return Ok(format!("{{{}", shape(&schema["additionalProperties"], numbers)?));
        }
        (Some("object"), _) => "o",
        (other, format) => bail!("unknown type {other:?} with format {format:?}"),
    };
    Ok(code.to_owned())
}

fn attributes(schema: &Value, default: Option<&String>) -> String {
    let mut text = String::new();
    let mut add = |key: char, value: Option<&str>| {
        if let Some(value) = value {
            let _ = write!(text, " {key}{value}");
        }
    };
    add('L', schema["x-kubernetes-list-type"].as_str());
    let keys: Vec<&str> = list(&schema["x-kubernetes-list-map-keys"]).collect();
    add('K', (!keys.is_empty()).then(|| keys.join(",")).as_deref());
    add('P', schema["x-kubernetes-patch-strategy"].as_str());
    add('M', schema["x-kubernetes-patch-merge-key"].as_str());
    add('T', schema["x-kubernetes-map-type"].as_str());
    add('D', default.map(String::as_str));
    text
}

fn list(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}
