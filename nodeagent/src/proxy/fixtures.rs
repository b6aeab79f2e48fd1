//! Services, slices and addresses for tests.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};

use crate::proxy::service::Service;
use crate::proxy::slice::Slice;
use crate::proxy::table::{NodeFacts, Table, entries_of};

pub const NODE: &str = "here";

/// A loopback address that no other test, here or in another process, is likely to use.
pub fn fresh_address() -> IpAddr {
    static NEXT: LazyLock<AtomicU32> = LazyLock::new(|| AtomicU32::new(RandomState::new().hash_one(0) as u32));
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    // 127.128.0.0/9: apart from pods and Services, and without x.x.x.0 and x.x.x.255.
    let [_, one, two, three] = number.to_be_bytes();
    IpAddr::from([127, 128 | one, two, three.clamp(1, 254)])
}

/// A Service of this spec, with the name `web`.
pub fn service(spec: Value) -> Service {
    service_with(json!({"name": "web", "namespace": "default", "uid": "u"}), spec, json!({}))
}

pub fn service_with(metadata: Value, spec: Value, status: Value) -> Service {
    parse_service(metadata, spec, status).expect("a Service that is forwarded")
}

pub fn parse_service(metadata: Value, spec: Value, status: Value) -> Option<Service> {
    let object = json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec, "status": status});
    Service::parse(serde_json::from_value(object).unwrap())
}

/// A slice of the Service `web` with one unnamed TCP port.
pub fn slice(port: u16, endpoints: Value) -> Slice {
    slice_with("web-1", json!([{"name": "", "protocol": "TCP", "port": port}]), endpoints)
}

pub fn slice_with(name: &str, ports: Value, endpoints: Value) -> Slice {
    parse_slice(json!({
        "metadata": {"name": name, "namespace": "default", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4", "ports": ports, "endpoints": endpoints,
    }))
    .expect("a slice that is forwarded to")
}

pub fn parse_slice(object: Value) -> Option<Slice> {
    Slice::parse(serde_json::from_value(object).unwrap())
}

/// A ready endpoint on no node in particular.
pub fn ready(address: impl ToString) -> Value {
    json!({"addresses": [address.to_string()], "conditions": {"ready": true}})
}

/// Slices that map the Service `web`'s unnamed port to these, one slice to each port number.
pub fn slices_to(protocol: &str, endpoints: &[SocketAddr]) -> Vec<Slice> {
    let slice = |endpoint: &SocketAddr| {
        let ports = json!([{"name": "", "protocol": protocol, "port": endpoint.port()}]);
        slice_with(&format!("web-{endpoint}"), ports, json!([ready(endpoint.ip())]))
    };
    endpoints.iter().map(slice).collect()
}

pub fn table(facts: &NodeFacts, services: &[(Service, Vec<Slice>)]) -> Table {
    let wanted =
        services.iter().map(|(service, slices)| entries_of(service, &slices.iter().collect::<Vec<_>>(), facts));
    let wanted: Vec<_> = wanted.collect();
    Table::of(Arc::new(facts.clone()), services.iter().map(|(service, _)| service).zip(&wanted))
}
