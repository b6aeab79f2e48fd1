//! What is in place when a server starts, and what comes back.

use std::net::SocketAddr;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::DeleteOptions;
use serde_json::Value;

use super::start;
use crate::context::Context;
use crate::kinds::KINDS;
use crate::kinds::erased::KindRef;
use crate::registry::fixtures::Fixture;
use crate::registry::{Registry, Target};

fn kind(name: &str) -> KindRef {
    *KINDS.iter().find(|kind| kind.facts().kind == name).unwrap()
}

fn read(registry: &Registry, kind_name: &str, namespace: Option<&str>, name: &str) -> Option<Value> {
    let target = Target { namespace, name, subresource: None };
    let object = registry.get(kind(kind_name), target, "").ok()?;
    Some(serde_json::from_slice(&object.bytes()).unwrap())
}

/// Waits in the tokio clock's time, which is paused and so takes none.
async fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

async fn started() -> (Registry, Fixture) {
    let fixture = Fixture::new().await;
    start(&fixture.registry, Some(address()), &fixture.tasks).await.unwrap();
    (fixture.registry.clone(), fixture)
}

fn address() -> SocketAddr {
    "127.0.0.1:6443".parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_api_server_is_found_under_the_service_kubernetes() {
    let (registry, _fixture) = started().await;
    let service = read(&registry, "Service", Some("default"), "kubernetes").unwrap();
    assert_eq!(service["spec"]["clusterIP"], registry.service_range().nth(1).unwrap().to_string());
    assert_eq!(service["spec"]["ports"][0]["targetPort"], 6443);
    let slice = read(&registry, "EndpointSlice", Some("default"), "kubernetes").unwrap();
    assert_eq!(slice["endpoints"][0]["addresses"][0], "127.0.0.1");
    let endpoints = read(&registry, "Endpoints", Some("default"), "kubernetes").unwrap();
    assert_eq!(endpoints["subsets"][0]["ports"][0]["port"], 6443);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_deletes_comes_back() {
    let (registry, _fixture) = started().await;
    let target = Target { namespace: Some("default"), name: "kubernetes", subresource: None };
    registry.delete(&Context::default(), kind("Service"), target, &DeleteOptions::default()).await.unwrap();
    eventually("the Service is back", || read(&registry, "Service", Some("default"), "kubernetes").is_some()).await;
    eventually("its Endpoints are back", || read(&registry, "Endpoints", Some("default"), "kubernetes").is_some())
        .await;
}

#[tokio::test(start_paused = true)]
async fn every_group_and_version_has_its_api_service() {
    let (registry, _fixture) = started().await;
    for facts in KINDS.iter().map(|kind| kind.facts()).filter(|facts| facts.group != "apiregistration.k8s.io") {
        let name = format!("{}.{}", facts.version, facts.group);
        let service = read(&registry, "APIService", None, &name).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(service["status"]["conditions"][0]["status"], "True", "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn starting_once_more_writes_nothing() {
    let (registry, fixture) = started().await;
    eventually("addresses are noted", || {
        read(&registry, "IPAddress", None, &registry.service_range().nth(1).unwrap().to_string()).is_some()
    })
    .await;
    let before = registry.revision();
    start(&registry, Some(address()), &fixture.tasks).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(registry.revision(), before);
}

#[tokio::test(start_paused = true)]
async fn addresses_of_services_are_noted_and_forgotten() {
    let (registry, _fixture) = started().await;
    let body = r#"{"metadata":{"name":"web"},"spec":{"ports":[{"port":80}]}}"#;
    let service = registry.create(&Context::default(), kind("Service"), Some("default"), body.into()).await.unwrap();
    let service: Value = serde_json::from_slice(&service.bytes()).unwrap();
    let address = service["spec"]["clusterIP"].as_str().unwrap().to_owned();
    eventually("the address is noted", || {
        let noted = read(&registry, "IPAddress", None, &address);
        noted.is_some_and(|noted| noted["spec"]["parentRef"]["name"] == "web")
    })
    .await;
    let target = Target { namespace: Some("default"), name: "web", subresource: None };
    registry.delete(&Context::default(), kind("Service"), target, &DeleteOptions::default()).await.unwrap();
    eventually("the address is forgotten", || read(&registry, "IPAddress", None, &address).is_none()).await;
}

#[tokio::test(start_paused = true)]
async fn an_address_that_somebody_reserved_is_given_to_no_service() {
    let (registry, _fixture) = started().await;
    let address = registry.service_range().nth(300).unwrap().to_string();
    let body = format!(
        r#"{{"metadata":{{"name":"{address}"}},"spec":{{"parentRef":{{"resource":"gadgets","group":"example.com","name":"g"}}}}}}"#
    );
    registry.create(&Context::default(), kind("IPAddress"), None, body.into()).await.unwrap();
    let wanting = |name: &str| {
        format!(r#"{{"metadata":{{"name":"{name}"}},"spec":{{"clusterIP":"{address}","ports":[{{"port":80}}]}}}}"#)
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    let context = Context::default();
    let create = |body: String| registry.create(&context, kind("Service"), Some("default"), body.into());
    assert_eq!(create(wanting("web")).await.unwrap_err().code(), 422);
    let target = Target { namespace: None, name: &address, subresource: None };
    registry.delete(&Context::default(), kind("IPAddress"), target, &DeleteOptions::default()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    create(wanting("web")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn addresses_come_out_of_every_range_and_a_range_stays_as_long_as_one_is_in_use() {
    let (registry, _fixture) = started().await;
    let context = Context::default();
    let ready = |name: &str| {
        let range = read(&registry, "ServiceCIDR", None, name)?;
        Some(range["status"]["conditions"][0]["status"].as_str()?.to_owned())
    };
    assert_eq!(ready("kubernetes").as_deref(), Some("True"));
    let range = r#"{"metadata":{"name":"more","finalizers":["example.com/mine"]},"spec":{"cidrs":["127.97.0.0/28"]}}"#;
    registry.create(&context, kind("ServiceCIDR"), None, range.into()).await.unwrap();
    eventually("the range is ready", || ready("more").as_deref() == Some("True")).await;
    let service = |name: &str| {
        let body = format!(
            r#"{{"metadata":{{"name":"{name}"}},"spec":{{"clusterIP":"127.97.0.3","ports":[{{"port":80}}]}}}}"#
        );
        registry.create(&context, kind("Service"), Some("default"), body.into())
    };
    service("web").await.unwrap();
    eventually("the address is noted", || read(&registry, "IPAddress", None, "127.97.0.3").is_some()).await;

    let more = Target { namespace: None, name: "more", subresource: None };
    registry.delete(&context, kind("ServiceCIDR"), more, &DeleteOptions::default()).await.unwrap();
    eventually("the range closes", || ready("more").as_deref() == Some("False")).await;
    let refused = service("other").await.unwrap_err();
    assert!(refused.message.ends_with("the provided network does not match the current range"), "{refused:?}");

    let web = Target { namespace: Some("default"), name: "web", subresource: None };
    registry.delete(&context, kind("Service"), web, &DeleteOptions::default()).await.unwrap();
    eventually("the range waits for others alone", || {
        let range = read(&registry, "ServiceCIDR", None, "more").unwrap();
        range["metadata"]["finalizers"] == serde_json::json!(["example.com/mine"])
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_range_inside_of_another_may_go_while_its_addresses_are_in_use() {
    let (registry, _fixture) = started().await;
    let context = Context::default();
    let inner = format!("{}/24", registry.service_range().network());
    let body = format!(r#"{{"metadata":{{"name":"inner"}},"spec":{{"cidrs":["{inner}"]}}}}"#);
    registry.create(&context, kind("ServiceCIDR"), None, body.into()).await.unwrap();
    let finalizers =
        || read(&registry, "ServiceCIDR", None, "inner").map(|range| range["metadata"]["finalizers"].clone());
    eventually("the range is held", || finalizers().is_some_and(|found| !found.is_null())).await;
    let target = Target { namespace: None, name: "inner", subresource: None };
    registry.delete(&context, kind("ServiceCIDR"), target, &DeleteOptions::default()).await.unwrap();
    // The Service `kubernetes` has an address in it.
    eventually("it is gone", || finalizers().is_none()).await;
}
