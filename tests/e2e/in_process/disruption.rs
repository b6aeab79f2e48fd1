//! Budgets: how many pods may be evicted, and when the next may go.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use kube::ResourceExt;
use kube::api::{EvictParams, Patch, PatchParams};
use serde_json::{Value, json};
use tests::eventually::check;
use tests::manifests::{deployment, pod};
use tests::objects::{is_leaving, pod_condition};
use tests::simulation::Simulation;

use super::states::ready_pods;

/// One of several pods of an app.
fn pod_of(app: &str, name: &str) -> Value {
    let mut pod = pod(name);
    pod["metadata"]["labels"]["app"] = json!(app);
    pod
}

/// A budget over the pods of an app, of the app's name.
fn budget(app: &str, rule: Value) -> Value {
    let mut budget = json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": { "name": app },
        "spec": { "selector": { "matchLabels": { "app": app } } },
    });
    let rule = rule.as_object().expect("a rule is fields of the spec");
    budget["spec"].as_object_mut().expect("a spec is fields").extend(rule.clone());
    budget
}

async fn status(simulation: &Simulation, name: &str) -> PodDisruptionBudgetStatus {
    simulation.get::<PodDisruptionBudget>(name).await.status.unwrap_or_default()
}

/// Waits until a budget tells these numbers: expected, desired, healthy, allowed.
async fn counted(simulation: &Simulation, name: &str, wanted: [i32; 4]) -> PodDisruptionBudgetStatus {
    simulation
        .eventually(&format!("{name} counts {wanted:?}"), async || {
            let status = status(simulation, name).await;
            let numbers =
                [status.expected_pods, status.desired_healthy, status.current_healthy, status.disruptions_allowed];
            check(numbers == wanted.map(Some), || format!("{status:?}"))?;
            Ok(status)
        })
        .await
}

/// Asks for an eviction. The error is the code of the refusal and what the budget says.
async fn evict(simulation: &Simulation, pod: &str) -> Result<(), (u16, String)> {
    match simulation.api::<Pod>().evict(pod, &EvictParams::default()).await {
        Ok(status) => {
            assert_eq!(status.code, 201);
            Ok(())
        }
        Err(kube::Error::Api(status)) => {
            let causes = status.details.iter().flat_map(|details| &details.causes);
            Err((status.code, causes.map(|cause| cause.message.as_str()).collect()))
        }
        Err(error) => panic!("evict {pod}: {error}"),
    }
}

async fn cordon(simulation: &Simulation, is_closed: bool) {
    let change = Patch::Merge(json!({ "spec": { "unschedulable": is_closed } }));
    simulation.whole::<Node>().patch("node-1", &PatchParams::default(), &change).await.expect("change a node");
}

#[tokio::test(start_paused = true)]
async fn the_next_pod_may_go_when_the_one_before_it_is_replaced() {
    let simulation = Simulation::start().await;
    simulation.apply(deployment("web", 3)).await;
    let pods = ready_pods(&simulation, "web", 3).await;
    simulation.apply(budget("web", json!({ "minAvailable": 2 }))).await;
    let status = counted(&simulation, "web", [3, 2, 3, 1]).await;
    let condition = &status.conditions.unwrap()[0];
    assert_eq!((condition.type_.as_str(), condition.reason.as_str()), ("DisruptionAllowed", "SufficientPods"));
    assert_eq!((condition.status.as_str(), condition.observed_generation), ("True", Some(1)));

    // What replaces the first must wait for a place.
    cordon(&simulation, true).await;
    evict(&simulation, &pods[0].name_any()).await.unwrap();
    let (code, why) = evict(&simulation, &pods[1].name_any()).await.unwrap_err();
    assert_eq!(code, 429);
    assert!(why.starts_with("The disruption budget web "), "{why}");
    simulation.pass(Duration::from_secs(120)).await;
    let refused = (429, "The disruption budget web needs 2 healthy pods and has 2 currently".to_owned());
    assert_eq!(evict(&simulation, &pods[1].name_any()).await, Err(refused));
    assert!(!is_leaving(&simulation.get::<Pod>(&pods[1].name_any()).await));

    cordon(&simulation, false).await;
    let status = counted(&simulation, "web", [3, 2, 3, 1]).await;
    assert!(status.disrupted_pods.unwrap_or_default().is_empty(), "what has gone is noted no longer");
    evict(&simulation, &pods[1].name_any()).await.unwrap();
    ready_pods(&simulation, "web", 3).await;
    simulation.stop().await;
}

