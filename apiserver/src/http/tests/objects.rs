//! Objects in the forms in which clients ask for them.

use std::io::Read;

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use lifecycle::tasks::Tasks;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::fixtures::{admin, ask, server, told};
use crate::http::server::Server;

const MAPS: &str = "/api/v1/namespaces/d/configmaps";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io";

/// A server with a namespace `d` and some ConfigMaps in it.
async fn server_with_maps(count: usize, size: usize) -> Server {
    let server = server(&Tasks::new()).await;
    let namespace = json!({"metadata": {"name": "d"}}).to_string();
    assert_eq!(ask(&server, admin(), "POST", "/api/v1/namespaces", &namespace).await.status(), 201);
    for number in 0..count {
        let map = json!({"metadata": {"name": format!("m{number:03}"), "labels": {"n": number.to_string()}},
            "data": {"key": "x".repeat(size)}});
        assert_eq!(ask(&server, admin(), "POST", MAPS, &map.to_string()).await.status(), 201);
    }
    server
}

async fn get(server: &Server, path: &str, accept: &str) -> (http::HeaderMap, Vec<u8>) {
    let request = Request::get(path).header("accept", accept).header("accept-encoding", "gzip");
    let request = request.body(Body::empty()).unwrap();
    let response = server.in_process(admin()).oneshot(request).await.unwrap();
    let headers = response.headers().clone();
    (headers, response.into_body().collect().await.unwrap().to_bytes().to_vec())
}

async fn get_json(server: &Server, path: &str, accept: &str) -> Value {
    serde_json::from_slice(&get(server, path, accept).await.1).unwrap()
}

#[tokio::test]
async fn a_list_says_once_what_its_items_are() {
    let server = server_with_maps(3, 1).await;
    let list = get_json(&server, MAPS, "application/json").await;
    assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("ConfigMapList"), &json!("v1")));
    assert!(list["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap() > 0);
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 3);
    assert!(items.iter().all(|item| item.get("kind").is_none() && item["metadata"]["uid"].is_string()));
    let none = get_json(&server, "/api/v1/namespaces/d/secrets", "*/*").await;
    assert_eq!(none["items"], json!([]));
}

#[tokio::test]
async fn pages_follow_one_another() {
    let server = server_with_maps(5, 1).await;
    let first = get_json(&server, &format!("{MAPS}?limit=2"), "").await;
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    let token = first["metadata"]["continue"].as_str().unwrap();
    let second = get_json(&server, &format!("{MAPS}?limit=2&continue={token}"), "").await;
    assert_eq!(second["items"][0]["metadata"]["name"], "m002");
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
}

#[tokio::test]
async fn a_table_has_a_row_for_each_object() {
    let server = server_with_maps(2, 1).await;
    let table = get_json(&server, MAPS, TABLE).await;
    assert_eq!((&table["kind"], &table["apiVersion"]), (&json!("Table"), &json!("meta.k8s.io/v1")));
    assert_eq!(table["columnDefinitions"][0]["name"], "Name");
    assert_eq!(table["rows"].as_array().unwrap().len(), 2);
    assert_eq!(table["rows"][1]["cells"][0], "m001");
    assert_eq!(table["rows"][1]["object"]["kind"], "PartialObjectMetadata");
    assert!(table["rows"][1]["object"].get("data").is_none());
    let whole = get_json(&server, &format!("{MAPS}/m001?includeObject=Object"), TABLE).await;
    assert_eq!(whole["rows"][0]["object"]["data"]["key"], "x");
    let bare = get_json(&server, &format!("{MAPS}?includeObject=None"), TABLE).await;
    assert!(bare["rows"][0].get("object").is_none());
}

#[tokio::test]
async fn informers_of_metadata_get_nothing_else() {
    let server = server_with_maps(2, 1).await;
    let accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let list = get_json(&server, MAPS, accept).await;
    assert_eq!(list["kind"], "PartialObjectMetadataList");
    assert_eq!(list["items"][0]["metadata"]["labels"]["n"], "0");
    assert!(list["items"][0].get("data").is_none());
    let one = get_json(&server, &format!("{MAPS}/m000"), &accept.replace("List", "")).await;
    assert_eq!((&one["kind"], &one["metadata"]["name"]), (&json!("PartialObjectMetadata"), &json!("m000")));
}

