//! Protobuf in and out, as typed Go clients speak it.

use std::path::Path;

use api::protobuf::{self, Writer};
use axum::body::Body;
use axum::response::Response;
use http::Request;
use http_body_util::BodyExt;
use lifecycle::tasks::Tasks;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::fixtures::{admin, ask, server};
use crate::http::server::Server;
use crate::kinds::KINDS;

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const MAPS: &str = "/api/v1/namespaces/d/configmaps";

/// Asks as a typed client does: everything in protobuf, JSON as the second choice.
async fn ask_binary(server: &Server, method: &str, path: &str, accept: &str, body: &Value) -> Response {
    let mut bytes = Vec::new();
    if !body.is_null() {
        Writer::default().object(body.to_string().as_bytes(), &mut bytes).unwrap();
    }
    let request = Request::builder().method(method).uri(path);
    let request = request.header("content-type", PROTOBUF).header("accept", accept).body(Body::from(bytes)).unwrap();
    server.in_process(admin()).oneshot(request).await.unwrap()
}

/// The code of an answer in protobuf, and the same as JSON.
async fn told(response: Response) -> (u16, Value) {
    assert_eq!(response.headers()["content-type"], PROTOBUF);
    let code = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (code, read(&bytes))
}

fn read(bytes: &[u8]) -> Value {
    serde_json::from_slice(&protobuf::decode(bytes, ("", "")).unwrap()).unwrap()
}

async fn server_with_namespace() -> Server {
    let server = server(&Tasks::new()).await;
    ask(&server, admin(), "POST", "/api/v1/namespaces", r#"{"metadata":{"name":"d"}}"#).await;
    server
}

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": "v"}})
}

#[tokio::test]
async fn an_object_lives_in_protobuf() {
    let server = server_with_namespace().await;
    let accept = "application/vnd.kubernetes.protobuf,application/json";
    let (code, mut made) = told(ask_binary(&server, "POST", MAPS, accept, &map("a")).await).await;
    assert_eq!((code, &made["kind"], &made["data"]["k"]), (201, &json!("ConfigMap"), &json!("v")));
    made["data"]["k"] = "w".into();
    let path = format!("{MAPS}/a");
    let (code, changed) = told(ask_binary(&server, "PUT", &path, accept, &made).await).await;
    assert_eq!((code, &changed["data"]["k"]), (200, &json!("w")));
    let (_, got) = told(ask_binary(&server, "GET", &path, accept, &Value::Null).await).await;
    assert_eq!(got, changed);
    let kept = ask(&server, admin(), "GET", &path, "").await.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(serde_json::from_slice::<Value>(&kept).unwrap(), got);
    let (_, list) = told(ask_binary(&server, "GET", MAPS, accept, &Value::Null).await).await;
    assert_eq!((&list["kind"], &list["items"][0]["data"]), (&json!("ConfigMapList"), &got["data"]));
    assert!(list["metadata"]["resourceVersion"].is_string() && list["items"][0].get("kind").is_none());
    let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "other"}});
    let (code, status) = told(ask_binary(&server, "DELETE", &path, accept, &options).await).await;
    assert_eq!((code, &status["reason"]), (409, &json!("Conflict")));
    let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0});
    let (code, status) = told(ask_binary(&server, "DELETE", &path, accept, &options).await).await;
    assert_eq!((code, &status["kind"], &status["status"]), (200, &json!("Status"), &json!("Success")));
}

#[tokio::test]
async fn refusals_are_told_in_the_form_that_is_read() {
    let server = server_with_namespace().await;
    let path = format!("{MAPS}/none");
    let (code, status) = told(ask_binary(&server, "GET", &path, PROTOBUF, &Value::Null).await).await;
    assert_eq!(
        (code, &status["message"], &status["code"]),
        (404, &json!("configmaps \"none\" not found"), &json!(404))
    );
    let (code, status) = told(ask_binary(&server, "PATCH", &path, PROTOBUF, &Value::Null).await).await;
    assert_eq!((code, &status["reason"]), (415, &json!("UnsupportedMediaType")));
    let (code, status) = told(ask_binary(&server, "GET", "/api/v1/nothings", PROTOBUF, &Value::Null).await).await;
    assert_eq!((code, &status["reason"]), (404, &json!("NotFound")));
    let yaml = ask_binary(&server, "GET", &path, "application/yaml", &Value::Null).await;
    assert_eq!(yaml.headers()["content-type"], "application/yaml");
    let text = yaml.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&text).contains("kind: Status\n"));
    let refused = ask_binary(&server, "GET", &path, "application/cbor", &Value::Null).await;
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["content-type"]),
        (406, &"application/json".parse().unwrap())
    );
}

