//! Packs the descriptions of all types and fields, in the order of `src/schema/table.txt`, for `schema::descriptions`.
//!
//! They stand in k8s-openapi's sources, in the functions behind its feature `schemars`. The feature itself would put five
//! megabytes of code into the program to say the same; so the sources are read here, and only the text is kept.

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::DeflateEncoder;

const TABLE: &str = "src/schema/table.txt";
/// The folder of k8s-openapi's sources with the version of Kubernetes that the workspace is built for.
const VERSION: &str = "src/v1_36";

/// By type and field; the field is empty for the type itself.
type Texts = HashMap<(String, String), String>;

fn main() -> Result<(), Box<dyn Error>> {
    for input in ["build.rs", TABLE, "../Cargo.lock"] {
        println!("cargo::rerun-if-changed={input}");
    }
    let mut texts = Texts::new();
    read_folder(&sources()?.join(VERSION), &mut texts)?;
    let table = fs::read_to_string(TABLE)?;
    let packed = Path::new(&env::var("OUT_DIR")?).join("descriptions.deflate");
    let mut out = DeflateEncoder::new(fs::File::create(packed)?, Compression::best());
    let mut definition = "";
    for line in table.lines() {
        let field =
            line.strip_prefix(' ').map(|field| field.split(' ').next().unwrap_or_default().trim_start_matches('!'));
        if field.is_none() {
            definition = line.split(' ').next().unwrap_or_default();
        }
        out.write_all(text_of(&texts, definition, field.unwrap_or_default()).as_bytes())?;
        out.write_all(b"\0")?;
    }
    out.finish()?;
    Ok(())
}

/// Lists are one generic type there, without words of their own.
fn text_of(texts: &Texts, definition: &str, field: &str) -> String {
    if let Some(text) = texts.get(&(definition.to_owned(), field.to_owned())) {
        return text.clone();
    }
    let kind = definition.rsplit('.').next().unwrap_or_default();
    let Some(element) = kind.strip_suffix("List") else { return String::new() };
    match field {
        "" => format!("{kind} is a list of {element} objects."),
        "items" => format!("items is the list of {element} objects."),
        "metadata" => "Standard list metadata.".to_owned(),
        // What these mean does not depend on the kind.
        _ => texts.get(&("io.k8s.api.core.v1.Pod".to_owned(), field.to_owned())).cloned().unwrap_or_default(),
    }
}

/// Where cargo keeps the sources of k8s-openapi.
fn sources() -> Result<PathBuf, Box<dyn Error>> {
    for flags in [&["--offline"][..], &[]] {
        let mut command = Command::new(env::var("CARGO")?);
        command.args(["metadata", "--format-version=1", "--filter-platform", &env::var("TARGET")?]).args(flags);
        let output = command.output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let package = text.split_once("\"name\":\"k8s-openapi\",\"version\":").map(|(_, rest)| rest);
        let manifest = package.and_then(|rest| rest.split_once("\"manifest_path\":\"")).map(|(_, rest)| rest);
        if let Some((manifest, _)) = manifest.and_then(|rest| rest.split_once('"')) {
            let folder = Path::new(manifest).parent().map(Path::to_path_buf);
            return folder.ok_or_else(|| "k8s-openapi has no folder".into());
        }
    }
    Err("cargo metadata does not say where k8s-openapi's sources are".into())
}

fn read_folder(folder: &Path, texts: &mut Texts) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder).map_err(|error| format!("read {}: {error}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            read_folder(&path, texts)?;
        } else {
            read_file(&fs::read_to_string(&path)?, texts);
        }
    }
    Ok(())
}

/// Depth is told by indentation: a type's text stands at 12, a field's name at 16 and its text at 20 columns.
fn read_file(source: &str, texts: &mut Texts) {
    let mut definition = None;
    let mut field = "";
    for line in source.lines() {
        if line.starts_with('}') {
            definition = None;
        } else if let Some(name) =
            line.strip_prefix("        \"io.k8s.").and_then(|rest| rest.strip_suffix("\".into()"))
        {
            definition = Some(format!("io.k8s.{name}"));
        }
        let Some(definition) = &definition else { continue };
        let indented = line.trim_start();
        match line.len() - indented.len() {
            12 => {
                if let Some(text) = indented.strip_prefix("\"description\": ").and_then(literal) {
                    texts.insert((definition.clone(), String::new()), text);
                }
            }
            16 => {
                let name = indented.strip_prefix('"').and_then(|rest| rest.split_once("\": "));
                field = name.filter(|(_, value)| value.ends_with('{')).map_or(field, |(name, _)| name);
            }
            20 => {
                let text = indented.strip_prefix("\"description\": ");
                let text =
                    text.or_else(|| indented.split_once("insert(\"description\".into(), ").map(|(_, text)| text));
                if let Some(text) = text.and_then(literal) {
                    texts.insert((definition.clone(), field.to_owned()), text);
                }
            }
            _ => {}
        }
    }
}

/// The string that a Rust literal at the beginning of this text stands for.
fn literal(text: &str) -> Option<String> {
    let mut characters = text.strip_prefix('"')?.chars();
    let mut plain = String::new();
    loop {
        match characters.next()? {
            '"' => return Some(plain),
            '\\' => match characters.next()? {
                'n' => plain.push('\n'),
                't' => plain.push('\t'),
                'r' => plain.push('\r'),
                'u' => {
                    let code: String = characters.by_ref().skip(1).take_while(|character| *character != '}').collect();
                    plain.push(char::from_u32(u32::from_str_radix(&code, 16).ok()?)?);
                }
                other => plain.push(other),
            },
            other => plain.push(other),
        }
    }
}
