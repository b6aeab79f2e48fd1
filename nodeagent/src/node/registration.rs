//! Registers the Node and keeps what the API holds of it true: by watching it, so nothing is written at rest.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use api::quantity::Quantity as Amount;
use api::well_known::label;
use client::watch::{all, states};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Node, NodeAddress, NodeCondition, NodeSpec, NodeStatus};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::runtime::WatchStreamExt;
use lifecycle::clock::Clock;
use serde_json::{Value, json};
use tokio::sync::watch;
use tracing::{debug, info, warn};

use crate::node::machine::{Machine, architecture};
use crate::watching::WatchBackoff;

/// What an agent says of its node.
#[derive(Debug, Clone)]
pub struct Registration {
    pub name: String,
    pub address: IpAddr,
    pub pod_cidr: String,
    pub zone: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub max_pods: u32,
    pub machine: Machine,
}

/// Condition, reason and message of a healthy node, with whether the condition is then true.
const CONDITIONS: [(&str, &str, &str, &str); 4] = [
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
];

/// Keeps the Node registered and its status right, for ever; `seen` always holds the newest Node.
pub async fn keep(
    client: kube::Client,
    clock: Clock,
    registration: Registration,
    seen: watch::Sender<Option<Arc<Node>>>,
) {
    let nodes: Api<Node> = Api::all(client.clone());
    let backoff = WatchBackoff::default();
    let mut changes = states::<Node>(all::<Node>(client), &registration.name).backoff(backoff).boxed();
    let mut retry = lifecycle::backoff::Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
    while let Some(change) = changes.next().await {
        let mut current = match change {
            Ok(current) => current,
            Err(error) => {
                debug!(%error, "watch of the node broke");
                continue;
            }
        };
        loop {
            match settle(&nodes, &registration, current, clock.now_seconds()).await {
                Ok(node) => {
                    retry.reset();
                    seen.send_replace(Some(Arc::new(node)));
                    break;
                }
                Err(error) => {
                    warn!(node = registration.name, error = format!("{error:#}"), "node not registered");
                    tokio::time::sleep(retry.next_delay()).await;
                    current = nodes.get_opt(&registration.name).await.ok().flatten();
                }
            }
        }
    }
}

/// Makes the API's Node say what is true: creates it, or patches what differs.
async fn settle(
    nodes: &Api<Node>,
    registration: &Registration,
    current: Option<Node>,
    now: jiff::Timestamp,
) -> anyhow::Result<Node> {
    let Some(current) = current else {
        let node = registration.node(now);
        let created = nodes.create(&PostParams::default(), &node).await.context("create node")?;
        info!(node = registration.name, "node registered");
        // A server that keeps the status out of a create gets it here.
        return set_status(nodes, registration, created, now).await;
    };
    let Some(patch) = registration.difference(&current) else {
        return set_status(nodes, registration, current, now).await;
    };
    let name = &registration.name;
    let patched = nodes.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.context("patch node")?;
    set_status(nodes, registration, patched, now).await
}

async fn set_status(
    nodes: &Api<Node>,
    registration: &Registration,
    current: Node,
    now: jiff::Timestamp,
) -> anyhow::Result<Node> {
    let Some(patch) = registration.status_difference(&current, now) else { return Ok(current) };
    let params = PatchParams::default();
    nodes.patch_status(&registration.name, &params, &Patch::Merge(&patch)).await.context("patch node status")
}

