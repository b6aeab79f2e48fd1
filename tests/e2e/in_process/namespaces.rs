//! Namespaces: what each has from its beginning, and what its end takes along.

use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{ConfigMap, Endpoints, Event, Namespace, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Resource, core::NamespaceResourceScope};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tests::eventually::check;
use tests::manifests::{config_map, deployment, namespace, pod, service};
use tests::objects::{is_leaving, is_ready, told};
use tests::simulation::Simulation;

#[tokio::test(start_paused = true)]
async fn a_cluster_begins_with_its_namespaces() {
    let simulation = Simulation::start().await;
    let list = simulation.whole::<Namespace>().list(&ListParams::default()).await.unwrap();
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        let found = list.items.iter().find(|namespace| namespace.name_any() == name);
        let found = found.unwrap_or_else(|| panic!("there is no {name}"));
        assert_eq!(phase(found), "Active");
        assert_eq!(found.labels()["kubernetes.io/metadata.name"], name);
    }
    for name in ["default", "kube-system", "kube-public"] {
        let refused = simulation.whole::<Namespace>().delete(name, &DeleteParams::default()).await;
        assert!(matches!(refused, Err(kube::Error::Api(status)) if status.code == 403), "{name} can be deleted");
    }
}

#[tokio::test(start_paused = true)]
async fn every_namespace_has_its_account_and_the_clusters_certificate() {
    let mut simulation = Simulation::start().await;
    simulation.apply(namespace("team")).await;
    let certificate = simulation.cluster().api_server().root_ca().to_owned();
    for name in ["default", "kube-system", "team"] {
        has_its_own(&simulation, name, &certificate).await;
    }
    // They are kept, too.
    simulation.api_in::<ServiceAccount>("team").delete("default", &DeleteParams::default()).await.unwrap();
    simulation.api_in::<ConfigMap>("team").delete("kube-root-ca.crt", &DeleteParams::default()).await.unwrap();
    has_its_own(&simulation, "team", &certificate).await;
    let change = json!({ "data": { "ca.crt": "another" } });
    let patch = Patch::Merge(&change);
    let maps = simulation.api_in::<ConfigMap>("team");
    maps.patch("kube-root-ca.crt", &PatchParams::default(), &patch).await.unwrap();
    has_its_own(&simulation, "team", &certificate).await;
}

#[tokio::test(start_paused = true)]
async fn a_namespace_takes_everything_in_it_along() {
    let simulation = Simulation::start().await;
    fill(&simulation, "team").await;
    simulation.apply(config_map("of-another")).await;
    let history = simulation.record(simulation.api_in::<Pod>("team")).await;

    let deleted = simulation.whole::<Namespace>().delete("team", &DeleteParams::default()).await.unwrap();
    assert_eq!(phase(&deleted.left().expect("it goes step by step")), "Terminating");
    let refused = simulation.api_in::<ConfigMap>("team").create(&PostParams::default(), &named("late")).await;
    let Err(kube::Error::Api(status)) = refused else { panic!("something was made in a namespace that goes") };
    assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden"));
    let causes = status.details.unwrap().causes;
    assert!(causes.iter().any(|cause| cause.reason == "NamespaceTerminating"), "{causes:?}");

    gone(&simulation, "team").await;
    assert_empty::<Pod>(&simulation).await;
    assert_empty::<ReplicaSet>(&simulation).await;
    assert_empty::<Deployment>(&simulation).await;
    assert_empty::<Service>(&simulation).await;
    assert_empty::<Endpoints>(&simulation).await;
    assert_empty::<EndpointSlice>(&simulation).await;
    assert_empty::<ConfigMap>(&simulation).await;
    assert_empty::<Secret>(&simulation).await;
    assert_empty::<ServiceAccount>(&simulation).await;
    assert_empty::<Event>(&simulation).await;
    simulation.get::<ConfigMap>("of-another").await;
    // No pod was torn away: it was told to end first.
    let states = history.states().await;
    let mut pods = states.iter().flat_map(|state| state.values());
    assert!(pods.any(|pod| pod.name_any() == "single" && is_leaving(pod)));

    // The name is free for another one.
    fill(&simulation, "team").await;
}

#[tokio::test(start_paused = true)]
async fn a_namespace_waits_for_what_others_hold_and_says_so() {
    let simulation = Simulation::start().await;
    simulation.apply(namespace("team")).await;
    let mut held = config_map("held");
    held["metadata"]["namespace"] = json!("team");
    held["metadata"]["finalizers"] = json!(["example.com/backup"]);
    simulation.apply(held).await;
    simulation.whole::<Namespace>().delete("team", &DeleteParams::default()).await.unwrap();
    simulation
        .eventually("the namespace tells what it waits for", async || {
            let namespace = simulation.whole::<Namespace>().get("team").await.unwrap();
            let conditions = namespace.status.unwrap().conditions.unwrap_or_default();
            let remaining = conditions.iter().find(|condition| condition.type_ == "NamespaceFinalizersRemaining");
            let is_told = remaining.is_some_and(|condition| {
                condition.status == "True"
                    && condition.message.as_deref().is_some_and(|text| text.contains("example.com/backup"))
            });
            check(is_told, || format!("{conditions:?}"))
        })
        .await;
    simulation.pass(Duration::from_secs(600)).await;
    let patch = json!({ "metadata": { "finalizers": null } });
    let maps = simulation.api_in::<ConfigMap>("team");
    maps.patch("held", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    gone(&simulation, "team").await;
}

async fn fill(simulation: &Simulation, name: &str) {
    simulation.apply(namespace(name)).await;
    let secret =
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "key" }, "stringData": { "a": "b" } });
    for mut object in [deployment("web", 2), pod("single"), service("web", "web"), config_map("settings"), secret] {
        object["metadata"]["namespace"] = json!(name);
        simulation.apply(object).await;
    }
    simulation
        .eventually("three pods are ready", async || {
            let pods = simulation.api_in::<Pod>(name).list(&ListParams::default()).await.expect("list pods").items;
            check(pods.iter().filter(|pod| is_ready(pod)).count() == 3, || told(&pods))
        })
        .await;
}

async fn gone(simulation: &Simulation, name: &str) {
    simulation
        .within(Duration::from_secs(120), &format!("the namespace {name} is gone"), async || {
            let namespace = simulation.whole::<Namespace>().get_opt(name).await.expect("ask for it");
            check(namespace.is_none(), || format!("{namespace:?}"))
        })
        .await;
}

async fn assert_empty<K>(simulation: &Simulation)
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let left = simulation.api_in::<K>("team").list(&ListParams::default()).await.expect("list what is left").items;
    assert!(left.is_empty(), "{left:?}");
}

async fn has_its_own(simulation: &Simulation, namespace: &str, certificate: &str) {
    simulation
        .eventually(&format!("{namespace} has its account and certificate"), async || {
            let account = simulation.api_in::<ServiceAccount>(namespace).get_opt("default").await.expect("ask for it");
            check(account.is_some(), || "there is no account".to_owned())?;
            let maps: Api<ConfigMap> = simulation.api_in(namespace);
            let map = maps.get_opt("kube-root-ca.crt").await.expect("ask for it").ok_or("there is no certificate")?;
            let text = map.data.unwrap_or_default().remove("ca.crt").unwrap_or_default();
            check(text == certificate, || format!("the certificate is {text:?}"))
        })
        .await;
}

fn named(name: &str) -> ConfigMap {
    let value: Value = config_map(name);
    serde_json::from_value(value).expect("it is a ConfigMap")
}

fn phase(namespace: &Namespace) -> &str {
    namespace.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}