#[tokio::test]
async fn a_body_that_is_something_else_is_refused() {
    let server = server_with_namespace().await;
    let wrong = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}});
    let (code, status) = told(ask_binary(&server, "POST", MAPS, PROTOBUF, &wrong).await).await;
    assert!(
        code == 400 && status["message"].as_str().unwrap().contains("cannot be handled as a ConfigMap"),
        "{status}"
    );
    let request = Request::post(MAPS).header("content-type", PROTOBUF).body(Body::from("{}")).unwrap();
    assert_eq!(server.in_process(admin()).oneshot(request).await.unwrap().status(), 400);
    // What it is may be left out, and fields that nobody knows are skipped, however strict the client is.
    let nameless = b"k8s\0\x12\x0a\x0a\x05\x0a\x03abc\x7a\x01x".to_vec();
    let request = Request::post(format!("{MAPS}?fieldValidation=Strict")).header("content-type", PROTOBUF);
    let response = server.in_process(admin()).oneshot(request.body(Body::from(nameless)).unwrap()).await.unwrap();
    assert_eq!(response.status(), 201);
}

#[tokio::test]
async fn metadata_alone_comes_in_protobuf_too() {
    let server = server_with_namespace().await;
    ask(&server, admin(), "POST", MAPS, &map("a").to_string()).await;
    for version in ["v1", "v1beta1"] {
        let accept = format!("{PROTOBUF};as=PartialObjectMetadataList;g=meta.k8s.io;v={version},application/json");
        let (_, list) = told(ask_binary(&server, "GET", MAPS, &accept, &Value::Null).await).await;
        assert_eq!(
            (&list["kind"], &list["items"][0]["metadata"]["name"]),
            (&json!("PartialObjectMetadataList"), &json!("a"))
        );
        assert!(list["items"][0].get("data").is_none());
        let accept = accept.replace("List", "");
        let (_, one) = told(ask_binary(&server, "GET", &format!("{MAPS}/a"), &accept, &Value::Null).await).await;
        assert_eq!(
            (&one["apiVersion"], &one["metadata"]["name"]),
            (&json!(format!("meta.k8s.io/{version}")), &json!("a"))
        );
    }
    let table =
        "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io, application/json;as=Table;v=v1;g=meta.k8s.io";
    let response = ask_binary(&server, "GET", MAPS, table, &Value::Null).await;
    assert_eq!(response.headers()["content-type"], "application/json");
}

