//! The whole behaviour, over the fake.

use crate::fake::world::World;
use serde_json::{Value, json};
use std::time::Duration;

const PODS: &str = "/api/v1/namespaces/default/pods";
const SERVICES: &str = "/api/v1/namespaces/default/services";
const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";

fn service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "labels": {"team": "x"}},
        "spec": {"selector": {"app": "web"}, "clusterIP": "127.96.0.9", "ipFamilies": ["IPv4"],
            "ports": [{"port": 80, "targetPort": 8080, "protocol": "TCP"}]},
    })
}

fn pod(name: &str, ip: &str, ready: &str) -> Value {
    json!({
        "kind": "Pod", "metadata": {"name": name, "labels": {"app": "web"}}, "spec": {"nodeName": "n"},
        "status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": [
            {"type": "Ready", "status": ready, "lastTransitionTime": "2026-05-01T00:00:00Z"}]},
    })
}

async fn world() -> World {
    let world = World::start().await;
    world.create_node("n");
    world
}

/// `address ready` of every endpoint.
fn endpoints(world: &World) -> Vec<String> {
    let slices = world.list(SLICES);
    let all = slices.iter().flat_map(|slice| slice["endpoints"].as_array().unwrap());
    let told = |endpoint: &Value| {
        format!("{} {}", endpoint["addresses"][0].as_str().unwrap(), endpoint["conditions"]["ready"])
    };
    let mut all: Vec<String> = all.map(told).collect();
    all.sort();
    all
}

#[tokio::test(start_paused = true)]
async fn slices_follow_pods() {
    let world = world().await;
    world.create(SERVICES, service());
    world.eventually("a placeholder", |world| world.list(SLICES).len() == 1).await;
    world.create(PODS, pod("a", "127.64.1.1", "True"));
    world.create(PODS, pod("b", "127.64.1.2", "False"));
    world.eventually("both", |world| endpoints(world) == ["127.64.1.1 true", "127.64.1.2 false"]).await;
    let slice = world.list(SLICES).remove(0);
    assert_eq!(slice["ports"], json!([{"name": "", "protocol": "TCP", "port": 8080}]));
    assert_eq!(slice["metadata"]["ownerReferences"][0]["kind"], "Service");
    assert_eq!(slice["metadata"]["labels"]["team"], "x");
    assert_eq!(
        slice["metadata"]["annotations"]["endpoints.kubernetes.io/last-change-trigger-time"],
        "2026-05-01T00:00:00Z"
    );
    world.patch(
        &format!("{PODS}/b/status"),
        json!({"status": {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-05-02T00:00:00Z"}]}}),
    );
    world.eventually("b is ready", |world| endpoints(world) == ["127.64.1.1 true", "127.64.1.2 true"]).await;
    world.delete(&format!("{PODS}/a"), json!({}));
    world.eventually("a goes", |world| endpoints(world) == ["127.64.1.1 false", "127.64.1.2 true"]).await;
    world.delete(&format!("{PODS}/a"), json!({"gracePeriodSeconds": 0}));
    world.eventually("a is gone", |world| endpoints(world) == ["127.64.1.2 true"]).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_while_nothing_changes() {
    let world = world().await;
    world.create(SERVICES, service());
    world.create(PODS, pod("a", "127.64.1.1", "True"));
    world.settle(Duration::from_secs(10)).await;
    assert_eq!(endpoints(&world), ["127.64.1.1 true"]);
    world.writes();
    world.patch(&format!("{PODS}/a"), json!({"metadata": {"annotations": {"x": "y"}}}));
    world.settle(Duration::from_secs(3600)).await;
    assert_eq!(world.writes(), [format!("PATCH {PODS}/a")]);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_changes_make_no_slice_too_many() {
    let world = world().await;
    world.create(SERVICES, service());
    for index in 0..300 {
        world.create(PODS, pod(&format!("p{index}"), &format!("127.65.{}.{}", index / 200, index % 200), "True"));
        if index % 7 == 0 {
            tokio::task::yield_now().await;
        }
    }
    world.eventually("all", |world| endpoints(world).len() == 300).await;
    world.settle(Duration::from_secs(60)).await;
    assert_eq!(endpoints(&world).len(), 300);
    assert!(world.list(SLICES).len() <= 4, "{} slices", world.list(SLICES).len());
}

#[tokio::test(start_paused = true)]
async fn slices_that_others_spoil_are_mended() {
    let world = world().await;
    world.create(SERVICES, service());
    world.create(PODS, pod("a", "127.64.1.1", "True"));
    world.eventually("a", |world| endpoints(world) == ["127.64.1.1 true"]).await;
    let path = |world: &World| format!("{SLICES}/{}", world.list(SLICES)[0]["metadata"]["name"].as_str().unwrap());
    world.patch(&path(&world), json!({"endpoints": []}));
    world.eventually("mended", |world| endpoints(world) == ["127.64.1.1 true"]).await;
    world.settle(Duration::from_secs(5)).await;
    world.delete(&path(&world), json!({}));
    world.eventually("made again", |world| endpoints(world) == ["127.64.1.1 true"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_waits_for_its_node() {
    let world = World::start().await;
    world.create(SERVICES, service());
    world.create(PODS, pod("a", "127.64.1.1", "True"));
    world.settle(Duration::from_secs(5)).await;
    assert!(endpoints(&world).is_empty());
    world.create("/api/v1/nodes", json!({"kind": "Node", "metadata": {"name": "n"}}));
    world.eventually("a", |world| endpoints(world) == ["127.64.1.1 true"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_service_without_selector_is_not_ours() {
    let world = world().await;
    let mut object = service();
    object["spec"]["selector"] = Value::Null;
    world.create(SERVICES, object.clone());
    object["metadata"]["name"] = json!("external");
    object["spec"] = json!({"type": "ExternalName", "externalName": "x.y", "selector": {"app": "web"}});
    world.create(SERVICES, object);
    world.settle(Duration::from_secs(5)).await;
    assert!(world.list(SLICES).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_new_selector_moves_the_endpoints() {
    let world = world().await;
    world.create(SERVICES, service());
    let mut other = pod("b", "127.64.1.2", "True");
    other["metadata"]["labels"] = json!({"app": "db"});
    world.create(PODS, other);
    world.create(PODS, pod("a", "127.64.1.1", "True"));
    world.eventually("a", |world| endpoints(world) == ["127.64.1.1 true"]).await;
    world.patch(&format!("{SERVICES}/web"), json!({"spec": {"selector": {"app": "db"}}}));
    world.eventually("b", |world| endpoints(world) == ["127.64.1.2 true"]).await;
}
