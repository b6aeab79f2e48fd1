//! Reading objects: what a test wants to know of them.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Endpoints, Node, Pod, PodCondition};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::{Resource, ResourceExt};

/// An address with a port's name and number, as both forms of endpoints hold it.
pub type Endpoint = (String, String, i32);

pub fn is_leaving<K: Resource>(object: &K) -> bool {
    object.meta().deletion_timestamp.is_some()
}

/// Whether a pod is ready and is to stay.
pub fn is_ready(pod: &Pod) -> bool {
    !is_leaving(pod) && pod_condition(pod, "Ready").is_some_and(|condition| condition.status == "True")
}

pub fn pod_condition<'a>(pod: &'a Pod, name: &str) -> Option<&'a PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == name)
}

pub fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

pub fn address(pod: &Pod) -> String {
    pod.status.as_ref().and_then(|status| status.pod_ip.clone()).unwrap_or_default()
}

pub fn node_of(pod: &Pod) -> &str {
    pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or_default()
}

pub fn image(pod: &Pod) -> &str {
    let containers = pod.spec.as_ref().map_or(&[][..], |spec| &spec.containers);
    containers.first().and_then(|container| container.image.as_deref()).unwrap_or_default()
}

pub fn names<K: Resource>(objects: &[K]) -> BTreeSet<String> {
    objects.iter().map(ResourceExt::name_any).collect()
}

/// A line about each pod, for the message of a test that fails.
pub fn told(pods: &[Pod]) -> String {
    let line = |pod: &Pod| {
        let (name, node) = (pod.name_any(), node_of(pod));
        let leaving = if is_leaving(pod) { " leaving" } else { "" };
        format!("{name} on {node:?}: {} {}{leaving}", phase(pod), if is_ready(pod) { "ready" } else { "not ready" })
    };
    pods.iter().map(line).collect::<Vec<_>>().join("; ")
}

/// Status and reason of a Deployment's condition.
pub fn deployment_condition(deployment: &Deployment, name: &str) -> Option<(String, String)> {
    let conditions = deployment.status.as_ref()?.conditions.as_ref()?;
    let found = conditions.iter().find(|condition| condition.type_ == name)?;
    Some((found.status.clone(), found.reason.clone().unwrap_or_default()))
}

pub fn is_node_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// The taints of a node as `key:effect`.
pub fn taints(node: &Node) -> BTreeSet<String> {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref());
    taints.into_iter().flatten().map(|taint| format!("{}:{}", taint.key, taint.effect)).collect()
}

/// The addresses that are ready, and those that are not.
pub fn of_endpoints(endpoints: &Endpoints) -> (BTreeSet<Endpoint>, BTreeSet<Endpoint>) {
    let (mut ready, mut unready) = (BTreeSet::new(), BTreeSet::new());
    for subset in endpoints.subsets.iter().flatten() {
        for port in subset.ports.iter().flatten() {
            let with_port = |ip: &String| (ip.clone(), port.name.clone().unwrap_or_default(), port.port);
            ready.extend(subset.addresses.iter().flatten().map(|address| with_port(&address.ip)));
            unready.extend(subset.not_ready_addresses.iter().flatten().map(|address| with_port(&address.ip)));
        }
    }
    (ready, unready)
}

/// The same of a Service's slices. Addresses of pods that are on their way out are in neither set.
pub fn of_slices(slices: &[EndpointSlice]) -> (BTreeSet<Endpoint>, BTreeSet<Endpoint>) {
    let (mut ready, mut unready) = (BTreeSet::new(), BTreeSet::new());
    for slice in slices {
        for port in slice.ports.iter().flatten() {
            for endpoint in slice.endpoints.iter().flatten() {
                let conditions = endpoint.conditions.clone().unwrap_or_default();
                let name = port.name.clone().unwrap_or_default();
                let with_port = |ip: &String| (ip.clone(), name.clone(), port.port.unwrap_or_default());
                let all = endpoint.addresses.iter().map(with_port);
                match conditions.ready != Some(false) {
                    true => ready.extend(all),
                    false if conditions.terminating == Some(true) => {}
                    false => unready.extend(all),
                }
            }
        }
    }
    (ready, unready)
}
