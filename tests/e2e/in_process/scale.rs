//! Many pods on many nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use tests::eventually::check;
use tests::manifests::{deployment, service};
use tests::objects::{address, is_ready, node_of};
use tests::simulation::Simulation;

use super::states::slices;

const PODS: usize = 1000;

#[tokio::test(start_paused = true)]
async fn a_thousand_pods_on_ten_nodes_come_up_and_go_again() {
    let simulation = Simulation::with_nodes(10).await;
    simulation.apply(deployment("web", PODS as u32)).await;
    simulation
        .within(Duration::from_secs(300), "a thousand pods are available", async || {
            let deployment: Deployment = simulation.get("web").await;
            let available = deployment.status.unwrap_or_default().available_replicas;
            check(available == Some(PODS as i32), || format!("{available:?}"))
        })
        .await;
    let pods: Vec<Pod> = simulation.list("app=web").await;
    assert!(pods.len() == PODS && pods.iter().all(is_ready));
    let addresses: BTreeSet<String> = pods.iter().map(address).collect();
    assert_eq!(addresses.len(), PODS);
    let mut per_node: BTreeMap<&str, usize> = BTreeMap::new();
    pods.iter().for_each(|pod| *per_node.entry(node_of(pod)).or_default() += 1);
    assert!(per_node.len() == 10 && per_node.values().all(|count| (90..=110).contains(count)), "{per_node:?}");
    simulation.apply(service("web", "web")).await;
    simulation
        .eventually("a thousand endpoints stand behind the Service", async || {
            let slices = slices(&simulation, "web").await;
            let sizes: Vec<usize> = slices.iter().map(|slice| slice.endpoints.iter().flatten().count()).collect();
            check(sizes.iter().sum::<usize>() == PODS && sizes.iter().all(|size| *size <= 100), || format!("{sizes:?}"))
        })
        .await;
    simulation.change::<Deployment>("web", serde_json::json!({"spec":{"replicas":0}})).await;
    simulation
        .within(Duration::from_secs(300), "no pod is left", async || {
            let first = ListParams::default().labels("app=web").limit(1);
            let left = simulation.api::<Pod>().list_metadata(&first).await.expect("list pods").items;
            check(left.is_empty(), || format!("{left:?}"))
        })
        .await;
}
