//! Tests of the cells that `kubectl get` prints.

use serde_json::{Value, json};

use crate::kinds::KINDS;

/// The cells of an object that is five minutes old.
pub fn cells(kind: &str, object: Value) -> Vec<String> {
    let entry = KINDS.iter().find(|entry| entry.facts().kind == kind).unwrap();
    let mut object = object;
    object["metadata"]["name"] = json!("x");
    object["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
    let cells = entry.cells(object.to_string().as_bytes(), "2026-01-01T00:05:00Z".parse().unwrap()).unwrap();
    cells.iter().map(|cell| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned)).collect()
}

#[test]
fn services_say_how_they_are_reached() {
    let service = |spec: Value, status: Value| cells("Service", json!({"spec": spec, "status": status}));
    let ports = json!([{"port": 80, "protocol": "TCP"}, {"port": 53, "nodePort": 30053, "protocol": "UDP"}]);
    assert_eq!(
        service(
            json!({"type": "ClusterIP", "clusterIPs": ["127.96.0.1"], "ports": ports, "selector": {"a": "b"}}),
            json!({})
        ),
        ["x", "ClusterIP", "127.96.0.1", "<none>", "80/TCP,53:30053/UDP", "5m", "a=b"]
    );
    assert_eq!(
        service(json!({"type": "LoadBalancer"}), json!({})),
        ["x", "LoadBalancer", "<none>", "<pending>", "<none>", "5m", "<none>"]
    );
    let status = json!({"loadBalancer": {"ingress": [{"ip": "127.0.0.1"}, {"hostname": "h"}]}});
    assert_eq!(service(json!({"type": "LoadBalancer"}), status)[3], "127.0.0.1,h");
    assert_eq!(service(json!({"type": "ExternalName", "externalName": "example.com"}), json!({}))[3], "example.com");
}

#[test]
fn backends_are_listed_and_cut() {
    let addresses = json!([{"ip": "127.64.1.2"}, {"ip": "127.64.1.3"}]);
    let subset = json!({"addresses": addresses, "ports": [{"port": 8080}, {"port": 8081}]});
    assert_eq!(
        cells("Endpoints", json!({"subsets": [subset]})),
        ["x", "127.64.1.2:8080,127.64.1.3:8080,127.64.1.2:8081 + 1 more...", "5m"]
    );
    assert_eq!(cells("Endpoints", json!({}))[1], "<none>");
    let slice = json!({"addressType": "IPv4", "ports": [{"name": "", "port": 80}],
        "endpoints": [{"addresses": ["127.64.1.2"]}]});
    assert_eq!(cells("EndpointSlice", slice), ["x", "IPv4", "80", "127.64.1.2", "5m"]);
    assert_eq!(cells("EndpointSlice", json!({"addressType": "IPv4"}))[2..4], ["<unset>", "<unset>"]);
}

#[test]
fn workloads_say_how_far_they_are() {
    let template = json!({"spec": {"containers": [{"name": "a", "image": "i:1"}, {"name": "b", "image": "j"}]}});
    let spec = json!({"replicas": 3, "selector": {"matchLabels": {"app": "w"}}, "template": template});
    let status = json!({"replicas": 3, "readyReplicas": 2, "updatedReplicas": 1, "availableReplicas": 2});
    assert_eq!(
        cells("Deployment", json!({"spec": spec, "status": status})),
        ["x", "2/3", "1", "2", "5m", "a,b", "i:1,j", "app=w"]
    );
    let status = json!({"replicas": 3, "readyReplicas": 2});
    assert_eq!(
        cells("ReplicaSet", json!({"spec": spec, "status": status})),
        ["x", "3", "3", "2", "5m", "a,b", "i:1,j", "app=w"]
    );
}

#[test]
fn nodes_and_events_are_shown() {
    let node = json!({"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}},
        "spec": {"unschedulable": true}, "status": {"conditions": [{"type": "Ready", "status": "False"}],
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}]}});
    assert_eq!(
        cells("Node", node),
        [
            "x",
            "NotReady,SchedulingDisabled",
            "control-plane",
            "5m",
            "",
            "127.0.0.1",
            "<none>",
            "<unknown>",
            "<unknown>",
            "<unknown>"
        ]
    );
    let event = json!({"type": "Normal", "reason": "Started", "message": " Started it\n", "count": 3,
        "involvedObject": {"kind": "Pod", "name": "p"}, "source": {"component": "agent", "host": "n1"},
        "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:04:30Z"});
    assert_eq!(
        cells("Event", event),
        ["30s", "Normal", "Started", "pod/p", "", "agent, n1", "Started it", "5m", "3", "x"]
    );
    assert_eq!(cells("Namespace", json!({"status": {"phase": "Active"}})), ["x", "Active", "5m"]);
}
