//! Rolling out a new version: how many pods there are at every moment, and what happens when it does not work.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde_json::json;
use tests::eventually::check;
use tests::history::History;
use tests::manifests::{IMAGE, deployment, deployment_of};
use tests::objects::{deployment_condition, image, is_leaving, is_ready, names, pod_condition, told};
use tests::simulation::Simulation;

use super::states::ready_pods;

const NEW: &str = "skiff.dev/echo:2";
const MISSING: &str = "webserver:404";

#[tokio::test(start_paused = true)]
async fn a_rolling_update_keeps_within_its_bounds_at_every_moment() {
    // Replicas, maxSurge, maxUnavailable; the fewest that may be ready, the most that there may be.
    let cases = [
        (4, json!("25%"), json!("25%"), 3, 5),
        (5, json!(1), json!(0), 5, 6),
        (5, json!(0), json!(1), 4, 5),
        (3, json!("100%"), json!(0), 3, 6),
        (10, json!("25%"), json!("25%"), 8, 13),
        (1, json!("25%"), json!("25%"), 1, 2),
    ];
    let simulation = Simulation::with_nodes(2).await;
    for (number, (replicas, surge, unavailable, fewest, most)) in cases.into_iter().enumerate() {
        let name = format!("web-{number}");
        let with = |image: &str| {
            let mut deployment = deployment_of(&name, replicas, image);
            deployment["spec"]["strategy"] = json!({
                "type": "RollingUpdate", "rollingUpdate": { "maxSurge": surge, "maxUnavailable": unavailable },
            });
            deployment
        };
        simulation.apply(with(IMAGE)).await;
        ready_pods(&simulation, &name, replicas as usize).await;
        let pods = simulation.record(simulation.api::<Pod>()).await;
        simulation.apply(with(NEW)).await;
        rolled_out(&simulation, &name, NEW).await;
        assert_within(&pods, &name, fewest, most).await;
        simulation.delete::<Deployment>(&name).await;
    }
}

