//! Objects from files: YAML and JSON, one or many documents, folders, standard input, the web.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::error::CliError;
use crate::object;

// The flags that name files. (No doc comment: it would be shown as help.)
#[derive(clap::Args, Debug, Clone, Default)]
pub struct Files {
    /// File, folder, URL, or - for standard input. May be repeated
    #[arg(short = 'f', long = "filename", value_name = "FILE", value_delimiter = ',')]
    pub names: Vec<String>,
    /// With a folder: those inside it too
    #[arg(short = 'R', long)]
    pub recursive: bool,
}

const OFF: &str = "if you choose to ignore these errors, turn validation off with --validate=false";

/// One object and where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    pub source: String,
    pub object: Value,
}

/// What could be read, and what could not. The former is worked on all the same.
#[derive(Debug, Default)]
pub struct Manifests {
    pub found: Vec<Manifest>,
    pub errors: Vec<CliError>,
}

impl Files {
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Reads them all. A name that leads nowhere stops everything, before anything is done.
    pub async fn read(&self) -> Result<Manifests, CliError> {
        let mut texts: Vec<(String, String)> = Vec::new();
        for name in &self.names {
            if name == "-" {
                texts.push(("STDIN".to_owned(), read_standard_input()?));
            } else if name.starts_with("http://") || name.starts_with("https://") {
                texts.push((name.clone(), fetch(name).await?));
            } else {
                for path in expand(Path::new(name), self.recursive)? {
                    let text = std::fs::read(&path).map_err(|error| unreadable(&path, &error))?;
                    let source = path.strip_prefix("./").unwrap_or(&path).display().to_string();
                    texts.push((source, String::from_utf8_lossy(&text).into_owned()));
                }
            }
        }
        let mut manifests = Manifests::default();
        for (source, text) in &texts {
            manifests.add(source, text);
        }
        Ok(manifests)
    }
}

impl Manifests {
    /// Takes in the documents of one text. After one that cannot be read, the rest of that text is left alone.
    pub fn add(&mut self, source: &str, text: &str) {
        for document in documents(text) {
            match document {
                Ok(Value::Null) => {}
                Ok(object) => self.add_object(source, object),
                Err(error) => {
                    self.errors.push(CliError::local(format!("error parsing {source}: {error}")));
                    return;
                }
            }
        }
    }

    fn add_object(&mut self, source: &str, mut object: Value) {
        if object::kind(&object).ends_with("List")
            && let Some(Value::Array(items)) = object.get_mut("items").map(Value::take)
        {
            for item in items {
                self.add_object(source, item);
            }
            return;
        }
        let missing: Vec<&str> =
            ["apiVersion", "kind"].into_iter().filter(|field| object::text(&object, field).is_empty()).collect();
        if missing.is_empty() {
            self.found.push(Manifest { source: source.to_owned(), object });
        } else {
            let list: Vec<String> = missing.iter().map(|field| format!("{field} not set")).collect();
            let list = if list.len() == 1 { list.concat() } else { format!("[{}]", list.join(", ")) };
            self.errors
                .push(CliError::local(format!("error validating {source:?}: error validating data: {list}; {OFF}")));
        }
    }

    /// Namespaces before what may live in them, and new kinds before their objects; the rest as it was written.
    pub fn in_order_of_creation(mut self) -> Self {
        self.found.sort_by_key(|manifest| match object::kind(&manifest.object) {
            "Namespace" => 0,
            "CustomResourceDefinition" => 1,
            _ => 2,
        });
        self
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> CliError {
    CliError::local(format!("cannot read {}: {error}", path.display()))
}

fn read_standard_input() -> Result<String, CliError> {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).map_err(|error| CliError::local(format!("cannot read STDIN: {error}")))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

async fn fetch(url: &str) -> Result<String, CliError> {
    let failed = |error: reqwest::Error| CliError::local(format!("unable to read URL {url:?}: {error}"));
    let client = reqwest::Client::builder().timeout(Duration::from_secs(60)).build().map_err(failed)?;
    let response = client.get(url).send().await.map_err(failed)?;
    let code = response.status();
    if !code.is_success() {
        return Err(CliError::local(format!(
            "unable to read URL {url:?}, server reported {code}, status code={}",
            code.as_u16()
        )));
    }
    response.text().await.map_err(failed)
}

/// The file, or the manifests in the folder, sorted by name.
fn expand(path: &Path, recursive: bool) -> Result<Vec<PathBuf>, CliError> {
    let Ok(about) = std::fs::metadata(path) else {
        return Err(CliError::local(format!("the path {:?} does not exist", path.display().to_string())));
    };
    if !about.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    collect(path, recursive, &mut found)?;
    if found.is_empty() {
        let shown = path.display().to_string();
        return Err(CliError::local(format!(
            "error reading [{shown}]: recognized file extensions are [.json .yaml .yml]"
        )));
    }
    Ok(found)
}

fn collect(folder: &Path, recursive: bool, found: &mut Vec<PathBuf>) -> Result<(), CliError> {
    let entries = std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.sort();
    for path in paths {
        let is_manifest = path.extension().is_some_and(|end| ["json", "yaml", "yml"].iter().any(|known| end == *known));
        if path.is_dir() {
            if recursive {
                collect(&path, recursive, found)?;
            }
        } else if is_manifest {
            found.push(path);
        }
    }
    Ok(())
}

/// The documents of a text: a stream of JSON values, or YAML with `---` between.
fn documents(text: &str) -> Vec<Result<Value, String>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with('{') {
        let stream = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        let values: Vec<_> = stream.map(|value| value.map_err(|error| error.to_string())).collect();
        // What begins with a brace may still be YAML in its flow style.
        if values.iter().all(Result::is_ok) {
            return values;
        }
    }
    split_documents(text).into_iter().map(parse_yaml).collect()
}

fn split_documents(text: &str) -> Vec<&str> {
    let mut documents = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        let is_separator =
            line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        if is_separator {
            documents.push(&text[start..at]);
            start = at;
        }
        at += line.len();
    }
    documents.push(&text[start..]);
    documents
}

