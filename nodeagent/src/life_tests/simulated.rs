//! Simulated pods, on a paused clock.

use std::time::Duration;

use lifecycle::tasks::Tasks;
use serde_json::{Value, json};

use crate::fake_api::pod_path;
use crate::life_tests::{Setup, condition};
use crate::runtime::RuntimeKind;

fn web() -> Value {
    json!({ "containers": [{ "name": "web", "image": "nginx" }] })
}

#[tokio::test(start_paused = true)]
async fn the_node_is_registered_and_its_lease_renewed_without_other_writes() {
    let setup = Setup::new(RuntimeKind::Simulated);
    setup.start().await;
    tokio::time::sleep(Duration::from_secs(95)).await;
    let node = setup.api.get("/api/v1/nodes/node-1").unwrap();
    assert_eq!(condition(&node, "Ready")["status"], "True");
    assert_eq!(node["spec"]["podCIDR"], "127.64.1.0/24");
    assert_eq!(node["status"]["addresses"][0], json!({ "type": "InternalIP", "address": "127.0.0.1" }));
    let lease = setup.api.get("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node-1").unwrap();
    assert_eq!(lease["metadata"]["ownerReferences"][0]["uid"], node["metadata"]["uid"]);
    let writes = setup.api.writes();
    let renewals = writes.iter().filter(|write| write.starts_with("PUT") && write.contains("leases")).count();
    assert_eq!((renewals, writes.len()), (9, 11), "{writes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pod_runs_with_one_write_and_then_costs_nothing() {
    let setup = Setup::new(RuntimeKind::Simulated);
    setup.start().await;
    setup.api.create_pod("web", "node-1", web());
    let pod = setup.eventually("the pod runs", "web", |pod| pod["status"]["phase"] == "Running").await;
    assert_eq!(condition(&pod, "Ready")["status"], "True");
    assert_eq!(pod["status"]["podIP"], "127.64.1.2");
    assert_eq!(pod["status"]["podIPs"], json!([{ "ip": "127.64.1.2" }]));
    assert_eq!((&pod["status"]["hostIP"], &pod["status"]["qosClass"]), (&json!("127.0.0.1"), &json!("BestEffort")));
    let status = &pod["status"]["containerStatuses"][0];
    assert!(status["containerID"].as_str().unwrap().starts_with("simulated://"), "{status}");
    assert_eq!(
        (&status["ready"], &status["started"], &status["restartCount"]),
        (&json!(true), &json!(true), &json!(0))
    );
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let writes = setup.api.writes();
    assert_eq!(writes.iter().filter(|write| write.contains("/pods/")).count(), 1, "{writes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_pod_ends_and_its_object_goes() {
    let setup = Setup::new(RuntimeKind::Simulated);
    setup.start().await;
    setup.api.create_pod("web", "node-1", web());
    setup.eventually("the pod runs", "web", |pod| pod["status"]["phase"] == "Running").await;
    setup.api.delete_pod("web", 30, setup.clock.now());
    setup.eventually("the pod is gone", "web", Value::is_null).await;
    // Its address is not the next to be given out.
    setup.api.create_pod("web", "node-1", web());
    let pod = setup.eventually("the next pod runs", "web", |pod| pod["status"]["phase"] == "Running").await;
    assert_eq!(pod["status"]["podIP"], "127.64.1.3");
}

#[tokio::test(start_paused = true)]
async fn an_image_that_does_not_exist_keeps_its_pod_waiting_without_a_timer() {
    let setup = Setup::new(RuntimeKind::Simulated);
    setup.start().await;
    setup.api.create_pod("web", "node-1", json!({ "containers": [{ "name": "web", "image": "webserver:404" }] }));
    let reason = |pod: &Value| pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"].clone();
    let pod = setup.eventually("the image is missed", "web", |pod| reason(pod) == "ErrImagePull").await;
    assert_eq!((&pod["status"]["phase"], &condition(&pod, "Ready")["status"]), (&json!("Pending"), &json!("False")));
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(reason(&setup.api.pod("web").unwrap()), "ImagePullBackOff");
    let mut pod = setup.api.pod("web").unwrap();
    pod["spec"]["containers"][0]["image"] = json!("nginx");
    setup.api.put(&pod_path("web"), pod);
    setup.eventually("the pod runs", "web", |pod| pod["status"]["phase"] == "Running").await;
}

#[tokio::test(start_paused = true)]
async fn pods_outlive_their_agent_and_are_found_again_unchanged() {
    let mut setup = Setup::new(RuntimeKind::Simulated);
    setup.start().await;
    for name in ["web", "old"] {
        setup.api.create_pod(name, "node-1", web());
        setup.eventually("the pod runs", name, |pod| pod["status"]["phase"] == "Running").await;
    }
    setup.tasks.stop(Duration::from_secs(5)).await;
    let before = setup.api.pod("web").unwrap();
    setup.api.delete_pod("old", 30, setup.clock.now());
    setup.tasks = Tasks::new();
    setup.start().await;
    setup.eventually("the deleted pod is gone", "old", Value::is_null).await;
    assert_eq!(setup.api.pod("web").unwrap(), before);
    setup.api.create_pod("new", "node-1", web());
    let new = setup.eventually("the new pod runs", "new", |pod| pod["status"]["phase"] == "Running").await;
    assert_ne!(new["status"]["podIP"], before["status"]["podIP"]);
}

#[tokio::test(start_paused = true)]
async fn a_pod_for_another_kind_of_node_is_rejected() {
    let setup = Setup::new(RuntimeKind::Simulated);
    setup.start().await;
    let mut spec = web();
    spec["nodeSelector"] = json!({ "disk": "ssd" });
    setup.api.create_pod("web", "node-1", spec);
    let pod = setup.eventually("the pod fails", "web", |pod| pod["status"]["phase"] == "Failed").await;
    assert_eq!(pod["status"]["reason"], "NodeAffinity");
}

#[tokio::test(start_paused = true)]
async fn a_pod_deleted_by_force_is_forgotten_and_its_address_comes_back() {
    let setup = Setup::new(RuntimeKind::Simulated);
    let agent = setup.start().await;
    setup.api.create_pod("web", "node-1", web());
    setup.eventually("the pod runs", "web", |pod| pod["status"]["phase"] == "Running").await;
    assert_eq!(agent.pods().len(), 1);
    setup.api.remove(&pod_path("web"));
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(agent.pods().is_empty());
}
