//! What stands behind a Service, in both forms: Endpoints and EndpointSlices.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Endpoints, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;
use serde_json::{Value, json};
use tests::eventually::check;
use tests::manifests::{deployment, pod, service};
use tests::objects::{address, of_endpoints, of_slices};
use tests::simulation::Simulation;

use super::states::{behind, behind_are, ready_pods, slices};

#[tokio::test(start_paused = true)]
async fn another_selector_means_other_endpoints() {
    let simulation = Simulation::start().await;
    simulation.apply(deployment("red", 2)).await;
    simulation.apply(deployment("blue", 3)).await;
    simulation.apply(service("color", "red")).await;
    let (red, blue) = (ready_pods(&simulation, "red", 2).await, ready_pods(&simulation, "blue", 3).await);
    behind_are(&simulation, "color", &red).await;
    simulation.change::<Service>("color", json!({ "spec": { "selector": { "app": "blue" } } })).await;
    behind_are(&simulation, "color", &blue).await;
    simulation.change::<Service>("color", json!({ "spec": { "selector": { "app": "green" } } })).await;
    behind_are(&simulation, "color", &[]).await;
    assert_eq!(slices(&simulation, "color").await.len(), 1, "an empty slice stays in its place");
    // Pods that change move as well.
    for pod in &red {
        let labels = json!({ "metadata": { "labels": { "app": "green" } } });
        simulation.change::<Pod>(&pod.name_any(), labels).await;
    }
    behind_are(&simulation, "color", &red).await;
}

#[tokio::test(start_paused = true)]
async fn slices_tell_whose_they_are() {
    let simulation = Simulation::start().await;
    simulation.apply(deployment("web", 1)).await;
    let mut labelled = service("web", "web");
    labelled["metadata"]["labels"] = json!({ "team": "a" });
    simulation.apply(labelled).await;
    let pods = ready_pods(&simulation, "web", 1).await;
    behind_are(&simulation, "web", &pods).await;
    let service: Service = simulation.get("web").await;
    let slice = &slices(&simulation, "web").await[0];
    let owner = &slice.owner_references()[0];
    assert_eq!((owner.kind.as_str(), &owner.uid), ("Service", &service.uid().unwrap()));
    assert_eq!((owner.controller, owner.block_owner_deletion), (Some(true), Some(true)));
    assert!(slice.name_any().starts_with("web-"));
    let labels = slice.labels();
    assert_eq!(labels["endpointslice.kubernetes.io/managed-by"], "endpointslice-controller.k8s.io");
    assert_eq!(labels["team"], "a");
    let endpoint = &slice.endpoints.as_ref().unwrap()[0];
    let target = endpoint.target_ref.clone().unwrap();
    assert_eq!((target.kind.as_deref(), target.name), (Some("Pod"), Some(pods[0].name_any())));
    assert_eq!(endpoint.node_name.as_deref(), Some("node-1"));
    let conditions = endpoint.conditions.clone().unwrap();
    assert_eq!((conditions.ready, conditions.serving, conditions.terminating), (Some(true), Some(true), Some(false)));
    let port = &slice.ports.as_ref().unwrap()[0];
    assert_eq!((port.name.as_deref(), port.port, port.protocol.as_deref()), (Some("web"), Some(8080), Some("TCP")));

    let endpoints: Endpoints = simulation.get("web").await;
    assert_eq!(endpoints.labels()["endpoints.kubernetes.io/managed-by"], "endpoint-controller");
    assert_eq!(endpoints.labels()["team"], "a");
    let old = endpoints.subsets.unwrap()[0].addresses.clone().unwrap()[0].clone();
    assert_eq!((old.ip, old.node_name.as_deref()), (address(&pods[0]), Some("node-1")));
    assert_eq!(old.target_ref.unwrap().uid, pods[0].uid());
}

