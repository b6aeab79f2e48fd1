//! The cases of upstream's TestCategorizeEndpoints and TestEndpointsMapFromESC.

use serde_json::{Value, json};

use super::*;
use crate::proxy::fixtures::{NODE, slice_with};

const CLUSTER: Policies = Policies { cluster: true, local: false };
const LOCAL: Policies = Policies { cluster: false, local: true };
const BOTH: Policies = Policies { cluster: true, local: true };

/// The last number of an endpoint's address, whether it is on this node, its conditions, its hints.
struct Given(u8, bool, Value, Value);

fn ready(last: u8, is_local: bool) -> Given {
    Given(last, is_local, json!({"ready": true}), json!({}))
}

fn down(last: u8, is_local: bool) -> Given {
    Given(last, is_local, json!({"ready": false, "serving": false}), json!({}))
}

fn draining(last: u8, is_local: bool) -> Given {
    Given(last, is_local, json!({"ready": false, "serving": true, "terminating": true}), json!({}))
}

fn in_zones(last: u8, zones: &[&str]) -> Given {
    Given(last, false, json!({"ready": true}), json!({"forZones": hints(zones)}))
}

fn hints(names: &[&str]) -> Value {
    names.iter().map(|name| json!({"name": name})).collect()
}

impl Given {
    fn local(mut self) -> Self {
        self.1 = true;
        self
    }

    fn when(mut self, conditions: Value) -> Self {
        self.2 = conditions;
        self
    }

    fn for_nodes(mut self, nodes: &[&str]) -> Self {
        self.3["forNodes"] = hints(nodes);
        self
    }
}

/// The last numbers of the cluster and the local endpoints, and whether there are any anywhere.
fn sorted_out(given: Vec<Given>, policies: Policies, zone: &str) -> (Vec<u8>, Vec<u8>, bool) {
    let endpoint = |Given(last, is_local, conditions, hints): &Given| {
        json!({"addresses": [format!("10.0.0.{last}")], "nodeName": if *is_local { NODE } else { "elsewhere" },
               "conditions": conditions, "hints": hints})
    };
    let endpoints: Vec<Value> = given.iter().map(endpoint).collect();
    let slice = slice_with("web-1", json!([{"name": "", "protocol": "TCP", "port": 80}]), json!(endpoints));
    let found = usable(&candidates([slice].iter(), &port(""), NODE), policies, NODE, zone);
    let last = |all: Vec<SocketAddr>| {
        let numbers = all.iter().map(|address| address.ip().to_string().rsplit('.').next().unwrap().parse().unwrap());
        numbers.collect()
    };
    (last(found.cluster), last(found.local), found.anywhere)
}

fn port(name: &str) -> Port {
    Port { name: name.to_owned(), protocol: Protocol::Tcp, port: 80, node_port: None }
}

#[test]
fn endpoints_hinted_for_the_zone_are_used() {
    let given = || vec![in_zones(3, &["a"]), in_zones(4, &["b"]), in_zones(5, &["c"]), in_zones(6, &["a"])];
    assert_eq!(sorted_out(given(), CLUSTER, "a"), (vec![3, 6], vec![], true));
    assert_eq!(sorted_out(given(), CLUSTER, "d").0, [3, 4, 5, 6], "a node in a zone that no hint names");
    assert_eq!(sorted_out(given(), CLUSTER, "").0, [3, 4, 5, 6], "a node without a zone");
}

#[test]
fn several_hints_on_an_endpoint_all_count() {
    let given =
        vec![in_zones(3, &["a", "b", "c"]), in_zones(4, &["b", "c"]), in_zones(5, &["b", "d"]), in_zones(6, &["c"])];
    assert_eq!(sorted_out(given, CLUSTER, "c").0, [3, 4, 6]);
}

#[test]
fn hints_count_only_if_every_ready_endpoint_has_them() {
    let given = vec![in_zones(3, &["a"]), in_zones(4, &["b"]), ready(5, false), in_zones(6, &["a"])];
    assert_eq!(sorted_out(given, CLUSTER, "a").0, [3, 4, 5, 6]);
    let not_ready = json!({"ready": false, "serving": false});
    let given = vec![in_zones(3, &["a"]), in_zones(4, &["b"]), ready(5, false).when(not_ready)];
    assert_eq!(sorted_out(given, CLUSTER, "a").0, [3]);
}

#[test]
fn an_endpoint_that_is_not_ready_is_not_used_whatever_its_hints() {
    let not_ready = || json!({"ready": false, "serving": false});
    let given = vec![in_zones(3, &["a"]), in_zones(4, &["b"]), in_zones(6, &["a"]).when(not_ready())];
    assert_eq!(sorted_out(given, CLUSTER, "a").0, [3]);
    let given = vec![
        in_zones(3, &["a"]).when(not_ready()),
        in_zones(4, &["b"]),
        in_zones(5, &["c"]),
        in_zones(6, &["a"]).when(not_ready()),
    ];
    assert_eq!(sorted_out(given, CLUSTER, "a").0, [4, 5], "no ready one for the zone");
}

