//! The cases of upstream's TestServiceToServiceMap, TestNoEndpointsReject, TestLoadBalancer and their neighbours.

use serde_json::{Value, json};

use super::*;
use crate::proxy::fixtures::{
    NODE, parse_service, parse_slice, ready, service, service_with, slice, slice_with, table,
};

fn facts() -> NodeFacts {
    NodeFacts::new(NODE, vec!["127.0.0.1".parse().unwrap()])
}

/// `kind address -> endpoints` of every entry, or what else becomes of a client.
fn shown(services: &[(Service, Vec<Slice>)]) -> Vec<String> {
    let table = table(&facts(), services);
    table.iter().map(|((protocol, _), _, entry)| show(protocol, entry)).collect()
}

fn show(protocol: Protocol, entry: &Entry) -> String {
    let route = |route: &Route| match route {
        Route::Forward(all) => all.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        Route::Reject => "reject".to_owned(),
        Route::Drop => "drop".to_owned(),
    };
    let from_here = entry.route_from_here.as_ref().map(|here| format!(" (here {})", route(here)));
    let (kind, protocol) = (entry.kind.name(), protocol.name());
    format!("{kind} {protocol} {} -> {}{}", entry.address, route(&entry.route), from_here.unwrap_or_default())
}

fn web(more: Value) -> Service {
    let mut spec = json!({"type": "ClusterIP", "clusterIP": "127.96.0.10", "ports": [{"port": 80}]});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    service(spec)
}

fn pods() -> Vec<Slice> {
    vec![slice(8080, json!([ready("127.64.1.2"), ready("127.64.1.3")]))]
}

fn pod_on(node: &str) -> Vec<Slice> {
    vec![slice(8080, json!([{"addresses": ["127.64.1.2"], "nodeName": node}]))]
}

#[test]
fn a_cluster_address_leads_to_the_ready_endpoints() {
    assert_eq!(shown(&[(web(json!({})), pods())]), ["ClusterIP TCP 127.96.0.10:80 -> 127.64.1.2:8080,127.64.1.3:8080"]);
}

#[test]
fn a_node_port_is_served_on_the_nodes_addresses() {
    let node_port = web(json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}));
    let expected = "NodePort TCP 127.0.0.1:30080 -> 127.64.1.2:8080,127.64.1.3:8080";
    assert!(shown(&[(node_port.clone(), pods())]).contains(&expected.to_owned()));
    let everywhere = NodeFacts { node_port_addresses: vec!["0.0.0.0".parse().unwrap()], ..facts() };
    let table = table(&everywhere, &[(node_port, pods())]);
    assert!(table.entries.contains_key(&(Protocol::Tcp, "0.0.0.0:30080".parse().unwrap())));
}

#[test]
fn external_addresses_and_ingress_addresses_of_mode_vip_are_served() {
    let balanced = service_with(
        json!({"name": "web", "namespace": "default"}),
        json!({"type": "LoadBalancer", "clusterIP": "127.96.0.10", "ports": [{"port": 80}],
               "externalIPs": ["127.0.0.9", "not an address"]}),
        json!({"loadBalancer": {"ingress": [{"ip": "127.0.0.7"}, {"ip": "127.0.0.8", "ipMode": "Proxy"},
               {"ip": "127.0.0.6", "ipMode": "VIP"}, {"hostname": "example.org"}]}}),
    );
    let shown = shown(&[(balanced, pod_on(NODE))]);
    assert_eq!(
        shown,
        [
            "load balancer IP TCP 127.0.0.6:80 -> 127.64.1.2:8080",
            "load balancer IP TCP 127.0.0.7:80 -> 127.64.1.2:8080",
            "external IP TCP 127.0.0.9:80 -> 127.64.1.2:8080",
            "ClusterIP TCP 127.96.0.10:80 -> 127.64.1.2:8080",
        ]
    );
}

#[test]
fn headless_services_external_names_and_those_of_another_proxy_are_not_forwarded() {
    let meta = || json!({"name": "web", "namespace": "default"});
    let spec = |spec: Value| parse_service(meta(), spec, json!({}));
    assert_eq!(spec(json!({"clusterIP": "None", "ports": [{"port": 80}]})), None);
    assert_eq!(spec(json!({"clusterIP": "", "ports": [{"port": 80}]})), None);
    assert_eq!(spec(json!({"type": "ExternalName", "externalName": "example.org", "clusterIP": "127.96.0.1"})), None);
    let labels = json!({"name": "web", "labels": {"service.kubernetes.io/service-proxy-name": "other"}});
    assert_eq!(parse_service(labels, json!({"clusterIP": "127.96.0.1"}), json!({})), None);
    for key in ["service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless"] {
        let labels = json!({"kubernetes.io/service-name": "web", key: ""});
        assert_eq!(parse_slice(json!({"metadata": {"labels": labels}, "addressType": "IPv4"})), None);
    }
    let labels = json!({"labels": {"kubernetes.io/service-name": "web"}});
    assert_eq!(parse_slice(json!({"metadata": labels, "addressType": "FQDN"})), None);
    assert_eq!(parse_slice(json!({"metadata": {}, "addressType": "IPv4"})), None);
}

