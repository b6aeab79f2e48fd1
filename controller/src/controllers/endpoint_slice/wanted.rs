//! The endpoints that a Service's pods make, in groups with the same ports.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::backends::ports;
use crate::kinds::endpoint_slice::{AddressType, Conditions, Endpoint, Port, TargetRef};
use crate::kinds::node::Node;
use crate::kinds::pod::Pod;
use crate::kinds::service::Service;

/// A slice has one set of ports; sorted, so that equal sets are equal.
pub type Ports = Vec<Port>;

#[derive(Debug, Default)]
pub struct Wanted {
    pub groups: BTreeMap<Ports, Vec<Endpoint>>,
    /// Nodes that pods name and that are not there. Their pods are left out until they are.
    pub missing_nodes: Vec<Box<str>>,
}

/// The families that a Service has slices for.
pub fn address_types(service: &Service) -> Vec<AddressType> {
    let mut types: Vec<AddressType> = Vec::new();
    for family in &service.spec.ip_families {
        match &**family {
            "IPv4" => types.push(AddressType::IPv4),
            "IPv6" => types.push(AddressType::IPv6),
            _ => {}
        }
    }
    if types.is_empty() {
        // An old server did not set the families.
        types = match AddressType::of(&service.spec.cluster_ip) {
            Some(family) => vec![family],
            None => vec![AddressType::IPv4, AddressType::IPv6],
        };
    }
    types.sort_unstable();
    types.dedup();
    types
}

pub fn wanted(
    service: &Service,
    pods: &[Arc<Pod>],
    node: impl Fn(&str) -> Option<Arc<Node>>,
    family: AddressType,
) -> Wanted {
    let mut wanted = Wanted::default();
    for pod in pods {
        if pod.status.phase.is_over() || pod.status.ips.is_empty() {
            continue;
        }
        // A group without endpoints counts all the same: its old slices are emptied rather than replaced.
        let group = wanted.groups.entry(ports_of(service, pod)).or_default();
        let node = node(&pod.spec.node_name);
        if node.is_none() && !service.spec.publish_not_ready_addresses {
            wanted.missing_nodes.push(pod.spec.node_name.clone());
            continue;
        }
        let endpoint = endpoint_of(service, pod, node.as_deref(), family);
        if !endpoint.addresses.is_empty() {
            group.push(endpoint);
        }
    }
    wanted
}

fn ports_of(service: &Service, pod: &Pod) -> Ports {
    if service.spec.ports.is_empty() && service.wants_no_cluster_ip() {
        return Vec::new();
    }
    let found = service.spec.ports.iter().filter_map(|port| {
        Some(Port {
            name: Some(port.name.clone()),
            protocol: Some(port.protocol),
            port: Some(ports::target_port(pod, port)?),
            app_protocol: port.app_protocol.clone(),
        })
    });
    let mut found: Ports = found.collect();
    found.sort_unstable();
    found
}

fn endpoint_of(service: &Service, pod: &Pod, node: Option<&Node>, family: AddressType) -> Endpoint {
    let serving = pod.status.is_ready;
    let terminating = pod.meta.is_deleting();
    let ready = service.spec.publish_not_ready_addresses || (serving && !terminating);
    let addresses = pod.status.ips.iter().filter(|ip| AddressType::of(ip) == Some(family));
    Endpoint {
        addresses: addresses.map(|ip| canonical(ip)).collect(),
        conditions: Conditions { ready: Some(ready), serving: Some(serving), terminating: Some(terminating) },
        hostname: ports::has_hostname(pod, service).then(|| pod.spec.hostname.clone()),
        node_name: (!pod.spec.node_name.is_empty()).then(|| pod.spec.node_name.clone()),
        zone: node.and_then(Node::zone).map(Box::from),
        target_ref: Some(Box::new(TargetRef {
            kind: "Pod".into(),
            namespace: pod.meta.namespace.clone(),
            name: pod.meta.name.clone(),
            uid: pod.meta.uid.clone(),
            ..TargetRef::default()
        })),
        hints: None,
    }
}

