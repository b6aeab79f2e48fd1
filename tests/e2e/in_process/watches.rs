//! Watches: what a client learns of changes, and how it finds its way back.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, WatchEvent, WatchParams};
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::json;
use tests::manifests::config_map;
use tests::objects::names;
use tests::simulation::Simulation;

#[tokio::test(start_paused = true)]
async fn a_watcher_that_fell_behind_lists_again_and_misses_nothing() {
    for config in [watcher::Config::default(), watcher::Config::default().streaming_lists()] {
        let simulation = Simulation::start().await;
        simulation.apply(config_map("first")).await;
        let maps = simulation.api::<ConfigMap>();
        let mut events = std::pin::pin!(watcher(maps.clone(), config));
        let mut known = BTreeSet::new();
        read_list(&mut events, &mut known).await;
        assert!(known.contains("first"));

        // Nobody reads while much happens and time goes by.
        for number in 0..20 {
            simulation.apply(config_map(&format!("later-{number}"))).await;
        }
        simulation.delete::<ConfigMap>("first").await;
        simulation.delete::<ConfigMap>("later-7").await;
        simulation.pass(Duration::from_secs(900)).await;
        simulation.apply(config_map("last")).await;
        simulation.pass(Duration::from_secs(900)).await;
        simulation.apply(config_map("very-last")).await;

        let mut gone = false;
        while !known.contains("very-last") {
            match events.next().await.expect("a watcher does not end") {
                Ok(Event::Init) => known.clear(),
                Ok(Event::InitApply(map) | Event::Apply(map)) => drop(known.insert(map.name_any())),
                Ok(Event::Delete(map)) => drop(known.remove(&map.name_any())),
                Ok(Event::InitDone) => {}
                Err(watcher::Error::WatchError(status)) if status.code == 410 => gone = true,
                Err(error) => panic!("{error}"),
            }
        }
        assert!(gone, "it never fell behind");
        let list = maps.list(&ListParams::default()).await.unwrap().items;
        assert_eq!(known, names(&list));
        // And from here it goes on as before.
        simulation.delete::<ConfigMap>("last").await;
        let deleted = loop {
            match events.next().await.expect("a watcher does not end").unwrap() {
                Event::Delete(map) => break map.name_any(),
                event => assert!(matches!(event, Event::InitDone), "{event:?}"),
            }
        };
        assert_eq!(deleted, "last");
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_a_forgotten_revision_is_told_that_it_is_gone() {
    let simulation = Simulation::start().await;
    simulation.apply(config_map("old")).await;
    let old: ConfigMap = simulation.get("old").await;
    for round in 0..3 {
        simulation.pass(Duration::from_secs(600)).await;
        simulation.change::<ConfigMap>("old", json!({ "data": { "round": round.to_string() } })).await;
    }
    let revision = old.resource_version().unwrap();
    // Said in the stream: kube's watchers, among others, list again only then.
    let events = simulation.api::<ConfigMap>().watch(&WatchParams::default(), &revision).await.unwrap();
    let mut events = std::pin::pin!(events);
    let Some(Ok(WatchEvent::Error(status))) = events.next().await else { panic!("it is not told") };
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn every_watcher_sees_the_same_changes_in_the_same_order() {
    let simulation = Simulation::start().await;
    let mut histories = Vec::new();
    for number in 0..4 {
        histories.push(simulation.record(simulation.api::<ConfigMap>()).await);
        let name = format!("map-{number}");
        simulation.apply(config_map(&name)).await;
        let changes =
            (0..10).map(|value| simulation.change::<ConfigMap>(&name, json!({ "data": { "v": value.to_string() } })));
        futures::future::join_all(changes).await;
    }
    simulation.delete::<ConfigMap>("map-2").await;
    let mut all = Vec::new();
    for history in &histories {
        let changes = history.changes().await;
        let revisions: Vec<u64> = changes.iter().map(|change| revision(change.object())).collect();
        assert!(revisions.is_sorted_by(|one, next| one < next), "{revisions:?}");
        all.push(revisions);
    }
    assert_eq!(all[0].len(), 45);
    assert!(all.iter().all(|revisions| all[0].ends_with(revisions)), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn what_leaves_a_selection_is_deleted_for_its_watchers_and_what_enters_is_new() {
    let simulation = Simulation::start().await;
    let labelled = |value: &str| json!({ "metadata": { "labels": { "color": value } } });
    let mut map = config_map("chameleon");
    map["metadata"]["labels"] = json!({ "color": "green" });
    simulation.apply(map).await;
    let created: ConfigMap = simulation.get("chameleon").await;
    let params = WatchParams::default().labels("color=red");
    let events = simulation.api::<ConfigMap>().watch(&params, &created.resource_version().unwrap()).await.unwrap();
    let mut events = std::pin::pin!(events);
    let red: ConfigMap = simulation.change("chameleon", labelled("red")).await;
    let more: ConfigMap = simulation.change("chameleon", json!({ "data": { "a": "b" } })).await;
    let blue: ConfigMap = simulation.change("chameleon", labelled("blue")).await;
    simulation.change::<ConfigMap>("chameleon", labelled("green")).await;
    let again: ConfigMap = simulation.change("chameleon", labelled("red")).await;
    simulation.delete::<ConfigMap>("chameleon").await;

    let mut told = Vec::new();
    for _ in 0..5 {
        told.push(match events.next().await.unwrap().unwrap() {
            WatchEvent::Added(map) => ("added", color(&map), revision(&map)),
            WatchEvent::Modified(map) => ("modified", color(&map), revision(&map)),
            WatchEvent::Deleted(map) => ("deleted", color(&map), revision(&map)),
            other => panic!("{other:?}"),
        });
    }
    let red_text = || "red".to_owned();
    assert_eq!(
        told[..4],
        [
            ("added", red_text(), revision(&red)),
            ("modified", red_text(), revision(&more)),
            ("deleted", red_text(), revision(&blue)),
            ("added", red_text(), revision(&again)),
        ]
    );
    assert_eq!((told[4].0, told[4].1.as_str()), ("deleted", "red"));
    assert!(told[4].2 > revision(&again));
}

#[tokio::test(start_paused = true)]
async fn a_quiet_watch_gets_bookmarks_that_move_with_the_cluster() {
    let simulation = Simulation::start().await;
    let start = simulation.api::<ConfigMap>().list(&ListParams::default()).await.unwrap();
    let start = start.metadata.resource_version.unwrap();
    let params = WatchParams::default().timeout(280);
    let events = simulation.api::<ConfigMap>().watch(&params, &start).await.unwrap();
    let mut events = std::pin::pin!(events);
    let begin = tokio::time::Instant::now();
    let mut bookmarks: Vec<u64> = Vec::new();
    // It ends as asked, and not with an error.
    while let Some(event) = events.next().await {
        let WatchEvent::Bookmark(bookmark) = event.unwrap() else { panic!("something happened") };
        bookmarks.push(bookmark.metadata.resource_version.parse().unwrap());
    }
    assert_eq!(begin.elapsed().as_secs(), 280);
    assert!(bookmarks.len() >= 4, "{bookmarks:?}");
    // Leases are renewed meanwhile.
    assert!(bookmarks.is_sorted() && *bookmarks.last().unwrap() > start.parse().unwrap(), "{bookmarks:?}");
}

#[tokio::test(start_paused = true)]
async fn a_watch_without_a_revision_begins_with_what_there_is() {
    let simulation = Simulation::start().await;
    simulation.apply(config_map("one")).await;
    let there: ListParams = ListParams::default();
    let there = names(&simulation.api::<ConfigMap>().list(&there).await.unwrap().items);
    let events = simulation.api::<ConfigMap>().watch(&WatchParams::default(), "0").await.unwrap();
    let mut events = std::pin::pin!(events);
    let mut added = BTreeSet::new();
    while added.len() < there.len() {
        let WatchEvent::Added(map) = events.next().await.unwrap().unwrap() else { panic!("that is not new") };
        added.insert(map.name_any());
    }
    assert_eq!(added, there);
    simulation.api::<ConfigMap>().delete("one", &DeleteParams::default()).await.unwrap();
    assert!(matches!(events.next().await.unwrap().unwrap(), WatchEvent::Deleted(map) if map.name_any() == "one"));
}

async fn read_list(
    events: &mut (impl futures::Stream<Item = watcher::Result<Event<ConfigMap>>> + Unpin),
    known: &mut BTreeSet<String>,
) {
    loop {
        match events.next().await.expect("a watcher does not end").expect("the first list comes through") {
            Event::InitDone => return,
            Event::InitApply(map) => drop(known.insert(map.name_any())),
            _ => {}
        }
    }
}

fn color(map: &ConfigMap) -> String {
    map.labels()["color"].clone()
}

fn revision(map: &ConfigMap) -> u64 {
    map.resource_version().and_then(|revision| revision.parse().ok()).expect("revisions are numbers")
}
