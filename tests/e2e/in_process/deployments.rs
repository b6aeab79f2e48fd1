//! A Deployment with its Service: pods come, go and are replaced, and the endpoints follow.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::autoscaling::v1::Scale;
use k8s_openapi::api::core::v1::{Endpoints, Pod};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tests::eventually::check;
use tests::manifests::{deployment, service};
use tests::objects::{address, is_leaving, names, of_endpoints, of_slices};
use tests::simulation::Simulation;

use super::states::{behind_are, ready_pods};

#[tokio::test(start_paused = true)]
async fn the_example_runs_and_its_service_has_endpoints() {
    let simulation = Simulation::start().await;
    simulation.apply_yaml(include_str!("../../../examples/web.yaml")).await;
    let pods = ready_pods(&simulation, "my-app", 2).await;
    behind_are(&simulation, "my-service", &pods).await;
    let deployment: Deployment = simulation
        .eventually("the Deployment says that two of two are ready", async || {
            let deployment: Deployment = simulation.get("my-app").await;
            let status = deployment.status.clone().unwrap_or_default();
            let is_told = status.ready_replicas == Some(2) && status.available_replicas == Some(2);
            check(is_told, || format!("{status:?}"))?;
            Ok(deployment)
        })
        .await;
    assert_eq!(deployment.status.unwrap().observed_generation, deployment.metadata.generation);
    simulation.stop().await;
}

#[tokio::test(start_paused = true)]
async fn each_pod_has_an_address_of_its_own_and_names_its_set() {
    let simulation = Simulation::with_nodes(2).await;
    simulation.apply(deployment("web", 6)).await;
    let pods = ready_pods(&simulation, "web", 6).await;
    let addresses: BTreeSet<String> = pods.iter().map(address).collect();
    assert_eq!(addresses.len(), 6);
    let sets: Vec<ReplicaSet> = simulation.list("app=web").await;
    assert_eq!(sets.len(), 1);
    for pod in &pods {
        let owner = &pod.owner_references()[0];
        assert_eq!((owner.kind.as_str(), &owner.uid), ("ReplicaSet", &sets[0].uid().unwrap()));
        assert_eq!(owner.controller, Some(true));
    }
}

#[tokio::test(start_paused = true)]
async fn scaling_adds_pods_and_takes_them_away_again() {
    let simulation = Simulation::start().await;
    simulation.apply(deployment("web", 2)).await;
    simulation.apply(service("web", "web")).await;
    let two = names(&ready_pods(&simulation, "web", 2).await);
    for count in [5_i32, 1, 0, 3] {
        let change = Patch::Merge(json!({ "spec": { "replicas": count } }));
        let scale: Scale =
            simulation.api::<Deployment>().patch_scale("web", &PatchParams::default(), &change).await.unwrap();
        assert_eq!(scale.spec.unwrap().replicas, Some(count));
        let pods = ready_pods(&simulation, "web", usize::try_from(count).unwrap()).await;
        behind_are(&simulation, "web", &pods).await;
        if count == 5 {
            assert!(names(&pods).is_superset(&two), "pods that could stay did not");
        }
    }
    let sets: Vec<ReplicaSet> = simulation.list("app=web").await;
    assert_eq!(sets.len(), 1, "scaling makes no new ReplicaSet");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_pod_is_replaced_and_its_address_leaves_the_endpoints_at_once() {
    let simulation = Simulation::start().await;
    simulation.apply(deployment("web", 3)).await;
    simulation.apply(service("web", "web")).await;
    let pods = ready_pods(&simulation, "web", 3).await;
    behind_are(&simulation, "web", &pods).await;

    let endpoints = simulation.record(simulation.api::<Endpoints>()).await;
    let slices = simulation.record(simulation.api::<EndpointSlice>()).await;
    let victim = &pods[0];
    let dead = address(victim);
    let leaving = simulation.record(simulation.api::<Pod>()).await;
    simulation.delete::<Pod>(&victim.name_any()).await;
    let after = ready_pods(&simulation, "web", 3).await;
    behind_are(&simulation, "web", &after).await;
    assert!(!names(&after).contains(&victim.name_any()));

    let marked = leaving.changes().await.into_iter().find(|change| is_leaving(change.object()));
    let marked: u64 = revision(marked.expect("a pod is marked before it goes").object());
    // Whatever was written after the pod was marked came from those who could know: it never has the address again.
    let is_later = |revision: u64| revision > marked;
    for state in endpoints.changes().await.iter().filter(|change| is_later(revision(change.object()))) {
        let (ready, unready) = of_endpoints(state.object());
        assert!(!ready.iter().chain(&unready).any(|(address, ..)| *address == dead), "{dead} is in {ready:?}");
    }
    for state in slices.changes().await.iter().filter(|change| is_later(revision(change.object()))) {
        let (ready, _) = of_slices(&[state.object().clone()]);
        assert!(!ready.iter().any(|(address, ..)| *address == dead), "{dead} is ready in {ready:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_loses_its_label_is_let_go_and_replaced() {
    let simulation = Simulation::start().await;
    simulation.apply(deployment("web", 2)).await;
    let pods = ready_pods(&simulation, "web", 2).await;
    let loose = pods[0].name_any();
    simulation.change::<Pod>(&loose, json!({ "metadata": { "labels": { "app": "debugging" } } })).await;
    let after = ready_pods(&simulation, "web", 2).await;
    assert!(!names(&after).contains(&loose));
    let pod: Pod = simulation.get(&loose).await;
    assert_eq!(pod.owner_references(), [], "a pod that was let go has no owner");
    // With its label back it is one too many, and the set takes it in again.
    simulation.change::<Pod>(&loose, json!({ "metadata": { "labels": { "app": "web" } } })).await;
    ready_pods(&simulation, "web", 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_deployment_takes_over_what_was_left_of_an_earlier_one() {
    let simulation = Simulation::start().await;
    simulation.apply(deployment("web", 2)).await;
    let before = names(&ready_pods(&simulation, "web", 2).await);
    let orphan = kube::api::DeleteParams::orphan();
    simulation.api::<Deployment>().delete("web", &orphan).await.unwrap();
    simulation
        .eventually("the Deployment is gone, and its set is on its own", async || {
            let left = simulation.find::<Deployment>("web").await;
            let sets: Vec<ReplicaSet> = simulation.list("app=web").await;
            let owners: usize = sets.iter().map(|set| set.owner_references().len()).sum();
            check(left.is_none() && owners == 0, || format!("{owners} owners"))
        })
        .await;
    simulation.apply(deployment("web", 2)).await;
    let set: ReplicaSet = simulation
        .eventually("the new Deployment owns the old set", async || {
            let sets: Vec<ReplicaSet> = simulation.list("app=web").await;
            let owned = sets.iter().find(|set| !set.owner_references().is_empty());
            owned.cloned().ok_or_else(|| format!("{} sets without an owner", sets.len()))
        })
        .await;
    assert_eq!(set.owner_references()[0].kind, "Deployment");
    assert_eq!(names(&ready_pods(&simulation, "web", 2).await), before);
}

fn revision<K: kube::Resource>(object: &K) -> u64 {
    object.resource_version().and_then(|revision| revision.parse().ok()).expect("revisions are numbers")
}
