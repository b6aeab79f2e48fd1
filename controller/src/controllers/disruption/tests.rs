//! Budgets over a fake cluster.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::fake::world::{World, path_of};
use crate::kinds::wire::in_seconds;

const BUDGETS: &str = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const SHIPS: &str = "/apis/example.com/v1/namespaces/default/ships";
const PODS: &str = "/api/v1/namespaces/default/pods";

async fn world() -> World {
    let world = World::start().await;
    world.create_node("n");
    world
}

fn deployment(name: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "c", "image": "i"}]}}},
    })
}

/// Creates a budget over `app=web`.
fn create_budget(world: &World, name: &str, rule: Value) {
    let mut spec = json!({"selector": {"matchLabels": {"app": "web"}}});
    crate::fake::patch::merge(&mut spec, &rule, false);
    world.create(BUDGETS, json!({"kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": spec}));
}

/// Creates a pod with the label `app=web` that runs and is ready.
fn create_pod(world: &World, name: &str, owner: Option<&Value>) {
    let owners: Vec<Value> = owner.into_iter().map(reference).collect();
    let ready = json!([{"type": "Ready", "status": "True"}]);
    world.create(
        PODS,
        json!({"kind": "Pod", "metadata": {"name": name, "labels": {"app": "web"}, "ownerReferences": owners},
            "spec": {"nodeName": "n"}, "status": {"phase": "Running", "conditions": ready}}),
    );
}

fn reference(owner: &Value) -> Value {
    let meta = &owner["metadata"];
    json!({"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": meta["name"], "uid": meta["uid"],
        "controller": true})
}

fn status(world: &World, name: &str) -> Value {
    world.get(&format!("{BUDGETS}/{name}")).unwrap()["status"].clone()
}

/// Expected, desired, healthy, allowed.
fn numbers(world: &World, name: &str) -> [i64; 4] {
    let status = status(world, name);
    ["expectedPods", "desiredHealthy", "currentHealthy", "disruptionsAllowed"]
        .map(|field| status[field].as_i64().unwrap_or(-1))
}