#[tokio::test(start_paused = true)]
async fn pods_that_must_be_ready_for_a_while_hold_the_rollout_up() {
    let simulation = Simulation::start().await;
    let with = |image: &str| {
        let mut deployment = deployment_of("web", 3, image);
        deployment["spec"]["minReadySeconds"] = json!(10);
        deployment["spec"]["strategy"] = json!({ "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 } });
        deployment
    };
    simulation.apply(with(IMAGE)).await;
    rolled_out(&simulation, "web", IMAGE).await;
    let pods = simulation.record(simulation.api::<Pod>()).await;
    let start = tokio::time::Instant::now();
    simulation.apply(with(NEW)).await;
    rolled_out(&simulation, "web", NEW).await;
    assert_within(&pods, "web", 3, 4).await;
    // Three pods, one after the other, each ten seconds; less a part of a second, since the API keeps whole seconds of
    // when a pod became ready.
    let seconds = start.elapsed().as_secs();
    assert!((27..40).contains(&seconds), "it took {seconds} s");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_never_becomes_ready_stops_and_the_old_pods_stay() {
    let simulation = Simulation::start().await;
    let with = |image: &str| {
        let mut deployment = deployment_of("web", 4, image);
        deployment["spec"]["progressDeadlineSeconds"] = json!(30);
        deployment
    };
    simulation.apply(with(IMAGE)).await;
    let before = names(&ready_pods(&simulation, "web", 4).await);
    rolled_out(&simulation, "web", IMAGE).await;
    let history = simulation.record(simulation.api::<Pod>()).await;
    simulation.apply(with(MISSING)).await;
    simulation
        .eventually("the Deployment says that it makes no progress", async || {
            let deployment: Deployment = simulation.get("web").await;
            let condition = deployment_condition(&deployment, "Progressing");
            check(condition == Some(("False".into(), "ProgressDeadlineExceeded".into())), || format!("{condition:?}"))
        })
        .await;
    simulation.pass(std::time::Duration::from_secs(600)).await;
    assert_within(&history, "web", 3, 5).await;
    let pods: Vec<Pod> = simulation.list("app=web").await;
    let (old, new): (Vec<&Pod>, Vec<&Pod>) = pods.iter().partition(|pod| image(pod) == IMAGE);
    assert_eq!((old.len(), new.len()), (3, 2), "{}", told(&pods));
    assert!(old.iter().all(|pod| is_ready(pod) && before.contains(&pod.name_any())));
    for pod in new {
        let status = pod.status.clone().unwrap();
        let waiting = status.container_statuses.unwrap()[0].state.clone().unwrap().waiting.unwrap();
        assert!(["ErrImagePull", "ImagePullBackOff"].contains(&waiting.reason.unwrap().as_str()));
        assert_eq!(pod_condition(pod, "Ready").unwrap().status, "False");
        assert_eq!(pod_condition(pod, "ContainersReady").unwrap().reason.as_deref(), Some("ContainersNotReady"));
    }
    let deployment: Deployment = simulation.get("web").await;
    assert_eq!(deployment_condition(&deployment, "Available").unwrap().0, "True");
    assert_eq!(deployment.status.unwrap().unavailable_replicas, Some(2));

    // The way back is to say again what was there before.
    simulation.apply(with(IMAGE)).await;
    rolled_out(&simulation, "web", IMAGE).await;
    let after = names(&ready_pods(&simulation, "web", 4).await);
    assert_eq!(after.intersection(&before).count(), 3, "the pods that had stayed were replaced");
    let deployment: Deployment = simulation.get("web").await;
    assert_eq!(
        deployment_condition(&deployment, "Progressing"),
        Some(("True".into(), "NewReplicaSetAvailable".into()))
    );
}

#[tokio::test(start_paused = true)]
async fn recreating_ends_all_old_pods_before_the_first_new_one() {
    let simulation = Simulation::start().await;
    let with = |image: &str| {
        let mut deployment = deployment_of("web", 3, image);
        deployment["spec"]["strategy"] = json!({ "type": "Recreate" });
        deployment
    };
    simulation.apply(with(IMAGE)).await;
    ready_pods(&simulation, "web", 3).await;
    let history = simulation.record(simulation.api::<Pod>()).await;
    simulation.apply(with(NEW)).await;
    rolled_out(&simulation, "web", NEW).await;
    for state in history.states().await {
        let versions: std::collections::BTreeSet<&str> = state.values().map(image).collect();
        assert!(versions.len() <= 1, "two versions at the same time: {versions:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_template_applied_again_uses_its_old_set() {
    let simulation = Simulation::start().await;
    simulation.apply(deployment_of("web", 2, IMAGE)).await;
    rolled_out(&simulation, "web", IMAGE).await;
    let sets: Vec<ReplicaSet> = simulation.list("app=web").await;
    let first = sets[0].name_any();
    simulation.apply(deployment_of("web", 2, NEW)).await;
    rolled_out(&simulation, "web", NEW).await;
    simulation.apply(deployment_of("web", 2, IMAGE)).await;
    rolled_out(&simulation, "web", IMAGE).await;

    let sets: Vec<ReplicaSet> = simulation.list("app=web").await;
    assert_eq!(sets.len(), 2, "{:?}", names(&sets));
    let revision = |set: &ReplicaSet| set.annotations()["deployment.kubernetes.io/revision"].clone();
    let active = sets.iter().find(|set| set.spec.as_ref().unwrap().replicas == Some(2)).unwrap();
    assert_eq!((active.name_any(), revision(active)), (first, "3".to_owned()));
    let deployment: Deployment = simulation.get("web").await;
    assert_eq!(deployment.annotations()["deployment.kubernetes.io/revision"], "3");
}

#[tokio::test(start_paused = true)]
async fn only_so_many_old_sets_are_kept_as_the_history_may_hold() {
    let simulation = Simulation::start().await;
    for version in 1..=5 {
        let image = format!("skiff.dev/echo:{version}");
        let mut deployment = deployment_of("web", 1, &image);
        deployment["spec"]["revisionHistoryLimit"] = json!(2);
        simulation.apply(deployment).await;
        rolled_out(&simulation, "web", &image).await;
    }
    simulation
        .eventually("the active set and two old ones are left", async || {
            let sets: Vec<ReplicaSet> = simulation.list("app=web").await;
            let mut revisions: Vec<String> =
                sets.iter().map(|set| set.annotations()["deployment.kubernetes.io/revision"].clone()).collect();
            revisions.sort();
            check(revisions == ["3", "4", "5"], || format!("{revisions:?}"))
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_deployment_scales_but_does_not_roll_out() {
    let simulation = Simulation::start().await;
    simulation.apply(deployment("web", 2)).await;
    rolled_out(&simulation, "web", IMAGE).await;
    let change = json!({ "spec": {
        "paused": true, "replicas": 3,
        "template": { "spec": { "containers": [{ "name": "main", "image": NEW }] } },
    } });
    simulation.change::<Deployment>("web", change).await;
    let pods = ready_pods(&simulation, "web", 3).await;
    assert!(pods.iter().all(|pod| image(pod) == IMAGE), "{}", told(&pods));
    simulation.pass(std::time::Duration::from_secs(60)).await;
    assert_eq!(names(&ready_pods(&simulation, "web", 3).await), names(&pods));
    simulation.change::<Deployment>("web", json!({ "spec": { "paused": false } })).await;
    rolled_out(&simulation, "web", NEW).await;
}

/// Waits until a Deployment says that it is complete, and its pods that they run this image.
async fn rolled_out(simulation: &Simulation, name: &str, version: &str) {
    simulation
        .eventually(&format!("{name} has rolled {version} out"), async || {
            let deployment: Deployment = simulation.get(name).await;
            let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas);
            let status = deployment.status.clone().unwrap_or_default();
            let is_complete = status.observed_generation == deployment.metadata.generation
                && [status.replicas, status.updated_replicas, status.available_replicas] == [wanted; 3];
            check(is_complete, || format!("{status:?}"))?;
            let pods: Vec<Pod> = simulation.list(&format!("app={name}")).await;
            check(pods.iter().all(|pod| image(pod) == version), || told(&pods))
        })
        .await;
}

/// Holds a history of pods against the bounds of a rollout.
async fn assert_within(history: &History<Pod>, app: &str, fewest: usize, most: usize) {
    let states = history.states().await;
    assert!(states.len() > 1, "nothing happened");
    for (number, state) in states.iter().enumerate() {
        let of_app = |pod: &&Pod| pod.labels().get("app").is_some_and(|label| label == app);
        let staying: Vec<Pod> = state.values().filter(of_app).filter(|pod| !is_leaving(*pod)).cloned().collect();
        let ready = staying.iter().filter(|pod| is_ready(pod)).count();
        let told = || format!("change {number} of {}: {}", states.len() - 1, told(&staying));
        assert!(ready >= fewest, "{ready} of at least {fewest} pods are ready. {}", told());
        assert!(staying.len() <= most, "{} of at most {most} pods. {}", staying.len(), told());
    }
}
