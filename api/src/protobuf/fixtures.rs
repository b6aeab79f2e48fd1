//! Upstream's own objects, in JSON and in protobuf, against this codec.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::Value;

use crate::protobuf::{Error, Writer, decode, envelope, wire};

/// Upstream's objects, where they are at hand.
fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/kubernetes/fixtures");
    let found = folder.is_dir().then_some(folder);
    if found.is_none() {
        println!("SKIPPED: upstream's objects are not here (../shared/kubernetes/fixtures)");
    }
    found
}

fn objects() -> Vec<(String, Vec<u8>, Vec<u8>)> {
    let Some(folder) = folder() else { return Vec::new() };
    let mut objects = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "pb") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let json = std::fs::read(path.with_extension("json")).unwrap();
            objects.push((name, json, std::fs::read(path).unwrap()));
        }
    }
    objects.sort();
    assert!(objects.len() > 180, "{} objects", objects.len());
    objects
}

/// An event has no kind of its own.
const NAMELESS: &str = "core.v1.WatchEvent";

fn encode(name: &str, json: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    if name != NAMELESS {
        return Writer::default().object(json, out);
    }
    envelope::write("", "", out, |out| Writer::default().message("v1", "WatchEvent", json, out))
}

#[test]
fn upstreams_objects_become_upstreams_bytes() {
    let mut wrong = Vec::new();
    for (name, json, expected) in objects() {
        let mut written = Vec::new();
        match encode(&name, &json, &mut written) {
            Ok(()) if written == expected => {}
            Ok(()) => {
                let same = written.iter().zip(&expected).take_while(|(one, other)| one == other).count();
                let near = |bytes: &[u8]| {
                    bytes[same.saturating_sub(20)..bytes.len().min(same + 40)].escape_ascii().to_string()
                };
                wrong.push(format!("{name} at {same}: wrote {} for {}", near(&written), near(&expected)));
            }
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn upstreams_bytes_become_upstreams_objects() {
    let mut wrong = Vec::new();
    for (name, json, bytes) in objects() {
        let expected: Value = serde_json::from_slice(&json).unwrap();
        match decode(&bytes, ("v1", "WatchEvent")) {
            Ok(written) => {
                let written: Value = serde_json::from_slice(&written).unwrap();
                if written != expected {
                    wrong.push(format!("{name}:\n{}", difference("", &written, &expected)));
                }
            }
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn zeros_are_written_where_gos_types_cannot_tell_them_from_nothing() {
    let mut written = Vec::new();
    let pod = br#"{"spec":{"priority":0,"nodeName":""},"metadata":{"creationTimestamp":null}}"#;
    Writer::default().message("v1", "Pod", pod, &mut written).unwrap();
    let metadata = b"\x0a\x10\x0a\0\x12\0\x1a\0\x22\0\x2a\0\x32\0\x38\0\x42\0";
    let spec =
        b"\x12\x1f\x1a\0\x32\0\x42\0\x4a\0\x52\0\x58\0\x60\0\x68\0\x82\x01\0\x8a\x01\0\x9a\x01\0\xc2\x01\0\xc8\x01\0";
    assert!(written.starts_with(&[&metadata[..], &spec[..]].concat()), "{}", written.escape_ascii());
    let mut enveloped = Vec::new();
    envelope::write("v1", "Pod", &mut enveloped, appended(&written)).unwrap();
    let read = String::from_utf8(decode(&enveloped, ("", "")).unwrap()).unwrap();
    assert_eq!(read, r#"{"apiVersion":"v1","kind":"Pod","metadata":{},"spec":{"priority":0},"status":{}}"#);
}

/// Bodies as kubectl 1.32 sends them, in which most fields are not set.
const SENT: &str = include_str!("kubectl.txt");

#[test]
fn what_kubectl_sends_is_written_back_the_same() {
    let mut kinds = Vec::new();
    for line in SENT.lines() {
        let bytes = STANDARD.decode(line).unwrap();
        let json = decode(&bytes, ("", "")).unwrap();
        let mut written = Vec::new();
        Writer::default().object(&json, &mut written).unwrap();
        assert_eq!(written, bytes, "{}", String::from_utf8_lossy(&json));
        kinds.push(serde_json::from_slice::<Value>(&json).unwrap()["kind"].as_str().unwrap().to_owned());
    }
    assert_eq!(
        kinds,
        [
            "Deployment",
            "CronJob",
            "ResourceQuota",
            "PodDisruptionBudget",
            "PriorityClass",
            "Ingress",
            "Service",
            "TokenRequest",
            "SelfSubjectAccessReview",
        ]
    );
}

#[test]
fn a_list_is_written_item_by_item() {
    let items = [r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"},"data":{"k":"AQI="}}"#; 2];
    let mut written = Vec::new();
    let metadata = br#"{"resourceVersion":"7","remainingItemCount":0}"#;
    let bytes = items.iter().map(|item| item.as_bytes());
    Writer::default().list("v1", "SecretList", metadata, bytes, &mut written).unwrap();
    let read: Value = serde_json::from_slice(&decode(&written, ("", "")).unwrap()).unwrap();
    let item = serde_json::json!({"metadata": {"name": "a"}, "data": {"k": "AQI="}});
    assert_eq!(
        read,
        serde_json::json!({"apiVersion": "v1", "kind": "SecretList", "items": [item, item],
            "metadata": {"resourceVersion": "7", "remainingItemCount": 0}})
    );
    let mut partial = Vec::new();
    for version in ["meta.k8s.io/v1", "meta.k8s.io/v1beta1"] {
        partial.clear();
        let bytes = items.iter().map(|item| item.as_bytes());
        Writer::default().list(version, "PartialObjectMetadataList", metadata, bytes, &mut partial).unwrap();
        let read: Value = serde_json::from_slice(&decode(&partial, ("", "")).unwrap()).unwrap();
        assert_eq!(read["items"][1], serde_json::json!({"metadata": {"name": "a"}}));
    }
}

#[test]
fn changed_bytes_are_read_or_refused() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below.max(1)
    };
    for (name, _, bytes) in objects() {
        for _ in 0..20 {
            let mut changed = bytes.clone();
            for _ in 0..=next(4) {
                let at = next(changed.len());
                match next(3) {
                    0 => changed[at] = next(256) as u8,
                    1 => changed.truncate(at.max(4)),
                    _ => changed.insert(at, next(256) as u8),
                }
            }
            if let Ok(json) = decode(&changed, ("v1", "WatchEvent")) {
                assert!(serde_json::from_slice::<Value>(&json).is_ok(), "{name}");
                encode(&name, &json, &mut Vec::new()).ok();
            }
        }
    }
}

#[test]
fn what_is_deep_or_twice_is_refused() {
    let mut schema = Vec::new();
    for _ in 0..5000 {
        let mut outer = Vec::new();
        // `not`, whose number is 28.
        wire::write_bytes(28, &schema, &mut outer);
        schema = outer;
    }
    let mut enveloped = Vec::new();
    envelope::write("apiextensions.k8s.io/v1", "JSONSchemaProps", &mut enveloped, appended(&schema)).unwrap();
    assert!(decode(&enveloped, ("", "")).unwrap_err().to_string().ends_with("too deep"));
    enveloped.clear();
    envelope::write("v1", "Pod", &mut enveloped, appended(b"\x0a\0\x0a\0")).unwrap();
    assert_eq!(decode(&enveloped, ("", "")).unwrap_err().to_string(), "metadata: the message stands twice");
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    assert!(Writer::default().object(deep.as_bytes(), &mut Vec::new()).is_err());
}

fn appended(bytes: &[u8]) -> impl FnOnce(&mut Vec<u8>) -> Result<(), Error> {
    |out| {
        out.extend_from_slice(bytes);
        Ok(())
    }
}

fn difference(path: &str, one: &Value, other: &Value) -> String {
    match (one, other) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            let each = keys.into_iter().filter(|key| a.get(*key) != b.get(*key));
            each.map(|key| difference(&format!("{path}.{key}"), &one[key], &other[key])).collect()
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).filter(|(a, b)| a != b).map(|(a, b)| difference(&format!("{path}[]"), a, b)).collect()
        }
        _ => format!("  {path}: {one} instead of {other}\n"),
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400), kind in 0..KINDS.len()) {
        let (api_version, kind) = KINDS[kind];
        let mut enveloped = Vec::new();
        envelope::write(api_version, kind, &mut enveloped, |out| {
            out.extend_from_slice(&bytes);
            Ok(())
        }).unwrap();
        for bytes in [&bytes, &enveloped] {
            if let Ok(json) = decode(bytes, (api_version, kind)) {
                prop_assert!(serde_json::from_slice::<Value>(&json).is_ok(), "{}", String::from_utf8_lossy(&json));
                Writer::default().object(&json, &mut Vec::new()).ok();
            }
        }
        Writer::default().object_as(api_version, kind, &bytes, &mut Vec::new()).ok();
    }
}

const KINDS: [(&str, &str); 6] = [
    ("v1", "Pod"),
    ("apps/v1", "Deployment"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("policy/v1", "PodDisruptionBudget"),
    ("v1", "Status"),
    ("authentication.k8s.io/v1", "TokenReview"),
];
