//! Where pods go, and what they are told when there is no place.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Event, Node, Pod};
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tests::eventually::check;
use tests::manifests::{deployment, pod};
use tests::objects::{is_ready, node_of, pod_condition, told};
use tests::simulation::Simulation;

use super::states::ready_pods;

#[tokio::test(start_paused = true)]
async fn pods_spread_over_the_nodes() {
    let simulation = Simulation::with_nodes(3).await;
    simulation.apply(deployment("web", 9)).await;
    let pods = ready_pods(&simulation, "web", 9).await;
    assert_eq!(per_node(&pods).into_values().collect::<Vec<_>>(), [3, 3, 3], "{}", told(&pods));
}

#[tokio::test(start_paused = true)]
async fn a_pod_goes_only_where_the_labels_are_that_it_asks_for() {
    let simulation = Simulation::with_nodes(3).await;
    let mut chosen = deployment("web", 4);
    chosen["spec"]["template"]["spec"]["nodeSelector"] = json!({ "disk": "fast" });
    simulation.apply(chosen).await;
    waits_for_room(&simulation, "web", 4, "node affinity/selector").await;
    change_node(&simulation, "node-2", json!({ "metadata": { "labels": { "disk": "fast" } } })).await;
    let pods = ready_pods(&simulation, "web", 4).await;
    assert!(pods.iter().all(|pod| node_of(pod) == "node-2"), "{}", told(&pods));
}

#[tokio::test(start_paused = true)]
async fn a_tainted_node_takes_only_pods_that_tolerate_it() {
    let simulation = Simulation::with_nodes(2).await;
    let taints = json!([{ "key": "team", "value": "a", "effect": "NoSchedule" }]);
    change_node(&simulation, "node-1", json!({ "spec": { "taints": taints } })).await;
    simulation.apply(deployment("web", 4)).await;
    let pods = ready_pods(&simulation, "web", 4).await;
    assert!(pods.iter().all(|pod| node_of(pod) == "node-2"), "{}", told(&pods));
    let mut tolerant = deployment("tolerant", 4);
    tolerant["spec"]["template"]["spec"]["tolerations"] =
        json!([{ "key": "team", "operator": "Equal", "value": "a", "effect": "NoSchedule" }]);
    simulation.apply(tolerant).await;
    let pods = ready_pods(&simulation, "tolerant", 4).await;
    assert!(per_node(&pods).contains_key("node-1"), "{}", told(&pods));
}

#[tokio::test(start_paused = true)]
async fn a_cordoned_node_takes_no_new_pods_and_keeps_those_it_has() {
    let simulation = Simulation::with_nodes(2).await;
    simulation.apply(deployment("first", 4)).await;
    let before = ready_pods(&simulation, "first", 4).await;
    change_node(&simulation, "node-1", json!({ "spec": { "unschedulable": true } })).await;
    simulation.apply(deployment("second", 4)).await;
    let pods = ready_pods(&simulation, "second", 4).await;
    assert!(pods.iter().all(|pod| node_of(pod) == "node-2"), "{}", told(&pods));
    assert_eq!(per_node(&ready_pods(&simulation, "first", 4).await), per_node(&before));
    change_node(&simulation, "node-1", json!({ "spec": { "unschedulable": null } })).await;
    simulation.apply(deployment("third", 4)).await;
    let pods = ready_pods(&simulation, "third", 4).await;
    assert!(per_node(&pods).contains_key("node-1"), "{}", told(&pods));
}

#[tokio::test(start_paused = true)]
async fn a_pod_without_room_waits_and_says_why_and_goes_when_room_appears() {
    let simulation = Simulation::with_nodes(2).await;
    let most = cpus(&simulation, "node-1").await;
    // Three quarters of a node each: one on each node, and one too many.
    let big = |name: &str| {
        let mut pod = pod(name);
        pod["spec"]["containers"][0]["resources"] = json!({ "requests": { "cpu": format!("{}m", most * 750) } });
        pod
    };
    for name in ["one", "two", "three"] {
        simulation.apply(big(name)).await;
    }
    ready_pods(&simulation, "one", 1).await;
    ready_pods(&simulation, "two", 1).await;
    let waiting = waits_for_room(&simulation, "three", 1, "2 Insufficient cpu").await;
    let condition = pod_condition(&waiting[0], "PodScheduled").unwrap();
    assert!(condition.message.as_deref().unwrap().starts_with("0/2 nodes are available"), "{condition:?}");
    simulation
        .eventually("an event tells why", async || {
            let list = ListParams::default().fields("involvedObject.name=three,reason=FailedScheduling");
            let events = simulation.api::<Event>().list(&list).await.unwrap().items;
            let tells = |event: &Event| event.message.as_deref().is_some_and(|text| text.contains("Insufficient cpu"));
            check(events.iter().any(tells), || format!("{events:?}"))
        })
        .await;
    simulation.delete::<Pod>("one").await;
    let pods = ready_pods(&simulation, "three", 1).await;
    assert_eq!(pod_condition(&pods[0], "PodScheduled").unwrap().status, "True");
}

