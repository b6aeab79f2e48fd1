//! The types of a Service, what each allocates, and what it gives back.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Endpoints, Node, Service};
use kube::ResourceExt;
use kube::api::PostParams;
use serde_json::{Value, json};
use tests::eventually::check;
use tests::manifests::{deployment, service};
use tests::simulation::Simulation;

use super::states::{behind_are, ready_pods};

#[tokio::test(start_paused = true)]
async fn a_service_changes_its_type_and_what_it_holds_with_it() {
    let simulation = Simulation::with_nodes(2).await;
    simulation.apply(deployment("web", 2)).await;
    simulation.apply(service("web", "web")).await;
    let pods = ready_pods(&simulation, "web", 2).await;
    behind_are(&simulation, "web", &pods).await;
    let first: Service = simulation.get("web").await;
    let address = cluster_ip(&first);
    assert!(address.starts_with("127.96."), "{address}");
    assert_eq!((kind(&first), node_port(&first)), ("ClusterIP".to_owned(), None));

    let node_port_service = become_a(&simulation, "NodePort").await;
    let port = node_port(&node_port_service).expect("a NodePort has a port on the nodes");
    assert!((30000..=32767).contains(&port), "{port}");
    assert_eq!(cluster_ip(&node_port_service), address);

    let balanced = become_a(&simulation, "LoadBalancer").await;
    assert_eq!((cluster_ip(&balanced), node_port(&balanced)), (address.clone(), Some(port)));
    let nodes: BTreeSet<String> = addresses_of_nodes(&simulation).await;
    simulation
        .eventually("the load balancer has the nodes' addresses", async || {
            let service: Service = simulation.get("web").await;
            check(ingress(&service) == nodes, || format!("{:?}, not {nodes:?}", ingress(&service)))
        })
        .await;

    let plain = become_a(&simulation, "ClusterIP").await;
    assert_eq!((cluster_ip(&plain), node_port(&plain)), (address.clone(), None));
    simulation
        .eventually("there is no load balancer any more", async || {
            let service: Service = simulation.get("web").await;
            check(ingress(&service).is_empty(), || format!("{:?}", ingress(&service)))
        })
        .await;
    behind_are(&simulation, "web", &pods).await;

    let change = json!({ "spec": { "type": "ExternalName", "externalName": "example.com" } });
    let external: Service = simulation.change("web", change).await;
    assert_eq!((cluster_ip(&external), node_port(&external)), (String::new(), None));
    assert_eq!(external.spec.unwrap().cluster_ips.unwrap_or_default(), Vec::<String>::new());
    // Both the address and the port are free again for others.
    let mut successor = service("successor", "web");
    successor["spec"]["type"] = json!("NodePort");
    successor["spec"]["clusterIP"] = json!(address);
    successor["spec"]["ports"][0]["nodePort"] = json!(port);
    simulation.apply(successor).await;

    let change = json!({ "spec": { "type": "ClusterIP", "externalName": null } });
    let back: Service = simulation.change("web", change).await;
    assert!(cluster_ip(&back).starts_with("127.96.") && cluster_ip(&back) != address);
    behind_are(&simulation, "web", &pods).await;
}

