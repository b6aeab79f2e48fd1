//! The lives of simulated pods, and what is told of them.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams};
use serde_json::json;
use tests::eventually::check;
use tests::manifests::{deployment, pod};
use tests::objects::{address, is_leaving, is_ready, phase, pod_condition, told};
use tests::simulation::Simulation;
use tokio::time::Instant;

use super::states::ready_pods;

#[tokio::test(start_paused = true)]
async fn a_simulated_pod_runs_for_ever() {
    let simulation = Simulation::start().await;
    for policy in ["Always", "OnFailure", "Never"] {
        let mut pod = pod(&policy.to_lowercase());
        pod["spec"]["restartPolicy"] = json!(policy);
        simulation.apply(pod).await;
    }
    let history = simulation.record(simulation.api::<Pod>()).await;
    simulation.pass(Duration::from_secs(900)).await;
    let pods: Vec<Pod> = simulation.list("").await;
    assert!(pods.len() == 3 && pods.iter().all(is_ready), "{}", told(&pods));
    let phases: BTreeSet<String> =
        history.states().await.iter().flat_map(|state| state.values().map(|pod| phase(pod).to_owned())).collect();
    assert!(phases.iter().all(|phase| ["", "Pending", "Running"].contains(&phase.as_str())), "{phases:?}");
}

