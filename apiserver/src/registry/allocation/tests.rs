//! Tests of Services and what they are given.

use std::collections::BTreeSet;

use api::cidr::Cidr;
use serde_json::{Value, json};

use crate::registry::Registry;
use crate::registry::fixtures::{Fixture, sample};
use crate::registry::options::Options;
use crate::storage::limits::Limits;

fn service(name: &str, spec: Value) -> Value {
    json!({"metadata": {"name": name}, "spec": spec})
}

fn ports() -> Value {
    json!([{"port": 80}])
}

async fn made(fixture: &Fixture, name: &str, spec: Value) -> Value {
    fixture.create("services", service(name, spec)).await.unwrap()
}

async fn refusal(fixture: &Fixture, name: &str, spec: Value) -> String {
    fixture.create("services", service(name, spec)).await.unwrap_err().message
}

#[tokio::test(start_paused = true)]
async fn a_service_gets_an_address_and_a_nodeport_service_ports() {
    let fixture = Fixture::new().await;
    let plain = made(&fixture, "plain", json!({"ports": ports()})).await;
    assert_eq!(plain["spec"]["clusterIP"], "127.96.1.1");
    assert_eq!(plain["spec"]["clusterIPs"], json!(["127.96.1.1"]));
    assert_eq!(plain["spec"]["ipFamilies"], json!(["IPv4"]));
    assert_eq!(plain["spec"]["ports"][0]["targetPort"], 80);
    let both = json!({"type": "NodePort", "ports":
        [{"name": "t", "port": 53, "protocol": "TCP"}, {"name": "u", "port": 53, "protocol": "UDP"}]});
    let both = made(&fixture, "both", both).await;
    assert_eq!(both["spec"]["ports"][0]["nodePort"], both["spec"]["ports"][1]["nodePort"]);
    assert_eq!(both["spec"]["externalTrafficPolicy"], "Cluster");
    let headless = made(&fixture, "headless", json!({"clusterIP": "None", "selector": {"a": "b"}})).await;
    assert_eq!(headless["spec"]["clusterIPs"], json!(["None"]));
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_is_refused_until_it_is_free_again() {
    let fixture = Fixture::new().await;
    let wanted = || json!({"type": "NodePort", "clusterIP": "127.96.0.10", "ports": [{"port": 80, "nodePort": 30080}]});
    made(&fixture, "first", wanted()).await;
    assert_eq!(
        refusal(&fixture, "second", wanted()).await,
        "Service \"second\" is invalid: spec.clusterIPs: Invalid value: [\"127.96.0.10\"]: failed to allocate IP \
         127.96.0.10: provided IP is already allocated"
    );
    let port_only = json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]});
    assert_eq!(
        refusal(&fixture, "second", port_only).await,
        "Service \"second\" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated"
    );
    let outside = json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]});
    assert!(
        refusal(&fixture, "second", outside)
            .await
            .ends_with("provided port is not in the valid range. The range of valid ports is 30000-32767")
    );
    let outside = json!({"clusterIP": "127.97.0.1", "ports": ports()});
    assert!(
        refusal(&fixture, "second", outside).await.ends_with("the provided network does not match the current range")
    );
    fixture.delete("services", "first").await.unwrap();
    made(&fixture, "second", wanted()).await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_write_gives_back_what_it_took() {
    let fixture = Fixture::new().await;
    made(&fixture, "taken", json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]})).await;
    let half = json!({"type": "NodePort", "clusterIP": "127.96.0.10", "ports": [{"port": 80, "nodePort": 30080}]});
    refusal(&fixture, "half", half).await;
    made(&fixture, "other", json!({"clusterIP": "127.96.0.10", "ports": ports()})).await;
}

