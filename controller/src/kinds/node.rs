//! Nodes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::kinds::condition::Condition;
use crate::kinds::kind::Kind;
use crate::kinds::meta::Meta;
use crate::kinds::requests::{Amounts, ResourceList};
use crate::kinds::resource::Resource;
use crate::kinds::wire;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Node {
    #[serde(rename = "metadata")]
    pub meta: Meta,
    pub spec: Spec,
    pub status: Status,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    pub unschedulable: bool,
    #[serde(deserialize_with = "wire::or_default")]
    pub taints: Vec<Taint>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Taint {
    pub key: Box<str>,
    #[serde(deserialize_with = "wire::or_default", skip_serializing_if = "str::is_empty")]
    pub value: Box<str>,
    pub effect: Box<str>,
    #[serde(
        deserialize_with = "wire::time",
        serialize_with = "wire::seconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub time_added: Option<Timestamp>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "WireStatus")]
pub struct Status {
    pub allocatable: Amounts,
    pub allocatable_pods: i64,
    pub conditions: Vec<NodeCondition>,
    pub addresses: Vec<Address>,
}

/// A condition, with the time of the last word from the node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeCondition {
    #[serde(flatten)]
    pub condition: Condition,
    #[serde(deserialize_with = "wire::time")]
    pub last_heartbeat_time: Option<Timestamp>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Address {
    #[serde(rename = "type")]
    pub kind: Box<str>,
    pub address: Box<str>,
}

impl Kind for Node {
    const RESOURCE: Resource = Resource::cluster("", "v1", "Node", "nodes");

    fn meta(&self) -> &Meta {
        &self.meta
    }
}

impl Node {
    pub fn condition(&self, kind: &str) -> Option<&NodeCondition> {
        self.status.conditions.iter().find(|condition| *condition.condition.kind == *kind)
    }

    pub fn is_ready(&self) -> bool {
        self.condition("Ready").is_some_and(|ready| ready.condition.is_true())
    }

    pub fn zone(&self) -> Option<&str> {
        self.meta.labels.get(api::well_known::label::ZONE).filter(|zone| !zone.is_empty())
    }

    /// Whether the node heard of its own taint.
    pub fn taint(&self, key: &str, effect: &str) -> Option<&Taint> {
        self.spec.taints.iter().find(|taint| *taint.key == *key && *taint.effect == *effect)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireStatus {
    #[serde(deserialize_with = "wire::or_default")]
    allocatable: ResourceList,
    #[serde(deserialize_with = "wire::or_default")]
    conditions: Vec<NodeCondition>,
    #[serde(deserialize_with = "wire::or_default")]
    addresses: Vec<Address>,
}

impl From<WireStatus> for Status {
    fn from(wire: WireStatus) -> Self {
        Self {
            allocatable: Amounts::of(&wire.allocatable),
            allocatable_pods: Amounts::pods_of(&wire.allocatable),
            conditions: wire.conditions,
            addresses: wire.addresses,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_read() {
        let node: Node = serde_json::from_str(
            r#"{"metadata":{"name":"n","labels":{"topology.kubernetes.io/zone":"z"}},
            "spec":{"taints":[{"key":"k","effect":"NoExecute","timeAdded":"2026-01-01T00:00:00Z"}]},
            "status":{"allocatable":{"cpu":"2","pods":"110"},
            "conditions":[{"type":"Ready","status":"True","lastHeartbeatTime":"2026-01-01T00:00:00Z",
            "lastTransitionTime":"2026-01-01T00:00:00Z","reason":"x","message":"y"}]}}"#,
        )
        .unwrap();
        assert!(node.is_ready() && node.zone() == Some("z") && node.taint("k", "NoExecute").is_some());
        assert_eq!((node.status.allocatable.cpu, node.status.allocatable_pods), (2000, 110));
        assert!(node.condition("Ready").unwrap().last_heartbeat_time.is_some());
    }
}
