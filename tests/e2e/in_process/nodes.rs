//! Nodes that fall silent, return, stop in order, and are deleted.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::json;
use tests::eventually::check;
use tests::manifests::{deployment, pod, service};
use tests::objects::{is_leaving, is_node_ready, is_ready, names, node_of, taints, told};
use tests::simulation::Simulation;
use tokio::time::Instant;

use super::states::{behind_are, ready_pods};

const LONG: Duration = Duration::from_secs(400);

#[tokio::test(start_paused = true)]
async fn a_silent_node_loses_its_readiness_and_then_its_pods() {
    let mut simulation = Simulation::with_nodes(2).await;
    simulation.apply(deployment("web", 4)).await;
    simulation.apply(service("web", "web")).await;
    let pods = ready_pods(&simulation, "web", 4).await;
    let (silent, living): (Vec<Pod>, Vec<Pod>) = pods.into_iter().partition(|pod| node_of(pod) == "node-2");
    assert_eq!((silent.len(), living.len()), (2, 2));

    let cut = Instant::now();
    simulation.cluster().cut_node("node-2");
    simulation.pass(Duration::from_secs(39)).await;
    assert!(is_node_ready(&node(&simulation, "node-2").await), "a node may be silent for a while");
    simulation
        .eventually("the silent node is not ready, and tainted", async || {
            let node = node(&simulation, "node-2").await;
            let all: BTreeSet<String> =
                ["NoSchedule", "NoExecute"].map(|effect| format!("node.kubernetes.io/unreachable:{effect}")).into();
            check(!is_node_ready(&node) && taints(&node) == all, || format!("{:?}", taints(&node)))
        })
        .await;
    let seconds = cut.elapsed().as_secs();
    assert!((40..=60).contains(&seconds), "it took {seconds} s");
    let conditions = node(&simulation, "node-2").await.status.unwrap().conditions.unwrap();
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready").unwrap();
    assert_eq!((ready.status.as_str(), ready.reason.as_deref()), ("Unknown", Some("NodeStatusUnknown")));

    // Nobody is sent to its pods any more, but they stay: the node may come back.
    simulation
        .eventually("the silent node's pods are not ready", async || {
            let pods: Vec<Pod> = simulation.list("app=web").await;
            check(pods.iter().all(|pod| is_ready(pod) == (node_of(pod) == "node-1")), || told(&pods))
        })
        .await;
    let tainted = Instant::now();
    simulation.pass(Duration::from_secs(280)).await;
    let pods: Vec<Pod> = simulation.list("app=web").await;
    assert!(pods.len() == 4 && !pods.iter().any(is_leaving), "{}", told(&pods));
    let replaced = simulation
        .within(LONG, "four pods are ready on the node that lives", async || {
            let pods: Vec<Pod> = simulation.list("app=web").await;
            let ready: Vec<Pod> = pods.iter().filter(|pod| is_ready(pod)).cloned().collect();
            check(ready.len() == 4 && ready.iter().all(|pod| node_of(pod) == "node-1"), || told(&pods))?;
            Ok(ready)
        })
        .await;
    let seconds = tainted.elapsed().as_secs();
    assert!((290..=320).contains(&seconds), "it took {seconds} s");
    assert!(names(&replaced).is_superset(&names(&living)));
    behind_are(&simulation, "web", &replaced).await;
    // Their end is for their own node to tell.
    let pods: Vec<Pod> = simulation.list("app=web").await;
    let left = names(&pods.into_iter().filter(is_leaving).collect::<Vec<_>>());
    assert_eq!(left, names(&silent));

    simulation.cluster().start_node(2).await.unwrap();
    ready_pods(&simulation, "web", 4).await;
    returned(&simulation, "node-2").await;
    simulation.apply(deployment("more", 4)).await;
    let more = ready_pods(&simulation, "more", 4).await;
    assert!(more.iter().any(|pod| node_of(pod) == "node-2"), "{}", told(&more));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_returns_in_time_keeps_its_pods() {
    let mut simulation = Simulation::with_nodes(2).await;
    simulation.apply(deployment("web", 4)).await;
    simulation.apply(service("web", "web")).await;
    let before = ready_pods(&simulation, "web", 4).await;
    simulation.cluster().cut_node("node-2");
    simulation.pass(Duration::from_secs(120)).await;
    assert!(!is_node_ready(&node(&simulation, "node-2").await));
    simulation.cluster().start_node(2).await.unwrap();
    returned(&simulation, "node-2").await;
    let after = ready_pods(&simulation, "web", 4).await;
    behind_are(&simulation, "web", &after).await;
    simulation.pass(LONG).await;
    let after = ready_pods(&simulation, "web", 4).await;
    assert_eq!(names(&after), names(&before));
    assert!(after.iter().all(|pod| restarts(pod) == 0), "pods that ran on were restarted");
}

#[tokio::test(start_paused = true)]
async fn a_pod_stays_on_a_silent_node_for_as_long_as_it_tolerates_it() {
    let mut simulation = Simulation::with_nodes(1).await;
    let with = |name: &str, seconds: Option<i64>| {
        let mut pod = pod(name);
        let toleration = |key: &str| {
            json!({ "key": format!("node.kubernetes.io/{key}"), "operator": "Exists", "effect": "NoExecute",
                    "tolerationSeconds": seconds })
        };
        pod["spec"]["tolerations"] = json!([toleration("unreachable"), toleration("not-ready")]);
        pod
    };
    simulation.apply(with("hasty", Some(5))).await;
    simulation.apply(with("patient", None)).await;
    ready_pods(&simulation, "hasty", 1).await;
    ready_pods(&simulation, "patient", 1).await;
    simulation.cluster().cut_node("node-1");
    simulation.pass(Duration::from_secs(75)).await;
    assert!(is_leaving(&simulation.get::<Pod>("hasty").await));
    simulation.pass(Duration::from_secs(900)).await;
    assert!(!is_leaving(&simulation.get::<Pod>("patient").await));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stops_in_order_starts_its_pods_again_when_it_returns() {
    let mut simulation = Simulation::start().await;
    simulation.apply(deployment("web", 2)).await;
    simulation.apply(service("web", "web")).await;
    let before = ready_pods(&simulation, "web", 2).await;
    simulation.cluster().stop_node("node-1").await;
    behind_are_none(&simulation).await;
    simulation.cluster().start_node(1).await.unwrap();
    let after = ready_pods(&simulation, "web", 2).await;
    assert_eq!(names(&after), names(&before));
    assert!(after.iter().all(|pod| restarts(pod) == 1), "{}", told(&after));
    behind_are(&simulation, "web", &after).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_somebody_deletes_registers_again() {
    let simulation = Simulation::start().await;
    let before = node(&simulation, "node-1").await;
    simulation.whole::<Node>().delete("node-1", &DeleteParams::default()).await.unwrap();
    simulation
        .eventually("there is a new one, ready and without taints", async || {
            let after = simulation.whole::<Node>().get_opt("node-1").await.unwrap().ok_or("there is none")?;
            let is_new = after.uid() != before.uid();
            check(is_new && is_node_ready(&after) && taints(&after).is_empty(), || format!("{after:?}"))
        })
        .await;
    simulation.apply(deployment("web", 1)).await;
    ready_pods(&simulation, "web", 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_taint_that_is_not_tolerated_drives_pods_away_at_once() {
    let simulation = Simulation::with_nodes(2).await;
    simulation.apply(deployment("web", 4)).await;
    ready_pods(&simulation, "web", 4).await;
    let taints = json!({ "spec": { "taints": [{ "key": "repair", "effect": "NoExecute" }] } });
    let patch = kube::api::Patch::Merge(&taints);
    simulation.whole::<Node>().patch("node-2", &Default::default(), &patch).await.unwrap();
    simulation
        .eventually("all pods are on the other node", async || {
            let pods: Vec<Pod> = simulation.list("app=web").await;
            let all = pods.len() == 4 && pods.iter().all(|pod| is_ready(pod) && node_of(pod) == "node-1");
            check(all, || told(&pods))
        })
        .await;
}

async fn node(simulation: &Simulation, name: &str) -> Node {
    simulation.whole::<Node>().get(name).await.expect("there is such a node")
}

async fn returned(simulation: &Simulation, name: &str) {
    simulation
        .eventually(&format!("{name} is ready and has no taints"), async || {
            let node = node(simulation, name).await;
            check(is_node_ready(&node) && taints(&node).is_empty(), || format!("{:?}", taints(&node)))
        })
        .await;
}

async fn behind_are_none(simulation: &Simulation) {
    simulation
        .eventually("no pod of the stopped node is ready", async || {
            let (ready, _) = super::states::behind(simulation, "web").await?;
            check(ready.is_empty(), || format!("{ready:?}"))
        })
        .await;
}

fn restarts(pod: &Pod) -> i32 {
    let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    statuses.into_iter().flatten().map(|status| status.restart_count).sum()
}
