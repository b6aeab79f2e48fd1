//! The volumes of pods, as folders of the host: the kinds that there are, and what each holds.

mod config_map;
mod downward;
mod empty_dir;
mod projected;
mod secret;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{KeyToPath, Pod, Volume};

use crate::references::fields::Fields;
use crate::references::{Entries, Reference, Sources};

pub use write::write;

/// What a volume's folder holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Content {
    /// What the containers put there.
    Theirs,
    /// These files and no others, by their paths.
    Files(Files),
}

pub type Files = BTreeMap<String, File>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub bytes: Vec<u8>,
    pub mode: u32,
}

/// A kind of volume.
struct Kind {
    /// The objects that such a volume refers to; nothing if the volume is of another kind.
    needs: fn(&Volume) -> Vec<Reference>,
    /// None if the volume is of another kind.
    content: fn(&Volume, &Inputs<'_>) -> Option<Result<Content, String>>,
}

/// All kinds: a new one is its file and its line here.
const KINDS: &[Kind] = &[
    Kind { needs: |_| Vec::new(), content: empty_dir::content },
    Kind { needs: config_map::needs, content: config_map::content },
    Kind { needs: secret::needs, content: secret::content },
    Kind { needs: |_| Vec::new(), content: downward::content },
    Kind { needs: projected::needs, content: projected::content },
];

/// What contents are made from.
pub struct Inputs<'a> {
    pub fields: Fields<'a>,
    pub sources: &'a Sources,
}

/// The objects that a pod's volumes refer to.
pub fn needs(pod: &Pod) -> BTreeSet<Reference> {
    let volumes = pod.spec.iter().filter_map(|spec| spec.volumes.as_ref()).flatten();
    volumes.flat_map(|volume| KINDS.iter().flat_map(|kind| (kind.needs)(volume))).collect()
}

/// What a volume has to hold now, or what is missing for it.
pub fn content(volume: &Volume, inputs: &Inputs<'_>) -> Result<Content, String> {
    let found = KINDS.iter().find_map(|kind| (kind.content)(volume, inputs));
    found.unwrap_or_else(|| Err("volumes of this kind are not supported on this node".to_owned()))
}

const DEFAULT_MODE: i32 = 0o644;

fn mode(own: Option<i32>, default: Option<i32>) -> u32 {
    u32::try_from(own.or(default).unwrap_or(DEFAULT_MODE)).unwrap_or(0) & 0o777
}

/// The files of an object: all its entries, or those that are listed under the paths that are given for them.
fn files_of(
    reference: &Reference,
    sources: &Sources,
    items: Option<&[KeyToPath]>,
    default_mode: Option<i32>,
    is_optional: bool,
) -> Result<Files, String> {
    let empty = Entries::new();
    let entries = match sources.get(reference) {
        Some(entries) => entries,
        None if is_optional => &empty,
        None => return Err(reference.not_found()),
    };
    let file = |bytes: &[u8], own: Option<i32>| File { bytes: bytes.to_vec(), mode: mode(own, default_mode) };
    let Some(items) = items.filter(|items| !items.is_empty()) else {
        return Ok(entries.iter().map(|(key, bytes)| (key.clone(), file(bytes, None))).collect());
    };
    let mut files = Files::new();
    for item in items {
        match entries.get(&item.key) {
            Some(bytes) => drop(files.insert(checked(&item.path)?, file(bytes, item.mode))),
            None if is_optional => {}
            None => return Err(format!("references non-existent config key: {}", item.key)),
        }
    }
    Ok(files)
}

/// A path that stays inside the volume.
fn checked(path: &str) -> Result<String, String> {
    let is_inside = path.split('/').all(|part| !matches!(part, "" | "." | "..")) && !path.starts_with("..");
    if is_inside { Ok(path.to_owned()) } else { Err(format!("invalid path \"{path}\" in a volume")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Node;
    use serde_json::{Value, json};

    fn build(volume: Value, sources: &Sources) -> Result<Content, String> {
        let pod: Pod = serde_json::from_value(json!({ "metadata": { "name": "p", "labels": { "a": "b" } } })).unwrap();
        let mut volume = volume;
        volume["name"] = json!("v");
        let volume: Volume = serde_json::from_value(volume).unwrap();
        let (host, address) = ("127.0.0.1".parse().unwrap(), "127.64.1.2".parse().unwrap());
        let fields = Fields { pod: &pod, node: &Node::default(), host, address };
        content(&volume, &Inputs { fields, sources })
    }

    fn sources() -> Sources {
        Sources::default()
            .with(Reference::config_map("c"), &[("k", "v"), ("l", "w")])
            .with(Reference::secret("s"), &[("p", "x")])
    }

    fn shown(content: Result<Content, String>) -> Vec<String> {
        let Ok(Content::Files(files)) = content else { panic!("files are expected: {content:?}") };
        let line =
            |(path, file): (String, File)| format!("{path} {:o} {}", file.mode, String::from_utf8_lossy(&file.bytes));
        files.into_iter().map(line).collect()
    }

    #[test]
    fn entries_become_files_under_their_keys_or_the_paths_given() {
        assert_eq!(shown(build(json!({ "configMap": { "name": "c" } }), &sources())), ["k 644 v", "l 644 w"]);
        let items = json!([{ "key": "k", "path": "a/b", "mode": 0o400 }]);
        let listed = json!({ "configMap": { "name": "c", "items": items } });
        assert_eq!(shown(build(listed, &sources())), ["a/b 400 v"]);
        let secret = json!({ "secret": { "secretName": "s", "defaultMode": 0o600 } });
        assert_eq!(shown(build(secret, &sources())), ["p 600 x"]);
    }

    #[test]
    fn what_is_missing_is_named_unless_it_is_optional() {
        let missing = build(json!({ "configMap": { "name": "d" } }), &sources()).unwrap_err();
        assert_eq!(missing, "configmap \"d\" not found");
        assert!(shown(build(json!({ "secret": { "secretName": "t", "optional": true } }), &sources())).is_empty());
        let items = json!([{ "key": "no", "path": "a" }]);
        assert!(build(json!({ "configMap": { "name": "c", "items": items } }), &sources()).is_err());
        let outside = json!([{ "key": "k", "path": "../a" }]);
        assert!(build(json!({ "configMap": { "name": "c", "items": outside } }), &sources()).is_err());
        assert!(build(json!({ "nfs": { "server": "s", "path": "/" } }), &sources()).is_err());
    }

    #[test]
    fn several_sources_are_projected_into_one_volume() {
        let own = json!({ "items": [{ "path": "labels", "fieldRef": { "fieldPath": "metadata.labels" } }] });
        let sources_listed =
            json!([{ "configMap": { "name": "c" } }, { "secret": { "name": "s" } }, { "downwardAPI": own }]);
        let volume = json!({ "projected": { "sources": sources_listed } });
        assert_eq!(shown(build(volume, &sources())), ["k 644 v", "l 644 w", "labels 644 a=\"b\"", "p 644 x"]);
        assert_eq!(build(json!({ "emptyDir": {} }), &sources()), Ok(Content::Theirs));
    }
}