#[tokio::test(start_paused = true)]
async fn an_address_or_port_is_given_out_once() {
    let simulation = Simulation::start().await;
    let mut first = service("first", "web");
    first["spec"]["type"] = json!("NodePort");
    first["spec"]["clusterIP"] = json!("127.96.0.77");
    first["spec"]["ports"][0]["nodePort"] = json!(30123);
    simulation.apply(first.clone()).await;
    let mut second = first.clone();
    second["metadata"]["name"] = json!("second");
    second["spec"]["ports"][0]["nodePort"] = json!(30124);
    let refused = create(&simulation, second.clone()).await.unwrap_err();
    assert!(refused.contains("spec.clusterIPs") && refused.contains("provided IP is already allocated"), "{refused}");
    second["spec"]["clusterIP"] = json!("127.96.0.78");
    second["spec"]["ports"][0]["nodePort"] = json!(30123);
    let refused = create(&simulation, second.clone()).await.unwrap_err();
    assert!(refused.contains("spec.ports[0].nodePort") && refused.contains("already allocated"), "{refused}");
    // What a refused Service had been given is free.
    second["spec"]["ports"][0]["nodePort"] = json!(30125);
    create(&simulation, second).await.unwrap();
    simulation.delete::<Service>("first").await;
    first["metadata"]["name"] = json!("third");
    create(&simulation, first).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_hundred_services_have_a_hundred_addresses() {
    let simulation = Simulation::start().await;
    let made = (0..100).map(|number| {
        let mut service = service(&format!("s-{number}"), "web");
        service["spec"]["type"] = json!("NodePort");
        simulation.apply(service)
    });
    futures::future::join_all(made).await;
    let services: Vec<Service> = simulation.list("").await;
    let services: Vec<Service> = services.into_iter().filter(|service| service.name_any().starts_with("s-")).collect();
    let addresses: BTreeSet<String> = services.iter().map(cluster_ip).collect();
    let ports: BTreeSet<Option<i32>> = services.iter().map(node_port).collect();
    assert_eq!((addresses.len(), ports.len()), (100, 100));
    assert!(!addresses.contains("") && !ports.contains(&None));
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_does_not_name_what_was_allocated_keeps_it() {
    let simulation = Simulation::start().await;
    let mut manifest = service("web", "web");
    manifest["spec"]["type"] = json!("NodePort");
    simulation.apply(manifest.clone()).await;
    let before: Service = simulation.get("web").await;
    manifest["metadata"]["labels"] = json!({ "a": "b" });
    simulation.apply(manifest).await;
    let after: Service = simulation.get("web").await;
    assert_eq!((cluster_ip(&after), node_port(&after)), (cluster_ip(&before), node_port(&before)));
    assert_eq!(after.labels()["a"], "b");
}

#[tokio::test(start_paused = true)]
async fn a_load_balancer_follows_the_nodes() {
    let mut simulation = Simulation::with_nodes(1).await;
    let mut balanced = service("web", "web");
    balanced["spec"]["type"] = json!("LoadBalancer");
    simulation.apply(balanced).await;
    let has = async |simulation: &Simulation, count: usize| {
        simulation
            .eventually(&format!("{count} nodes are its way in"), async || {
                let service: Service = simulation.get("web").await;
                let nodes = addresses_of_nodes(simulation).await;
                let told = || format!("{:?} of {nodes:?}", ingress(&service));
                check(ingress(&service) == nodes && nodes.len() == count, told)
            })
            .await;
    };
    has(&simulation, 1).await;
    simulation.cluster().start_node(2).await.unwrap();
    has(&simulation, 2).await;
    let endpoints = simulation.find::<Endpoints>("web").await;
    assert!(endpoints.is_some(), "a Service without pods has Endpoints all the same");
}

async fn become_a(simulation: &Simulation, kind: &str) -> Service {
    simulation.change("web", json!({ "spec": { "type": kind } })).await
}

async fn create(simulation: &Simulation, service: Value) -> Result<Service, String> {
    let service: Service = serde_json::from_value(service).expect("it is a Service");
    simulation.api().create(&PostParams::default(), &service).await.map_err(|error| error.to_string())
}

async fn addresses_of_nodes(simulation: &Simulation) -> BTreeSet<String> {
    let nodes = simulation.whole::<Node>().list(&Default::default()).await.expect("list the nodes");
    let addresses = nodes.items.into_iter().filter_map(|node| node.status?.addresses).flatten();
    addresses.filter(|address| address.type_ == "InternalIP").map(|address| address.address).collect()
}

fn kind(service: &Service) -> String {
    service.spec.as_ref().and_then(|spec| spec.type_.clone()).unwrap_or_default()
}

fn cluster_ip(service: &Service) -> String {
    service.spec.as_ref().and_then(|spec| spec.cluster_ip.clone()).unwrap_or_default()
}

fn node_port(service: &Service) -> Option<i32> {
    service.spec.as_ref()?.ports.as_ref()?.first()?.node_port
}

fn ingress(service: &Service) -> BTreeSet<String> {
    let balancer = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let ingress = balancer.and_then(|balancer| balancer.ingress.as_ref());
    ingress.into_iter().flatten().filter_map(|entry| entry.ip.clone()).collect()
}
