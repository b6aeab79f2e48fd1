//! Writes `api/src/protobuf/table.txt` from upstream's protobuf messages, the table of schemas, and what neither of them
//! says: which fields are pointers in Go.
//!
//! The format is told in `api/src/protobuf/table.rs`, which reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, bail};

pub const ARGUMENTS: &str = "FIELDS_CSV";
const TABLE: &str = "api/src/protobuf/table.txt";
const SCHEMAS: &str = "api/src/schema/table.txt";
const POINTERS: &str = include_str!("pointers.txt");

/// What is never sent here: metrics are another server's, the others are for upstream's own tests and its audit log.
const LEFT_OUT: [&str; 3] = ["k8s.io.metrics.", "k8s.io.apiserver.", "k8s.io.apimachinery.pkg.apis.testapigroup."];

/// Written always where it is no pointer, however it looks in the schemas.
const SCALAR_LIKE: [&str; 5] =
    ["Quantity", "meta.v1.MicroTime", "meta.v1.Time", "intstr.IntOrString", "runtime.RawExtension"];

/// The command: `cargo xtask protobuf FILE`, where the file has a line `message;number;field;type;label` for each field.
pub fn run(arguments: Vec<String>) -> anyhow::Result<()> {
    let [file] = arguments.as_slice() else { bail!("name the file that lists the fields of all messages") };
    let csv = std::fs::read_to_string(file).with_context(|| format!("read {file}"))?;
    let schemas = std::fs::read_to_string(SCHEMAS).with_context(|| format!("read {SCHEMAS}"))?;
    let table = generate(&csv, &Schemas::parse(&schemas))?;
    std::fs::write(Path::new(TABLE), table).with_context(|| format!("write {TABLE}"))
}

struct Field<'a> {
    number: u32,
    name: &'a str,
    type_name: &'a str,
    label: &'a str,
}

type Messages<'a> = BTreeMap<String, Vec<Field<'a>>>;

fn generate(csv: &str, schemas: &Schemas<'_>) -> anyhow::Result<String> {
    let messages = parse(csv)?;
    let inherited = inherited(&messages, schemas);
    let numbers: BTreeMap<&str, usize> =
        messages.keys().enumerate().map(|(number, name)| (name.as_str(), number)).collect();
    let mut text = String::new();
    for (message, fields) in &messages {
        writeln!(text, "{message}")?;
        let schema = inherited.get(message.as_str()).copied();
        for field in fields {
            let code = code(field, &numbers).with_context(|| format!("field {} of {message}", field.name))?;
            let (name, mark) = if is_inline(message, field, &messages, schemas) {
                (field.name.to_owned(), "^")
            } else {
                let property = schema.and_then(|schema| schemas.property(schema, field.name));
                let name = property.map_or_else(|| json_name(field.name), |property| property.name.to_owned());
                (name, mark(message, field, property))
            };
            writeln!(text, " {mark}{name} {} {code}", field.number)?;
        }
    }
    Ok(text)
}

fn parse(csv: &str) -> anyhow::Result<Messages<'_>> {
    let mut messages = Messages::new();
    for line in csv.lines().skip(1) {
        let [message, number, name, type_name, label] = line.split(';').collect::<Vec<_>>()[..] else {
            bail!("no field of a message: {line}");
        };
        if LEFT_OUT.iter().any(|prefix| message.starts_with(prefix)) {
            continue;
        }
        let number = number.parse().with_context(|| format!("number in {line}"))?;
        messages.entry(short(message)).or_default().push(Field { number, name, type_name, label });
    }
    // Some messages have no fields, and are named by others only.
    let named: BTreeSet<String> =
        messages.values().flatten().filter_map(|field| referenced(field.type_name).map(short)).collect();
    for name in named {
        messages.entry(name).or_default();
    }
    for fields in messages.values_mut() {
        fields.sort_by_key(|field| field.number);
    }
    Ok(messages)
}