#[tokio::test(start_paused = true)]
async fn a_new_node_is_room_for_pods_that_wait() {
    let mut simulation = Simulation::with_nodes(1).await;
    let most = cpus(&simulation, "node-1").await;
    let mut big = deployment("web", 2);
    big["spec"]["template"]["spec"]["containers"][0]["resources"] =
        json!({ "requests": { "cpu": format!("{}m", most * 750) } });
    simulation.apply(big).await;
    simulation
        .eventually("one pod runs, and one waits", async || {
            let pods: Vec<Pod> = simulation.list("app=web").await;
            let ready = pods.iter().filter(|pod| is_ready(pod)).count();
            check(pods.len() == 2 && ready == 1, || told(&pods))
        })
        .await;
    simulation.cluster().start_node(2).await.unwrap();
    let pods = ready_pods(&simulation, "web", 2).await;
    assert_eq!(per_node(&pods).len(), 2, "{}", told(&pods));
}

#[tokio::test(start_paused = true)]
async fn a_port_of_the_node_is_for_one_pod() {
    let simulation = Simulation::with_nodes(2).await;
    let mut on_port = deployment("web", 3);
    on_port["spec"]["template"]["spec"]["containers"][0]["ports"] =
        json!([{ "containerPort": 8080, "hostPort": 8080 }]);
    simulation.apply(on_port).await;
    simulation
        .eventually("two pods run, and one waits", async || {
            let pods: Vec<Pod> = simulation.list("app=web").await;
            let ready: Vec<Pod> = pods.iter().filter(|pod| is_ready(pod)).cloned().collect();
            check(pods.len() == 3 && per_node(&ready).into_values().collect::<Vec<_>>() == [1, 1], || told(&pods))
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_of_another_scheduler_is_left_to_it() {
    let simulation = Simulation::start().await;
    let mut foreign = pod("foreign");
    foreign["spec"]["schedulerName"] = json!("somebody-else");
    simulation.apply(foreign).await;
    simulation.pass(std::time::Duration::from_secs(60)).await;
    let pod: Pod = simulation.get("foreign").await;
    assert_eq!((node_of(&pod), tests::objects::phase(&pod)), ("", "Pending"));
}

/// Waits until all pods of an app are told that there is no room, and why.
async fn waits_for_room(simulation: &Simulation, app: &str, count: usize, why: &str) -> Vec<Pod> {
    simulation
        .eventually(&format!("{count} pods of {app} are told that there is no room"), async || {
            let pods: Vec<Pod> = simulation.list(&format!("app={app}")).await;
            check(pods.len() == count, || told(&pods))?;
            for pod in &pods {
                let condition = pod_condition(pod, "PodScheduled").ok_or_else(|| told(&pods))?;
                let message = condition.message.as_deref().unwrap_or_default();
                let is_told = condition.status == "False" && condition.reason.as_deref() == Some("Unschedulable");
                check(is_told && message.contains(why), || format!("{condition:?}"))?;
                assert_eq!((node_of(pod), tests::objects::phase(pod)), ("", "Pending"));
            }
            Ok(pods)
        })
        .await
}

async fn change_node(simulation: &Simulation, name: &str, change: Value) {
    let patch = Patch::Merge(&change);
    simulation.whole::<Node>().patch(name, &PatchParams::default(), &patch).await.expect("change a node");
}

async fn cpus(simulation: &Simulation, name: &str) -> u64 {
    let node = simulation.whole::<Node>().get(name).await.expect("there is such a node");
    let allocatable = node.status.and_then(|status| status.allocatable).unwrap_or_default();
    allocatable["cpu"].0.parse().expect("a machine has whole processors")
}

fn per_node(pods: &[Pod]) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for pod in pods {
        *count.entry(node_of(pod).to_owned()).or_default() += 1;
    }
    count
}

#[tokio::test(start_paused = true)]
async fn a_pod_may_name_its_node_itself() {
    let simulation = Simulation::with_nodes(2).await;
    let mut placed = pod("placed");
    placed["spec"]["nodeName"] = json!("node-2");
    simulation.apply(placed).await;
    let pods = ready_pods(&simulation, "placed", 1).await;
    assert_eq!((pods[0].name_any().as_str(), node_of(&pods[0])), ("placed", "node-2"));
}