impl Registration {
    /// The Node as it is first created.
    pub fn node(&self, now: jiff::Timestamp) -> Node {
        Node {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                labels: Some(self.wanted_labels()),
                ..ObjectMeta::default()
            },
            spec: Some(NodeSpec {
                pod_cidr: Some(self.pod_cidr.clone()),
                pod_cidrs: Some(vec![self.pod_cidr.clone()]),
                ..NodeSpec::default()
            }),
            status: Some(self.status(None, now)),
        }
    }

    pub fn wanted_labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.labels.clone();
        labels.insert(label::HOSTNAME.to_owned(), self.name.clone());
        labels.insert(label::OS.to_owned(), std::env::consts::OS.to_owned());
        labels.insert(label::ARCH.to_owned(), architecture().to_owned());
        if let Some(zone) = &self.zone {
            labels.insert(label::ZONE.to_owned(), zone.clone());
        }
        labels
    }

    /// A merge patch for the labels and the address range; a range that the node already has stays.
    fn difference(&self, current: &Node) -> Option<Value> {
        let mut labels = self.wanted_labels();
        if let Some(held) = &current.metadata.labels {
            labels.retain(|key, value| held.get(key) != Some(value));
        }
        let mut patch = json!({});
        if !labels.is_empty() {
            patch["metadata"] = json!({ "labels": labels });
        }
        if current.spec.as_ref().is_none_or(|spec| spec.pod_cidr.is_none()) {
            patch["spec"] = json!({ "podCIDR": self.pod_cidr, "podCIDRs": [self.pod_cidr] });
        }
        patch.as_object().is_some_and(|fields| !fields.is_empty()).then_some(patch)
    }

    /// A merge patch for the status, none when all of it is true already.
    fn status_difference(&self, current: &Node, now: jiff::Timestamp) -> Option<Value> {
        let held = current.status.clone().unwrap_or_default();
        let wanted = self.status(Some(&held), now);
        (wanted != held).then(|| json!({ "status": wanted }))
    }

    /// The status as it should be: what others wrote there stays, times move only with what they date.
    fn status(&self, held: Option<&NodeStatus>, now: jiff::Timestamp) -> NodeStatus {
        let mut status = held.cloned().unwrap_or_default();
        let resources = self.resources();
        status.capacity.get_or_insert_default().extend(resources.clone());
        status.allocatable.get_or_insert_default().extend(resources);
        status.addresses = Some(vec![
            NodeAddress { type_: "InternalIP".to_owned(), address: self.address.to_string() },
            NodeAddress { type_: "Hostname".to_owned(), address: self.name.clone() },
        ]);
        status.node_info = Some(self.machine.info.clone());
        let conditions = status.conditions.get_or_insert_default();
        for (kind, is_true, reason, message) in CONDITIONS {
            set_condition(conditions, kind, is_true, reason, message, now);
        }
        status
    }

    fn resources(&self) -> BTreeMap<String, Quantity> {
        let amounts = [
            ("cpu", Amount::from_units(self.machine.cpus as i64)),
            ("memory", Amount::from_bytes(self.machine.memory_bytes)),
            ("ephemeral-storage", Amount::from_bytes(self.machine.disk_bytes)),
            ("pods", Amount::from_units(i64::from(self.max_pods))),
        ];
        amounts.map(|(name, amount)| (name.to_owned(), Quantity(amount.to_string()))).into()
    }
}

fn set_condition(
    conditions: &mut Vec<NodeCondition>,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: jiff::Timestamp,
) {
    let held = conditions.iter_mut().find(|condition| condition.type_ == kind);
    let changed = held.as_ref().is_none_or(|held| held.status != status);
    let same_text = held
        .as_ref()
        .is_some_and(|held| held.reason.as_deref() == Some(reason) && held.message.as_deref() == Some(message));
    if !changed && same_text {
        return;
    }
    let transition = held.as_ref().filter(|_| !changed).and_then(|held| held.last_transition_time.clone());
    let condition = NodeCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_heartbeat_time: Some(Time(now)),
        last_transition_time: transition.or(Some(Time(now))),
    };
    match held {
        Some(held) => *held = condition,
        None => conditions.push(condition),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration() -> Registration {
        Registration {
            name: "node-1".to_owned(),
            address: "127.0.0.1".parse().unwrap(),
            pod_cidr: "127.64.1.0/24".to_owned(),
            zone: Some("a".to_owned()),
            labels: BTreeMap::new(),
            max_pods: 110,
            machine: Machine { cpus: 2, memory_bytes: 1 << 31, disk_bytes: 1 << 40, info: Default::default() },
        }
    }

    fn at(second: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_node_that_is_right_is_left_alone() {
        let node = registration().node(at(5));
        assert_eq!(node.metadata.labels.as_ref().unwrap()["topology.kubernetes.io/zone"], "a");
        assert_eq!(node.status.as_ref().unwrap().capacity.as_ref().unwrap()["memory"].0, "2Gi");
        assert!(registration().difference(&node).is_none());
        assert!(registration().status_difference(&node, at(500)).is_none());
    }

    #[test]
    fn a_ready_condition_that_another_took_away_comes_back() {
        let mut node = registration().node(at(5));
        let conditions = node.status.as_mut().unwrap().conditions.as_mut().unwrap();
        conditions[3].status = "Unknown".to_owned();
        conditions.push(NodeCondition { type_: "Custom".to_owned(), ..NodeCondition::default() });
        let patch = registration().status_difference(&node, at(9)).unwrap();
        let conditions = patch["status"]["conditions"].as_array().unwrap();
        assert_eq!(conditions[3]["status"], "True");
        assert_eq!(conditions[3]["lastTransitionTime"], "1970-01-01T00:00:09Z");
        assert_eq!(conditions[0]["lastTransitionTime"], "1970-01-01T00:00:05Z");
        assert_eq!(conditions[4]["type"], "Custom");
    }

    #[test]
    fn labels_and_range_are_patched_only_where_they_differ() {
        let mut node = registration().node(at(5));
        node.metadata.labels.as_mut().unwrap().remove("kubernetes.io/os");
        node.spec.as_mut().unwrap().pod_cidr = None;
        let patch = registration().difference(&node).unwrap();
        assert_eq!(patch["metadata"]["labels"], json!({ "kubernetes.io/os": "linux" }));
        assert_eq!(patch["spec"]["podCIDR"], "127.64.1.0/24");
    }
}