/// `k8s.io.api.core.v1.Pod` → `core.v1.Pod`; what has no version loses its package but for the last word.
fn short(full: &str) -> String {
    let full = full.rsplit("..").next().unwrap_or(full);
    if full.ends_with(".Quantity") || full.ends_with(".QuantityValue") {
        return full.rsplit('.').next().unwrap_or(full).to_owned();
    }
    let words: Vec<&str> = full.split('.').collect();
    let is_version = |word: &str| word.starts_with('v') && word[1..].starts_with(|c: char| c.is_ascii_digit());
    let keep = if words.len() > 2 && is_version(words[words.len() - 2]) { 3 } else { 2 };
    words[words.len().saturating_sub(keep)..].join(".")
}

/// The message that a type names, as itself or as the values of a map.
fn referenced(type_name: &str) -> Option<&str> {
    let inner = type_name.strip_prefix("map<string,").map_or(type_name, |rest| rest.trim_end_matches('>'));
    inner.contains('.').then_some(inner)
}

fn code(field: &Field<'_>, numbers: &BTreeMap<&str, usize>) -> anyhow::Result<String> {
    let inner = field.type_name.strip_prefix("map<string,").map_or(field.type_name, |rest| rest.trim_end_matches('>'));
    let code = match inner {
        "string" => "s".to_owned(),
        "bool" => "b".to_owned(),
        "int32" => "i".to_owned(),
        "int64" => "l".to_owned(),
        "double" => "d".to_owned(),
        "bytes" => "y".to_owned(),
        name if name.contains('.') => {
            format!("@{}", numbers.get(&*short(name)).with_context(|| format!("no message {name}"))?)
        }
        other => bail!("unknown type {other}"),
    };
    Ok(match field.label {
        "repeated" => format!("[{code}"),
        "map" => format!("{{{code}"),
        _ => code,
    })
}

/// Whether the fields of this one stand beside those of its message in JSON. A version without a schema of its own is
/// built as the others.
fn is_inline(message: &str, field: &Field<'_>, messages: &Messages<'_>, schemas: &Schemas<'_>) -> bool {
    if field.label != "optional" || referenced(field.type_name).is_none() || field.name == "metadata" {
        return false;
    }
    // Its parts are not in the schemas, not even together.
    if message == "core.v1.EphemeralContainer" {
        return true;
    }
    let is_missing = |schema: &str| schemas.has_properties(schema) && schemas.property(schema, field.name).is_none();
    match schemas.of_message(message) {
        Some(schema) => is_missing(schema),
        None => relatives(message, messages)
            .filter(|(_, fields)| fields.iter().any(|other| other.name == field.name))
            .filter_map(|(other, _)| schemas.of_message(other))
            .any(is_missing),
    }
}

/// The messages of the same group and name in other versions.
fn relatives<'m, 'a>(
    message: &'m str,
    messages: &'m Messages<'a>,
) -> impl Iterator<Item = (&'m String, &'m Vec<Field<'a>>)> {
    let ends = |name: &'m str| Some((name.split('.').next()?, name.rsplit('.').next()?));
    let is_relative = move |other: &'m str| {
        let ((group, name), (other_group, other_name)) = ends(message).zip(ends(other))?;
        // What was in `extensions` once is spread over groups of its own.
        Some(name == other_name && (group == other_group || group == "extensions"))
    };
    messages.iter().filter(move |(other, _)| other.as_str() != message && is_relative(other) == Some(true))
}

/// By message: the schema that tells about its fields. For one that is inline in another, that other's will do; for one
/// of a version that is no longer served, that of another version.
fn inherited<'a>(messages: &'a Messages<'_>, schemas: &Schemas<'a>) -> BTreeMap<&'a str, &'a str> {
    let mut found: BTreeMap<&str, &str> = BTreeMap::new();
    for message in messages.keys() {
        if let Some(schema) = schemas.of_message(message) {
            found.insert(message, schema);
        }
    }
    // Twice, since what is inline may hold what is inline.
    for _ in 0..2 {
        for (message, fields) in messages {
            let Some(schema) = found.get(message.as_str()).copied() else { continue };
            for field in fields.iter().filter(|field| is_inline(message, field, messages, schemas)) {
                if let Some((inner, _)) = messages.get_key_value(&short(field.type_name)) {
                    found.entry(inner).or_insert(schema);
                }
            }
        }
    }
    let known = found.clone();
    for message in messages.keys().filter(|message| !known.contains_key(message.as_str())) {
        let relative = relatives(message, messages).find_map(|(other, _)| known.get(other.as_str()));
        if let Some(schema) = relative {
            found.insert(message, schema);
        }
    }
    found
}

