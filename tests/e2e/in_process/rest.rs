//! A cluster in which nothing happens: nothing is written but what shows that its nodes live.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DynamicObject, ListParams};
use kube::discovery::{Discovery, verbs};
use kube::{Client, ResourceExt};
use serde_json::json;
use tests::manifests::{deployment, service};
use tests::simulation::Simulation;

use super::states::{behind_are, ready_pods};

const NODES: usize = 2;

#[tokio::test(start_paused = true)]
async fn at_rest_only_leases_are_renewed() {
    let simulation = Simulation::with_nodes(2).await;
    simulation.apply(deployment("web", 2)).await;
    simulation.apply(service("web", "web")).await;
    for (name, rule) in [("number", "minAvailable"), ("away", "maxUnavailable")] {
        let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": {"app": "web"}}, rule: 1}});
        simulation.apply(budget).await;
    }
    let pods = ready_pods(&simulation, "web", 2).await;
    behind_are(&simulation, "web", &pods).await;
    // What follows from the last change, such as counted Events, is over after a while.
    simulation.pass(Duration::from_secs(30)).await;

    let leases = simulation.record(Api::<Lease>::all(simulation.client())).await;
    let (start, before) = (revision(&simulation).await, everything(simulation.client()).await);
    simulation.pass(Duration::from_secs(600)).await;
    let (end, after) = (revision(&simulation).await, everything(simulation.client()).await);
    let changed: Vec<&String> = after.keys().filter(|key| before.get(*key) != after.get(*key)).collect();
    let lost: Vec<&String> = before.keys().filter(|key| !after.contains_key(*key)).collect();
    assert!(
        lost.is_empty() && changed.iter().all(|key| key.starts_with("Lease ")),
        "changed: {changed:?}; lost: {lost:?}"
    );

    let renewals = leases.changes().await.len();
    assert_eq!(end - start, renewals as u64, "something was written besides the Leases");
    assert!((NODES * 59..=NODES * 61).contains(&renewals), "{renewals} renewals");
}

/// The revision of every object of the cluster.
async fn everything(client: Client) -> BTreeMap<String, String> {
    let discovery = Discovery::new(client.clone()).run().await.expect("ask what is served");
    let mut all = BTreeMap::new();
    for group in discovery.groups() {
        for (resource, capabilities) in group.recommended_resources() {
            if !capabilities.supports_operation(verbs::LIST) {
                continue;
            }
            let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
            for object in api.list(&ListParams::default()).await.expect("list a kind").items {
                let key = format!("{} {}/{}", resource.kind, object.namespace().unwrap_or_default(), object.name_any());
                all.insert(key, object.resource_version().expect("an object has a revision"));
            }
        }
    }
    assert!(all.len() > 10, "{all:?}");
    all
}

/// The revision of the store.
async fn revision(simulation: &Simulation) -> u64 {
    let list = simulation.api::<ConfigMap>().list_metadata(&ListParams::default().limit(1)).await;
    let revision = list.expect("list something").metadata.resource_version.expect("a list has a revision");
    revision.parse().expect("revisions are numbers")
}