#[tokio::test(start_paused = true)]
async fn percentages_are_of_what_the_deployment_wants() {
    let simulation = Simulation::start().await;
    for (app, rule) in [("least", json!({ "minAvailable": "60%" })), ("most", json!({ "maxUnavailable": "25%" }))] {
        simulation.apply(deployment(app, 4)).await;
        ready_pods(&simulation, app, 4).await;
        simulation.apply(budget(app, rule)).await;
        counted(&simulation, app, [4, 3, 4, 1]).await;
        let change = json!({ "spec": { "replicas": 10 } });
        simulation.change::<Deployment>(app, change).await;
    }
    counted(&simulation, "least", [10, 6, 10, 4]).await;
    counted(&simulation, "most", [10, 7, 10, 3]).await;
    // Those that are wanted count, also where there is no place for them.
    cordon(&simulation, true).await;
    simulation.change::<Deployment>("most", json!({ "spec": { "replicas": 16 } })).await;
    counted(&simulation, "most", [16, 12, 10, 0]).await;
}

#[tokio::test(start_paused = true)]
async fn no_more_pods_are_away_at_once_than_the_budget_says() {
    let simulation = Simulation::start().await;
    simulation.apply(deployment("web", 3)).await;
    let pods = ready_pods(&simulation, "web", 3).await;
    simulation.apply(budget("web", json!({ "maxUnavailable": 1 }))).await;
    counted(&simulation, "web", [3, 2, 3, 1]).await;
    cordon(&simulation, true).await;
    let names: Vec<String> = pods.iter().map(ResourceExt::name_any).collect();
    let answers = futures::future::join_all(names.iter().map(|name| evict(&simulation, name))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
    counted(&simulation, "web", [3, 2, 2, 0]).await;
    // A budget that is changed is counted anew.
    simulation.change::<PodDisruptionBudget>("web", json!({ "spec": { "maxUnavailable": 2 } })).await;
    let status = counted(&simulation, "web", [3, 1, 2, 1]).await;
    assert_eq!(status.observed_generation, Some(2));
}

#[tokio::test(start_paused = true)]
async fn pods_without_a_controller_count_against_a_number() {
    let simulation = Simulation::start().await;
    for name in ["one", "two"] {
        simulation.apply(pod_of("loose", name)).await;
    }
    ready_pods(&simulation, "loose", 2).await;
    simulation.apply(budget("loose", json!({ "minAvailable": 1 }))).await;
    counted(&simulation, "loose", [2, 1, 2, 1]).await;
    evict(&simulation, "one").await.unwrap();
    counted(&simulation, "loose", [1, 1, 1, 0]).await;
    let refused = (429, "The disruption budget loose needs 1 healthy pods and has 1 currently".to_owned());
    assert_eq!(evict(&simulation, "two").await, Err(refused));
}

#[tokio::test(start_paused = true)]
async fn controllers_of_any_kind_are_asked_for_their_scale() {
    let simulation = Simulation::start().await;
    let template = json!({ "metadata": { "labels": { "app": "owned" } }, "spec": pod("x")["spec"] });
    let selector = json!({ "matchLabels": { "app": "owned" } });
    // Nobody acts on these kinds: their pods are made by hand.
    for (version, kind, spec) in [
        ("apps/v1", "StatefulSet", json!({ "replicas": 3, "selector": selector, "template": template })),
        ("v1", "ReplicationController", json!({ "replicas": 2, "template": template })),
    ] {
        let owner = json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "owner" }, "spec": spec });
        let owner = simulation.apply(owner).await;
        own(&simulation, &kind.to_lowercase(), version, kind, &owner.uid().unwrap()).await;
    }
    simulation.apply(budget("owned", json!({ "maxUnavailable": 4 }))).await;
    counted(&simulation, "owned", [5, 1, 2, 1]).await;

    let daemons = json!({ "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": { "name": "owner" },
        "spec": { "selector": selector, "template": template } });
    let owner = simulation.apply(daemons).await;
    own(&simulation, "daemon", "apps/v1", "DaemonSet", &owner.uid().unwrap()).await;
    let failed = simulation
        .eventually("the budget says that it cannot be counted", async || {
            let conditions = status(&simulation, "owned").await.conditions.unwrap_or_default();
            let failed = conditions.into_iter().find(|condition| condition.reason == "SyncFailed");
            failed.ok_or_else(|| "it does not".to_owned())
        })
        .await;
    assert_eq!(failed.message, "daemonsets.apps does not implement the scale subresource");
    let (code, why) = evict(&simulation, "daemon").await.unwrap_err();
    assert_eq!(code, 429);
    assert!(why.ends_with(&format!("because it failed sync: {}", failed.message)), "{why}");
    simulation.delete::<Pod>("daemon").await;
    counted(&simulation, "owned", [5, 1, 2, 1]).await;
}

