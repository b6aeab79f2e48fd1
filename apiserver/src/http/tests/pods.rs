//! The subresources of pods, as clients use them.

use axum::body::Body;
use http::Request;
use lifecycle::tasks::Tasks;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::fixtures::{admin, ask, does, furnished, patch, told};
use crate::http::server::Server;

const PODS: &str = "/api/v1/namespaces/d/pods";

async fn server_with_pod(spec: Value) -> Server {
    let server = furnished(&Tasks::new()).await;
    let mut pod = json!({"metadata": {"name": "p"}, "spec": {"nodeName": "n",
        "containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}]}});
    for (field, value) in spec.as_object().unwrap() {
        pod["spec"][field] = value.clone();
    }
    let (code, answer) = does(&server, "POST", PODS, &pod).await;
    assert_eq!(code, 201, "{answer}");
    server
}

/// Patches as kubectl does.
async fn strategic(server: &Server, path: &str, body: Value) -> (u16, Value) {
    let request = Request::patch(path).header("content-type", "application/strategic-merge-patch+json");
    let request = request.body(Body::from(body.to_string())).unwrap();
    told(server.in_process(admin()).oneshot(request).await.unwrap()).await
}

fn sentence(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["message"].as_str().unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_bound_by_both_paths_and_only_once() {
    let server = furnished(&Tasks::new()).await;
    let pod = |name: &str| json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    for name in ["p", "q"] {
        does(&server, "POST", PODS, &pod(name)).await;
    }
    let binding = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name, "annotations": {"by": "us"}},
            "target": {"apiVersion": "v1", "kind": "Node", "name": "n"}})
    };
    let path = format!("{PODS}/p/binding");
    let dry = does(&server, "POST", &format!("{path}?dryRun=All"), &binding("p")).await;
    assert_eq!(dry.0, 201);
    let success = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    assert_eq!(does(&server, "POST", &path, &binding("p")).await, (201, success.clone()));
    assert_eq!(does(&server, "POST", "/api/v1/namespaces/d/bindings", &binding("q")).await, (201, success));
    for name in ["p", "q"] {
        let (_, pod) = does(&server, "GET", &format!("{PODS}/{name}"), &Value::Null).await;
        assert_eq!((&pod["spec"]["nodeName"], &pod["metadata"]["annotations"]["by"]), (&json!("n"), &json!("us")));
        assert_eq!(pod["metadata"]["generation"], 1, "the node is not the user's wish");
        let condition = &pod["status"]["conditions"][0];
        assert_eq!((&condition["type"], &condition["status"]), (&json!("PodScheduled"), &json!("True")));
    }
    let again = does(&server, "POST", &path, &binding("p")).await;
    let text = "Operation cannot be fulfilled on pods \"p\": pod p is already assigned to node \"n\"";
    assert_eq!(sentence(&again), (409, text));
    let missing = does(&server, "POST", "/api/v1/namespaces/d/bindings", &binding("none")).await;
    assert_eq!(sentence(&missing), (404, "pods \"none\" not found"));
    let other = does(&server, "POST", &path, &binding("q")).await;
    assert_eq!(sentence(&other), (400, "name in URL does not match name in Binding object"));
    let mut elsewhere = binding("p");
    elsewhere["target"] = json!({"kind": "Pod"});
    let text = "Binding \"p\" is invalid: [target.kind: Unsupported value: \"Pod\": supported values: \"Node\", \
                \"<empty>\", target.name: Required value]";
    assert_eq!(sentence(&does(&server, "POST", &path, &elsewhere).await), (422, text));
}

