//! The Endpoints of a Service: subsets, labels and annotations, and whether they differ from what is there.

use std::sync::Arc;

use api::well_known::{annotation, label, manager};
use jiff::Timestamp;

use crate::backends::ports;
use crate::controllers::endpoints::subsets::{self, Place};
use crate::kinds::endpoint_slice::{AddressType, TargetRef};
use crate::kinds::endpoints::{Address, Endpoints, Port, Subset};
use crate::kinds::pairs::Pairs;
use crate::kinds::pod::Pod;
use crate::kinds::service::Service;

/// Endpoints as they are to be written.
#[derive(Debug)]
pub struct Draft {
    pub labels: Pairs,
    /// Set if present, removed if absent.
    pub trigger_time: Option<Timestamp>,
    pub is_truncated: bool,
    pub subsets: Vec<Subset>,
}

/// What must be written, if anything.
pub fn plan(
    service: &Service,
    pods: &[Arc<Pod>],
    current: Option<&Endpoints>,
    trigger_time: Option<Timestamp>,
) -> Option<Draft> {
    let mut subsets = subsets::pack(places(service, pods));
    let labels = labels(service);
    // Compared before they are cut, as upstream does: Endpoints over capacity are written each time.
    let is_same = |current: &Endpoints| {
        let is_marked = current.meta.annotations.contains(annotation::ENDPOINTS_OVER_CAPACITY);
        *current.subsets == *subsets && current.meta.labels == labels && !is_marked
    };
    if current.is_some_and(is_same) && !subsets::is_over_capacity(&subsets) {
        return None;
    }
    let is_truncated = subsets::truncate(&mut subsets);
    let is_cut_alike = |current: &Endpoints| {
        current.meta.annotations.get(annotation::ENDPOINTS_OVER_CAPACITY) == Some(TRUNCATED)
            && *current.subsets == *subsets
            && current.meta.labels == labels
    };
    if is_truncated && current.is_some_and(is_cut_alike) {
        return None;
    }
    Some(Draft { labels, trigger_time, is_truncated, subsets })
}

/// The value of the annotation of Endpoints that lack some addresses.
pub const TRUNCATED: &str = "truncated";

fn labels(service: &Service) -> Pairs {
    let managed = (label::ENDPOINTS_MANAGED_BY, manager::ENDPOINTS);
    let headless = service.is_headless().then_some((label::HEADLESS_SERVICE, ""));
    let is_own = |(key, _): &(&str, &str)| *key != label::HEADLESS_SERVICE && *key != label::ENDPOINTS_MANAGED_BY;
    service.meta.labels.iter().filter(is_own).chain(headless).chain([managed]).collect()
}

fn places(service: &Service, pods: &[Arc<Pod>]) -> Vec<Place> {
    let mut places = Vec::new();
    for pod in pods {
        let publishes_all = service.spec.publish_not_ready_addresses;
        if pod.status.phase.is_over() || (pod.meta.is_deleting() && !publishes_all) {
            continue;
        }
        let Some(address) = address(service, pod) else { continue };
        let is_ready = publishes_all || pod.status.is_ready;
        if service.spec.ports.is_empty() {
            if service.wants_no_cluster_ip() {
                places.push(Place { address, port: None, is_ready });
            }
            continue;
        }
        for port in &service.spec.ports {
            let Some(number) = ports::target_port(pod, port) else { continue };
            let port = Port {
                name: port.name.clone(),
                port: number,
                protocol: port.protocol,
                app_protocol: port.app_protocol.clone(),
            };
            places.push(Place { address: address.clone(), port: Some(port), is_ready });
        }
    }
    places
}