/// YAML 1.1, as the field reads it: `yes` is true and `014` is twelve.
pub fn parse_yaml(text: &str) -> Result<Value, String> {
    let mut options = serde_yaml::Options::default();
    options.budget = None;
    options.legacy_octal_numbers = true;
    options.duplicate_keys = serde_yaml::DuplicateKeyPolicy::LastWins;
    options.with_snippet = false;
    if text.lines().all(|line| line.trim().is_empty() || line.starts_with('#') || line.trim() == "---") {
        return Ok(Value::Null);
    }
    serde_yaml::from_str_with_options::<Value>(text, options)
        .map_err(|error| format!("error converting YAML to JSON: yaml: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Manifests {
        let mut manifests = Manifests::default();
        manifests.add("a.yaml", text);
        manifests
    }

    #[test]
    fn documents_are_separated_and_empty_ones_skipped() {
        let text = "# first\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\n--- # next\n\n---\nkind: Pod\napiVersion: v1\ndata: |\n  x\n  ---\n  y\n";
        let manifests = read(text);
        assert!(manifests.errors.is_empty(), "{:?}", manifests.errors);
        assert_eq!(manifests.found.len(), 2);
        assert_eq!(manifests.found[1].object["data"], "x\n---\ny\n");
    }

    #[test]
    fn lists_are_taken_apart() {
        let text = r#"{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Pod"},
            {"apiVersion":"v1","kind":"ServiceList","items":[{"apiVersion":"v1","kind":"Service"}]}]}
            {"apiVersion":"v1","kind":"Namespace"}"#;
        let manifests = read(text).in_order_of_creation();
        let kinds: Vec<&str> = manifests.found.iter().map(|one| object::kind(&one.object)).collect();
        assert_eq!(kinds, ["Namespace", "Pod", "Service"]);
    }

    #[test]
    fn what_cannot_be_read_is_told_and_what_came_before_is_kept() {
        let manifests = read("apiVersion: v1\nkind: Pod\n---\na: [\n---\napiVersion: v1\nkind: Pod\n");
        assert_eq!((manifests.found.len(), manifests.errors.len()), (1, 1));
        assert!(manifests.errors[0].report().starts_with("error: error parsing a.yaml: error converting YAML to JSON"));
        let manifests = read("metadata: {}\n");
        assert_eq!(
            manifests.errors[0].report(),
            "error: error validating \"a.yaml\": error validating data: [apiVersion not set, kind not set]; \
             if you choose to ignore these errors, turn validation off with --validate=false"
        );
    }

    #[test]
    fn yaml_is_that_of_kubectl() {
        let text = "a: yes\nb: 014\nc: 1_000\nd: 2026-01-01\ne: ~\nf: 0x1f\ng: '014'\nh: 1e3\ni: 1:30\nj:\nk: &a {p: 1}\nl:\n  <<: *a\n  q: 2\n1: one\n";
        let expected = json!({
            "a": true, "b": 12, "c": 1000, "d": "2026-01-01", "e": null, "f": 31, "g": "014", "h": 1000.0, "i": "1:30",
            "j": null, "k": {"p": 1}, "l": {"p": 1, "q": 2}, "1": "one",
        });
        assert_eq!(parse_yaml(text).unwrap(), expected);
    }

    #[test]
    fn folders_give_their_manifests_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        for name in ["b.yaml", "a.json", "c.txt", "inner/d.yml"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let names = |recursive| -> Vec<String> {
            let paths = expand(folder.path(), recursive).unwrap();
            paths.iter().map(|path| path.strip_prefix(folder.path()).unwrap().display().to_string()).collect()
        };
        assert_eq!(names(false), ["a.json", "b.yaml"]);
        assert_eq!(names(true), ["a.json", "b.yaml", "inner/d.yml"]);
        assert!(expand(&folder.path().join("none"), false).unwrap_err().report().contains("does not exist"));
    }
}
