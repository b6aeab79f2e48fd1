//! Deletions: options, preconditions, finalizers, grace, and whole collections.

use axum::body::Body;
use http::Request;
use lifecycle::tasks::Tasks;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::fixtures::{admin, does, furnished, patch, told};
use crate::http::server::Server;

const MAPS: &str = "/api/v1/namespaces/d/configmaps";
const PODS: &str = "/api/v1/namespaces/d/pods";

async fn make(server: &Server, name: &str) -> Value {
    let (code, made) = does(server, "POST", MAPS, &json!({"metadata": {"name": name, "labels": {"n": name}}})).await;
    assert_eq!(code, 201, "{made}");
    made
}

async fn delete(server: &Server, name: &str, options: &Value) -> (u16, Value) {
    does(server, "DELETE", &format!("{MAPS}/{name}"), options).await
}

async fn is_there(server: &Server, path: &str) -> bool {
    does(server, "GET", path, &Value::Null).await.0 == 200
}

#[tokio::test(start_paused = true)]
async fn options_come_in_the_body_or_in_the_query() {
    let server = furnished(&Tasks::new()).await;
    for (path, options, finalizers) in [
        ("/a?propagationPolicy=Foreground", Value::Null, json!(["foregroundDeletion"])),
        ("/a?orphanDependents=true", Value::Null, json!(["orphan"])),
        ("/a", json!({"propagationPolicy": "Orphan"}), json!(["orphan"])),
        ("/a", json!({"kind": "DeleteOptions", "apiVersion": "v1", "orphanDependents": true}), json!(["orphan"])),
        // The body wins.
        (
            "/a?propagationPolicy=Foreground",
            json!({"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1", "propagationPolicy": "Orphan"}),
            json!(["orphan"]),
        ),
    ] {
        make(&server, "a").await;
        let (code, answer) = does(&server, "DELETE", &format!("{MAPS}{path}"), &options).await;
        assert_eq!((code, &answer["metadata"]["finalizers"]), (200, &finalizers), "{path} {options}");
        assert!(answer["metadata"]["deletionTimestamp"].is_string());
        assert_eq!(answer["metadata"]["deletionGracePeriodSeconds"], 0);
        // Whoever asks again without a wish changes nothing; in the background it goes at once.
        assert_eq!(delete(&server, "a", &Value::Null).await.1, answer);
        assert_eq!(delete(&server, "a", &json!({"propagationPolicy": "Background"})).await.0, 200);
        assert!(!is_there(&server, &format!("{MAPS}/a")).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_in_the_query_counts_where_there_is_no_body() {
    let server = furnished(&Tasks::new()).await;
    for (query, options, stays) in [
        ("?dryRun=All", Value::Null, true),
        ("", json!({"dryRun": ["All"]}), true),
        ("?dryRun=All", json!({"gracePeriodSeconds": 0}), false),
        ("?dryRun=Some", json!({"dryRun": []}), false),
    ] {
        for path in ["/a", ""] {
            make(&server, "a").await;
            let (code, answer) = does(&server, "DELETE", &format!("{MAPS}{path}{query}"), &options).await;
            assert_eq!(code, 200, "{answer}");
            assert_eq!(is_there(&server, &format!("{MAPS}/a")).await, stays, "{path}{query} {options}");
            delete(&server, "a", &Value::Null).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn options_that_contradict_each_other_are_refused() {
    let server = furnished(&Tasks::new()).await;
    make(&server, "a").await;
    let start = "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: ";
    for (options, message) in [
        (
            json!({"propagationPolicy": "Orphan", "orphanDependents": true}),
            format!("{start}Invalid value: \"Orphan\": orphanDependents and deletionPropagation cannot be both set"),
        ),
        (
            json!({"propagationPolicy": "Never"}),
            format!(
                "{start}Unsupported value: \"Never\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\""
            ),
        ),
    ] {
        for path in ["/a", ""] {
            let (code, answer) = does(&server, "DELETE", &format!("{MAPS}{path}"), &options).await;
            assert_eq!((code, answer["message"].as_str()), (422, Some(message.as_str())));
        }
    }
    let (code, answer) = does(&server, "DELETE", &format!("{MAPS}/a?gracePeriodSeconds=x"), &Value::Null).await;
    assert_eq!((code, answer["message"].as_str()), (400, Some("strconv.ParseInt: parsing \"x\": invalid syntax")));
    let (code, _) = delete(&server, "a", &json!({"kind": "Pod", "apiVersion": "v1"})).await;
    assert_eq!(code, 400);
    assert!(is_there(&server, &format!("{MAPS}/a")).await);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_may_be_meant_for_one_state_alone() {
    let server = furnished(&Tasks::new()).await;
    let made = make(&server, "a").await;
    let (uid, revision) = (&made["metadata"]["uid"], made["metadata"]["resourceVersion"].as_str().unwrap());
    let known = uid.as_str().unwrap();
    for (preconditions, why) in [
        (
            json!({"uid": "x"}),
            format!(
                "the UID in the precondition (x) does not match the UID in record ({known}). The object might have been \
                 deleted and then recreated"
            ),
        ),
        (
            json!({"uid": uid, "resourceVersion": "1"}),
            format!(
                "the ResourceVersion in the precondition (1) does not match the ResourceVersion in record ({revision}). \
                 The object might have been modified"
            ),
        ),
    ] {
        let (code, answer) = delete(&server, "a", &json!({"preconditions": preconditions})).await;
        let message = format!("Operation cannot be fulfilled on ConfigMap \"a\": {why}");
        assert_eq!((code, answer["message"].as_str()), (409, Some(message.as_str())));
    }
    let exact = json!({"preconditions": {"uid": uid, "resourceVersion": revision}});
    let (code, answer) = delete(&server, "a", &exact).await;
    let expected = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": {"name": "a", "kind": "configmaps", "uid": uid}});
    assert_eq!((code, answer), (200, expected));
}

#[tokio::test(start_paused = true)]
async fn a_status_is_no_row_of_a_table() {
    let server = furnished(&Tasks::new()).await;
    make(&server, "a").await;
    let request = Request::delete(format!("{MAPS}/a")).header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io");
    let (code, answer) =
        told(server.in_process(admin()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap()).await;
    assert_eq!((code, &answer["kind"], &answer["status"]), (200, &json!("Status"), &json!("Success")));
}

#[tokio::test(start_paused = true)]
async fn old_clients_are_told_that_a_deletion_goes_on() {
    let server = furnished(&Tasks::new()).await;
    for (finalizers, options, expected) in [
        (json!(["a.b/c"]), json!({"orphanDependents": false}), 202),
        (json!(["a.b/c"]), json!({"propagationPolicy": "Background"}), 200),
        (json!([]), json!({"orphanDependents": false}), 200),
    ] {
        let map = json!({"metadata": {"generateName": "a-", "finalizers": finalizers}});
        let name = does(&server, "POST", MAPS, &map).await.1["metadata"]["name"].as_str().unwrap().to_owned();
        assert_eq!(delete(&server, &name, &options).await.0, expected, "{finalizers} {options}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_finalizer_takes_the_object_along() {
    let server = furnished(&Tasks::new()).await;
    let map = json!({"metadata": {"name": "a", "finalizers": ["a.b/c", "a.b/d"]}});
    does(&server, "POST", MAPS, &map).await;
    let (code, kept) = delete(&server, "a", &Value::Null).await;
    assert_eq!((code, &kept["metadata"]["finalizers"]), (200, &json!(["a.b/c", "a.b/d"])));
    let path = format!("{MAPS}/a");
    let (code, answer) = patch(&server, &path, &json!({"metadata": {"finalizers": ["a.b/c", "a.b/d", "a.b/e"]}})).await;
    let message = "ConfigMap \"a\" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the \
                   object is being deleted, found new finalizers []string{\"a.b/e\"}";
    assert_eq!((code, answer["message"].as_str()), (422, Some(message)));
    assert_eq!(patch(&server, &path, &json!({"metadata": {"finalizers": ["a.b/c"]}})).await.0, 200);
    let (code, answer) = does(&server, "POST", MAPS, &map).await;
    let message = "object is being deleted: configmaps \"a\" already exists";
    assert_eq!((code, answer["message"].as_str()), (409, Some(message)));
    let (code, last) = patch(&server, &path, &json!({"metadata": {"finalizers": null}})).await;
    assert_eq!((code, &last["metadata"]["name"]), (200, &json!("a")));
    assert!(!is_there(&server, &path).await);
}

/// A pod on a node.
async fn pod(server: &Server, name: &str, seconds: Value) {
    let pod = json!({"metadata": {"name": name}, "spec": {"nodeName": "n", "terminationGracePeriodSeconds": seconds,
        "containers": [{"name": "c", "image": "i"}]}});
    let (code, answer) = does(server, "POST", PODS, &pod).await;
    assert_eq!(code, 201, "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_given_its_time() {
    let server = furnished(&Tasks::new()).await;
    for (own, options, expected) in [
        (json!(null), Value::Null, Some(30)),
        (json!(7), Value::Null, Some(7)),
        (json!(7), json!({"gracePeriodSeconds": 3}), Some(3)),
        (json!(7), json!({"gracePeriodSeconds": 60}), Some(60)),
        (json!(7), json!({"gracePeriodSeconds": -1}), Some(1)),
        (json!(7), json!({"gracePeriodSeconds": 0}), None),
    ] {
        pod(&server, "p", own).await;
        let path = format!("{PODS}/p");
        let (code, answer) = does(&server, "DELETE", &path, &options).await;
        // A pod comes back as it was, whether it has gone or goes.
        assert_eq!((code, &answer["kind"]), (200, &json!("Pod")), "{answer}");
        match expected {
            None => assert!(!is_there(&server, &path).await),
            Some(seconds) => {
                let metadata = &answer["metadata"];
                assert_eq!(
                    (&metadata["deletionGracePeriodSeconds"], &metadata["generation"]),
                    (&json!(seconds), &json!(2))
                );
                let mut sooner = json!({"gracePeriodSeconds": seconds});
                assert_eq!(does(&server, "DELETE", &path, &sooner).await.1, answer, "it can only become shorter");
                sooner = json!({"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}});
                assert_eq!(does(&server, "DELETE", &path, &sooner).await.0, 200);
                assert!(!is_there(&server, &path).await);
            }
        }
    }
    pod(&server, "p", json!(30)).await;
    patch(&server, &format!("{PODS}/p/status"), &json!({"status": {"phase": "Succeeded"}})).await;
    assert_eq!(does(&server, "DELETE", &format!("{PODS}/p"), &Value::Null).await.0, 200);
    assert!(!is_there(&server, &format!("{PODS}/p")).await, "one that has ended needs no time");
}

#[tokio::test(start_paused = true)]
async fn a_collection_is_deleted_as_far_as_it_is_selected() {
    let server = furnished(&Tasks::new()).await;
    for name in ["a", "b", "c", "d", "e"] {
        make(&server, name).await;
    }
    let kept = json!({"metadata": {"name": "f", "labels": {"n": "f"}, "finalizers": ["a.b/c"]}});
    does(&server, "POST", MAPS, &kept).await;
    let left = async || {
        let list = does(&server, "GET", MAPS, &Value::Null).await.1;
        let names = list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap());
        names.collect::<String>()
    };
    for (query, body, gone, expected) in [
        ("?labelSelector=n%20in%20(a,b)&dryRun=All", Value::Null, 2, "abcdef"),
        ("?labelSelector=n%20in%20(a,b)", json!({"dryRun": ["All"]}), 2, "abcdef"),
        ("?labelSelector=n%20in%20(a,b)", Value::Null, 2, "cdef"),
        ("?fieldSelector=metadata.name%3Dc", Value::Null, 1, "def"),
        ("?limit=1", Value::Null, 1, "ef"),
        ("", Value::Null, 2, "f"),
    ] {
        let (code, list) = does(&server, "DELETE", &format!("{MAPS}{query}"), &body).await;
        assert_eq!((code, &list["kind"]), (200, &json!("ConfigMapList")), "{list}");
        assert_eq!(list["items"].as_array().unwrap().len(), gone, "{query}");
        assert_eq!(left().await, expected, "{query}");
    }
    let (_, last) = does(&server, "GET", &format!("{MAPS}/f"), &Value::Null).await;
    assert!(last["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(does(&server, "DELETE", &format!("{MAPS}?resourceVersionMatch=Exact"), &Value::Null).await.0, 422);
    assert_eq!(does(&server, "DELETE", "/api/v1/configmaps", &Value::Null).await.0, 405);
}

#[tokio::test(start_paused = true)]
async fn some_namespaces_never_go() {
    let server = furnished(&Tasks::new()).await;
    for name in ["default", "kube-system", "kube-public"] {
        does(&server, "POST", "/api/v1/namespaces", &json!({"metadata": {"name": name}})).await;
        let (code, answer) = does(&server, "DELETE", &format!("/api/v1/namespaces/{name}"), &Value::Null).await;
        let message = format!("namespaces \"{name}\" is forbidden: this namespace may not be deleted");
        assert_eq!((code, answer["message"].as_str()), (403, Some(message.as_str())));
    }
    let (code, going) = does(&server, "DELETE", "/api/v1/namespaces/d", &Value::Null).await;
    assert_eq!((code, &going["status"]["phase"]), (200, &json!("Terminating")));
    assert_eq!(going["spec"]["finalizers"], json!(["kubernetes"]));
}