/// The pod's address of the Service's first family; its first one if the Service has none.
fn address(service: &Service, pod: &Pod) -> Option<Address> {
    let family = match service.spec.ip_families.first().map(|family| &**family) {
        Some("IPv4") => Some(AddressType::IPv4),
        Some("IPv6") => Some(AddressType::IPv6),
        _ => AddressType::of(&service.spec.cluster_ip),
    };
    let ip = pod.status.ips.iter().find(|ip| family.is_none() || AddressType::of(ip) == family)?;
    Some(Address {
        ip: ip.clone(),
        hostname: if ports::has_hostname(pod, service) { pod.spec.hostname.clone() } else { "".into() },
        node_name: (!pod.spec.node_name.is_empty()).then(|| pod.spec.node_name.clone()),
        target_ref: Some(Box::new(TargetRef {
            kind: "Pod".into(),
            namespace: pod.meta.namespace.clone(),
            name: pod.meta.name.clone(),
            uid: pod.meta.uid.clone(),
            ..TargetRef::default()
        })),
    })
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
        service.meta.labels = [("team", "x")].into_iter().collect();
        service.spec.cluster_ip = "127.96.0.1".into();
        service.spec.ip_families = vec!["IPv4".into()];
        service.spec.ports = vec![service::Port { target_port: IntOrString::Int(8080), ..service::Port::default() }];
        service
    }

    fn pod(name: &str, ip: &str, change: impl FnOnce(&mut Pod)) -> Arc<Pod> {
        let mut pod = Pod::default();
        pod.meta.namespace = "a".into();
        pod.meta.name = name.into();
        pod.meta.uid = name.into();
        pod.spec.node_name = "n".into();
        pod.status.phase = Phase::Running;
        pod.status.is_ready = true;
        pod.status.ips = Box::new([ip.into(), "fd00::1".into()]);
        change(&mut pod);
        Arc::new(pod)
    }

    fn written(draft: Draft) -> Endpoints {
        let mut endpoints = Endpoints { subsets: draft.subsets.into(), ..Endpoints::default() };
        endpoints.meta.labels = draft.labels;
        if draft.is_truncated {
            endpoints.meta.annotations = [(annotation::ENDPOINTS_OVER_CAPACITY, TRUNCATED)].into_iter().collect();
        }
        endpoints
    }

    fn subsets(service: &Service, pods: &[Arc<Pod>]) -> Vec<Subset> {
        plan(service, pods, None, None).unwrap().subsets
    }

    fn ips(addresses: &[Address]) -> Vec<&str> {
        addresses.iter().map(|address| &*address.ip).collect()
    }

    #[test]
    fn ready_pods_and_others_are_told_apart() {
        let pods = [pod("x", "127.64.1.1", |_| {}), pod("y", "127.64.1.2", |pod| pod.status.is_ready = false)];
        let subsets = subsets(&service(), &pods);
        assert_eq!(ips(&subsets[0].addresses), ["127.64.1.1"]);
        assert_eq!(ips(&subsets[0].not_ready_addresses), ["127.64.1.2"]);
        assert_eq!(subsets[0].ports[0].port, 8080);
        let address = &subsets[0].addresses[0];
        assert_eq!((address.node_name.as_deref(), &*address.target_ref.as_ref().unwrap().name), (Some("n"), "x"));
    }

    #[test]
    fn a_service_may_publish_what_is_not_ready() {
        let mut service = service();
        let going = pod("x", "127.64.1.1", |pod| pod.meta.deletion_timestamp = Some(Timestamp::UNIX_EPOCH));
        let unready = pod("y", "127.64.1.2", |pod| pod.status.is_ready = false);
        let over = pod("z", "127.64.1.3", |pod| pod.status.phase = Phase::Failed);
        let pods = [going, unready, over];
        assert_eq!(ips(&subsets(&service, &pods)[0].not_ready_addresses), ["127.64.1.2"]);
        service.spec.publish_not_ready_addresses = true;
        assert_eq!(ips(&subsets(&service, &pods)[0].addresses), ["127.64.1.1", "127.64.1.2"]);
    }

    #[test]
    fn only_the_first_family_is_shown() {
        let mut service = service();
        service.spec.ip_families = vec!["IPv6".into(), "IPv4".into()];
        assert_eq!(ips(&subsets(&service, &[pod("x", "127.64.1.1", |_| {})])[0].addresses), ["fd00::1"]);
        service.spec.ip_families.clear();
        service.spec.cluster_ip = "None".into();
        assert_eq!(ips(&subsets(&service, &[pod("x", "127.64.1.1", |_| {})])[0].addresses), ["127.64.1.1"]);
        let single = pod("x", "127.64.1.1", |pod| pod.status.ips = Box::new(["127.64.1.1".into()]));
        service.spec.ip_families = vec!["IPv6".into()];
        assert!(subsets(&service, &[single]).is_empty());
    }

    #[test]
    fn a_named_port_may_differ_from_pod_to_pod() {
        let mut service = service();
        service.spec.ports[0].target_port = IntOrString::Text("http".into());
        let named = |name: &str, ip: &str, number: i32| {
            pod(name, ip, |pod| {
                pod.spec.named_ports = Arc::new([NamedPort { name: "http".into(), number, protocol: Protocol::Tcp }]);
            })
        };
        let pods = [named("x", "127.64.1.1", 80), named("y", "127.64.1.2", 81), pod("z", "127.64.1.3", |_| {})];
        let told: Vec<_> =
            subsets(&service, &pods).iter().map(|subset| (subset.ports[0].port, subset.addresses.len())).collect();
        assert_eq!(told, [(80, 1), (81, 1)]);
    }

    #[test]
    fn a_headless_service_without_ports_has_addresses() {
        let mut service = service();
        service.spec.ports.clear();
        assert!(subsets(&service, &[pod("x", "127.64.1.1", |_| {})]).is_empty());
        service.spec.cluster_ip = "None".into();
        let draft = plan(&service, &[pod("x", "127.64.1.1", |_| {})], None, None).unwrap();
        assert!(draft.subsets[0].ports.is_empty() && draft.subsets[0].addresses.len() == 1);
        assert_eq!(draft.labels.get(label::HEADLESS_SERVICE), Some(""));
    }

    #[test]
    fn labels_are_the_services_and_the_managers() {
        let draft = plan(&service(), &[], None, None).unwrap();
        let told: Vec<_> = draft.labels.iter().collect();
        assert_eq!(told, [("endpoints.kubernetes.io/managed-by", "endpoint-controller"), ("team", "x")]);
    }

    #[test]
    fn what_is_as_wanted_is_not_written() {
        let mut service = service();
        let pods = [pod("x", "127.64.1.1", |_| {})];
        let current = written(plan(&service, &pods, None, None).unwrap());
        assert!(plan(&service, &pods, Some(&current), Some(Timestamp::UNIX_EPOCH)).is_none());
        service.meta.labels = Pairs::default();
        assert!(plan(&service, &pods, Some(&current), None).is_some());
    }

    #[test]
    fn too_many_pods_are_cut_and_that_is_said() {
        let service = service();
        let pod = |index: usize| pod(&format!("p{index}"), &format!("127.65.{}.{}", index / 250, index % 250), |_| {});
        let many: Vec<Arc<Pod>> = (0..1100).map(pod).collect();
        let draft = plan(&service, &many, None, None).unwrap();
        assert!(draft.is_truncated && subsets::count(&draft.subsets) == 1000);
        let current = written(draft);
        assert!(plan(&service, &many, Some(&current), None).is_none());
        let fewer = plan(&service, &many[..10], Some(&current), None).unwrap();
        assert!(!fewer.is_truncated);
    }
}