#[test]
fn several_ports_and_protocols_each_find_their_own_endpoints() {
    let dns = web(json!({"ports": [
        {"name": "dns", "protocol": "UDP", "port": 53}, {"name": "dns-tcp", "protocol": "TCP", "port": 53},
        {"name": "other", "protocol": "SCTP", "port": 53},
    ]}));
    let ports =
        json!([{"name": "dns", "protocol": "UDP", "port": 5353}, {"name": "dns-tcp", "protocol": "TCP", "port": 5354}]);
    let slices = vec![slice_with("web-1", ports, json!([ready("127.64.1.2")]))];
    assert_eq!(
        shown(&[(dns, slices)]),
        [
            "ClusterIP TCP 127.96.0.10:53 -> 127.64.1.2:5354",
            "ClusterIP UDP 127.96.0.10:53 -> 127.64.1.2:5353",
            "ClusterIP SCTP 127.96.0.10:53 -> reject",
        ]
    );
}

#[test]
fn without_endpoints_every_entry_rejects() {
    let node_port =
        web(json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}], "externalIPs": ["127.0.0.9"]}));
    let none_ready = vec![slice(8080, json!([{"addresses": ["127.64.1.2"], "conditions": {"ready": false}}]))];
    for slices in [vec![], vec![slice(8080, json!([]))], none_ready] {
        let shown = shown(&[(node_port.clone(), slices)]);
        assert_eq!(shown.len(), 3);
        assert!(shown.iter().all(|entry| entry.ends_with("-> reject")), "{shown:?}");
    }
}

#[test]
fn the_internal_local_policy_holds_the_cluster_address_to_this_node() {
    let local = || web(json!({"internalTrafficPolicy": "Local"}));
    assert_eq!(shown(&[(local(), pod_on(NODE))]), ["ClusterIP TCP 127.96.0.10:80 -> 127.64.1.2:8080"]);
    assert_eq!(shown(&[(local(), pod_on("elsewhere"))]), ["ClusterIP TCP 127.96.0.10:80 -> drop"]);
    assert_eq!(shown(&[(local(), vec![])]), ["ClusterIP TCP 127.96.0.10:80 -> reject"]);
}

#[test]
fn the_external_local_policy_holds_strangers_to_this_node() {
    let local = |node: &str| {
        let spec =
            json!({"type": "NodePort", "externalTrafficPolicy": "Local", "ports": [{"port": 80, "nodePort": 30080}]});
        shown(&[(web(spec), pod_on(node))])
    };
    let cluster = "ClusterIP TCP 127.96.0.10:80 -> 127.64.1.2:8080";
    assert_eq!(local(NODE), ["NodePort TCP 127.0.0.1:30080 -> 127.64.1.2:8080", cluster]);
    let elsewhere = "NodePort TCP 127.0.0.1:30080 -> drop (here 127.64.1.2:8080)";
    assert_eq!(local("elsewhere"), [elsewhere, cluster]);
    let not_external = web(json!({"externalTrafficPolicy": "Local"}));
    assert_eq!(shown(&[(not_external, pod_on("elsewhere"))]), [cluster]);
}

#[test]
fn a_client_is_here_if_its_address_is_the_nodes_or_of_its_pods() {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let one_of_many = NodeFacts { pod_ranges: vec!["127.64.1.0/24".parse().unwrap()], ..facts() };
    assert!(one_of_many.is_here(address("127.0.0.1")) && one_of_many.is_here(address("127.64.1.9")));
    assert!(one_of_many.is_here(address("::ffff:127.0.0.1")));
    assert!(!one_of_many.is_here(address("127.0.0.2")) && !one_of_many.is_here(address("127.64.2.9")));
    let machine = NodeFacts::new(NODE, vec![address("192.0.2.1")]);
    assert!(machine.is_here(address("127.0.0.1")) && !machine.is_here(address("192.0.2.2")));
}

fn sources(ranges: Value) -> Option<Vec<String>> {
    let balanced = service_with(
        json!({"name": "web", "namespace": "default"}),
        json!({"type": "LoadBalancer", "clusterIP": "127.96.0.10", "ports": [{"port": 80, "nodePort": 30080}],
               "loadBalancerSourceRanges": ranges}),
        json!({"loadBalancer": {"ingress": [{"ip": "127.0.0.7"}]}}),
    );
    let table = table(&facts(), &[(balanced, pods())]);
    let entries: Vec<&Entry> = table.iter().map(|(_, _, entry)| entry).collect();
    let is_balanced = |entry: &&&Entry| entry.kind == EntryKind::LoadBalancer;
    assert!(entries.iter().all(|entry| is_balanced(&entry) || entry.sources.is_none()));
    let found = entries.iter().find(is_balanced).unwrap();
    found.sources.as_ref().map(|ranges| ranges.iter().map(ToString::to_string).collect())
}