/// `+` for what is written even if it is zero, and `!` if JSON shows it then too.
fn mark(message: &str, field: &Field<'_>, property: Option<Property<'_>>) -> &'static str {
    let is_always = match referenced(field.type_name) {
        _ if field.label != "optional" || field.type_name == "bytes" || is_pointer(message, field.name) => false,
        None => true,
        Some(other) if SCALAR_LIKE.contains(&&*short(other)) => true,
        Some(_) => field.name == "metadata" || property.is_some_and(|property| property.has_default),
    };
    match (is_always, property.is_some_and(|property| property.is_required)) {
        (true, true) => "!",
        (true, false) => "+",
        (false, _) => "",
    }
}

fn is_pointer(message: &str, field: &str) -> bool {
    let group = message.split('.').next().unwrap_or_default();
    let simple = message.rsplit('.').next().unwrap_or_default();
    POINTERS.lines().filter(|line| !line.starts_with('#')).any(|line| {
        let mut words = line.split(' ');
        words.next().is_some_and(|name| name.split_once('.') == Some((group, simple)))
            && words.any(|word| word == field)
    })
}

/// Field names of messages are as in JSON, but for the first letter of a few.
fn json_name(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}

/// The lines of the table of schemas, by type.
struct Schemas<'a>(BTreeMap<&'a str, Vec<&'a str>>);

#[derive(Clone, Copy)]
struct Property<'a> {
    name: &'a str,
    is_required: bool,
    has_default: bool,
}

impl<'a> Schemas<'a> {
    fn parse(text: &'a str) -> Self {
        let mut schemas = BTreeMap::<&str, Vec<&str>>::new();
        let mut name = "";
        for line in text.lines() {
            match line.strip_prefix(' ') {
                Some(property) => schemas.entry(name).or_default().push(property),
                None => {
                    name = line.split(' ').next().unwrap_or_default();
                    schemas.entry(name).or_default();
                }
            }
        }
        Self(schemas)
    }

    fn of_message(&self, message: &str) -> Option<&'a str> {
        let ending = format!(".{message}");
        self.0.keys().copied().find(|name| name.ends_with(&ending))
    }

    fn has_properties(&self, schema: &str) -> bool {
        self.0.get(schema).is_some_and(|properties| !properties.is_empty())
    }

    /// The property that is meant: `aPIGroup` is `apiGroup`, `xKubernetesListType` is `x-kubernetes-list-type`.
    fn property(&self, schema: &str, field: &str) -> Option<Property<'a>> {
        let plain = |name: &str| name.replace(['-', '$'], "").to_ascii_lowercase();
        let properties = self.0.get(schema)?.iter().map(|line| {
            let name = line.split(' ').next().unwrap_or_default();
            Property {
                name: name.trim_start_matches('!'),
                is_required: name.starts_with('!'),
                has_default: line.contains(" D"),
            }
        });
        let mut candidates: Vec<Property<'a>> =
            properties.filter(|property| plain(property.name) == plain(field)).collect();
        candidates.sort_by_key(|property| property.name != field);
        candidates.first().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_presence_come_from_the_schemas() {
        let csv = "message;number;field;type;label\n\
            k8s.io.api.core.v1.Volume;1;name;string;optional\n\
            k8s.io.api.core.v1.Volume;2;volumeSource;k8s.io.api.core.v1.VolumeSource;optional\n\
            k8s.io.api.core.v1.VolumeSource;1;uID;int64;optional\n\
            k8s.io.api.core.v1.VolumeSource;2;limits;map<string,k8s.io.api.core.v1..k8s.io.x.resource.Quantity>;map\n";
        let schemas = Schemas::parse("io.k8s.api.core.v1.Volume o\n !name s D\"\"\n uid s\n limits {s\n");
        let table = generate(csv, &schemas).unwrap();
        assert_eq!(
            table,
            "Quantity\ncore.v1.Volume\n !name 1 s\n ^volumeSource 2 @2\ncore.v1.VolumeSource\n +uid 1 l\n limits 2 {@0\n"
        );
    }
}
