//! What happens to the dependents of an object that is deleted.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use tests::eventually::check;
use tests::history::Change;
use tests::manifests::{config_map, deployment};
use tests::objects::{is_leaving, is_ready, names, told};
use tests::simulation::Simulation;

use super::states::ready_pods;

#[tokio::test(start_paused = true)]
async fn in_the_background_the_owner_goes_first() {
    let simulation = Simulation::start().await;
    simulation.apply(deployment("web", 3)).await;
    ready_pods(&simulation, "web", 3).await;
    let delete = DeleteParams::background();
    let gone = simulation.api::<Deployment>().delete("web", &delete).await.unwrap();
    assert!(gone.is_right(), "it was not deleted at once: {gone:?}");
    nothing_is_left(&simulation).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_said_means_in_the_background() {
    let simulation = Simulation::start().await;
    simulation.apply(deployment("web", 3)).await;
    ready_pods(&simulation, "web", 3).await;
    simulation.delete::<Deployment>("web").await;
    nothing_is_left(&simulation).await;
}

#[tokio::test(start_paused = true)]
async fn in_the_foreground_the_owner_goes_last() {
    let simulation = Simulation::start().await;
    simulation.apply(deployment("web", 3)).await;
    ready_pods(&simulation, "web", 3).await;
    let deployments = simulation.record(simulation.api::<Deployment>()).await;
    let sets = simulation.record(simulation.api::<ReplicaSet>()).await;
    let pods = simulation.record(simulation.api::<Pod>()).await;
    let delete = DeleteParams::foreground();
    let pending = simulation.api::<Deployment>().delete("web", &delete).await.unwrap();
    let pending = pending.left().expect("it stays until its dependents are gone");
    assert!(is_leaving(&pending) && pending.finalizers() == ["foregroundDeletion"], "{:?}", pending.metadata);
    nothing_is_left(&simulation).await;
    let deployment = last_deletion(&deployments.changes().await);
    let set = last_deletion(&sets.changes().await);
    let pod = last_deletion(&pods.changes().await);
    assert!(pod < set && set < deployment, "pods until {pod}, the set at {set}, the Deployment at {deployment}");
    let created = pods.changes().await.iter().any(|change| matches!(change, Change::Added(_)));
    assert!(!created, "pods were made for a Deployment that was going");
}

#[tokio::test(start_paused = true)]
async fn an_orphaning_deletion_leaves_the_dependents_alone() {
    let simulation = Simulation::start().await;
    simulation.apply(deployment("web", 3)).await;
    let before = names(&ready_pods(&simulation, "web", 3).await);
    let delete = DeleteParams::orphan();
    simulation.api::<Deployment>().delete("web", &delete).await.unwrap();
    simulation
        .eventually("the Deployment is gone and its set has no owner", async || {
            let deployment = simulation.find::<Deployment>("web").await;
            let sets: Vec<ReplicaSet> = simulation.list("app=web").await;
            let is_free = sets.len() == 1 && sets[0].owner_references().is_empty();
            check(deployment.is_none() && is_free, || format!("{deployment:?} {sets:?}"))
        })
        .await;
    simulation.pass(std::time::Duration::from_secs(600)).await;
    let after: Vec<Pod> = simulation.list("app=web").await;
    assert!(names(&after) == before && after.iter().all(is_ready), "{}", told(&after));
}

#[tokio::test(start_paused = true)]
async fn a_chain_of_owners_goes_link_by_link() {
    let simulation = Simulation::start().await;
    let first = made(&simulation, "first", &[]).await;
    let second = made(&simulation, "second", &[&first]).await;
    let mut secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "third" } });
    secret["metadata"]["ownerReferences"] = json!([reference(&second)]);
    simulation.apply(secret).await;
    simulation.delete::<ConfigMap>("first").await;
    is_gone(&simulation, "second").await;
    simulation
        .eventually("the last link is gone", async || {
            let left = simulation.find::<Secret>("third").await;
            check(left.is_none(), || format!("{left:?}"))
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_object_with_two_owners_lives_as_long_as_one_of_them() {
    let simulation = Simulation::start().await;
    let (one, two) = (made(&simulation, "one", &[]).await, made(&simulation, "two", &[]).await);
    made(&simulation, "child", &[&one, &two]).await;
    simulation.delete::<ConfigMap>("one").await;
    simulation.pass(std::time::Duration::from_secs(60)).await;
    let child: ConfigMap = simulation.get("child").await;
    assert_eq!(child.owner_references().iter().map(|owner| &owner.name).collect::<Vec<_>>(), ["two"]);
    simulation.delete::<ConfigMap>("two").await;
    is_gone(&simulation, "child").await;
}

#[tokio::test(start_paused = true)]
async fn an_object_whose_owner_never_was_is_swept_away() {
    let simulation = Simulation::start().await;
    let real = made(&simulation, "real", &[]).await;
    let mut child = config_map("child");
    child["metadata"]["ownerReferences"] = json!([reference(&real)]);
    child["metadata"]["ownerReferences"][0]["uid"] = json!("00000000-0000-4000-8000-000000000000");
    simulation.apply(child).await;
    is_gone(&simulation, "child").await;
    simulation.get::<ConfigMap>("real").await;
}

#[tokio::test(start_paused = true)]
async fn owners_in_a_circle_can_still_be_deleted() {
    let simulation = Simulation::start().await;
    let one = made(&simulation, "one", &[]).await;
    let two = made(&simulation, "two", &[&one]).await;
    let owners = json!({ "metadata": { "ownerReferences": [reference(&two)] } });
    simulation.change::<ConfigMap>("one", owners).await;
    let delete = DeleteParams::foreground();
    simulation.api::<ConfigMap>().delete("one", &delete).await.unwrap();
    is_gone(&simulation, "one").await;
    is_gone(&simulation, "two").await;
}

/// Creates a ConfigMap that these own.
async fn made(simulation: &Simulation, name: &str, owners: &[&ConfigMap]) -> ConfigMap {
    let mut object = config_map(name);
    object["metadata"]["ownerReferences"] = owners.iter().map(|owner| reference(owner)).collect();
    simulation.apply(object).await;
    simulation.get(name).await
}

fn reference(owner: &ConfigMap) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "name": owner.name_any(), "uid": owner.uid(),
        "blockOwnerDeletion": true,
    })
}

async fn is_gone(simulation: &Simulation, name: &str) {
    simulation
        .eventually(&format!("{name} is gone"), async || {
            let left = simulation.find::<ConfigMap>(name).await;
            check(left.is_none(), || format!("{left:?}"))
        })
        .await;
}

async fn nothing_is_left(simulation: &Simulation) {
    simulation
        .eventually("Deployment, set and pods are gone", async || {
            let deployment = simulation.find::<Deployment>("web").await;
            let sets: Vec<ReplicaSet> = simulation.list("app=web").await;
            let pods: Vec<Pod> = simulation.list("app=web").await;
            let is_empty = deployment.is_none() && sets.is_empty() && pods.is_empty();
            check(is_empty, || format!("{} sets, pods: {}", sets.len(), told(&pods)))
        })
        .await;
}

fn last_deletion<K: kube::Resource>(changes: &[Change<K>]) -> u64 {
    let revision = |change: &Change<K>| match change {
        Change::Deleted(object) => object.resource_version().and_then(|revision| revision.parse().ok()),
        _ => None,
    };
    changes.iter().filter_map(revision).max().expect("something was deleted")
}