#[test]
fn source_ranges_guard_the_load_balancer_only() {
    assert_eq!(sources(json!([])), None);
    assert_eq!(sources(json!([" 203.0.113.0/25 "])).unwrap(), ["203.0.113.0/25"]);
    assert_eq!(sources(json!(["203.0.113.0/25", "0.0.0.0/0"])), None, "a zero range lets all in");
    assert_eq!(sources(json!(["2001:db8::/32"])), None, "ranges of the other family do not speak of this one");
    assert_eq!(sources(json!(["nonsense"])).unwrap(), Vec::<String>::new(), "a firewall fails closed");
    assert_eq!(
        sources(json!(["127.0.0.0/24"])).unwrap(),
        ["127.0.0.0/24", "127.0.0.7/32"],
        "the node itself may come in"
    );
}

#[test]
fn affinity_has_a_timeout() {
    let affinity = |more: Value| table(&facts(), &[(web(more), pods())]).iter().next().unwrap().1.affinity;
    assert_eq!(affinity(json!({})), None);
    assert_eq!(affinity(json!({"sessionAffinity": "None"})), None);
    assert_eq!(affinity(json!({"sessionAffinity": "ClientIP"})), Some(Duration::from_secs(10_800)));
    let config = json!({"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10}}});
    assert_eq!(affinity(config), Some(Duration::from_secs(10)));
}

#[test]
fn each_family_of_addresses_leads_to_endpoints_of_its_own() {
    let dual = web(json!({"clusterIPs": ["127.96.0.10", "fd00::10"]}));
    let endpoints = json!([{"addresses": ["fd00:1::2"]}]);
    let labels = json!({"name": "six", "namespace": "default", "labels": {"kubernetes.io/service-name": "web"}});
    let six = json!({"metadata": labels, "addressType": "IPv6", "ports": [{"name": "", "port": 8080}], "endpoints": endpoints});
    let mut slices = pod_on(NODE);
    slices.push(parse_slice(six).unwrap());
    assert_eq!(
        shown(&[(dual, slices)]),
        ["ClusterIP TCP 127.96.0.10:80 -> 127.64.1.2:8080", "ClusterIP TCP [fd00::10]:80 -> [fd00:1::2]:8080"]
    );
}

#[test]
fn the_older_of_two_services_keeps_an_address() {
    let claimant = |name: &str, created: &str| {
        let metadata = json!({"name": name, "namespace": "default", "creationTimestamp": created});
        let spec = json!({"clusterIP": "127.96.0.10", "ports": [{"port": 80}], "externalIPs": ["127.0.0.9"]});
        (service_with(metadata, spec, json!({})), vec![])
    };
    let table = table(&facts(), &[claimant("a", "2026-02-01T00:00:00Z"), claimant("b", "2026-01-01T00:00:00Z")]);
    assert!(table.iter().all(|(_, port, _)| port.name.service.name == "b"));
    assert_eq!(table.conflicts.len(), 2);
    assert_eq!(table.conflicts[0].loser.name.service.name, "a");
}

#[test]
fn a_health_check_counts_ready_addresses_on_this_node() {
    let balanced = |policy: &str| {
        let spec = json!({"type": "LoadBalancer", "clusterIP": "127.96.0.10", "externalTrafficPolicy": policy,
            "healthCheckNodePort": 32000, "ports": [{"port": 80, "nodePort": 30080}, {"name": "b", "port": 81}]});
        service(spec)
    };
    let ports = json!([{"name": "", "port": 8080}, {"name": "b", "port": 8081}]);
    let draining = json!({"ready": false, "serving": true, "terminating": true});
    let endpoints = json!([
        {"addresses": ["127.64.1.2"], "nodeName": NODE}, {"addresses": ["127.64.1.3"], "nodeName": NODE},
        {"addresses": ["127.64.1.4"], "nodeName": NODE, "conditions": draining},
        {"addresses": ["127.64.2.2"], "nodeName": "elsewhere"},
    ]);
    let checks = |policy: &str| {
        table(&facts(), &[(balanced(policy), vec![slice_with("web-1", ports.clone(), endpoints.clone())])])
            .health_checks
    };
    assert!(checks("Cluster").is_empty());
    let check = checks("Local").into_values().next().unwrap();
    assert_eq!((check.port, check.local_endpoints), (32000, 2));
}
