//! Pods.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use crate::kinds::kind::{IndexKey, IndexKeys, Kind};
use crate::kinds::meta::Meta;
use crate::kinds::node::Taint;
use crate::kinds::pairs::Pairs;
use crate::kinds::requests::{Amounts, ResourceList};
use crate::kinds::resource::Resource;
use crate::kinds::shared::{Shared, share};
use crate::kinds::wire;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "WirePod")]
pub struct Pod {
    pub meta: Meta,
    pub spec: Spec,
    pub status: Status,
}

#[derive(Debug, Clone, Default)]
pub struct Spec {
    pub node_name: Box<str>,
    pub hostname: Box<str>,
    pub subdomain: Box<str>,
    pub scheduler_name: Box<str>,
    /// Whether something must lift a gate before the pod may be scheduled.
    pub is_gated: bool,
    /// The ports of containers and of init containers that keep running, where they have names.
    pub named_ports: Shared<NamedPort>,
    pub host_ports: Box<[HostPort]>,
    pub requests: Amounts,
    pub node_selector: Pairs,
    pub required_affinity: Option<Box<NodeSelector>>,
    pub tolerations: Shared<Toleration>,
}

#[derive(Debug, Clone, Default)]
pub struct Status {
    pub phase: Phase,
    pub ips: Box<[Box<str>]>,
    pub is_ready: bool,
    /// When the Ready condition last changed.
    pub ready_since: Option<Timestamp>,
    /// The message of a condition that says that no node fits.
    pub unschedulable: Option<Box<str>>,
    /// The restarts of the container that was restarted most often.
    pub restarts: i32,
    /// Since when a condition says that the pod is to make way, unless that is its node's own word.
    pub disrupted_since: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Phase {
    #[default]
    Pending,
    Running,
    Succeeded,
    Failed,
    #[serde(other)]
    Unknown,
}

impl Phase {
    /// Whether a pod never runs again.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPort {
    pub name: Box<str>,
    pub number: i32,
    pub protocol: Protocol,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    pub ip: Box<str>,
    pub number: i32,
    pub protocol: Protocol,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, serde::Serialize)]
pub enum Protocol {
    #[default]
    #[serde(rename = "TCP")]
    Tcp,
    #[serde(rename = "UDP")]
    Udp,
    #[serde(rename = "SCTP")]
    Sctp,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Toleration {
    #[serde(deserialize_with = "wire::or_default")]
    pub key: Box<str>,
    #[serde(deserialize_with = "wire::or_default")]
    pub operator: Box<str>,
    #[serde(deserialize_with = "wire::or_default")]
    pub value: Box<str>,
    #[serde(deserialize_with = "wire::or_default")]
    pub effect: Box<str>,
    pub toleration_seconds: Option<i64>,
}

impl Toleration {
    /// Without a key or an effect, a toleration is for all of them.
    pub fn tolerates(&self, taint: &Taint) -> bool {
        if !self.effect.is_empty() && self.effect != taint.effect || !self.key.is_empty() && self.key != taint.key {
            return false;
        }
        match &*self.operator {
            "" | "Equal" => self.value == taint.value,
            operator => operator == "Exists",
        }
    }
}

/// Terms of which one must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSelector {
    pub node_selector_terms: Vec<NodeSelectorTerm>,
}

/// Requirements of which all must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSelectorTerm {
    #[serde(deserialize_with = "wire::or_default")]
    pub match_expressions: Vec<Requirement>,
    #[serde(deserialize_with = "wire::or_default")]
    pub match_fields: Vec<Requirement>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Requirement {
    pub key: Box<str>,
    pub operator: Box<str>,
    #[serde(deserialize_with = "wire::or_default")]
    pub values: Vec<Box<str>>,
}

impl Kind for Pod {
    const RESOURCE: Resource = Resource::namespaced("", "v1", "Pod", "pods");

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn index(&self, keys: &mut IndexKeys) {
        keys.add_labels(&self.meta);
        keys.add_controller(&self.meta);
        keys.add(IndexKey::node(&self.spec.node_name));
    }

    fn share(&mut self, other: &Self) {
        self.meta.share(&other.meta);
        self.spec.node_selector.share(&other.spec.node_selector);
        share(&mut self.spec.named_ports, &other.spec.named_ports);
        share(&mut self.spec.tolerations, &other.spec.tolerations);
    }
}

impl Pod {
    /// Whether the pod runs or may still run, and is not being deleted.
    pub fn is_active(&self) -> bool {
        !self.status.phase.is_over() && !self.meta.is_deleting()
    }

