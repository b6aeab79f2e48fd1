//! Updates: what they may leave out, what they may not touch, and who wins.

use lifecycle::tasks::Tasks;
use serde_json::{Value, json};

use super::fixtures::{does, furnished, patch};

const MAPS: &str = "/api/v1/namespaces/d/configmaps";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/d/leases";

#[tokio::test(start_paused = true)]
async fn an_update_without_a_revision_is_taken_where_the_kind_allows_it() {
    let server = furnished(&Tasks::new()).await;
    does(&server, "POST", MAPS, &json!({"metadata": {"name": "a"}})).await;
    let changed = json!({"metadata": {"name": "a"}, "data": {"k": "v"}});
    assert_eq!(does(&server, "PUT", &format!("{MAPS}/a"), &changed).await.0, 200);
    let (_, lease) = does(&server, "POST", LEASES, &json!({"metadata": {"name": "a"}})).await;
    let path = format!("{LEASES}/a");
    let (code, answer) =
        does(&server, "PUT", &path, &json!({"metadata": {"name": "a"}, "spec": {"holderIdentity": "x"}})).await;
    let message = "Lease.coordination.k8s.io \"a\" is invalid: metadata.resourceVersion: Invalid value: 0x0: must be \
                   specified for an update";
    assert_eq!((code, answer["message"].as_str()), (422, Some(message)));
    let mut held = lease.clone();
    held["spec"] = json!({"holderIdentity": "x"});
    assert_eq!(does(&server, "PUT", &path, &held).await.0, 200);
    assert_eq!(does(&server, "PUT", &path, &held).await.0, 409, "the revision is that of before");
}