fn reason(world: &World, name: &str) -> String {
    let conditions = status(world, name)["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == "DisruptionAllowed");
    found.map(|condition| condition["reason"].as_str().unwrap().to_owned()).unwrap_or_default()
}

async fn counted(world: &World, name: &str, wanted: [i64; 4]) {
    world.eventually(&format!("{name} counts {wanted:?}"), |world| numbers(world, name) == wanted).await;
}

/// Lets all pods of the Deployment `web` run.
async fn run(world: &World, count: usize) {
    world
        .eventually("the pods run", |world| {
            for pod in world.list(PODS).iter().filter(|pod| pod["spec"]["nodeName"].is_null()) {
                world.patch(&path_of("pods", pod), json!({"spec": {"nodeName": "n"}}));
            }
            world.run_pods(Timestamp::now());
            let pods = world.list(PODS);
            pods.len() == count && pods.iter().all(|pod| pod["status"]["phase"] == "Running")
        })
        .await;
}

/// Messages of the Events with this reason.
fn told(world: &World, reason: &str) -> Vec<String> {
    let events = world.list("/api/v1/events").into_iter().filter(|event| event["reason"] == reason);
    events.map(|event| event["message"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_budget_follows_the_pods_of_a_deployment_and_then_rests() {
    let world = world().await;
    create_budget(&world, "number", json!({"minAvailable": 2}));
    create_budget(&world, "share", json!({"minAvailable": "60%"}));
    create_budget(&world, "away", json!({"maxUnavailable": 1}));
    counted(&world, "number", [0, 2, 0, 0]).await;
    world.create(DEPLOYMENTS, deployment("web", 4));
    run(&world, 4).await;
    counted(&world, "number", [4, 2, 4, 2]).await;
    counted(&world, "share", [4, 3, 4, 1]).await;
    counted(&world, "away", [4, 3, 4, 1]).await;
    assert_eq!(reason(&world, "away"), "SufficientPods");
    assert_eq!(status(&world, "away")["observedGeneration"], 1);
    let first = path_of("pods", &world.list(PODS)[0]);
    world.patch(&format!("{first}/status"), json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}}));
    counted(&world, "away", [4, 3, 3, 0]).await;
    assert_eq!(reason(&world, "away"), "InsufficientPods");
    world.settle(Duration::from_secs(60)).await;
    world.writes();
    world.settle(Duration::from_secs(3600)).await;
    assert_eq!(world.writes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn the_sets_of_a_deployment_count_once_and_at_its_size() {
    let world = world().await;
    create_budget(&world, "away", json!({"maxUnavailable": "25%"}));
    world.create(DEPLOYMENTS, deployment("web", 4));
    run(&world, 4).await;
    counted(&world, "away", [4, 3, 4, 1]).await;
    // Amid a rollout that cannot go on: its new pods never become ready.
    let path = format!("{DEPLOYMENTS}/web");
    let mut template = world.get(&path).unwrap()["spec"]["template"].clone();
    template["spec"]["containers"][0]["image"] = json!("new");
    world.patch(&path, json!({"spec": {"template": template}}));
    world.settle(Duration::from_secs(10)).await;
    let owner = |pod: &Value| pod["metadata"]["ownerReferences"][0]["uid"].to_string();
    let sets: std::collections::BTreeSet<String> = world.list(PODS).iter().map(owner).collect();
    assert_eq!(sets.len(), 2);
    assert_eq!(numbers(&world, "away")[0], 4);
    // What is wanted is told before the pods are there.
    world.patch(&path, json!({"spec": {"replicas": 8, "paused": true}}));
    world.eventually("eight are expected", |world| numbers(world, "away")[..2] == [8, 6]).await;
}

#[tokio::test(start_paused = true)]
async fn any_kind_with_a_scale_tells_how_many_pods_it_wants() {
    let world = world().await;
    let ship = world.create(
        SHIPS,
        json!({"apiVersion": "example.com/v1", "kind": "Ship", "metadata": {"name": "ship"}, "spec": {"replicas": 5}}),
    );
    create_pod(&world, "a", Some(&ship));
    create_pod(&world, "b", Some(&ship));
    create_budget(&world, "away", json!({"maxUnavailable": 4}));
    counted(&world, "away", [5, 1, 2, 1]).await;
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_cannot_be_counted_says_why_and_recovers() {
    let world = world().await;
    let map = world.create(
        "/api/v1/namespaces/default/configmaps",
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "map"}}),
    );
    create_pod(&world, "owned", Some(&map));
    create_budget(&world, "away", json!({"maxUnavailable": 1}));
    create_budget(&world, "number", json!({"minAvailable": 0}));
    world.eventually("it failed", |world| reason(world, "away") == "SyncFailed").await;
    let why = "configmaps does not implement the scale subresource";
    assert_eq!(status(&world, "away")["conditions"][0]["message"], why);
    assert_eq!(status(&world, "away")["disruptionsAllowed"], 0);
    counted(&world, "number", [1, 0, 1, 1]).await;
    world.settle(Duration::from_secs(5)).await;
    let message = format!("Failed to calculate the number of expected pods: {why}");
    assert_eq!(told(&world, "CalculateExpectedPodCountFailed"), [message]);
    world.writes();
    world.settle(Duration::from_secs(3600)).await;
    assert_eq!(world.writes(), Vec::<String>::new(), "what stays so is not asked again and again");
    world.patch(&format!("{PODS}/owned"), json!({"metadata": {"ownerReferences": []}}));
    world.eventually("it counts", |world| reason(world, "away") == "InsufficientPods").await;
}

#[tokio::test(start_paused = true)]
async fn pods_without_a_controller_count_against_a_number_only() {
    let world = world().await;
    for name in ["a", "b", "c"] {
        create_pod(&world, name, None);
    }
    create_budget(&world, "number", json!({"minAvailable": 2}));
    create_budget(&world, "away", json!({"maxUnavailable": 1}));
    counted(&world, "number", [3, 2, 3, 1]).await;
    counted(&world, "away", [0, 0, 3, 0]).await;
    world.settle(Duration::from_secs(5)).await;
    let told = told(&world, "UnmanagedPods");
    assert!(told[0].contains("(selector: &LabelSelector{MatchLabels:map[string]string{app: web,},"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn an_empty_selector_is_for_all_pods_and_none_for_no_pod() {
    let world = world().await;
    create_pod(&world, "a", None);
    world.create(BUDGETS, json!({"metadata": {"name": "all"}, "spec": {"selector": {}, "minAvailable": 1}}));
    world.create(BUDGETS, json!({"metadata": {"name": "none"}, "spec": {"minAvailable": 1}}));
    counted(&world, "all", [1, 1, 1, 0]).await;
    counted(&world, "none", [0, 1, 0, 0]).await;
    world.settle(Duration::from_secs(5)).await;
    assert_eq!(told(&world, "NoPods"), ["No matching pods found"]);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_was_to_go_and_stays_counts_again_after_two_minutes() {
    let world = world().await;
    for name in ["a", "b", "c"] {
        create_pod(&world, name, None);
    }
    create_budget(&world, "number", json!({"minAvailable": 2}));
    counted(&world, "number", [3, 2, 3, 1]).await;
    let now = in_seconds(Timestamp::now());
    let noted = json!({"disruptionsAllowed": 0, "disruptedPods": {"a": now, "gone": now}});
    world.patch(&format!("{BUDGETS}/number/status"), json!({"status": noted}));
    counted(&world, "number", [3, 2, 2, 0]).await;
    assert_eq!(status(&world, "number")["disruptedPods"], json!({"a": now}));
    world.settle(Duration::from_secs(110)).await;
    assert_eq!(numbers(&world, "number"), [3, 2, 2, 0]);
    counted(&world, "number", [3, 2, 3, 1]).await;
    assert_eq!(status(&world, "number")["disruptedPods"], json!({}));
    world.settle(Duration::from_secs(5)).await;
    let message = "Pod was expected by PDB default/number to be deleted but it wasn't";
    assert_eq!(told(&world, "NotDeleted"), [message]);
}

#[tokio::test(start_paused = true)]
async fn an_eviction_that_is_allowed_meanwhile_is_not_forgotten() {
    let world = world().await;
    for name in ["a", "b", "c"] {
        create_pod(&world, name, None);
    }
    create_budget(&world, "number", json!({"minAvailable": 1}));
    counted(&world, "number", [3, 1, 3, 2]).await;
    let path = format!("{BUDGETS}/number/status");
    let noted = json!({"disruptionsAllowed": 1, "disruptedPods": {"a": in_seconds(Timestamp::now())}});
    world.change_before_patch(&path, &path, json!({"status": noted}));
    create_pod(&world, "d", None);
    world.eventually("four are expected", |world| numbers(world, "number")[0] == 4).await;
    assert!(world.was_interrupted());
    assert_eq!(numbers(&world, "number"), [4, 1, 3, 2]);
    assert!(status(&world, "number")["disruptedPods"]["a"].is_string());
    // Not even for a moment: another eviction would take what was taken already.
    for event in &world.fake.store.lock().unwrap().log {
        let status = &event.object["status"];
        assert!(status["disruptedPods"]["a"].is_null() || status["disruptionsAllowed"].as_i64() <= Some(2), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_under_two_budgets_counts_in_both_and_is_told_so() {
    let world = world().await;
    create_budget(&world, "one", json!({"minAvailable": 0}));
    create_budget(&world, "two", json!({"minAvailable": 0}));
    counted(&world, "two", [0, 0, 0, 0]).await;
    create_pod(&world, "a", None);
    counted(&world, "one", [1, 0, 1, 1]).await;
    counted(&world, "two", [1, 0, 1, 1]).await;
    world.settle(Duration::from_secs(5)).await;
    let message = "Pod \"default\"/\"a\" matches multiple PodDisruptionBudgets.  Chose \"one\" arbitrarily.";
    assert_eq!(told(&world, "MultiplePodDisruptionBudgets"), [message]);
    // One that leaves a budget by its labels is counted out.
    world.patch(&format!("{PODS}/a"), json!({"metadata": {"labels": {"app": "else"}}}));
    counted(&world, "one", [0, 0, 0, 0]).await;
}
