//! What programs know of a cluster: reflectors in both ways, metadata alone, and conditions that are waited for.

use std::collections::BTreeSet;
use std::future::ready;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::PartialObjectMeta;
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Client, ResourceExt};
use serde_json::json;
use tests::manifests::{config_map, deployment, pod};

/// Reflectors that list and watch, and ones whose watch begins with the list, while much happens.
pub async fn reflectors(client: Client, namespace: String) {
    let maps = Api::<ConfigMap>::namespaced(client, &namespace);
    for number in 0..5 {
        create(&maps, &format!("early-{number}")).await;
    }
    let configs = [
        watcher::Config::default().page_size(2),
        watcher::Config::default().streaming_lists(),
        // Short streams, so that they end and begin anew in the midst of things.
        watcher::Config::default().timeout(1),
        watcher::Config::default().labels("side=bow"),
    ];
    let mut stores = Vec::new();
    for config in configs {
        let (store, writer) = reflector::store();
        let stream = reflector(writer, watcher(maps.clone(), config)).touched_objects();
        tokio::spawn(stream.try_for_each(|_| ready(Ok(()))));
        store.wait_until_ready().await.unwrap();
        stores.push(store);
    }
    for number in 0..60 {
        create(&maps, &format!("late-{number}")).await;
        if number % 3 == 0 {
            let patch = Patch::Merge(json!({ "metadata": { "labels": { "side": "bow" } } }));
            maps.patch(&format!("late-{number}"), &PatchParams::default(), &patch).await.unwrap();
        }
        if number % 4 == 0 {
            maps.delete(&format!("late-{number}"), &DeleteParams::default()).await.unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
    for (number, store) in stores.iter().enumerate() {
        let selector = if number == 3 { "side=bow" } else { "" };
        let list = maps.list(&ListParams::default().labels(selector)).await.unwrap();
        let revisions = |maps: Vec<(String, Option<String>)>| maps.into_iter().collect::<BTreeSet<_>>();
        let expected = revisions(list.iter().map(|map| (map.name_any(), map.resource_version())).collect());
        loop {
            let known = store.state();
            if revisions(known.iter().map(|map| (map.name_any(), map.resource_version())).collect()) == expected {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

async fn create(maps: &Api<ConfigMap>, name: &str) {
    maps.create(&PostParams::default(), &serde_json::from_value(config_map(name)).unwrap()).await.unwrap();
}

pub async fn metadata(client: Client, namespace: String) {
    let maps = Api::<ConfigMap>::namespaced(client.clone(), &namespace);
    let config = watcher::Config::default().fields("metadata.name=a");
    let mut events = std::pin::pin!(
        watcher(Api::<PartialObjectMeta<ConfigMap>>::namespaced(client, &namespace), config).applied_objects()
    );
    create(&maps, "other").await;
    create(&maps, "a").await;
    let seen = events.next().await.unwrap().unwrap();
    assert_eq!((seen.name_any().as_str(), seen.types.unwrap().kind.as_str()), ("a", "PartialObjectMetadata"));
}

pub async fn conditions(client: Client, namespace: String) {
    let pods = Api::<Pod>::namespaced(client.clone(), &namespace);
    let waiting = tokio::spawn(await_condition(pods.clone(), "boat", conditions::is_pod_running()));
    while pods.create(&PostParams::default(), &serde_json::from_value(pod("boat")).unwrap()).await.is_err() {
        // The namespace's account is only just being made.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let running = waiting.await.unwrap().unwrap().expect("it runs");
    let uid = running.uid().unwrap();
    let gone = await_condition(pods.clone(), "boat", conditions::is_deleted(&uid));
    pods.delete("boat", &DeleteParams::default().grace_period(1)).await.unwrap();
    gone.await.unwrap();

    let deployments = Api::<Deployment>::namespaced(client, &namespace);
    let object = serde_json::from_value(deployment("ship", 2)).unwrap();
    deployments.create(&PostParams::default(), &object).await.unwrap();
    await_condition(deployments, "ship", conditions::is_deployment_completed()).await.unwrap();
}
