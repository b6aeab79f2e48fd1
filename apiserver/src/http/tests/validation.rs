//! What is said of fields that are unknown or stand twice, wherever an object is read.

use axum::body::Body;
use http::Request;
use lifecycle::tasks::Tasks;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::fixtures::{admin, does, furnished, told};
use crate::http::server::Server;

const CORE: &str = "/api/v1/namespaces/d";
const SCALE: &str = "/apis/apps/v1/namespaces/d/deployments/web/scale";

/// A server with a ConfigMap, a pod and a Deployment.
async fn server() -> Server {
    let server = furnished(&Tasks::new()).await;
    let pod = json!({"containers": [{"name": "c", "image": "i"}]});
    let deployment = json!({"selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": pod}});
    for (path, body) in [
        (format!("{CORE}/configmaps"), json!({"metadata": {"name": "a"}})),
        (format!("{CORE}/pods"), json!({"metadata": {"name": "p"}, "spec": pod})),
        ("/apis/apps/v1/namespaces/d/deployments".to_owned(), json!({"metadata": {"name": "web"}, "spec": deployment})),
    ] {
        let (code, answer) = does(&server, "POST", &path, &body).await;
        assert_eq!(code, 201, "{answer}");
    }
    server
}

/// The code, the message and the warnings.
async fn sent(server: &Server, method: &str, path: &str, form: &str, body: &str) -> (u16, String, Vec<String>) {
    let request = Request::builder().method(method).uri(path).header("content-type", form);
    let response = server.in_process(admin()).oneshot(request.body(Body::from(body.to_owned())).unwrap()).await;
    let response = response.unwrap();
    let warnings = response.headers().get_all("warning").iter();
    let warnings = warnings.map(|warning| warning.to_str().unwrap().to_owned()).collect();
    let (code, answer) = told(response).await;
    (code, answer["message"].as_str().unwrap_or_default().to_owned(), warnings)
}

/// Sends a body that can be read as strictly as there is. Nothing is kept.
async fn is_told(server: &Server, (method, path, form): (&str, &str, &str), body: &str, complaints: &[&str]) {
    let at = |validation: &str| format!("{path}?dryRun=All&fieldManager=me&fieldValidation={validation}");
    let (code, message, warnings) = sent(server, method, &at("Strict"), form, body).await;
    assert!(code == 400 || (code == 422 && method == "PATCH"), "{method} {path}: {code} {message}");
    let expected = format!("strict decoding error: {}", complaints.join(", "));
    assert!(message.ends_with(&expected), "{method} {path}: {message}");
    assert_eq!(warnings, [""; 0]);
    let (_, _, warnings) = sent(server, method, &at("Warn"), form, body).await;
    let expected: Vec<String> = complaints.iter().map(|complaint| format!("299 - {complaint:?}")).collect();
    assert_eq!(warnings, expected, "{method} {path}");
    let (_, _, warnings) = sent(server, method, &at("Ignore"), form, body).await;
    assert_eq!(warnings, [""; 0], "{method} {path}");
}

const X_IS_UNKNOWN: &str = r#"unknown field "x""#;
const KIND_TWICE: &str = r#"duplicate field "kind""#;

#[tokio::test(start_paused = true)]
async fn every_object_is_looked_through_wherever_it_is_read() {
    let server = server().await;
    let access = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    for (method, path, kind, rest) in [
        ("POST", format!("{CORE}/configmaps"), "ConfigMap", r#""metadata":{"name":"b"}"#),
        ("PUT", format!("{CORE}/configmaps/a"), "ConfigMap", r#""metadata":{"name":"a"}"#),
        ("PUT", format!("{CORE}/pods/p/status"), "Pod", r#""metadata":{"name":"p"},"spec":{"containers":[]}"#),
        ("PUT", SCALE.to_owned(), "Scale", r#""metadata":{"name":"web"},"spec":{"replicas":2}"#),
        ("POST", format!("{CORE}/pods/p/binding"), "Binding", r#""metadata":{"name":"p"},"target":{"name":"n"}"#),
        ("POST", format!("{CORE}/bindings"), "Binding", r#""metadata":{"name":"p"},"target":{"name":"n"}"#),
        ("POST", format!("{CORE}/pods/p/eviction"), "Eviction", r#""metadata":{"name":"p"}"#),
        ("POST", format!("{CORE}/serviceaccounts/default/token"), "TokenRequest", r#""spec":{"audiences":["a"]}"#),
        ("POST", access.to_owned(), "SelfSubjectAccessReview", r#""spec":{"nonResourceAttributes":{"path":"/"}}"#),
    ] {
        let body = format!(r#"{{"x":1,"kind":{kind:?},"kind":{kind:?},{rest}}}"#);
        is_told(&server, (method, &path, "application/json"), &body, &[X_IS_UNKNOWN, KIND_TWICE]).await;
        let strictly = format!("{path}?fieldValidation=Strict");
        let (_, message, _) = sent(&server, method, &strictly, "application/json", &body).await;
        assert!(message.contains(&format!(" cannot be handled as a {kind}: strict decoding error: ")), "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn patches_are_looked_through_before_and_after() {
    let server = server().await;
    let map = format!("{CORE}/configmaps/a");
    for path in [map.as_str(), SCALE] {
        let merge = ("PATCH", path, "application/merge-patch+json");
        is_told(&server, merge, r#"{"metadata":{},"metadata":{}}"#, &[r#"duplicate field "metadata""#]).await;
        is_told(&server, merge, r#"{"x":1}"#, &[X_IS_UNKNOWN]).await;
        let json = ("PATCH", path, "application/json-patch+json");
        let twice = r#"[{"op":"add","op":"add","path":"/metadata/labels","value":{}}]"#;
        is_told(&server, json, twice, &[r#"duplicate field "[0].op""#]).await;
        is_told(&server, json, r#"[{"op":"add","path":"/x","value":1}]"#, &[X_IS_UNKNOWN]).await;
    }
    let strategic = ("PATCH", map.as_str(), "application/strategic-merge-patch+json");
    is_told(&server, strategic, r#"{"metadata":{},"metadata":{}}"#, &[r#"duplicate field "metadata""#]).await;
    is_told(&server, strategic, r#"{"x":1}"#, &[X_IS_UNKNOWN]).await;
}

#[tokio::test(start_paused = true)]
async fn what_stands_twice_in_yaml_is_told_first() {
    let server = server().await;
    let yaml = "x: 1\nkind: ConfigMap\nmetadata: {name: b}\nkind: ConfigMap\n";
    let path = format!("{CORE}/configmaps?fieldValidation=");
    let form = "application/yaml";
    let (code, message, _) = sent(&server, "POST", &format!("{path}Strict"), form, yaml).await;
    let start = "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: yaml: ";
    assert!(code == 400 && message.starts_with(start), "{message}");
    assert!(message.ends_with(r#", unknown field "x""#), "{message}");
    let (code, _, warnings) = sent(&server, "POST", &format!("{path}Warn"), form, yaml).await;
    assert!(code == 201 && warnings.len() == 2 && warnings[0].starts_with("299 - \"yaml: "), "{warnings:?}");
    assert_eq!(does(&server, "GET", &format!("{CORE}/configmaps/b"), &Value::Null).await.0, 200);
    let (code, _, warnings) =
        sent(&server, "PUT", &format!("{CORE}/configmaps/b?fieldValidation=Ignore"), form, yaml).await;
    assert_eq!((code, warnings.len()), (200, 0));
}