#[tokio::test(start_paused = true)]
async fn a_headless_service_is_marked_and_knows_its_pods_by_their_host_names() {
    let simulation = Simulation::start().await;
    let mut headless = service("peers", "one");
    headless["spec"]["clusterIP"] = json!("None");
    simulation.apply(headless).await;
    let mut named = pod("one");
    named["spec"]["hostname"] = json!("first");
    named["spec"]["subdomain"] = json!("peers");
    simulation.apply(named).await;
    let pods = ready_pods(&simulation, "one", 1).await;
    behind_are(&simulation, "peers", &pods).await;
    let service: Service = simulation.get("peers").await;
    assert_eq!(service.spec.unwrap().cluster_ip.as_deref(), Some("None"));
    let slice = &slices(&simulation, "peers").await[0];
    assert_eq!(slice.endpoints.as_ref().unwrap()[0].hostname.as_deref(), Some("first"));
    assert_eq!(slice.labels()["service.kubernetes.io/headless"], "");
    let endpoints: Endpoints = simulation.get("peers").await;
    assert_eq!(endpoints.labels()["service.kubernetes.io/headless"], "");
    assert_eq!(endpoints.subsets.unwrap()[0].addresses.clone().unwrap()[0].hostname.as_deref(), Some("first"));
}

#[tokio::test(start_paused = true)]
async fn a_headless_service_needs_no_ports() {
    let simulation = Simulation::start().await;
    simulation.apply(deployment("web", 2)).await;
    let spec = json!({ "clusterIP": "None", "selector": { "app": "web" } });
    simulation
        .apply(json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "bare" }, "spec": spec }))
        .await;
    let wanted: BTreeSet<String> = ready_pods(&simulation, "web", 2).await.iter().map(address).collect();
    simulation
        .eventually("both addresses are there, without ports", async || {
            let found: BTreeSet<String> = slices(&simulation, "bare")
                .await
                .iter()
                .filter(|slice| slice.ports.as_ref().is_none_or(Vec::is_empty))
                .flat_map(|slice| slice.endpoints.iter().flatten())
                .flat_map(|endpoint| endpoint.addresses.clone())
                .collect();
            check(found == wanted, || format!("{found:?}, not {wanted:?}"))?;
            let endpoints: Endpoints = simulation.get("bare").await;
            let subsets = endpoints.subsets.unwrap_or_default();
            let found: BTreeSet<String> =
                subsets.iter().flat_map(|subset| subset.addresses.iter().flatten()).map(|one| one.ip.clone()).collect();
            check(found == wanted && subsets.iter().all(|subset| subset.ports.is_none()), || format!("{subsets:?}"))
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_named_port_is_looked_up_in_each_pod() {
    let simulation = Simulation::start().await;
    let with_port = |name: &str, ports: Value| {
        let mut pod = pod(name);
        pod["metadata"]["labels"] = json!({ "app": "mixed" });
        pod["spec"]["containers"][0]["ports"] = ports;
        pod
    };
    simulation.apply(with_port("old", json!([{ "name": "http", "containerPort": 8080 }]))).await;
    simulation.apply(with_port("new", json!([{ "name": "http", "containerPort": 9090 }]))).await;
    simulation.apply(with_port("none", json!([]))).await;
    simulation.apply(with_port("udp", json!([{ "name": "http", "containerPort": 7070, "protocol": "UDP" }]))).await;
    let mut named = service("mixed", "mixed");
    named["spec"]["ports"] = json!([
        { "name": "web", "port": 80, "targetPort": "http" }, { "name": "fixed", "port": 81, "targetPort": 81 },
    ]);
    simulation.apply(named).await;
    let pods = ready_pods(&simulation, "mixed", 4).await;
    let mut wanted: BTreeSet<_> = pods.iter().map(|pod| (address(pod), "fixed".to_owned(), 81)).collect();
    for (name, port) in [("old", 8080), ("new", 9090)] {
        let pod = pods.iter().find(|pod| pod.name_any() == name).unwrap();
        wanted.insert((address(pod), "web".to_owned(), port));
    }
    simulation
        .eventually("each pod is there under its own number", async || {
            let (ready, unready) = behind(&simulation, "mixed").await?;
            check(ready == wanted && unready.is_empty(), || format!("{ready:?}, not {wanted:?}"))
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn addresses_that_are_not_ready_are_told_apart_or_published_on_request() {
    let simulation = Simulation::start().await;
    let mut gated = pod("gated");
    gated["spec"]["readinessGates"] = json!([{ "conditionType": "example.com/open" }]);
    simulation.apply(gated).await;
    simulation.apply(service("closed", "gated")).await;
    let mut published = service("open", "gated");
    published["spec"]["publishNotReadyAddresses"] = json!(true);
    simulation.apply(published).await;
    let pod = simulation
        .eventually("the pod runs without being ready", async || {
            let pod: Pod = simulation.get("gated").await;
            check(tests::objects::phase(&pod) == "Running", || tests::objects::told(std::slice::from_ref(&pod)))?;
            assert!(!tests::objects::is_ready(&pod));
            Ok(pod)
        })
        .await;
    let one = BTreeSet::from([(address(&pod), "web".to_owned(), 8080)]);
    simulation
        .eventually("it is not ready in one Service, and ready in the other", async || {
            let (closed, open) = (behind(&simulation, "closed").await?, behind(&simulation, "open").await?);
            check(closed == (BTreeSet::new(), one.clone()), || format!("closed: {closed:?}"))?;
            check(open == (one.clone(), BTreeSet::new()), || format!("open: {open:?}"))
        })
        .await;
    // The one who opens the gate is no part of the cluster.
    let condition = json!({ "status": { "conditions": [{ "type": "example.com/open", "status": "True" }] } });
    let patch = kube::api::Patch::Strategic(&condition);
    simulation.api::<Pod>().patch_status("gated", &Default::default(), &patch).await.unwrap();
    behind_are(&simulation, "closed", &[pod]).await;
}

#[tokio::test(start_paused = true)]
async fn many_endpoints_are_packed_into_few_slices() {
    let simulation = Simulation::with_nodes(3).await;
    simulation.apply(service("web", "web")).await;
    simulation.apply(deployment("web", 250)).await;
    let pods = ready_pods(&simulation, "web", 250).await;
    behind_are(&simulation, "web", &pods).await;
    let sizes = |slices: &[EndpointSlice]| {
        let mut sizes: Vec<usize> = slices.iter().map(|slice| slice.endpoints.iter().flatten().count()).collect();
        sizes.sort_unstable();
        sizes
    };
    let before = slices(&simulation, "web").await;
    assert!(before.len() <= 4 && sizes(&before).iter().all(|size| *size <= 100), "{:?}", sizes(&before));

    // One pod less is one slice written, and nothing else.
    let history = simulation.record(simulation.api::<EndpointSlice>()).await;
    let change = json!({ "spec": { "replicas": 249 } });
    simulation.change::<Deployment>("web", change).await;
    let pods = ready_pods(&simulation, "web", 249).await;
    behind_are(&simulation, "web", &pods).await;
    let written: BTreeSet<String> = history.changes().await.iter().map(|change| change.object().name_any()).collect();
    assert_eq!(written.len(), 1, "{written:?}");
    let all = of_slices(&slices(&simulation, "web").await);
    assert_eq!(all.0.len(), 249);
}

#[tokio::test(start_paused = true)]
async fn endpoints_are_written_only_when_they_change() {
    let simulation = Simulation::start().await;
    simulation.apply(deployment("web", 3)).await;
    simulation.apply(service("web", "web")).await;
    let pods = ready_pods(&simulation, "web", 3).await;
    behind_are(&simulation, "web", &pods).await;
    simulation.pass(Duration::from_secs(5)).await;
    let before = written(&simulation).await;

    // None of this means anything to the endpoints.
    simulation.change::<Pod>(&pods[0].name_any(), json!({ "metadata": { "annotations": { "a": "b" } } })).await;
    simulation.change::<Deployment>("web", json!({ "metadata": { "labels": { "a": "b" } } })).await;
    simulation.change::<Service>("web", json!({ "metadata": { "annotations": { "a": "b" } } })).await;
    simulation.change::<Service>("web", json!({ "spec": { "type": "NodePort" } })).await;
    simulation.apply(deployment("other", 2)).await;
    ready_pods(&simulation, "other", 2).await;
    simulation.pass(Duration::from_secs(60)).await;
    assert_eq!(written(&simulation).await, before);

    // A label of the Service does, for it is theirs too.
    simulation.change::<Service>("web", json!({ "metadata": { "labels": { "team": "b" } } })).await;
    simulation
        .eventually("the label has come down", async || {
            let endpoints: Endpoints = simulation.get("web").await;
            check(endpoints.labels().get("team").is_some_and(|team| team == "b"), || format!("{endpoints:?}"))?;
            let slices = slices(&simulation, "web").await;
            let told = || format!("{slices:?}");
            check(slices.iter().all(|slice| slice.labels().get("team").is_some_and(|team| team == "b")), told)
        })
        .await;
    simulation.pass(Duration::from_secs(60)).await;
    let after = written(&simulation).await;
    assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    assert!(after.iter().all(|(name, revision)| before[name] != *revision), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn endpoints_without_a_selector_are_left_to_their_writer_and_mirrored() {
    let simulation = Simulation::start().await;
    let ports = json!([{ "name": "web", "port": 80, "targetPort": 8080 }]);
    let outside = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "outside" }, "spec": { "ports": ports },
    });
    simulation.apply(outside).await;
    let subsets = json!([{ "addresses": [{ "ip": "192.0.2.7" }], "ports": [{ "name": "web", "port": 8080 }] }]);
    let own = json!({
        "apiVersion": "v1", "kind": "Endpoints", "metadata": { "name": "outside" }, "subsets": subsets,
    });
    simulation.apply(own).await;
    simulation.pass(Duration::from_secs(30)).await;
    let endpoints: Endpoints = simulation.get("outside").await;
    let one = BTreeSet::from([("192.0.2.7".to_owned(), "web".to_owned(), 8080)]);
    assert_eq!(of_endpoints(&endpoints), (one, BTreeSet::new()));
}

#[tokio::test(start_paused = true)]
async fn what_stood_behind_a_service_goes_with_it() {
    let simulation = Simulation::start().await;
    simulation.apply(deployment("web", 2)).await;
    simulation.apply(service("web", "web")).await;
    let pods = ready_pods(&simulation, "web", 2).await;
    behind_are(&simulation, "web", &pods).await;
    simulation.delete::<Service>("web").await;
    simulation
        .eventually("neither Endpoints nor slices are left", async || {
            let endpoints = simulation.find::<Endpoints>("web").await;
            let slices = slices(&simulation, "web").await;
            check(endpoints.is_none() && slices.is_empty(), || format!("{endpoints:?} {slices:?}"))
        })
        .await;
    simulation.apply(service("web", "web")).await;
    behind_are(&simulation, "web", &pods).await;
}

#[tokio::test(start_paused = true)]
async fn slices_that_somebody_deletes_or_changes_are_put_right() {
    let simulation = Simulation::start().await;
    simulation.apply(deployment("web", 2)).await;
    simulation.apply(service("web", "web")).await;
    let pods = ready_pods(&simulation, "web", 2).await;
    behind_are(&simulation, "web", &pods).await;
    let name = slices(&simulation, "web").await[0].name_any();
    simulation.delete::<EndpointSlice>(&name).await;
    behind_are(&simulation, "web", &pods).await;
    let name = slices(&simulation, "web").await[0].name_any();
    simulation.change::<EndpointSlice>(&name, json!({ "endpoints": [] })).await;
    behind_are(&simulation, "web", &pods).await;
    simulation.delete::<Endpoints>("web").await;
    behind_are(&simulation, "web", &pods).await;
}

/// The revision of everything that stands behind the Service `web`.
async fn written(simulation: &Simulation) -> BTreeMap<String, String> {
    let endpoints: Endpoints = simulation.get("web").await;
    let mut all = BTreeMap::from([(endpoints.name_any(), endpoints.resource_version().unwrap_or_default())]);
    let slices = slices(simulation, "web").await;
    all.extend(slices.iter().map(|slice| (slice.name_any(), slice.resource_version().unwrap_or_default())));
    all
}
