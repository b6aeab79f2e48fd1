//! How objects are shown: the formats of `-o`.

use serde_json::{Value, json};

use crate::error::CliError;
use crate::object;
use crate::screen::Screen;

pub mod age;
pub mod columns;
pub mod custom_columns;
pub mod describe;
pub mod json;
pub mod jsonpath;
mod scalar;
pub mod table;
pub mod yaml;

/// What `-o` asks for.
#[derive(Debug, Clone)]
pub enum Format {
    /// Rows, or a sentence about what was done.
    Human,
    Wide,
    Yaml,
    Json,
    Name,
    JsonPath(jsonpath::Template),
    CustomColumns(custom_columns::Columns),
}

const KNOWN: &str = "custom-columns,custom-columns-file,json,jsonpath,jsonpath-as-json,jsonpath-file,name,wide,yaml";

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rest) = text.split_once('=').unwrap_or((text, ""));
        let file =
            || std::fs::read_to_string(rest).map_err(|error| format!("error reading --template {rest}, {error}"));
        match name {
            "" => Ok(Self::Human),
            "wide" => Ok(Self::Wide),
            "yaml" => Ok(Self::Yaml),
            "json" => Ok(Self::Json),
            "name" => Ok(Self::Name),
            "jsonpath" => jsonpath::Template::parse(rest).map(Self::JsonPath),
            "jsonpath-as-json" => {
                jsonpath::Template::parse(rest).map(jsonpath::Template::printed_as_json).map(Self::JsonPath)
            }
            "jsonpath-file" => jsonpath::Template::parse(file()?.trim_end_matches('\n')).map(Self::JsonPath),
            "custom-columns" => custom_columns::Columns::parse(rest).map(Self::CustomColumns),
            "custom-columns-file" => custom_columns::Columns::parse_file(&file()?).map(Self::CustomColumns),
            _ => Err(format!(
                "unable to match a printer suitable for the output format {name:?}, allowed formats are: {KNOWN}"
            )),
        }
    }
}

impl Format {
    /// Whether the server is asked for rows to print.
    pub fn is_table(&self) -> bool {
        matches!(self, Self::Human | Self::Wide)
    }

    /// Prints an object by itself; several YAML documents are told apart by `---`.
    pub fn print(&self, screen: &Screen, object: &Value, is_first: bool) -> Result<(), CliError> {
        match self {
            Self::Human | Self::Wide => screen.line(&object::spoken(object)),
            Self::Yaml => {
                if !is_first {
                    screen.print("---\n")?;
                }
                screen.print(&yaml::document(object))
            }
            Self::Json => screen.line(&json::pretty(object)),
            Self::Name => {
                if object::is_list(object) {
                    for item in object::items(object, "items") {
                        screen.line(&object::spoken(item))?;
                    }
                    return Ok(());
                }
                screen.line(&object::spoken(object))
            }
            Self::JsonPath(template) => screen.print(&template.render(object).map_err(CliError::Local)?),
            Self::CustomColumns(columns) => screen.print(&columns.render(object, is_first).map_err(CliError::Local)?),
        }
    }
}

/// The list that holds objects of any kind.
pub fn list_of(objects: Vec<Value>) -> Value {
    json!({"apiVersion": "v1", "items": objects, "kind": "List", "metadata": {"resourceVersion": ""}})
}

/// A value as Go's `%v` shows it: text bare, lists and maps in brackets.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => json::number_text(number),
        Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let pairs: Vec<String> = map.iter().map(|(key, value)| format!("{key}:{}", plain(value))).collect();
            format!("map[{}]", pairs.join(" "))
        }
    }
}