#[tokio::test(start_paused = true)]
async fn a_put_makes_what_is_not_there_where_the_kind_allows_it() {
    let server = furnished(&Tasks::new()).await;
    let path = format!("{LEASES}/new");
    let (code, made) = does(&server, "PUT", &path, &json!({"metadata": {"name": "new"}})).await;
    assert_eq!(code, 201, "{made}");
    let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}});
    assert_eq!(does(&server, "PUT", "/api/v1/namespaces/d/services/s", &service).await.0, 201);
    let (code, answer) = does(&server, "PUT", &format!("{MAPS}/new"), &json!({"metadata": {"name": "new"}})).await;
    assert_eq!((code, answer["message"].as_str()), (404, Some("configmaps \"new\" not found")));
    let other = json!({"metadata": {"name": "other", "uid": made["metadata"]["uid"]}});
    assert_eq!(does(&server, "PUT", &format!("{LEASES}/other"), &other).await.0, 404, "it was there once");
    let nowhere = "/apis/coordination.k8s.io/v1/namespaces/nowhere/leases/a";
    assert_eq!(does(&server, "PUT", nowhere, &json!({"metadata": {"name": "a"}})).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn an_update_is_about_one_object_and_not_the_next_of_its_name() {
    let server = furnished(&Tasks::new()).await;
    let (_, first) = does(&server, "POST", MAPS, &json!({"metadata": {"name": "a"}})).await;
    does(&server, "DELETE", &format!("{MAPS}/a"), &Value::Null).await;
    let (_, second) = does(&server, "POST", MAPS, &json!({"metadata": {"name": "a"}})).await;
    let (old, new) = (&first["metadata"]["uid"], &second["metadata"]["uid"]);
    let text = format!(
        "Precondition failed: UID in precondition: {}, UID in object meta: {}",
        old.as_str().unwrap(),
        new.as_str().unwrap()
    );
    let body = json!({"metadata": {"name": "a", "uid": old}});
    for (code, answer) in
        [does(&server, "PUT", &format!("{MAPS}/a"), &body).await, patch(&server, &format!("{MAPS}/a"), &body).await]
    {
        assert_eq!((code, &answer["reason"]), (409, &json!("Conflict")));
        assert!(answer["message"].as_str().unwrap().ends_with(&text), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_server_owns_stays_and_nothing_new_writes_nothing() {
    let server = furnished(&Tasks::new()).await;
    let (_, made) = does(&server, "POST", MAPS, &json!({"metadata": {"name": "a"}, "data": {"k": "v"}})).await;
    let path = format!("{MAPS}/a");
    let same = json!({"metadata": {"name": "a", "generation": 9, "selfLink": "/x",
        "creationTimestamp": made["metadata"]["creationTimestamp"]}, "data": {"k": "v"}});
    let (code, answer) = does(&server, "PUT", &path, &same).await;
    assert_eq!((code, &answer["metadata"]["resourceVersion"]), (200, &made["metadata"]["resourceVersion"]));
    assert_eq!(answer["metadata"]["uid"], made["metadata"]["uid"]);
    let (code, answer) = patch(&server, &path, &json!({"data": {"k": "v"}})).await;
    assert_eq!((code, &answer["metadata"]["resourceVersion"]), (200, &made["metadata"]["resourceVersion"]));
    let time = json!({"metadata": {"name": "a", "creationTimestamp": "2001-01-01T00:00:00Z"}});
    let (code, answer) = does(&server, "PUT", &path, &time).await;
    assert!(code == 422 && answer["message"].as_str().unwrap().contains("metadata.creationTimestamp: Invalid value"));
    let (_, last) = patch(&server, &path, &json!({"data": {"k": "w"}})).await;
    let revision = |object: &Value| object["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap();
    assert!(revision(&last) > revision(&made));
}

#[tokio::test(start_paused = true)]
async fn only_a_patch_that_names_a_revision_can_come_too_late() {
    let server = furnished(&Tasks::new()).await;
    let (_, made) = does(&server, "POST", MAPS, &json!({"metadata": {"name": "a"}})).await;
    let path = format!("{MAPS}/a");
    let (first, second) = (json!({"data": {"a": "1"}}), json!({"data": {"b": "1"}}));
    let (one, other) = tokio::join!(patch(&server, &path, &first), patch(&server, &path, &second));
    assert_eq!((one.0, other.0), (200, 200));
    assert_eq!(does(&server, "GET", &path, &Value::Null).await.1["data"], json!({"a": "1", "b": "1"}));
    let late = json!({"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "data": {"c": "1"}});
    assert_eq!(patch(&server, &path, &late).await.0, 409);
}

#[tokio::test(start_paused = true)]
async fn status_and_spec_are_written_apart() {
    let server = furnished(&Tasks::new()).await;
    let deployments = "/apis/apps/v1/namespaces/d/deployments";
    let deployment = json!({"metadata": {"name": "web"}, "spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}});
    does(&server, "POST", deployments, &deployment).await;
    let (path, status) = (format!("{deployments}/web"), format!("{deployments}/web/status"));
    let both = json!({"spec": {"replicas": 3}, "status": {"replicas": 2}});
    let (code, seen) = patch(&server, &status, &both).await;
    assert_eq!(code, 200, "{seen}");
    assert_eq!(
        (&seen["spec"]["replicas"], &seen["status"]["replicas"], &seen["metadata"]["generation"]),
        (&json!(1), &json!(2), &json!(1))
    );
    let (_, seen) = patch(&server, &path, &json!({"spec": {"replicas": 3}, "status": {"replicas": 9}})).await;
    assert_eq!(
        (&seen["spec"]["replicas"], &seen["status"]["replicas"], &seen["metadata"]["generation"]),
        (&json!(3), &json!(2), &json!(2))
    );
    assert_eq!(does(&server, "GET", &status, &Value::Null).await.1, seen);
    let scale = format!("{path}/scale");
    let (_, seen) = patch(&server, &scale, &json!({"spec": {"replicas": 5}})).await;
    assert_eq!((&seen["kind"], &seen["status"]["selector"]), (&json!("Scale"), &json!("a=b")));
    let (_, mut seen) = does(&server, "GET", &scale, &Value::Null).await;
    seen["spec"]["replicas"] = json!(6);
    assert_eq!(does(&server, "PUT", &scale, &seen).await.1["spec"]["replicas"], 6);
    assert_eq!(does(&server, "PUT", &scale, &seen).await.0, 409);
    assert_eq!(does(&server, "GET", &path, &Value::Null).await.1["metadata"]["generation"], 4);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_is_finalized_at_a_path_of_its_own() {
    let server = furnished(&Tasks::new()).await;
    let path = "/api/v1/namespaces/d";
    let (_, mut namespace) = does(&server, "GET", path, &Value::Null).await;
    assert_eq!(
        (&namespace["spec"]["finalizers"], &namespace["status"]["phase"]),
        (&json!(["kubernetes"]), &json!("Active"))
    );
    assert_eq!(namespace["metadata"]["labels"]["kubernetes.io/metadata.name"], "d");
    namespace["spec"]["finalizers"] = json!(["kubernetes", "x"]);
    assert_eq!(does(&server, "PUT", path, &namespace).await.1["spec"]["finalizers"], json!(["kubernetes"]));
    let (code, answer) = does(&server, "PUT", &format!("{path}/finalize"), &namespace).await;
    let text =
        "spec.finalizers[1]: Invalid value: \"x\": name is neither a standard finalizer name nor is it fully qualified";
    assert!(code == 422 && answer["message"].as_str().unwrap().contains(text), "{answer}");
    namespace["spec"]["finalizers"] = json!(["kubernetes", "example.com/x"]);
    assert_eq!(does(&server, "PUT", &format!("{path}/finalize"), &namespace).await.0, 200);
    does(&server, "DELETE", path, &Value::Null).await;
    let (_, mut namespace) = does(&server, "GET", path, &Value::Null).await;
    namespace["spec"]["finalizers"] = json!([]);
    let (code, last) = does(&server, "PUT", &format!("{path}/finalize"), &namespace).await;
    assert_eq!((code, &last["status"]["phase"]), (200, &json!("Terminating")));
    assert_eq!(does(&server, "GET", path, &Value::Null).await.0, 404);
}