#[tokio::test(start_paused = true)]
async fn an_eviction_is_a_deletion_with_a_status() {
    let server = server_with_pod(json!({})).await;
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p", "namespace": "d"}});
    let path = format!("{PODS}/p/eviction");
    let response = ask(&server, admin(), "POST", &format!("{path}?dryRun=All"), &eviction.to_string()).await;
    assert_eq!(response.status(), 201);
    let (code, answer) = does(&server, "POST", &path, &eviction).await;
    assert_eq!((code, &answer["status"]), (201, &json!("Success")));
    let (_, pod) = does(&server, "GET", &format!("{PODS}/p"), &Value::Null).await;
    assert_eq!(pod["metadata"]["deletionGracePeriodSeconds"], 30);
    assert_eq!(does(&server, "POST", &path, &json!({"metadata": {"name": "p"}, "kind": "Pod"})).await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn a_budget_refuses_an_eviction_and_says_when_to_come_again() {
    let server = server_with_pod(json!({})).await;
    patch(&server, &format!("{PODS}/p"), &json!({"metadata": {"labels": {"app": "web"}}})).await;
    let running = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    patch(&server, &format!("{PODS}/p/status"), &running).await;
    let budgets = "/apis/policy/v1/namespaces/d/poddisruptionbudgets";
    let budget = json!({"metadata": {"name": "b"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}});
    assert_eq!(does(&server, "POST", budgets, &budget).await.0, 201);
    let eviction = json!({"metadata": {"name": "p"}}).to_string();
    let evict = async || ask(&server, admin(), "POST", &format!("{PODS}/p/eviction"), &eviction).await;
    let early = evict().await;
    assert_eq!((early.status().as_u16(), &early.headers()["retry-after"]), (429, &"10".parse().unwrap()));
    let status = |allowed: i64| {
        json!({"status": {"observedGeneration": 1, "disruptionsAllowed": allowed, "currentHealthy": 1,
            "desiredHealthy": 1, "expectedPods": 1}})
    };
    patch(&server, &format!("{budgets}/b/status"), &status(0)).await;
    let refused = evict().await;
    assert!(!refused.headers().contains_key("retry-after"), "clients must not come again by themselves");
    let (code, answer) = told(refused).await;
    let cause = json!({"reason": "DisruptionBudget",
        "message": "The disruption budget b needs 1 healthy pods and has 1 currently"});
    assert_eq!((code, &answer["reason"]), (429, &json!("TooManyRequests")));
    assert_eq!(answer["details"], json!({"causes": [cause]}));
    patch(&server, &format!("{budgets}/b/status"), &status(1)).await;
    assert_eq!(evict().await.status(), 201);
    let (_, mut budget) = does(&server, "GET", &format!("{budgets}/b"), &Value::Null).await;
    assert!(budget["status"]["disruptedPods"]["p"].is_string());
    let before = budget["metadata"]["resourceVersion"].clone();
    budget["metadata"]["labels"] = json!({});
    let (_, same) = does(&server, "PUT", &format!("{budgets}/b"), &budget).await;
    assert_eq!(same["metadata"]["resourceVersion"], before, "it is kept in the form of its kind");
}

#[tokio::test(start_paused = true)]
async fn containers_are_put_into_a_pod_to_look_at_it() {
    let server = server_with_pod(json!({"volumes": [{"name": "v", "emptyDir": {}}]})).await;
    let path = format!("{PODS}/p/ephemeralcontainers");
    let debugger = |more: Value| {
        let mut container = json!({"name": "debug", "image": "busybox"});
        for (field, value) in more.as_object().unwrap() {
            container[field] = value.clone();
        }
        json!({"spec": {"ephemeralContainers": [container]}})
    };
    for (more, text) in [
        (json!({"ports": [{"containerPort": 80}]}), "[0].ports: Forbidden: cannot be set for an Ephemeral Container"),
        (
            json!({"resources": {"limits": {"cpu": "1"}}}),
            "[0].resources: Forbidden: cannot be set for an Ephemeral Container",
        ),
        (
            json!({"livenessProbe": {"tcpSocket": {"port": 1}}}),
            "[0].livenessProbe: Forbidden: cannot be set for an Ephemeral Container",
        ),
        (json!({"targetContainerName": "none"}), "[0].targetContainerName: Not found: \"none\""),
        (json!({"name": "c"}), "[0].name: Duplicate value: \"c\""),
        (
            json!({"volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "x"}]}),
            "[0].volumeMounts[0].subPath: Forbidden: cannot be set for an Ephemeral Container",
        ),
    ] {
        let (code, answer) = strategic(&server, &path, debugger(more)).await;
        let message = format!("Pod \"p\" is invalid: spec.ephemeralContainers{text}");
        assert_eq!((code, answer["message"].as_str()), (422, Some(message.as_str())));
    }
    let mut added = debugger(json!({"targetContainerName": "c"}));
    added["spec"]["activeDeadlineSeconds"] = json!(5);
    let (code, pod) = strategic(&server, &path, added).await;
    assert_eq!(code, 200, "{pod}");
    let container = &pod["spec"]["ephemeralContainers"][0];
    assert_eq!(
        (&container["terminationMessagePolicy"], &container["imagePullPolicy"]),
        (&json!("File"), &json!("Always"))
    );
    assert!(pod["spec"]["activeDeadlineSeconds"].is_null(), "nothing else is changed here");
    assert_eq!(pod["metadata"]["generation"], 2);
    assert_eq!(does(&server, "GET", &path, &Value::Null).await.1, pod);
    let start =
        "Pod \"p\" is invalid: spec.ephemeralContainers: Forbidden: existing ephemeral containers \"debug\" may not be";
    let changed = strategic(&server, &path, debugger(json!({"image": "other"}))).await;
    assert!(changed.0 == 422 && sentence(&changed).1.starts_with(&format!("{start} changed")), "{changed:?}");
    let mut without = pod.clone();
    without["spec"]["ephemeralContainers"] = json!([]);
    let removed = does(&server, "PUT", &path, &without).await;
    assert!(removed.0 == 422 && sentence(&removed).1.starts_with(&format!("{start} removed")), "{removed:?}");
    let mut beside = pod.clone();
    beside["spec"]["ephemeralContainers"][0]["image"] = json!("other");
    let (code, _) = does(&server, "PUT", &format!("{PODS}/p"), &beside).await;
    assert_eq!(code, 422, "the pod itself is no way to them");
}

#[tokio::test(start_paused = true)]
async fn a_running_pod_is_given_more_or_less() {
    let sidecar = json!({"name": "side", "image": "i", "restartPolicy": "Always"});
    let server = server_with_pod(json!({"initContainers": [{"name": "first", "image": "i"}, sidecar]})).await;
    let path = format!("{PODS}/p/resize");
    let resources = |resources: Value| json!({"spec": {"containers": [{"name": "c", "resources": resources}]}});
    let (code, pod) =
        strategic(&server, &path, resources(json!({"requests": {"cpu": "200m"}, "limits": {"cpu": "1"}}))).await;
    assert_eq!(code, 200, "{pod}");
    assert_eq!(
        pod["spec"]["containers"][0]["resources"],
        json!({"limits": {"cpu": "1"}, "requests": {"cpu": "200m", "memory": "64Mi"}})
    );
    assert_eq!(pod["metadata"]["generation"], 2);
    let kept = strategic(&server, &path, json!({"spec": {"containers": [{"name": "c", "image": "other"}]}})).await;
    assert_eq!((kept.0, &kept.1["spec"]["containers"][0]["image"]), (200, &json!("i")));
    let whole = |change: &dyn Fn(&mut Value)| {
        let mut changed = pod.clone();
        changed["metadata"]["resourceVersion"] = Value::Null;
        change(&mut changed["spec"]);
        changed
    };
    let start = "Pod \"p\" is invalid: ";
    for (body, text) in [
        (
            whole(&|spec| spec["containers"][0]["resources"]["requests"] = json!({"cpu": "200m"})),
            "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed",
        ),
        (
            whole(&|spec| spec["containers"][0]["resources"]["limits"] = json!({})),
            "spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed",
        ),
        (
            whole(&|spec| spec["containers"][0]["resources"]["requests"]["ephemeral-storage"] = json!("1Gi")),
            "spec: Forbidden: only cpu and memory resources are mutable",
        ),
        (
            whole(&|spec| spec["initContainers"][0]["resources"] = json!({"requests": {"cpu": "1"}})),
            "spec: Forbidden: resources for non-sidecar init containers are immutable",
        ),
        (
            whole(&|spec| spec["containers"][0]["name"] = json!("d")),
            "spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize",
        ),
        (
            whole(&|spec| spec["containers"].as_array_mut().unwrap().push(json!({"name": "d", "image": "i"}))),
            "spec.containers: Forbidden: containers may not be added or removed on resize",
        ),
    ] {
        let (code, answer) = does(&server, "PUT", &path, &body).await;
        assert_eq!((code, answer["message"].as_str()), (422, Some(format!("{start}{text}").as_str())));
    }
    let side = whole(&|spec| spec["initContainers"][1]["resources"] = json!({"requests": {"cpu": "1"}}));
    assert_eq!(does(&server, "PUT", &path, &side).await.0, 200, "one that goes on running is resized too");
}

#[tokio::test(start_paused = true)]
async fn a_resize_keeps_the_class_and_needs_a_node_that_can() {
    let server = server_with_pod(json!({"containers": [{"name": "c", "image": "i"}]})).await;
    let path = format!("{PODS}/p/resize");
    let more = json!({"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1"}}}]}});
    let refused = strategic(&server, &path, more).await;
    let text = "Pod \"p\" is invalid: spec: Invalid value: \"BestEffort\": Pod QOS Class may not change as a result of resizing";
    assert_eq!(sentence(&refused), (422, text));
    let running = |resources: Value| {
        json!({"status": {"phase": "Running", "containerStatuses": [{"name": "c", "image": "i", "imageID": "", "ready": true,
            "restartCount": 0, "state": {"running": {}}, "resources": resources}]}})
    };
    let policy = json!({"spec": {"containers": [{"name": "c",
        "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]}]}});
    patch(&server, &format!("{PODS}/p/status"), &running(Value::Null)).await;
    let refused = strategic(&server, &path, policy.clone()).await;
    let text = "Pod \"p\" is invalid: spec: Forbidden: Pod running on node without support for resize";
    assert_eq!(sentence(&refused), (422, text));
    patch(&server, &format!("{PODS}/p/status"), &running(json!({"requests": {"cpu": "1"}}))).await;
    let (code, pod) = strategic(&server, &path, policy).await;
    assert_eq!((code, &pod["spec"]["containers"][0]["resizePolicy"][0]["resourceName"]), (200, &json!("cpu")));
}

#[tokio::test(start_paused = true)]
async fn a_mirror_of_a_static_pod_is_left_as_it_is() {
    let server = furnished(&Tasks::new()).await;
    let pod = json!({"metadata": {"name": "p", "annotations": {"kubernetes.io/config.mirror": "x"}},
        "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}});
    does(&server, "POST", PODS, &pod).await;
    let debugger = json!({"spec": {"ephemeralContainers": [{"name": "d", "image": "i"}]}});
    let (code, answer) = strategic(&server, &format!("{PODS}/p/ephemeralcontainers"), debugger).await;
    assert!(
        code == 422
            && answer["message"]
                .as_str()
                .unwrap()
                .ends_with("Forbidden: static pods do not support ephemeral containers")
    );
    let (code, answer) =
        strategic(&server, &format!("{PODS}/p/resize"), json!({"metadata": {"labels": {"a": "b"}}})).await;
    assert!(code == 422 && answer["message"].as_str().unwrap().ends_with("Forbidden: static pods cannot be resized"));
}
