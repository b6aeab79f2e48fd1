//! Many who write at the same time.

use std::collections::BTreeSet;

use futures::future::join_all;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;
use tests::manifests::config_map;
use tests::simulation::Simulation;

const WRITERS: usize = 20;
const ROUNDS: usize = 5;

#[tokio::test(start_paused = true)]
async fn counting_together_by_comparing_and_swapping_loses_nothing() {
    let simulation = Simulation::start().await;
    simulation.apply(config_map("counter")).await;
    let history = simulation.record(simulation.api::<ConfigMap>()).await;
    let writers = (0..WRITERS).map(|_| tokio::spawn(count(simulation.api())));
    let conflicts: usize = join_all(writers).await.into_iter().map(|conflicts| conflicts.unwrap()).sum();
    let counter: ConfigMap = simulation.get("counter").await;
    assert_eq!(value(&counter), WRITERS * ROUNDS);
    assert!(conflicts > 0, "the writers never met");
    // Each number was there once, in order.
    let changes = history.changes().await;
    let numbers: Vec<usize> = changes.iter().map(|change| value(change.object())).collect();
    assert_eq!(numbers, (1..=WRITERS * ROUNDS).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn patches_without_a_revision_never_meet_a_conflict() {
    let simulation = Simulation::start().await;
    simulation.apply(config_map("shared")).await;
    let writers = (0..WRITERS).map(|number| {
        let maps: Api<ConfigMap> = simulation.api();
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                let change = json!({ "data": { format!("{number}"): format!("{round}") } });
                maps.patch("shared", &PatchParams::default(), &Patch::Merge(&change))
                    .await
                    .expect("a patch goes through");
            }
        })
    });
    join_all(writers).await.into_iter().for_each(|writer| writer.unwrap());
    let shared: ConfigMap = simulation.get("shared").await;
    let data = shared.data.unwrap();
    assert!(data.len() == WRITERS && data.values().all(|round| *round == (ROUNDS - 1).to_string()), "{data:?}");
}

#[tokio::test(start_paused = true)]
async fn of_many_who_create_the_same_name_one_does() {
    let simulation = Simulation::start().await;
    let writers = (0..WRITERS).map(|_| {
        let maps: Api<ConfigMap> = simulation.api();
        tokio::spawn(async move {
            let map = serde_json::from_value(config_map("only")).expect("it is a ConfigMap");
            match maps.create(&PostParams::default(), &map).await {
                Ok(_) => 1,
                Err(kube::Error::Api(status)) if status.is_already_exists() => 0,
                Err(error) => panic!("{error}"),
            }
        })
    });
    assert_eq!(join_all(writers).await.into_iter().map(|made| made.unwrap()).sum::<i32>(), 1);
}

#[tokio::test(start_paused = true)]
async fn generated_names_are_all_different() {
    let simulation = Simulation::start().await;
    let mut object = config_map("");
    object["metadata"] = json!({ "generateName": "many-" });
    let map: ConfigMap = serde_json::from_value(object).unwrap();
    let maps: Api<ConfigMap> = simulation.api();
    let (parameters, map, maps) = (&PostParams::default(), &map, &maps);
    let made = (0..100).map(|_| async move { maps.create(parameters, map).await.unwrap().name_any() });
    let names: BTreeSet<String> = join_all(made).await.into_iter().collect();
    assert_eq!(names.len(), 100);
    assert!(names.iter().all(|name| name.starts_with("many-") && name.len() == 10), "{names:?}");
}

#[tokio::test(start_paused = true)]
async fn what_changes_nothing_writes_nothing() {
    let simulation = Simulation::start().await;
    simulation.apply(config_map("still")).await;
    let before: ConfigMap = simulation.change("still", json!({ "data": { "a": "b" } })).await;
    let patched: ConfigMap = simulation.change("still", json!({ "data": { "a": "b" } })).await;
    assert_eq!(patched.resource_version(), before.resource_version());
    let replaced = simulation.api::<ConfigMap>().replace("still", &PostParams::default(), &before).await.unwrap();
    assert_eq!(replaced.resource_version(), before.resource_version());
}

/// Counts some numbers on, and tells how often another was faster.
async fn count(maps: Api<ConfigMap>) -> usize {
    let mut conflicts = 0;
    for _ in 0..ROUNDS {
        loop {
            let mut map = maps.get("counter").await.expect("read the counter");
            let next = value(&map) + 1;
            map.data.get_or_insert_default().insert("value".to_owned(), next.to_string());
            match maps.replace("counter", &PostParams::default(), &map).await {
                Ok(_) => break,
                Err(kube::Error::Api(status)) if status.is_conflict() => conflicts += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }
    conflicts
}

fn value(map: &ConfigMap) -> usize {
    let text = map.data.as_ref().and_then(|data| data.get("value"));
    text.map_or(0, |text| text.parse().expect("the counter holds a number"))
}
