//! A small operator as people write them: for each ConfigMap a Secret, applied, owned, and tidied up after.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::controller::Action;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::runtime::finalizer::{self, Event as Change, finalizer};
use kube::runtime::{Controller, watcher};
use kube::{Client, Resource, ResourceExt};
use serde_json::json;
use tests::manifests::config_map;

const FINALIZER: &str = "test.skiff.dev/tidy";
const APPLIER: &str = "operator";

type Error = finalizer::Error<kube::Error>;

struct Operator {
    client: Client,
}

pub async fn keeps_what_it_owns(client: Client, namespace: String) {
    let maps = Api::<ConfigMap>::namespaced(client.clone(), &namespace);
    let secrets = Api::<Secret>::namespaced(client.clone(), &namespace);
    let ours = watcher::Config::default().labels("watched=yes");
    let controller = Controller::new(maps.clone(), ours).owns(secrets.clone(), watcher::Config::default());
    let context = Arc::new(Operator { client });
    let running = controller.run(reconcile, |_, _, _| Action::requeue(Duration::from_millis(100)), context);
    let running = tokio::spawn(running.for_each(|_| std::future::ready(())));

    let mut object = config_map("a");
    object["metadata"]["labels"] = json!({ "watched": "yes" });
    object["data"] = json!({ "word": "open" });
    maps.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    word_becomes(&secrets, "open").await;

    let patch = Patch::Merge(json!({ "data": { "word": "close" } }));
    maps.patch("a", &PatchParams::default(), &patch).await.unwrap();
    word_becomes(&secrets, "close").await;

    secrets.delete("of-a", &DeleteParams::default()).await.unwrap();
    word_becomes(&secrets, "close").await;

    maps.delete("a", &DeleteParams::default()).await.unwrap();
    while maps.get_opt("a").await.unwrap().is_some() || secrets.get_opt("of-a").await.unwrap().is_some() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    running.abort();
}

async fn word_becomes(secrets: &Api<Secret>, word: &str) {
    loop {
        let secret = secrets.get_opt("of-a").await.unwrap();
        let data = secret.and_then(|secret| secret.data).unwrap_or_default();
        if data.get("word").is_some_and(|found| found.0 == word.as_bytes()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn reconcile(map: Arc<ConfigMap>, context: Arc<Operator>) -> Result<Action, Error> {
    let namespace = map.namespace().expect("a ConfigMap has a namespace");
    let maps = Api::<ConfigMap>::namespaced(context.client.clone(), &namespace);
    let secrets = Api::<Secret>::namespaced(context.client.clone(), &namespace);
    finalizer(&maps, FINALIZER, map, |change| async {
        match change {
            Change::Apply(map) => apply(&secrets, &map).await,
            Change::Cleanup(map) => {
                let _ = secrets.delete(&format!("of-{}", map.name_any()), &DeleteParams::default()).await;
                Ok(Action::await_change())
            }
        }
    })
    .await
}

async fn apply(secrets: &Api<Secret>, map: &ConfigMap) -> Result<Action, kube::Error> {
    let name = format!("of-{}", map.name_any());
    let wanted = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": name, "ownerReferences": [map.controller_owner_ref(&())] },
        "stringData": map.data,
    });
    secrets.patch(&name, &PatchParams::apply(APPLIER).force(), &Patch::Apply(wanted)).await?;
    Ok(Action::await_change())
}

/// Two events that are alike become one with a count.
pub async fn records(client: Client, namespace: String) {
    use k8s_openapi::api::events::v1::Event as Told;
    let maps = Api::<ConfigMap>::namespaced(client.clone(), &namespace);
    let map = maps.create(&PostParams::default(), &serde_json::from_value(config_map("a")).unwrap()).await.unwrap();
    let recorder = Recorder::new(client.clone(), Reporter::from("test.skiff.dev/operator"));
    let event = Event {
        type_: EventType::Normal,
        reason: "Tested".into(),
        note: Some("all is well".into()),
        action: "Test".into(),
        secondary: None,
    };
    for _ in 0..2 {
        recorder.publish(&event, &map.object_ref(&())).await.unwrap();
    }
    let events = Api::<Told>::namespaced(client, &namespace);
    let told = events.list(&ListParams::default().fields("reason=Tested")).await.unwrap().items;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].series.as_ref().map(|series| series.count), Some(2));
    assert_eq!(told[0].regarding.as_ref().and_then(|object| object.uid.clone()), map.uid());
}
