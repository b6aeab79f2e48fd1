//! Patches as clients send them: their content types, options and managers.

use axum::body::Body;
use http::Request;
use lifecycle::tasks::Tasks;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::fixtures::{admin, server, told};
use crate::http::server::Server;

const APPLY: &str = "application/apply-patch+yaml";
const MERGE: &str = "application/merge-patch+json";

/// The code, the answer and its warnings.
async fn patched(server: &Server, path: &str, media_type: &str, body: &str) -> (u16, Value, Vec<String>) {
    let request = Request::builder().method("PATCH").uri(path).header("content-type", media_type);
    let request = request.header("user-agent", "curl/8.0").body(Body::from(body.to_owned())).unwrap();
    let response = server.in_process(admin()).oneshot(request).await.unwrap();
    let warnings = response.headers().get_all("warning").iter();
    let warnings = warnings.map(|warning| warning.to_str().unwrap().to_owned()).collect();
    let (code, answer) = told(response).await;
    (code, answer, warnings)
}

fn namespace(query: &str) -> String {
    format!("/api/v1/namespaces/d{query}")
}

const CONFIG: &str = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: d\n  labels: {a: 'yes'}\n";

#[tokio::test]
async fn a_configuration_is_applied_in_yaml_and_in_json() {
    let server = server(&Tasks::new()).await;
    let path = namespace("?fieldManager=me");
    let (code, created, _) = patched(&server, &path, APPLY, CONFIG).await;
    assert_eq!((code, &created["metadata"]["labels"]["a"]), (201, &json!("yes")));
    let entry = &created["metadata"]["managedFields"][0];
    assert_eq!(
        (&entry["manager"], &entry["operation"], &entry["fieldsV1"]),
        (&json!("me"), &json!("Apply"), &json!({"f:metadata": {"f:labels": {"f:a": {}}}}))
    );
    let config = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "d", "labels": {"a": "no"}}});
    let (code, changed, _) = patched(&server, &path, APPLY, &config.to_string()).await;
    assert_eq!((code, &changed["metadata"]["labels"]["a"]), (200, &json!("no")));
    let other = namespace("?fieldManager=other");
    let (code, conflict, _) = patched(&server, &other, APPLY, CONFIG).await;
    assert_eq!((code, &conflict["reason"]), (409, &json!("Conflict")));
    assert_eq!(
        conflict["details"],
        json!({"causes": [{"reason": "FieldManagerConflict", "message": "conflict with \"me\"", "field": ".metadata.labels.a"}]})
    );
    let (code, forced, _) = patched(&server, &(other + "&force=true"), APPLY, CONFIG).await;
    assert_eq!((code, &forced["metadata"]["labels"]["a"]), (200, &json!("yes")));
}

#[tokio::test]
async fn options_of_a_patch_are_checked() {
    let server = server(&Tasks::new()).await;
    patched(&server, &namespace("?fieldManager=me"), APPLY, CONFIG).await;
    for (query, media_type, code, text) in [
        (
            "",
            APPLY,
            422,
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
        ),
        (
            "?force=true",
            MERGE,
            422,
            "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch",
        ),
        (
            "",
            "application/json",
            415,
            "the body of the request was in an unknown format - accepted media types include: \
             application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, \
             application/apply-patch+yaml",
        ),
    ] {
        let (answered, status, _) = patched(&server, &namespace(query), media_type, "{}").await;
        assert_eq!((answered, status["message"].as_str().unwrap()), (code, text));
    }
}

#[tokio::test]
async fn keys_that_stand_twice_in_a_configuration_are_told() {
    let server = server(&Tasks::new()).await;
    let twice = CONFIG.to_owned() + "kind: Namespace\n";
    let path = |validation: &str| namespace(&format!("?fieldManager=me&fieldValidation={validation}"));
    let (code, status, _) = patched(&server, &path("Strict"), APPLY, &twice).await;
    assert_eq!(code, 400);
    assert!(status["message"].as_str().unwrap().starts_with("error strict decoding YAML: "), "{status}");
    let (code, _, warnings) = patched(&server, &path("Warn"), APPLY, &twice).await;
    assert_eq!((code, warnings.len()), (201, 1));
}

#[tokio::test]
async fn a_writer_is_noted_by_its_program_and_unknown_fields_of_its_patch_are_told() {
    let server = server(&Tasks::new()).await;
    patched(&server, &namespace("?fieldManager=me"), APPLY, CONFIG).await;
    let patch = r#"{"metadata":{"labels":{"b":"1"}},"spec":{"foo":1}}"#;
    let (code, labelled, warnings) = patched(&server, &namespace(""), MERGE, patch).await;
    assert_eq!((code, warnings), (200, vec![r#"299 - "unknown field \"spec.foo\"""#.to_owned()]));
    assert_eq!(labelled["metadata"]["managedFields"][1]["manager"], "curl");
    let (code, status, _) = patched(&server, &namespace("?fieldValidation=Strict"), MERGE, patch).await;
    let message = status["message"].as_str().unwrap();
    assert_eq!(code, 422);
    assert!(message.starts_with(" \"\" is invalid: patch: Invalid value: \"{"), "{message}");
    assert!(message.ends_with("strict decoding error: unknown field \"spec.foo\""), "{message}");
}