/// The next frame of a watch: an event's type and object.
async fn event(body: &mut Body, buffer: &mut Vec<u8>) -> (String, Value) {
    loop {
        if let Some((length, rest)) = buffer.split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*length) as usize;
            if rest.len() >= length {
                // An event has no envelope of its own, so it is given one here.
                let mut enveloped = b"k8s\0\x12".to_vec();
                let mut rest_of_length = length;
                while rest_of_length >= 0x80 {
                    enveloped.push(rest_of_length as u8 | 0x80);
                    rest_of_length >>= 7;
                }
                enveloped.push(rest_of_length as u8);
                enveloped.extend_from_slice(&rest[..length]);
                buffer.drain(..4 + length);
                let event = protobuf::decode(&enveloped, ("v1", "WatchEvent")).unwrap();
                let mut event: Value = serde_json::from_slice(&event).unwrap();
                return (event["type"].as_str().unwrap().to_owned(), event["object"].take());
            }
        }
        buffer.extend_from_slice(&body.frame().await.unwrap().unwrap().into_data().unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_is_frames_of_events() {
    let server = server_with_namespace().await;
    ask(&server, admin(), "POST", MAPS, &map("a").to_string()).await;
    let accept = format!("{PROTOBUF};stream=watch,application/json;stream=watch");
    let path = format!("{MAPS}?watch=1&allowWatchBookmarks=true&timeoutSeconds=90");
    let response = ask_binary(&server, "GET", &path, &accept, &Value::Null).await;
    assert_eq!(response.headers()["content-type"], "application/vnd.kubernetes.protobuf;stream=watch");
    let (mut body, mut buffer) = (response.into_body(), Vec::new());
    let (kind, object) = event(&mut body, &mut buffer).await;
    assert_eq!((&*kind, &object["kind"], &object["data"]["k"]), ("ADDED", &json!("ConfigMap"), &json!("v")));
    ask(&server, admin(), "POST", MAPS, &map("b").to_string()).await;
    ask(&server, admin(), "DELETE", &format!("{MAPS}/a"), "").await;
    let (kind, object) = event(&mut body, &mut buffer).await;
    assert_eq!((&*kind, &object["metadata"]["name"]), ("ADDED", &json!("b")));
    assert_eq!(event(&mut body, &mut buffer).await.0, "DELETED");
    let (kind, object) = event(&mut body, &mut buffer).await;
    assert!(kind == "BOOKMARK" && object["metadata"]["resourceVersion"].is_string(), "{object}");
    let metadata = format!("{PROTOBUF};as=PartialObjectMetadata;g=meta.k8s.io;v=v1;stream=watch");
    let mut body = ask_binary(&server, "GET", &format!("{MAPS}?watch=1"), &metadata, &Value::Null).await.into_body();
    let (_, object) = event(&mut body, &mut Vec::new()).await;
    assert_eq!((&object["kind"], object.get("data")), (&json!("PartialObjectMetadata"), None));
    let response = ask_binary(&server, "GET", &format!("{MAPS}?watch=1"), "application/yaml", &Value::Null).await;
    assert_eq!(response.status(), 406);
}

#[tokio::test]
async fn discovery_speaks_protobuf_and_versions_do_not() {
    let server = server_with_namespace().await;
    for (path, kind) in
        [("/api", "APIVersions"), ("/apis", "APIGroupList"), ("/apis/apps", "APIGroup"), ("/api/v1", "APIResourceList")]
    {
        assert_eq!(told(ask_binary(&server, "GET", path, PROTOBUF, &Value::Null).await).await.1["kind"], kind);
    }
    let (_, resources) = told(ask_binary(&server, "GET", "/apis/apps/v1", PROTOBUF, &Value::Null).await).await;
    let expected = ask(&server, admin(), "GET", "/apis/apps/v1", "").await.into_body().collect().await.unwrap();
    let expected: Value = serde_json::from_slice(&expected.to_bytes()).unwrap();
    assert_eq!(resources["resources"][0]["verbs"], expected["resources"][0]["verbs"]);
    let accept = "application/vnd.kubernetes.protobuf,application/json";
    let version = ask_binary(&server, "GET", "/version", accept, &Value::Null).await;
    assert_eq!(version.headers()["content-type"], "application/json");
    assert_eq!(ask_binary(&server, "GET", "/version", PROTOBUF, &Value::Null).await.status(), 406);
}

#[tokio::test]
async fn parts_of_objects_are_taken_in_protobuf() {
    let server = server_with_namespace().await;
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let (code, made) = told(ask_binary(&server, "POST", "/api/v1/namespaces/d/pods", PROTOBUF, &pod).await).await;
    assert_eq!((code, &made["spec"]["restartPolicy"]), (201, &json!("Always")), "{made}");
    let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"},
        "target": {"kind": "Node", "name": "n"}});
    let path = "/api/v1/namespaces/d/pods/p/binding";
    let (code, status) = told(ask_binary(&server, "POST", path, PROTOBUF, &binding).await).await;
    assert_eq!((code, &status["status"]), (201, &json!("Success")));
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}});
    let all = "/apis/apps/v1/namespaces/d/deployments";
    let (code, made) = told(ask_binary(&server, "POST", all, PROTOBUF, &deployment).await).await;
    assert_eq!((code, &made["spec"]["replicas"]), (201, &json!(1)), "{made}");
    let path = format!("{all}/d/scale");
    let (_, mut scale) = told(ask_binary(&server, "GET", &path, PROTOBUF, &Value::Null).await).await;
    assert_eq!((&scale["kind"], &scale["status"]["selector"]), (&json!("Scale"), &json!("a=b")));
    scale["spec"]["replicas"] = 3.into();
    let (code, scale) = told(ask_binary(&server, "PUT", &path, PROTOBUF, &scale).await).await;
    assert_eq!((code, &scale["spec"]["replicas"]), (200, &json!(3)));
}

#[test]
fn every_kind_and_its_lists_have_a_form_in_protobuf() {
    for kind in KINDS {
        let facts = kind.facts();
        assert!(protobuf::speaks(&facts.api_version(), facts.kind), "{}", facts.kind);
        if facts.allows("list") {
            assert!(protobuf::speaks(&facts.api_version(), &facts.list_kind()), "{}", facts.kind);
        }
        for of in facts.subresources.iter().filter_map(|subresource| subresource.of) {
            assert!(protobuf::speaks(&api::names::api_version(of.group, of.version), of.kind), "{}", of.kind);
        }
    }
}

#[test]
fn what_is_stored_becomes_upstreams_bytes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/kubernetes/fixtures");
    if !folder.is_dir() {
        println!("SKIPPED: upstream's objects are not here (../shared/kubernetes/fixtures)");
        return;
    }
    let mut compared = 0;
    for kind in KINDS {
        let facts = kind.facts();
        let group = if facts.group.is_empty() { "core" } else { facts.group };
        let path = folder.join(format!("{group}.{}.{}", facts.version, facts.kind));
        let with = |extension: &str| std::fs::read(format!("{}.{extension}", path.display()));
        let (Ok(json), Ok(expected)) = (with("json"), with("pb")) else { continue };
        let Ok(draft) = kind.decode_kept(&json) else {
            // Its map of times holds one that is null, which is never stored.
            assert_eq!(facts.kind, "PodDisruptionBudget");
            continue;
        };
        let stored = draft.encode();
        let mut written = Vec::new();
        Writer::default().object(&stored, &mut written).unwrap();
        assert!(written == expected, "{}: {} instead of {}", facts.kind, read(&written), read(&expected));
        compared += 1;
    }
    assert!(compared > 10, "{compared}");
}