/// Creates a pod that runs and has this controller.
async fn own(simulation: &Simulation, name: &str, version: &str, kind: &str, uid: &str) {
    let mut pod = pod_of("owned", name);
    pod["metadata"]["ownerReferences"] =
        json!([{ "apiVersion": version, "kind": kind, "name": "owner", "uid": uid, "controller": true }]);
    simulation.apply(pod).await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_was_to_go_and_stays_counts_again() {
    let simulation = Simulation::start().await;
    for name in ["one", "two"] {
        simulation.apply(pod_of("loose", name)).await;
    }
    let pods = ready_pods(&simulation, "loose", 2).await;
    simulation.apply(budget("loose", json!({ "minAvailable": 1 }))).await;
    counted(&simulation, "loose", [2, 1, 2, 1]).await;
    // As an eviction leaves it that is cut off before it deletes.
    let now = pod_condition(&pods[0], "Ready").unwrap().last_transition_time.clone();
    let change = Patch::Merge(json!({ "status": { "disruptionsAllowed": 0, "disruptedPods": { "one": now } } }));
    let budgets = simulation.api::<PodDisruptionBudget>();
    budgets.patch_status("loose", &PatchParams::default(), &change).await.unwrap();
    let condition = json!({ "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting", "lastTransitionTime": now });
    let change = Patch::Strategic(json!({ "status": { "conditions": [condition] } }));
    simulation.api::<Pod>().patch_status("one", &PatchParams::default(), &change).await.unwrap();
    counted(&simulation, "loose", [2, 1, 1, 0]).await;

    simulation.pass(Duration::from_secs(90)).await;
    assert_eq!(status(&simulation, "loose").await.disruptions_allowed, Some(0));
    let status = counted(&simulation, "loose", [2, 1, 2, 1]).await;
    assert!(status.disrupted_pods.unwrap_or_default().is_empty());
    simulation
        .eventually("the pod is no longer said to make way", async || {
            let pod: Pod = simulation.get("one").await;
            let condition = pod_condition(&pod, "DisruptionTarget").expect("the condition is still there");
            let is_bare = condition.reason.is_none() && condition.message.is_none();
            check(condition.status == "False" && is_bare, || format!("{condition:?}"))
        })
        .await;
    simulation
        .eventually("an Event tells it", async || {
            let events: Vec<Event> = simulation.list("").await;
            check(events.iter().any(|event| event.reason.as_deref() == Some("NotDeleted")), || format!("{events:?}"))
        })
        .await;
}