#[tokio::test]
async fn long_answers_are_compressed_and_long_lists_stay_whole() {
    let server = server_with_maps(40, 10_000).await;
    let (headers, bytes) = get(&server, MAPS, "application/json").await;
    assert_eq!(headers["content-encoding"], "gzip");
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
    assert!(plain.len() > 400_000 && bytes.len() < 40_000);
    assert_eq!(serde_json::from_slice::<Value>(&plain).unwrap()["items"].as_array().unwrap().len(), 40);
    let long = format!(r#"{{"metadata":{{"name":"long"}},"data":{{"k":"{}"}}}}"#, "x".repeat(200_000));
    let request = Request::post(MAPS).header("accept-encoding", "gzip").body(Body::from(long)).unwrap();
    let written = server.in_process(admin()).oneshot(request).await.unwrap();
    assert!(written.status() == 201 && !written.headers().contains_key("content-encoding"));
    let request = Request::get(MAPS).body(Body::empty()).unwrap();
    let response = server.in_process(admin()).oneshot(request).await.unwrap();
    let length = http_body::Body::size_hint(response.body()).exact().unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len() as u64, length);
}

#[tokio::test]
async fn objects_come_as_yaml_and_indented_too() {
    let server = server_with_maps(1, 1).await;
    let (headers, bytes) = get(&server, &format!("{MAPS}/m000"), "application/yaml").await;
    assert_eq!(headers["content-type"], "application/yaml");
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("kind: ConfigMap") && text.contains("\"n\": \"0\""), "{text}");
    let (_, bytes) = get(&server, &format!("{MAPS}?pretty=true"), "").await;
    assert!(String::from_utf8(bytes).unwrap().starts_with("{\n  \"kind\": \"ConfigMapList\",\n"));
}

#[tokio::test]
async fn what_nobody_here_writes_is_not_acceptable() {
    let server = server_with_maps(1, 1).await;
    let body = get_json(&server, MAPS, "application/cbor").await;
    assert_eq!((&body["code"], &body["reason"]), (&json!(406), &json!("NotAcceptable")));
}

#[tokio::test]
async fn warnings_and_strictness_are_as_asked() {
    let server = server_with_maps(0, 0).await;
    let body = r#"{"metadata":{"name":"a"},"data":{"k":"1","k":"2"},"spec":{}}"#;
    let response = ask(&server, admin(), "POST", MAPS, body).await;
    assert_eq!(response.status(), 201);
    let warnings: Vec<&str> =
        response.headers().get_all("warning").iter().map(|warning| warning.to_str().unwrap()).collect();
    assert_eq!(warnings, [r#"299 - "duplicate field \"data.k\"""#, r#"299 - "unknown field \"spec\"""#]);
    let (code, status) =
        told(ask(&server, admin(), "POST", &format!("{MAPS}?fieldValidation=Strict"), body).await).await;
    assert_eq!(code, 400);
    assert!(status["message"].as_str().unwrap().contains("strict decoding error: "), "{status}");
}

#[tokio::test]
async fn a_deletion_is_answered_with_what_is_gone() {
    let server = server_with_maps(2, 1).await;
    let dry = told(ask(&server, admin(), "DELETE", &format!("{MAPS}/m000?dryRun=All"), "").await).await;
    assert_eq!(dry.0, 200);
    let (code, status) = told(ask(&server, admin(), "DELETE", &format!("{MAPS}/m000"), "").await).await;
    assert_eq!((code, &status["status"], &status["details"]["kind"]), (200, &json!("Success"), &json!("configmaps")));
    let (code, status) = told(ask(&server, admin(), "DELETE", &format!("{MAPS}/m000"), "").await).await;
    assert_eq!((code, &status["message"]), (404, &json!("configmaps \"m000\" not found")));
    let (code, list) = told(ask(&server, admin(), "DELETE", &format!("{MAPS}?labelSelector=n%3D1"), "").await).await;
    assert_eq!((code, &list["kind"]), (200, &json!("ConfigMapList")));
    assert_eq!(get_json(&server, MAPS, "").await["items"], json!([]));
}