    /// Whether the pod has been ready for so long.
    pub fn is_available(&self, min_ready_seconds: i32, now: Timestamp) -> bool {
        if !self.status.is_ready || min_ready_seconds == 0 {
            return self.status.is_ready;
        }
        let Some(since) = self.status.ready_since else { return false };
        since.as_second() + i64::from(min_ready_seconds) <= now.as_second()
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WirePod {
    metadata: Meta,
    spec: WireSpec,
    status: WireStatus,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireSpec {
    node_name: Box<str>,
    hostname: Box<str>,
    subdomain: Box<str>,
    scheduler_name: Box<str>,
    #[serde(deserialize_with = "wire::or_default")]
    scheduling_gates: Vec<serde::de::IgnoredAny>,
    #[serde(deserialize_with = "wire::or_default")]
    containers: Vec<WireContainer>,
    #[serde(deserialize_with = "wire::or_default")]
    init_containers: Vec<WireContainer>,
    #[serde(deserialize_with = "wire::or_default")]
    overhead: ResourceList,
    node_selector: Pairs,
    affinity: Option<WireAffinity>,
    #[serde(deserialize_with = "wire::or_default")]
    tolerations: Shared<Toleration>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireContainer {
    restart_policy: Option<Box<str>>,
    #[serde(deserialize_with = "wire::or_default")]
    ports: Vec<WirePort>,
    #[serde(deserialize_with = "wire::or_default")]
    resources: WireResources,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireResources {
    #[serde(deserialize_with = "wire::or_default")]
    requests: ResourceList,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WirePort {
    name: Box<str>,
    container_port: i32,
    host_port: i32,
    #[serde(rename = "hostIP")]
    host_ip: Box<str>,
    protocol: Protocol,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireAffinity {
    node_affinity: Option<WireNodeAffinity>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireNodeAffinity {
    required_during_scheduling_ignored_during_execution: Option<Box<NodeSelector>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireStatus {
    phase: Phase,
    #[serde(rename = "podIP")]
    pod_ip: Box<str>,
    #[serde(rename = "podIPs", deserialize_with = "wire::or_default")]
    pod_ips: Vec<WireIp>,
    #[serde(deserialize_with = "wire::or_default")]
    conditions: Vec<crate::kinds::condition::Condition>,
    #[serde(deserialize_with = "wire::or_default")]
    container_statuses: Vec<WireContainerStatus>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireIp {
    ip: Box<str>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireContainerStatus {
    restart_count: i32,
}

impl From<WirePod> for Pod {
    fn from(wire: WirePod) -> Self {
        Self { meta: wire.metadata, spec: wire.spec.into(), status: wire.status.into() }
    }
}

impl From<WireSpec> for Spec {
    fn from(wire: WireSpec) -> Self {
        let requests = requests_of(&wire);
        let is_sidecar = |container: &&WireContainer| container.restart_policy.as_deref() == Some("Always");
        let running = wire.containers.iter().chain(wire.init_containers.iter().filter(is_sidecar));
        let ports: Vec<&WirePort> = running.flat_map(|container| &container.ports).collect();
        let named = ports.iter().filter(|port| !port.name.is_empty()).map(|port| NamedPort {
            name: port.name.clone(),
            number: port.container_port,
            protocol: port.protocol,
        });
        let on_host = ports.iter().filter(|port| port.host_port > 0).map(|port| HostPort {
            ip: port.host_ip.clone(),
            number: port.host_port,
            protocol: port.protocol,
        });
        Self {
            named_ports: named.collect(),
            host_ports: on_host.collect(),
            requests,
            node_name: wire.node_name,
            hostname: wire.hostname,
            subdomain: wire.subdomain,
            scheduler_name: wire.scheduler_name,
            is_gated: !wire.scheduling_gates.is_empty(),
            node_selector: wire.node_selector,
            required_affinity: wire
                .affinity
                .and_then(|affinity| affinity.node_affinity)
                .and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution),
            tolerations: wire.tolerations,
        }
    }
}

/// What the pod needs at its busiest: init containers run one after the other before the rest, sidecars stay.
fn requests_of(spec: &WireSpec) -> Amounts {
    let mut sidecars = Amounts::default();
    let mut starting = Amounts::default();
    for container in &spec.init_containers {
        let own = Amounts::of(&container.resources.requests);
        if container.restart_policy.as_deref() == Some("Always") {
            sidecars = sidecars.plus(&own);
            starting = starting.max(&sidecars);
        } else {
            starting = starting.max(&sidecars.plus(&own));
        }
    }
    let running = spec.containers.iter().map(|container| Amounts::of(&container.resources.requests));
    let running = running.fold(sidecars, |sum, own| sum.plus(&own));
    running.max(&starting).plus(&Amounts::of(&spec.overhead))
}

impl From<WireStatus> for Status {
    fn from(wire: WireStatus) -> Self {
        let conditions: BTreeMap<&str, _> =
            wire.conditions.iter().map(|condition| (&*condition.kind, condition)).collect();
        let ready = conditions.get("Ready");
        let unscheduled = conditions.get("PodScheduled").filter(|condition| &*condition.reason == "Unschedulable");
        let disrupted = conditions
            .get("DisruptionTarget")
            .filter(|condition| condition.is_true() && &*condition.reason != "TerminationByKubelet");
        let ips: Box<[Box<str>]> = match (wire.pod_ips.is_empty(), wire.pod_ip.is_empty()) {
            (false, _) => wire.pod_ips.into_iter().map(|address| address.ip).collect(),
            (true, false) => Box::new([wire.pod_ip]),
            (true, true) => Box::default(),
        };
        Self {
            phase: wire.phase,
            ips,
            is_ready: ready.is_some_and(|condition| condition.is_true()),
            ready_since: ready.and_then(|condition| condition.last_transition_time),
            unschedulable: unscheduled.map(|condition| condition.message.clone()),
            restarts: wire.container_statuses.iter().map(|status| status.restart_count).max().unwrap_or(0),
            disrupted_since: disrupted.map(|condition| condition.last_transition_time.unwrap_or(Timestamp::UNIX_EPOCH)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_is_read() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "a", "namespace": "b"},
            "spec": {
                "nodeName": "n",
                "containers": [
                    {"name": "c", "ports": [{"name": "http", "containerPort": 80, "hostPort": 8080}],
                     "resources": {"requests": {"cpu": "100m", "memory": "10Mi"}}},
                    {"name": "d", "resources": {"requests": {"cpu": "1"}}},
                ],
                "initContainers": [
                    {"name": "sidecar", "restartPolicy": "Always", "ports": [{"name": "admin", "containerPort": 9000, "protocol": "UDP"}],
                     "resources": {"requests": {"cpu": "50m"}}},
                    {"name": "init", "ports": [{"name": "never", "containerPort": 1}],
                     "resources": {"requests": {"memory": "1Gi"}}},
                ],
                "overhead": {"cpu": "1m"},
            },
            "status": {"phase": "Running", "podIP": "1.2.3.4", "podIPs": [{"ip": "1.2.3.4"}, {"ip": "::1"}],
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
                "containerStatuses": [{"restartCount": 3}, {"restartCount": 1}]},
        }))
        .unwrap();
        let names: Vec<&str> = pod.spec.named_ports.iter().map(|port| &*port.name).collect();
        assert_eq!(names, ["http", "admin"]);
        assert_eq!(pod.spec.host_ports[0].number, 8080);
        assert_eq!((pod.spec.requests.cpu, pod.spec.requests.memory), (1151, 1 << 30));
        assert_eq!((pod.status.ips.len(), pod.status.restarts, pod.status.is_ready), (2, 3, true));
    }

    #[test]
    fn a_pod_that_is_to_make_way_says_so() {
        let since = |status: &str, reason: &str| {
            let condition = json!({"type": "DisruptionTarget", "status": status, "reason": reason,
                "lastTransitionTime": "2026-01-01T00:00:00Z"});
            let pod: Pod = serde_json::from_value(json!({"status": {"conditions": [condition]}})).unwrap();
            pod.status.disrupted_since.map(|since| since.to_string())
        };
        assert_eq!(since("True", "EvictionByEvictionAPI").as_deref(), Some("2026-01-01T00:00:00Z"));
        assert_eq!(since("False", "EvictionByEvictionAPI"), None);
        assert_eq!(since("True", "TerminationByKubelet"), None);
    }

    #[test]
    fn a_pod_is_available_when_it_has_been_ready_for_long_enough() {
        let mut pod = Pod::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        assert!(!pod.is_available(0, at(0)));
        pod.status.is_ready = true;
        pod.status.ready_since = Some(at(100));
        assert!(pod.is_available(0, at(100)));
        assert!(!pod.is_available(10, at(109)));
        assert!(pod.is_available(10, at(110)));
    }

    #[test]
    fn tolerations_match_by_key_value_and_effect() {
        let taint =
            |value: &str| Taint { key: "k".into(), value: value.into(), effect: "NoSchedule".into(), time_added: None };
        let toleration = |key: &str, operator: &str, value: &str, effect: &str| Toleration {
            key: key.into(),
            operator: operator.into(),
            value: value.into(),
            effect: effect.into(),
            toleration_seconds: None,
        };
        assert!(toleration("k", "Equal", "v", "NoSchedule").tolerates(&taint("v")));
        assert!(toleration("k", "", "v", "").tolerates(&taint("v")));
        assert!(!toleration("k", "Equal", "w", "").tolerates(&taint("v")));
        assert!(toleration("k", "Exists", "", "").tolerates(&taint("v")));
        assert!(toleration("", "Exists", "", "").tolerates(&taint("v")));
        assert!(!toleration("k", "Exists", "", "NoExecute").tolerates(&taint("v")));
        assert!(!toleration("l", "Exists", "", "").tolerates(&taint("v")));
    }

    #[test]
    fn a_pod_is_small_in_memory() {
        assert!(size_of::<Pod>() <= 720, "{}", size_of::<Pod>());
    }
}