#[test]
fn hints_for_nodes_go_before_hints_for_zones() {
    let given = || {
        vec![
            in_zones(3, &["a"]).for_nodes(&[NODE]),
            in_zones(4, &["a"]).for_nodes(&["other"]),
            in_zones(5, &["b"]).for_nodes(&["third"]),
        ]
    };
    assert_eq!(sorted_out(given(), CLUSTER, "a").0, [3]);
    let mut without_this_node = given();
    without_this_node.remove(0);
    assert_eq!(sorted_out(without_this_node, CLUSTER, "a").0, [4], "the zone, where no node hint is for here");
}

#[test]
fn hints_are_ignored_for_the_local_policy() {
    let given =
        vec![in_zones(3, &["a"]).local(), in_zones(4, &["b"]).local(), in_zones(5, &["c"]), in_zones(6, &["a"])];
    assert_eq!(sorted_out(given, BOTH, "a"), (vec![3, 6], vec![3, 4], true));
}

#[test]
fn the_local_policy_uses_local_endpoints_only() {
    assert_eq!(sorted_out(vec![], LOCAL, ""), (vec![], vec![], false));
    assert_eq!(sorted_out(vec![ready(0, false), ready(1, false)], LOCAL, ""), (vec![], vec![], true));
    assert_eq!(sorted_out(vec![ready(0, true), ready(1, true)], LOCAL, ""), (vec![], vec![0, 1], true));
    assert_eq!(sorted_out(vec![ready(0, true), ready(1, false)], LOCAL, ""), (vec![], vec![0], true));
    assert_eq!(sorted_out(vec![ready(0, true), ready(1, false)], BOTH, ""), (vec![0, 1], vec![0], true));
    assert_eq!(sorted_out(vec![ready(0, false), ready(1, false)], BOTH, ""), (vec![0, 1], vec![], true));
}

#[test]
fn endpoints_that_are_not_ready_are_not_used() {
    assert_eq!(sorted_out(vec![down(0, false), down(1, false)], CLUSTER, ""), (vec![], vec![], false));
    assert_eq!(sorted_out(vec![down(0, false), ready(1, false)], CLUSTER, ""), (vec![1], vec![], true));
}

#[test]
fn draining_endpoints_are_used_where_none_is_ready() {
    assert_eq!(sorted_out(vec![draining(0, true), draining(1, false)], CLUSTER, ""), (vec![0, 1], vec![], true));
    assert_eq!(sorted_out(vec![draining(0, false), draining(1, false)], BOTH, ""), (vec![0, 1], vec![], true));
    let mixed = vec![ready(0, false), down(1, true), draining(2, true), draining(3, false)];
    assert_eq!(sorted_out(mixed, BOTH, ""), (vec![0], vec![2], true));
}

#[test]
fn absent_conditions_mean_ready() {
    let given = vec![ready(1, false).when(json!({})), ready(2, false).when(Value::Null)];
    assert_eq!(sorted_out(given, CLUSTER, "").0, [1, 2]);
    let terminating = json!({"ready": false, "terminating": true});
    assert_eq!(sorted_out(vec![ready(1, false).when(terminating)], CLUSTER, "").0, [1], "absent serving is true");
}

fn addresses(slices: &[Slice], name: &str) -> Vec<(String, State, bool)> {
    let found = candidates(slices.iter(), &port(name), NODE);
    found.into_iter().map(|(address, found)| (address.to_string(), found.endpoint.state, found.is_local)).collect()
}

#[test]
fn slices_with_the_same_endpoint_count_it_once_as_the_more_ready() {
    let ports = || json!([{"name": "http", "protocol": "TCP", "port": 80}]);
    let endpoint = |conditions: Value| json!([{"addresses": ["10.0.1.1"], "conditions": conditions}]);
    let (ready, draining, down) = (
        json!({"ready": true}),
        json!({"ready": false, "serving": true, "terminating": true}),
        json!({"ready": false, "serving": false, "terminating": true}),
    );
    for (one, two, expected) in [
        (&ready, &draining, State::Ready),
        (&draining, &ready, State::Ready),
        (&down, &draining, State::Draining),
        (&down, &down, State::Down),
    ] {
        let slices =
            [slice_with("one", ports(), endpoint(one.clone())), slice_with("two", ports(), endpoint(two.clone()))];
        assert_eq!(addresses(&slices, "http"), [("10.0.1.1:80".to_owned(), expected, false)]);
    }
}

#[test]
fn ports_are_matched_by_name_and_each_slice_has_its_own_numbers() {
    let two = json!([{"addresses": ["10.0.1.2"], "nodeName": NODE}, {"addresses": ["10.0.1.1"], "nodeName": "x"}]);
    let slices = [
        slice_with("one", json!([{"name": "a", "port": 80}, {"name": "b", "port": 443}]), two),
        slice_with("two", json!([{"name": "a", "port": 8080}]), json!([{"addresses": ["10.0.1.1"]}])),
    ];
    let ready = |address: &str, is_local: bool| (address.to_owned(), State::Ready, is_local);
    let expected = [ready("10.0.1.1:80", false), ready("10.0.1.1:8080", false), ready("10.0.1.2:80", true)];
    assert_eq!(addresses(&slices, "a"), expected);
    assert_eq!(addresses(&slices, "b").len(), 2);
    assert_eq!(addresses(&slices, "c").len(), 0);
}

#[test]
fn a_port_without_a_number_breaks_nothing() {
    let slices = [slice_with("one", json!([{"name": "a", "port": null}]), json!([{"addresses": ["10.0.1.1"]}]))];
    assert_eq!(addresses(&slices, "a"), []);
}
