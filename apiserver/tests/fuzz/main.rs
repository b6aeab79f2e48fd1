//! Feeds nonsense to everything that reads what clients send: it is read or refused, in good time, and never our fault.
//!
//! Each parser gets a second, or as many as `SKIFF_FUZZ_SECONDS` says. What it chokes on is printed, with the seed.

#![allow(clippy::unwrap_used, reason = "a test says where it failed by failing there")]

mod feed;
mod mutate;

use std::path::Path;

use api::protobuf::{self, Writer};
use api::quantity::Quantity;
use api::selector::{FieldSelector, LabelSelector};
use apiserver::http::content::accept::{self, Offer};
use apiserver::http::content::{pretty, yaml};
use apiserver::http::path;
use apiserver::http::query::Query;
use apiserver::http::streaming::spdy::frame::{self, Frame};
use apiserver::http::streaming::spdy::headers::{self, Decoder};
use apiserver::kinds::strict::{self, Search};
use apiserver::registry::continuation::Continuation;
use apiserver::registry::managed_fields::Set;
use apiserver::registry::options::PatchType;
use apiserver::registry::patch::Patch;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::feed::feed;

/// Upstream's objects as protobuf, or one of ours where they are not at hand.
fn messages() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/kubernetes/fixtures");
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let binary = files.filter(|path| path.extension().is_some_and(|extension| extension == "pb"));
    let mut messages: Vec<Vec<u8>> = binary.filter_map(|path| std::fs::read(path).ok()).collect();
    if messages.is_empty() {
        println!("SKIPPED: upstream's objects are not here (../shared/kubernetes/fixtures)");
    }
    let mut ours = Vec::new();
    Writer::default().object(pod().to_string().as_bytes(), &mut ours).unwrap();
    messages.push(ours);
    messages.sort();
    messages
}

fn pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "labels": {"a": "b"}, "finalizers": ["x/y"], "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {
            "containers": [{"name": "a", "image": "i", "ports": [{"containerPort": 80, "protocol": "TCP"}],
                "env": [{"name": "E", "value": "1"}], "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}}}],
            "tolerations": [{"key": "k", "operator": "Exists"}], "volumes": [{"name": "v", "emptyDir": {}}],
        },
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    })
}

#[test]
fn protobuf() {
    feed("protobuf", &messages(), |bytes| {
        let Ok(json) = protobuf::decode(bytes, ("v1", "Pod")) else { return false };
        assert!(serde_json::from_slice::<Value>(&json).is_ok(), "what is made of it is JSON");
        // What is read once is the same from then on.
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        if Writer::default().object_as("v1", "Pod", &json, &mut once).is_ok() {
            let again = protobuf::decode(&once, ("", "")).unwrap();
            Writer::default().object_as("v1", "Pod", &again, &mut twice).unwrap();
            assert_eq!(once, twice);
        }
        true
    });
}