/// The one way to write an address: `::1`, however it came.
fn canonical(ip: &str) -> Box<str> {
    match ip.parse::<std::net::IpAddr>() {
        Ok(address) => address.to_string().into(),
        Err(_) => ip.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::pod::{NamedPort, Phase, Protocol};
    use crate::kinds::service;
    use crate::kinds::wire::IntOrString;

    fn service() -> Service {
        let mut service = Service::default();
        service.meta.namespace = "a".into();
        service.meta.name = "web".into();
        service.spec.cluster_ip = "127.96.0.1".into();
        service.spec.ip_families = vec!["IPv4".into()];
        service.spec.ports =
            vec![service::Port { target_port: IntOrString::Text("http".into()), ..service::Port::default() }];
        service
    }

    fn pod(name: &str, port: i32, change: impl FnOnce(&mut Pod)) -> Arc<Pod> {
        let mut pod = Pod::default();
        pod.meta.namespace = "a".into();
        pod.meta.name = name.into();
        pod.meta.uid = name.into();
        pod.spec.node_name = "node".into();
        pod.spec.named_ports = Arc::new([NamedPort { name: "http".into(), number: port, protocol: Protocol::Tcp }]);
        pod.status.phase = Phase::Running;
        pod.status.is_ready = true;
        pod.status.ips = Box::new(["127.64.1.5".into(), "fd00:0::5".into()]);
        change(&mut pod);
        Arc::new(pod)
    }

    fn node(name: &str) -> Option<Arc<Node>> {
        let mut node = Node::default();
        node.meta.labels = [(api::well_known::label::ZONE, "east")].into_iter().collect();
        (name == "node").then(|| Arc::new(node))
    }

    fn only(service: &Service, pod: &Arc<Pod>) -> Endpoint {
        let wanted = wanted(service, std::slice::from_ref(pod), node, AddressType::IPv4);
        wanted.groups.into_values().next().unwrap().remove(0)
    }

    #[test]
    fn an_endpoint_tells_its_pod_node_and_zone() {
        let endpoint = only(&service(), &pod("x", 80, |_| {}));
        assert_eq!(*endpoint.addresses, ["127.64.1.5".into()]);
        assert_eq!((endpoint.node_name.as_deref(), endpoint.zone.as_deref()), (Some("node"), Some("east")));
        assert_eq!(&*endpoint.target_ref.unwrap().uid, "x");
        assert_eq!(endpoint.hostname, None);
    }

    #[test]
    fn conditions_follow_readiness_and_termination() {
        let told = |service: &Service, ready: bool, going: bool| {
            let pod = pod("x", 80, |pod| {
                pod.status.is_ready = ready;
                pod.meta.deletion_timestamp = going.then_some(jiff::Timestamp::UNIX_EPOCH);
            });
            let conditions = only(service, &pod).conditions;
            (conditions.ready.unwrap(), conditions.serving.unwrap(), conditions.terminating.unwrap())
        };
        let mut service = service();
        assert_eq!(told(&service, true, false), (true, true, false));
        assert_eq!(told(&service, false, false), (false, false, false));
        assert_eq!(told(&service, true, true), (false, true, true));
        assert_eq!(told(&service, false, true), (false, false, true));
        service.spec.publish_not_ready_addresses = true;
        assert_eq!(told(&service, false, true), (true, false, true));
    }

    #[test]
    fn pods_with_other_ports_are_another_group() {
        let pods = [pod("x", 80, |_| {}), pod("y", 8080, |_| {}), pod("z", 80, |_| {})];
        let wanted = wanted(&service(), &pods, node, AddressType::IPv4);
        let told: Vec<(Option<i32>, usize)> =
            wanted.groups.iter().map(|(ports, endpoints)| (ports[0].port, endpoints.len())).collect();
        assert_eq!(told, [(Some(80), 2), (Some(8080), 1)]);
    }

    #[test]
    fn a_pod_without_the_named_port_is_in_a_group_without_ports() {
        let wanted =
            wanted(&service(), &[pod("x", 80, |pod| pod.spec.named_ports = Arc::default())], node, AddressType::IPv4);
        assert_eq!(wanted.groups[&Vec::new()].len(), 1);
    }

    #[test]
    fn pods_that_are_over_or_have_no_address_are_left_out() {
        let over = pod("x", 80, |pod| pod.status.phase = Phase::Succeeded);
        let new = pod("y", 80, |pod| pod.status.ips = Box::default());
        assert!(wanted(&service(), &[over, new], node, AddressType::IPv4).groups.is_empty());
    }

    #[test]
    fn a_pod_on_a_node_that_is_gone_waits_for_it() {
        let lost = pod("x", 80, |pod| pod.spec.node_name = "gone".into());
        let mut service = service();
        let found = wanted(&service, std::slice::from_ref(&lost), node, AddressType::IPv4);
        assert_eq!((found.groups.values().next().unwrap().len(), &*found.missing_nodes[0]), (0, "gone"));
        service.spec.publish_not_ready_addresses = true;
        let found = wanted(&service, &[lost], node, AddressType::IPv4);
        assert_eq!((found.groups.values().next().unwrap().len(), found.missing_nodes.len()), (1, 0));
    }

    #[test]
    fn each_family_has_its_own_addresses() {
        let mut service = service();
        let six = wanted(&service, &[pod("x", 80, |_| {})], node, AddressType::IPv6);
        assert_eq!(*six.groups.into_values().next().unwrap()[0].addresses, ["fd00::5".into()]);
        assert_eq!(address_types(&service), [AddressType::IPv4]);
        service.spec.ip_families = vec!["IPv6".into(), "IPv4".into()];
        assert_eq!(address_types(&service), [AddressType::IPv4, AddressType::IPv6]);
        service.spec.ip_families.clear();
        assert_eq!(address_types(&service), [AddressType::IPv4]);
        service.spec.cluster_ip = "None".into();
        assert_eq!(address_types(&service), [AddressType::IPv4, AddressType::IPv6]);
    }

    #[test]
    fn the_hostname_is_told_within_the_services_domain() {
        let named = |subdomain: &str| {
            pod("x", 80, |pod| {
                pod.spec.hostname = "x-0".into();
                pod.spec.subdomain = subdomain.into();
            })
        };
        assert_eq!(only(&service(), &named("web")).hostname.as_deref(), Some("x-0"));
        assert_eq!(only(&service(), &named("other")).hostname, None);
    }

    #[test]
    fn a_headless_service_may_have_no_ports() {
        let mut service = service();
        service.spec.cluster_ip = "None".into();
        service.spec.ports.clear();
        let found = wanted(&service, &[pod("x", 80, |_| {})], node, AddressType::IPv4);
        assert_eq!(found.groups[&Vec::new()].len(), 1);
    }
}