#[tokio::test(start_paused = true)]
async fn a_running_pod_shows_all_of_its_state() {
    let simulation = Simulation::start().await;
    simulation.apply(pod("one")).await;
    let pod = ready_pods(&simulation, "one", 1).await.remove(0);
    for condition in ["PodScheduled", "Initialized", "ContainersReady", "Ready", "PodReadyToStartContainers"] {
        assert_eq!(pod_condition(&pod, condition).map(|found| found.status.as_str()), Some("True"), "{condition}");
    }
    let status = pod.status.clone().unwrap();
    assert_eq!((status.phase.as_deref(), status.qos_class.as_deref()), (Some("Running"), Some("BestEffort")));
    assert_eq!(status.host_ip.as_deref(), Some("127.0.0.1"));
    assert!(address(&pod).starts_with("127.64.1."));
    assert!(status.start_time.is_some());
    let container = &status.container_statuses.unwrap()[0];
    assert!(container.ready && container.started == Some(true) && container.restart_count == 0);
    assert!(container.state.clone().unwrap().running.is_some());
    assert!(container.container_id.is_some());
    // Nothing more is written about it.
    let revision = pod.resource_version();
    simulation.pass(Duration::from_secs(900)).await;
    assert_eq!(simulation.get::<Pod>("one").await.resource_version(), revision);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_pod_ends_within_its_grace_period() {
    let simulation = Simulation::start().await;
    let mut slow = pod("slow");
    slow["spec"]["terminationGracePeriodSeconds"] = json!(20);
    simulation.apply(slow.clone()).await;
    ready_pods(&simulation, "slow", 1).await;
    let history = simulation.record(simulation.api::<Pod>()).await;
    let start = Instant::now();
    let pending = simulation.api::<Pod>().delete("slow", &DeleteParams::default()).await.unwrap();
    let pending = pending.left().expect("it stays for a while");
    assert!(is_leaving(&pending));
    assert_eq!(pending.metadata.deletion_grace_period_seconds, Some(20));
    is_gone(&simulation, "slow").await;
    assert!(start.elapsed() <= Duration::from_secs(21), "it took {:?}", start.elapsed());
    // It was marked, it ended, and only then it went.
    let states = history.states().await;
    let marked = states.iter().filter_map(|state| state.values().find(|pod| is_leaving(*pod)));
    assert!(marked.count() >= 1);

    // Its name is free at once for another.
    simulation.apply(slow).await;
    let again = ready_pods(&simulation, "slow", 1).await;
    assert_ne!(again[0].uid(), pending.uid());
}

#[tokio::test(start_paused = true)]
async fn a_pod_with_a_hook_that_waits_takes_that_long_and_no_longer_than_its_grace_period() {
    let simulation = Simulation::start().await;
    for (name, hook, least, most) in [("short", 5, 5, 8), ("long", 100, 20, 24)] {
        let mut pod = pod(name);
        pod["spec"]["terminationGracePeriodSeconds"] = json!(200);
        pod["spec"]["containers"][0]["lifecycle"] = json!({ "preStop": { "sleep": { "seconds": hook } } });
        simulation.apply(pod).await;
        ready_pods(&simulation, name, 1).await;
        let start = Instant::now();
        simulation.api::<Pod>().delete(name, &DeleteParams::default().grace_period(20)).await.unwrap();
        is_gone(&simulation, name).await;
        let seconds = start.elapsed().as_secs();
        assert!((least..=most).contains(&seconds), "{name} took {seconds} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_without_a_node_or_without_grace_goes_at_once() {
    let simulation = Simulation::start().await;
    let mut waiting = pod("waiting");
    waiting["spec"]["nodeSelector"] = json!({ "no": "such" });
    simulation.apply(waiting).await;
    simulation.apply(pod("running")).await;
    ready_pods(&simulation, "running", 1).await;
    simulation.delete::<Pod>("waiting").await;
    let force = DeleteParams::default().grace_period(0);
    simulation.api::<Pod>().delete("running", &force).await.unwrap();
    for name in ["waiting", "running"] {
        assert!(simulation.find::<Pod>(name).await.is_none(), "{name} is still there");
    }
    // The node has noticed too: the address is free, and another pod may come.
    simulation.apply(pod("running")).await;
    ready_pods(&simulation, "running", 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_may_not_run_for_longer_fails() {
    let simulation = Simulation::start().await;
    let mut limited = pod("limited");
    limited["spec"]["activeDeadlineSeconds"] = json!(30);
    simulation.apply(limited).await;
    ready_pods(&simulation, "limited", 1).await;
    simulation
        .eventually("it has failed", async || {
            let pod: Pod = simulation.get("limited").await;
            let reason = pod.status.as_ref().and_then(|status| status.reason.clone());
            check(phase(&pod) == "Failed" && reason.as_deref() == Some("DeadlineExceeded"), || {
                told(std::slice::from_ref(&pod))
            })
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_new_image_restarts_the_container_in_its_pod() {
    let simulation = Simulation::start().await;
    simulation.apply(pod("one")).await;
    let before = ready_pods(&simulation, "one", 1).await.remove(0);
    let change = json!({ "spec": { "containers": [{ "name": "main", "image": "skiff.dev/echo:2" }] } });
    let patch = kube::api::Patch::Strategic(&change);
    simulation.api::<Pod>().patch("one", &Default::default(), &patch).await.unwrap();
    simulation
        .eventually("the container runs the new image", async || {
            let pod: Pod = simulation.get("one").await;
            let container = pod.status.clone().unwrap().container_statuses.unwrap().remove(0);
            let is_new = container.restart_count == 1 && container.image == "skiff.dev/echo:2" && container.ready;
            check(is_new, || format!("{container:?}"))?;
            assert_eq!(address(&pod), address(&before), "the pod keeps its address");
            Ok(())
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn the_story_of_a_deployment_is_told_in_events() {
    let simulation = Simulation::start().await;
    simulation.apply(deployment("web", 1)).await;
    let pods = ready_pods(&simulation, "web", 1).await;
    simulation.delete::<Pod>(&pods[0].name_any()).await;
    ready_pods(&simulation, "web", 1).await;
    simulation.change::<Deployment>("web", json!({ "spec": { "replicas": 0 } })).await;
    ready_pods(&simulation, "web", 0).await;
    // What a node tells of the usual course of its pods is left out for simulated ones.
    let wanted = [
        ("Deployment", "ScalingReplicaSet", "deployment-controller"),
        ("ReplicaSet", "SuccessfulCreate", "replicaset-controller"),
        ("ReplicaSet", "SuccessfulDelete", "replicaset-controller"),
        ("Pod", "Scheduled", "default-scheduler"),
    ];
    simulation
        .eventually("all of it is told", async || {
            let events = simulation.api::<Event>().list(&ListParams::default()).await.unwrap().items;
            let found: BTreeSet<(String, String, String)> = events.iter().map(teller).collect();
            let missing: Vec<_> = wanted
                .iter()
                .filter(|(kind, reason, by)| !found.contains(&(kind.to_string(), reason.to_string(), by.to_string())))
                .collect();
            check(missing.is_empty(), || format!("{missing:?} are not in {found:?}"))
        })
        .await;
    let events = simulation.api::<Event>().list(&ListParams::default()).await.unwrap().items;
    for event in events {
        assert_eq!(event.type_.as_deref(), Some("Normal"), "{event:?}");
        assert!(event.first_timestamp.is_some() || event.event_time.is_some(), "{event:?}");
        assert!(event.involved_object.uid.is_some() && event.message.is_some(), "{event:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_image_is_told_too() {
    let simulation = Simulation::start().await;
    let mut broken = pod("broken");
    broken["spec"]["containers"][0]["image"] = json!("webserver:404");
    simulation.apply(broken).await;
    simulation
        .within(Duration::from_secs(600), "the image is missed, and then not looked for all the time", async || {
            let list = ListParams::default().fields("involvedObject.name=broken,type=Warning");
            let events = simulation.api::<Event>().list(&list).await.unwrap().items;
            let reasons: BTreeSet<String> = events.into_iter().filter_map(|event| event.reason).collect();
            check(reasons.contains("Failed"), || format!("{reasons:?}"))
        })
        .await;
}

fn teller(event: &Event) -> (String, String, String) {
    let component = event.source.as_ref().and_then(|source| source.component.clone());
    let component = component.filter(|name| !name.is_empty()).or_else(|| event.reporting_component.clone());
    let kind = event.involved_object.kind.clone();
    (kind.unwrap_or_default(), event.reason.clone().unwrap_or_default(), component.unwrap_or_default())
}

async fn is_gone(simulation: &Simulation, name: &str) {
    simulation
        .within(Duration::from_secs(120), &format!("{name} is gone"), async || {
            let left = simulation.find::<Pod>(name).await;
            check(left.is_none(), || format!("{left:?}"))
        })
        .await;
}