#[test]
fn json_to_protobuf() {
    let seeds = [pod().to_string().into_bytes(), br#"{"kind":"Status","apiVersion":"v1","code":404}"#.to_vec()];
    feed("JSON to protobuf", &seeds, |bytes| {
        let mut out = Vec::new();
        Writer::default().object_as("v1", "Pod", bytes, &mut out).is_ok()
            | Writer::default().object(bytes, &mut Vec::new()).is_ok()
    });
}

/// Feeds patches of a type, each laid onto a pod.
fn feed_patches(name: &str, patch_type: PatchType, seeds: &[&str]) {
    let pod = pod();
    let seeds: Vec<Vec<u8>> = seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect();
    feed(name, &seeds, |bytes| {
        let Ok(patch) = Patch::parse(patch_type, bytes) else { return false };
        let mut target = pod.clone();
        patch.apply_to("", "v1", "Pod", &mut target).is_ok()
    });
}

#[test]
fn json_patches() {
    feed_patches(
        "JSON patches",
        PatchType::Json,
        &[
            r#"[{"op":"add","path":"/metadata/labels/a~1b","value":"x"},{"op":"remove","path":"/spec/containers/0"}]"#,
            r#"[{"op":"test","path":"/spec/volumes/0/name","value":"v"},{"op":"replace","path":"/spec/volumes/-","value":{}}]"#,
            r#"[{"op":"move","from":"/status","path":"/spec/x"},{"op":"copy","from":"/metadata","path":""}]"#,
        ],
    );
}

#[test]
fn merge_patches() {
    feed_patches(
        "merge patches",
        PatchType::Merge,
        &[r#"{"metadata":{"labels":{"a":null,"c":"d"}},"spec":{"volumes":[]}}"#],
    );
}

#[test]
fn strategic_patches() {
    feed_patches(
        "strategic merge patches",
        PatchType::Strategic,
        &[
            r#"{"spec":{"$setElementOrder/containers":[{"name":"b"},{"name":"a"}],"containers":[{"name":"b","image":"j"}]}}"#,
            r#"{"metadata":{"$deleteFromPrimitiveList/finalizers":["x/y"]},"spec":{"volumes":[{"$patch":"delete","name":"v"}]}}"#,
            r#"{"spec":{"$patch":"replace","$retainKeys":["containers"],"tolerations":[{"key":"z"}]},"status":null}"#,
        ],
    );
}

#[test]
fn label_selectors() {
    let seeds = ["a=b,c!=d", "a in (b,c), d notin (e)", "!a,b", "x/y==z", "a>1,b<2"];
    feed("label selectors", &seeds.map(|seed| seed.as_bytes().to_vec()), |bytes| {
        let Ok(selector) = LabelSelector::parse(&String::from_utf8_lossy(bytes)) else { return false };
        let text = selector.to_string();
        let again = LabelSelector::parse(&text).unwrap_or_else(|error| panic!("{text:?} reads back: {error}"));
        assert_eq!(again.to_string(), text);
        selector.matches_by(|label| (label == "a").then_some("b"));
        true
    });
}

#[test]
fn field_selectors() {
    let seeds = ["metadata.name=a,status.phase!=Running", r"a=b\,c\=d\\", "spec.nodeName=="];
    feed("field selectors", &seeds.map(|seed| seed.as_bytes().to_vec()), |bytes| {
        let Ok(selector) = FieldSelector::parse(&String::from_utf8_lossy(bytes)) else { return false };
        selector.matches_by(|field| (field == "metadata.name").then_some("a"));
        selector.required("metadata.name");
        true
    });
}

#[test]
fn quantities() {
    let seeds = ["1", "100m", "1.5Gi", "-3e6", "12E", "0.000000001", "9223372036854775807", "+1Ki", "1e-9"];
    feed("quantities", &seeds.map(|seed| seed.as_bytes().to_vec()), |bytes| {
        let Ok(quantity) = Quantity::parse(&String::from_utf8_lossy(bytes)) else { return false };
        let text = quantity.to_string();
        assert!(Quantity::parse(&text) == Ok(quantity), "{text} reads back");
        let _ = (quantity.units(), quantity.milli(), quantity + quantity, quantity - quantity);
        true
    });
}

#[test]
fn continue_tokens() {
    let place = |revision, name: &str| Continuation { revision, namespace: "n".to_owned(), name: name.to_owned() };
    let seeds = [place(None, "a").token(), place(Some(apiserver::storage::object::Revision(7)), "b").token()];
    feed("continue tokens", &seeds.map(String::into_bytes), |bytes| {
        let Ok(place) = Continuation::parse(&String::from_utf8_lossy(bytes)) else { return false };
        assert_eq!(Continuation::parse(&place.token()).unwrap(), place);
        true
    });
}

#[test]
fn field_tables() {
    let seeds = [
        r#"{"f:metadata":{"f:labels":{".":{},"f:a":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:image":{}}}}}"#,
        r#"{"f:metadata":{"f:finalizers":{"v:\"x/y\"":{}}},"f:x":{"i:3":{}}}"#,
    ];
    feed("field tables", &seeds.map(|seed| seed.as_bytes().to_vec()), |bytes| {
        let Ok(set) = serde_json::from_slice::<Set>(bytes) else { return false };
        let written = serde_json::to_vec(&set).expect("a set is JSON");
        let again: Set = serde_json::from_slice(&written).expect("what is written reads back");
        assert_eq!(serde_json::to_vec(&again).expect("a set is JSON"), written);
        true
    });
}

#[test]
fn frames_of_spdy() {
    feed("SPDY", &conversations(), |bytes| {
        // All of it is at hand, so nothing is waited for.
        futures::executor::block_on(async {
            let (mut frames, mut decoder) = (frame::Reader::new(bytes), Decoder::default());
            let mut count = 0;
            while let Ok(Some(frame)) = frames.next().await {
                count += 1;
                if let Frame::SynStream { block, .. } | Frame::Headers { block, .. } = frame
                    && decoder.decode(&block).is_err()
                {
                    return false;
                }
            }
            count > 0
        })
    });
}

/// Two streams that are opened, the second with the words of the first behind it, and some bytes.
fn conversations() -> Vec<Vec<u8>> {
    let mut compressed = vec![0x78, 0xbb];
    compressed.extend_from_slice(&headers::DICTIONARY_ID.to_be_bytes());
    // Blocks that are stored as they are serve for both.
    let stored = |bytes: &[u8]| {
        let length = bytes.len() as u16;
        [&[0], &length.to_le_bytes()[..], &(!length).to_le_bytes(), bytes].concat()
    };
    compressed.extend(stored(b"\0\0\0\x01\0\0\0\x04host\0\0\0\x04host"));
    let open = |id: u32, block: &[u8]| {
        let length = (block.len() as u32 + 10).to_be_bytes();
        [&[0x80, 3, 0, 1, 0], &length[1..], &id.to_be_bytes(), &[0; 6], block].concat()
    };
    let data = [&1_u32.to_be_bytes()[..], &[1, 0, 0, 2], b"hi"].concat();
    let second = stored(b"\0\0\0\0");
    let whole = [open(1, &compressed), open(3, &second), data].concat();
    vec![whole, headers::DICTIONARY.to_vec()]
}

#[test]
fn accept_headers() {
    let seeds = [
        "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
        "application/vnd.kubernetes.protobuf;stream=watch;q=0.9, */*;q=0.1, application/yaml;pretty=1",
    ];
    feed("Accept headers", &seeds.map(|seed| seed.as_bytes().to_vec()), |bytes| {
        let Ok(value) = HeaderValue::from_bytes(bytes) else { return false };
        let headers = HeaderMap::from_iter([(http::header::ACCEPT, value)]);
        let offers = [Offer::Objects, Offer::Custom, Offer::Plain, Offer::Document, Offer::Discovery];
        offers.map(|offer| accept::negotiate(&headers, None, || offer).is_ok()).contains(&true)
    });
}

#[test]
fn yaml_documents() {
    let seeds = [
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {x: 'y'}}\nspec:\n  containers:\n  - name: \"c\"\n    image: |\n      i\n",
        "a: &x [1, 2.5, 0x1F, 014, 1_000, ~, yes, 2026-01-01]\nb: *x\n? c\n: d\n",
    ];
    feed("YAML", &seeds.map(|seed| seed.as_bytes().to_vec()), |bytes| {
        let Ok(document) = yaml::parse(&String::from_utf8_lossy(bytes)) else { return false };
        yaml::write(&document.value).unwrap();
        true
    });
}

#[test]
fn json_texts() {
    let seeds = [pod().to_string().into_bytes(), br#"{"a":{"b":[{"c":1},{"c":1,"c":2}]},"a":"\u00e4\"\\"}"#.to_vec()];
    let definition = api::schema::of_kind("", "v1", "Pod");
    feed("JSON", &seeds, |bytes| {
        let findings = strict::scan(bytes, definition, Search::Everything);
        let silence = strict::scan(bytes, None, Search::Silence);
        assert_eq!(silence.may_be_silent, findings.may_be_silent);
        let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return false };
        assert_eq!(serde_json::from_slice::<Value>(&pretty::indent(bytes)).unwrap(), value);
        true
    });
}

#[test]
fn paths_and_queries() {
    let seeds = [
        "/apis/apps/v1/namespaces/d/deployments/x/scale?limit=5&watch=1&labelSelector=a%3Db",
        "/api/v1/watch/namespaces/d/pods/a?timeoutSeconds=1&dryRun=All&continue=x",
    ];
    feed("paths and queries", &seeds.map(|seed| seed.as_bytes().to_vec()), |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let (place, query) = text.split_once('?').unwrap_or((&text, ""));
        path::parse(place);
        let query = Query::parse(query);
        query.list_options().is_ok() && query.dry_run("CreateOptions").is_ok()
    });
}
