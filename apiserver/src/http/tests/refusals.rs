//! Refusals: their shape and their words.

use axum::body::Body;
use http::Request;
use lifecycle::tasks::Tasks;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::fixtures::{admin, ask, does, furnished, patch, told};
use crate::context::User;
use crate::http::server::Server;
use crate::kinds::KINDS;

const MAPS: &str = "/api/v1/namespaces/d/configmaps";

fn status(code: u16, reason: &str, message: &str, details: Value) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": reason, "details": details, "code": code})
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_what_it_is_about() {
    let server = furnished(&Tasks::new()).await;
    let map = |name: &str| json!({"metadata": {"name": name}});
    does(&server, "POST", MAPS, &map("a")).await;
    let about = |name: &str| json!({"name": name, "kind": "configmaps"});
    let path = format!("{MAPS}/none");
    assert_eq!(
        does(&server, "GET", &path, &Value::Null).await,
        (404, status(404, "NotFound", "configmaps \"none\" not found", about("none")))
    );
    assert_eq!(
        does(&server, "POST", MAPS, &map("a")).await,
        (409, status(409, "AlreadyExists", "configmaps \"a\" already exists", about("a")))
    );
    let mut stale = map("a");
    stale["metadata"]["resourceVersion"] = json!("1");
    let message = "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your \
                   changes to the latest version and try again";
    assert_eq!(
        does(&server, "PUT", &format!("{MAPS}/a"), &stale).await,
        (409, status(409, "Conflict", message, about("a")))
    );
    let deployments = "/apis/apps/v1/namespaces/d/deployments";
    let (_, answer) = does(&server, "GET", &format!("{deployments}/none"), &Value::Null).await;
    assert_eq!(
        answer,
        status(
            404,
            "NotFound",
            "deployments.apps \"none\" not found",
            json!({"name": "none", "group": "apps", "kind": "deployments"})
        )
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_invalid_names_the_kind_and_every_cause() {
    let server = furnished(&Tasks::new()).await;
    let map = json!({"metadata": {"name": "a", "labels": {"a": "-"}, "finalizers": ["x"]}});
    let (code, answer) = does(&server, "POST", MAPS, &map).await;
    assert_eq!((code, &answer["reason"]), (422, &json!("Invalid")));
    let details = &answer["details"];
    assert_eq!((&details["name"], &details["kind"]), (&json!("a"), &json!("ConfigMap")));
    let causes = details["causes"].as_array().unwrap();
    assert!(causes.len() >= 2, "{answer}");
    assert_eq!((&causes[0]["reason"], &causes[0]["field"]), (&json!("FieldValueInvalid"), &json!("metadata.labels")));
    let message = answer["message"].as_str().unwrap();
    assert!(message.starts_with("ConfigMap \"a\" is invalid: [metadata.labels: Invalid value: \"-\": "), "{message}");
    assert!(causes[0]["message"].as_str().unwrap().starts_with("Invalid value: \"-\": "));
}

#[tokio::test(start_paused = true)]
async fn a_body_must_be_about_what_the_path_names() {
    let server = furnished(&Tasks::new()).await;
    does(&server, "POST", MAPS, &json!({"metadata": {"name": "a"}})).await;
    let namespace = "the namespace of the provided object does not match the namespace sent on the request";
    for (method, path, body, message) in [
        (
            "PUT",
            "/a",
            json!({"metadata": {"name": "b"}}),
            "the name of the object (b) does not match the name on the URL (a)",
        ),
        ("PUT", "/a", json!({}), "the name of the object (a based on URL) was undeterminable: name must be provided"),
        ("PUT", "/a", json!({"metadata": {"name": "a", "namespace": "e"}}), namespace),
        ("POST", "", json!({"metadata": {"name": "b", "namespace": "e"}}), namespace),
        (
            "POST",
            "",
            json!({"apiVersion": "v2", "kind": "ConfigMap", "metadata": {"name": "b"}}),
            "the API version in the data (v2) does not match the expected API version (v1)",
        ),
    ] {
        let (code, answer) = does(&server, method, &format!("{MAPS}{path}"), &body).await;
        assert_eq!((code, &answer["reason"], answer["message"].as_str()), (400, &json!("BadRequest"), Some(message)));
    }
    let elsewhere = json!({"metadata": {"namespace": "e"}});
    let (code, answer) = patch(&server, &format!("{MAPS}/a"), &elsewhere).await;
    let message = "the namespace of the object (e) does not match the namespace on the request (d)";
    assert_eq!((code, answer["message"].as_str()), (400, Some(message)));
    for (body, start) in [
        (
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b"},"data":5}"#,
            "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: ",
        ),
        (
            r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"b"}}"#,
            "Secret in version \"v1\" cannot be handled as a ConfigMap: ",
        ),
        ("nonsense", "couldn't get version/kind; json parse error: "),
        ("", "couldn't get version/kind; json parse error: "),
    ] {
        let (code, answer) = told(ask(&server, admin(), "POST", MAPS, body).await).await;
        assert!(code == 400 && answer["message"].as_str().unwrap().starts_with(start), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_may_not_is_told_what() {
    let server = furnished(&Tasks::new()).await;
    let stranger = || User::new("u", &["system:authenticated"]);
    for (method, path, message, details) in [
        (
            "GET",
            "/api/v1/namespaces/d/pods/p",
            "pods \"p\" is forbidden: User \"u\" cannot get resource \"pods\" in API group \"\" in the namespace \"d\"",
            json!({"name": "p", "kind": "pods"}),
        ),
        (
            "DELETE",
            "/apis/apps/v1/namespaces/d/deployments",
            "deployments.apps is forbidden: User \"u\" cannot deletecollection resource \"deployments\" in API group \
             \"apps\" in the namespace \"d\"",
            json!({"group": "apps", "kind": "deployments"}),
        ),
        (
            "POST",
            "/api/v1/namespaces/d/pods/p/eviction",
            "pods \"p\" is forbidden: User \"u\" cannot create resource \"pods/eviction\" in API group \"\" in the \
             namespace \"d\"",
            json!({"name": "p", "kind": "pods"}),
        ),
    ] {
        let (code, answer) = told(ask(&server, stranger(), method, path, "{}").await).await;
        assert_eq!((code, answer), (403, status(403, "Forbidden", message, details)));
    }
    let (_, answer) = told(ask(&server, stranger(), "GET", "/metrics", "").await).await;
    assert_eq!(answer["message"], "forbidden: User \"u\" cannot get path \"/metrics\"");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_made_in_a_namespace_that_is_going() {
    let server = furnished(&Tasks::new()).await;
    does(&server, "DELETE", "/api/v1/namespaces/d", &Value::Null).await;
    let (code, answer) = does(&server, "POST", MAPS, &json!({"metadata": {"name": "a"}})).await;
    let message =
        "configmaps \"a\" is forbidden: unable to create new content in namespace d because it is being terminated";
    assert_eq!((code, answer["message"].as_str()), (403, Some(message)));
    let cause = json!({"reason": "NamespaceTerminating", "message": "namespace d is being terminated",
        "field": "metadata.namespace"});
    assert_eq!(answer["details"]["causes"], json!([cause]));
}

#[tokio::test(start_paused = true)]
async fn foreign_media_types_are_refused_with_what_there_is() {
    let server = furnished(&Tasks::new()).await;
    for (method, path, start) in [
        ("POST", MAPS.to_owned(), "application/json, application/yaml"),
        (
            "PATCH",
            format!("{MAPS}/a"),
            "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json",
        ),
    ] {
        let request = Request::builder().method(method).uri(path).header("content-type", "text/csv");
        let request = request.body(Body::from("a")).unwrap();
        let (code, answer) = told(server.in_process(admin()).oneshot(request).await.unwrap()).await;
        let message = answer["message"].as_str().unwrap();
        let text = "the body of the request was in an unknown format - accepted media types include: ";
        assert_eq!((code, &answer["reason"]), (415, &json!("UnsupportedMediaType")));
        assert!(message.starts_with(&format!("{text}{start}")), "{message}");
    }
    let request = Request::get(MAPS).header("accept", "text/html").body(Body::empty()).unwrap();
    let (code, answer) = told(server.in_process(admin()).oneshot(request).await.unwrap()).await;
    assert_eq!((code, &answer["reason"]), (406, &json!("NotAcceptable")));
}

/// Sends something as a body of this type, and is told the code and the answer.
async fn send(server: &Server, method: &str, path: &str, media_type: &str, body: &str) -> (u16, Value) {
    let request = Request::builder().method(method).uri(path).header("content-type", media_type);
    let request = request.body(Body::from(body.to_owned())).unwrap();
    told(server.in_process(admin()).oneshot(request).await.unwrap()).await
}

const NONSENSE: [&str; 14] = [
    "",
    "null",
    "5",
    "\"x\"",
    "[]",
    "{",
    "{\"metadata\":null}",
    "{\"metadata\":5}",
    "{\"metadata\":{\"name\":5}}",
    "{\"metadata\":{\"name\":\"x\",\"labels\":[]}}",
    "{\"metadata\":{\"name\":\"x\"},\"spec\":5}",
    "{\"metadata\":{\"name\":\"x\"},\"spec\":[],\"status\":\"x\"}",
    "{\"metadata\":{\"name\":\"\u{0}/%\"}}",
    "[{\"op\":\"replace\",\"path\":\"\",\"value\":5}]",
];

#[tokio::test(start_paused = true)]
async fn no_nonsense_is_our_fault() {
    let server = furnished(&Tasks::new()).await;
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let deep_object = format!("{}1{}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
    for kind in KINDS.iter().map(|kind| kind.facts()) {
        let group = if kind.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", kind.group) };
        let namespace = if kind.namespaced { "/namespaces/d" } else { "" };
        let path = format!("{group}/{}{namespace}/{}", kind.version, kind.plural);
        for body in NONSENSE.into_iter().chain([deep.as_str(), deep_object.as_str()]) {
            let subresources = kind.subresources.iter().map(|subresource| format!("{path}/x/{}", subresource.name));
            for path in [path.clone(), format!("{path}/x")].into_iter().chain(subresources) {
                for (method, media_type) in [
                    ("POST", "application/json"),
                    ("PUT", "application/json"),
                    ("PUT", "application/yaml"),
                    ("PATCH", "application/json-patch+json"),
                    ("PATCH", "application/merge-patch+json"),
                    ("PATCH", "application/strategic-merge-patch+json"),
                ] {
                    let (code, answer) = send(&server, method, &path, media_type, body).await;
                    let shown = &body[..body.len().min(60)];
                    assert!(code < 500, "{method} {path} {media_type} {shown}: {code} {answer}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_patch_of_what_is_there_is_our_fault() {
    let server = furnished(&Tasks::new()).await;
    does(&server, "POST", MAPS, &json!({"metadata": {"name": "x", "labels": {"a": "b"}}, "data": {"k": "v"}})).await;
    let path = format!("{MAPS}/x");
    for body in NONSENSE.into_iter().chain([
        r#"[{"op":"remove","path":"/metadata"}]"#,
        r#"[{"op":"replace","path":"/metadata/name","value":"y"}]"#,
        r#"[{"op":"replace","path":"/metadata/name","value":{}}]"#,
        r#"[{"op":"move","from":"/metadata","path":"/data"}]"#,
        r#"[{"op":"test","path":"/data/k","value":"other"}]"#,
        r#"[{"op":"copy","from":"","path":"/data/all"}]"#,
        r#"[{"op":"nothing"}]"#,
        r#"{"metadata":{"name":null}}"#,
        r#"{"metadata":{"uid":null,"creationTimestamp":null,"resourceVersion":null}}"#,
        r#"{"kind":"Secret"}"#,
        r#"{"apiVersion":null,"kind":null}"#,
        r#"{"$patch":"delete"}"#,
        r#"{"$patch":"nothing"}"#,
        r#"{"metadata":{"$patch":"replace"}}"#,
        r#"{"metadata":{"$retainKeys":5,"$setElementOrder/finalizers":5,"$deleteFromPrimitiveList/finalizers":5}}"#,
        r#"{"metadata":{"ownerReferences":[5]}}"#,
    ]) {
        for media_type in
            ["application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json"]
        {
            let (code, answer) = send(&server, "PATCH", &path, media_type, body).await;
            assert!(code < 500, "{media_type} {body}: {code} {answer}");
        }
    }
    assert_eq!(does(&server, "GET", &path, &Value::Null).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn no_nonsense_in_a_query_is_our_fault() {
    let server = furnished(&Tasks::new()).await;
    does(&server, "POST", MAPS, &json!({"metadata": {"name": "x"}})).await;
    for parameter in [
        "limit",
        "continue",
        "resourceVersion",
        "resourceVersionMatch",
        "labelSelector",
        "fieldSelector",
        "timeoutSeconds",
        "watch",
        "sendInitialEvents",
        "allowWatchBookmarks",
        "pretty",
        "includeObject",
        "dryRun",
        "fieldValidation",
        "fieldManager",
        "gracePeriodSeconds",
        "propagationPolicy",
        "orphanDependents",
        "timeout",
        "force",
        "unknown",
    ] {
        for value in [
            "",
            "x",
            "-1",
            "0",
            "1e9",
            "18446744073709551616",
            "%00",
            "%ff",
            "true",
            "a%3Db",
            "a%3D%3D%3Db",
            "(",
            "!!",
            ",",
            "%5C",
        ] {
            for (method, path, body) in [
                ("GET", MAPS.to_owned(), ""),
                ("GET", format!("{MAPS}/x"), ""),
                ("GET", "/api/v1/watch/configmaps".to_owned(), ""),
                ("POST", MAPS.to_owned(), r#"{"metadata":{"generateName":"y"}}"#),
                ("PUT", format!("{MAPS}/x"), r#"{"metadata":{"name":"x"}}"#),
                ("DELETE", format!("{MAPS}/none"), ""),
                ("DELETE", "/api/v1/namespaces/none/configmaps".to_owned(), ""),
            ] {
                let path = format!("{path}?{parameter}={value}");
                let code = ask(&server, admin(), method, &path, body).await.status();
                assert!(code.as_u16() < 500, "{method} {path}: {code}");
            }
        }
    }
}
