//! Lists: pages of one moment, selections, and moments of the past.

use std::collections::BTreeSet;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, PostParams, VersionMatch};
use serde_json::json;
use tests::manifests::config_map;
use tests::objects::names;
use tests::simulation::Simulation;

const COUNT: usize = 1200;

#[tokio::test(start_paused = true)]
async fn all_pages_of_a_list_show_one_moment_while_writes_go_on() {
    let simulation = Simulation::start().await;
    let maps = simulation.api::<ConfigMap>();
    create_many(&simulation, COUNT).await;
    let selected = ListParams::default().labels("kind=page");
    let before = names(&maps.list(&selected).await.unwrap().items);
    assert_eq!(before.len(), COUNT);

    let page = ListParams::default().limit(100);
    let mut next = page.clone();
    let mut seen = Vec::new();
    let mut revisions = BTreeSet::new();
    let mut left = None;
    for number in 0.. {
        let list = maps.list(&next).await.unwrap();
        revisions.insert(list.metadata.resource_version.clone().unwrap());
        seen.extend(list.items);
        if number == 0 {
            left = list.metadata.remaining_item_count;
        }
        let Some(token) = list.metadata.continue_.filter(|token| !token.is_empty()) else { break };
        next = page.clone().continue_token(&token);
        // Behind and before the place where the list is.
        maps.delete(&format!("page-{:04}", COUNT - 1 - number), &DeleteParams::default()).await.unwrap();
        maps.create(&PostParams::default(), &map(&format!("page-{number:04}-new"))).await.unwrap();
        maps.create(&PostParams::default(), &map(&format!("zzz-{number}"))).await.unwrap();
        let name = format!("page-{:04}", COUNT - 200 - number);
        simulation.change::<ConfigMap>(&name, json!({ "data": { "changed": "yes" } })).await;
    }
    assert_eq!(revisions.len(), 1, "the pages are of several moments: {revisions:?}");
    let pages: Vec<&ConfigMap> = seen.iter().filter(|map| map.labels().contains_key("kind")).collect();
    assert_eq!(pages.len(), COUNT, "an object is missing or there twice");
    assert_eq!(pages.iter().map(|map| map.name_any()).collect::<BTreeSet<_>>(), before);
    assert!(pages.iter().all(|map| map.data.is_none()), "a later state is shown");
    assert_eq!(left, Some((seen.len() - 100) as i64));
}

#[tokio::test(start_paused = true)]
async fn a_list_of_the_past_is_what_it_was() {
    let simulation = Simulation::start().await;
    let maps = simulation.api::<ConfigMap>();
    create_many(&simulation, 5).await;
    let selected = ListParams::default().labels("kind=page");
    let then = maps.list(&selected).await.unwrap();
    let revision = then.metadata.resource_version.clone().unwrap();
    maps.delete("page-0000", &DeleteParams::default()).await.unwrap();
    create_many(&simulation, 7).await;
    let exact = selected.clone().at(&revision).matching(VersionMatch::Exact);
    assert_eq!(names(&maps.list(&exact).await.unwrap().items), names(&then.items));
    let newer = selected.clone().at(&revision).matching(VersionMatch::NotOlderThan);
    assert_eq!(maps.list(&newer).await.unwrap().items.len(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_page_whose_moment_is_forgotten_says_how_to_go_on() {
    let simulation = Simulation::start().await;
    let maps = simulation.api::<ConfigMap>();
    create_many(&simulation, 10).await;
    let page = ListParams::default().labels("kind=page").limit(4);
    let first = maps.list(&page).await.unwrap();
    let token = first.metadata.continue_.unwrap();
    for _ in 0..3 {
        simulation.pass(std::time::Duration::from_secs(600)).await;
        simulation.change::<ConfigMap>("page-0009", json!({ "data": { "moment": "later" } })).await;
    }
    let Err(kube::Error::Api(status)) = maps.list(&page.clone().continue_token(&token)).await else {
        panic!("a moment half an hour ago is still kept")
    };
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
}

#[tokio::test(start_paused = true)]
async fn labels_and_fields_select() {
    let simulation = Simulation::start().await;
    let maps = simulation.api::<ConfigMap>();
    create_many(&simulation, 4).await;
    simulation.change::<ConfigMap>("page-0001", json!({ "metadata": { "labels": { "odd": "yes" } } })).await;
    let selected = async |labels: &str, fields: &str| {
        let list = ListParams::default().labels(labels).fields(fields);
        names(&maps.list(&list).await.unwrap().items).into_iter().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(selected("odd", "").await, "page-0001");
    assert_eq!(selected("kind=page,!odd", "").await, "page-0000 page-0002 page-0003");
    assert_eq!(selected("odd in (yes,no)", "").await, "page-0001");
    assert_eq!(selected("kind=page,odd notin (yes)", "").await, "page-0000 page-0002 page-0003");
    assert_eq!(selected("kind!=page", "metadata.name=kube-root-ca.crt").await, "kube-root-ca.crt");
    assert_eq!(selected("", "metadata.name=page-0002").await, "page-0002");
    let refused = maps.list(&ListParams::default().fields("data.key=value")).await;
    assert!(matches!(refused, Err(kube::Error::Api(status)) if status.code == 400));
}

async fn create_many(simulation: &Simulation, count: usize) {
    let maps = simulation.api::<ConfigMap>();
    let maps = &maps;
    let made = futures::stream::iter(0..count).map(|number| async move {
        let answer = maps.create(&PostParams::default(), &map(&format!("page-{number:04}"))).await;
        match answer {
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            answer => drop(answer.expect("create a ConfigMap")),
        }
    });
    made.buffer_unordered(32).collect::<Vec<()>>().await;
}

fn map(name: &str) -> ConfigMap {
    let mut object = config_map(name);
    object["metadata"]["labels"] = json!({ "kind": "page" });
    object["data"] = json!(null);
    serde_json::from_value(object).expect("it is a ConfigMap")
}