#[tokio::test(start_paused = true)]
async fn an_update_keeps_what_it_leaves_out_and_a_type_drops_what_it_does_not_need() {
    let fixture = Fixture::new().await;
    let created = made(&fixture, "web", json!({"ports": ports(), "selector": {"app": "a"}})).await;
    let address = created["spec"]["clusterIP"].clone();
    let node_port = fixture.patch("services", "web", json!({"spec": {"type": "NodePort"}})).await.unwrap();
    let number = node_port["spec"]["ports"][0]["nodePort"].clone();
    assert!(number.as_i64().unwrap() >= 30086);
    let put = service("web", json!({"type": "NodePort", "ports": [{"port": 81}]}));
    let put = fixture.update("services", put).await.unwrap();
    assert_eq!((&put["spec"]["clusterIP"], &put["spec"]["ports"][0]["nodePort"]), (&address, &number));
    let balanced = fixture.patch("services", "web", json!({"spec": {"type": "LoadBalancer"}})).await.unwrap();
    assert_eq!(balanced["spec"]["ports"][0]["nodePort"], number);
    assert_eq!(balanced["spec"]["allocateLoadBalancerNodePorts"], true);
    let plain = fixture.patch("services", "web", json!({"spec": {"type": "ClusterIP"}})).await.unwrap();
    assert_eq!(plain["spec"]["ports"][0]["nodePort"], Value::Null);
    assert_eq!(plain["spec"]["externalTrafficPolicy"], Value::Null);
    assert_eq!(plain["spec"]["clusterIP"], address);
    made(&fixture, "heir", json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": number}]})).await;
    let moved = fixture.patch("services", "web", json!({"spec": {"clusterIP": "127.96.0.9"}})).await.unwrap_err();
    assert_eq!(
        moved.message,
        "Service \"web\" is invalid: spec.clusterIPs[0]: Invalid value: [\"127.96.0.9\"]: may not change once set"
    );
    let external = json!({"spec": {"type": "ExternalName", "externalName": "example.com"}});
    let external = fixture.patch("services", "web", external).await.unwrap();
    assert_eq!((&external["spec"]["clusterIP"], &external["spec"]["ipFamilies"]), (&Value::Null, &Value::Null));
    made(&fixture, "heir2", json!({"clusterIP": address, "ports": ports()})).await;
    let back = fixture.patch("services", "web", json!({"spec": {"type": "ClusterIP", "externalName": null}})).await;
    assert_ne!(back.unwrap()["spec"]["clusterIP"], address);
}

#[tokio::test(start_paused = true)]
async fn many_at_once_get_different_addresses_and_a_used_up_range_says_so() {
    let small = |options: &mut Options| options.service_range = "127.96.0.0/27".parse::<Cidr>().unwrap();
    let fixture = Fixture::with(small, Limits::default()).await;
    let all = (0..30).map(|number| {
        let (fixture, name) = (&fixture, format!("s{number}"));
        async move { made(fixture, &name, json!({"ports": ports()})).await["spec"]["clusterIP"].clone().to_string() }
    });
    let addresses: BTreeSet<String> = futures::future::join_all(all).await.into_iter().collect();
    assert_eq!(addresses.len(), 30);
    let failure = fixture.create("services", service("more", json!({"ports": ports()}))).await.unwrap_err();
    assert_eq!((failure.code(), failure.message.ends_with("range is full")), (500, true));
    fixture.delete("services", "s7").await.unwrap();
    made(&fixture, "more", json!({"ports": ports()})).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_known_after_a_restart() {
    let fixture = Fixture::new().await;
    let first = made(&fixture, "web", json!({"type": "NodePort", "ports": ports()})).await;
    let Registry { storage, clock, tasks, .. } = fixture.registry.clone();
    let restarted = Fixture { registry: Registry::new(storage, Options::new(clock, tasks)).unwrap(), ..fixture };
    let again = json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": first["spec"]["ports"][0]["nodePort"]}]});
    assert!(refusal(&restarted, "other", again).await.ends_with("provided port is already allocated"));
    let other = made(&restarted, "other", json!({"ports": ports()})).await;
    assert_ne!(other["spec"]["clusterIP"], first["spec"]["clusterIP"]);
}

#[tokio::test(start_paused = true)]
async fn the_endpoints_of_a_service_go_with_it() {
    let fixture = Fixture::new().await;
    made(&fixture, "web", json!({"ports": ports()})).await;
    fixture.create("endpoints", sample(fixture.kind("endpoints"), "web")).await.unwrap();
    fixture.delete("services", "web").await.unwrap();
    assert_eq!(fixture.get("endpoints", "web").await.unwrap_err().code(), 404);
}
