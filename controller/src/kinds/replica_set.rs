//! ReplicaSets.

use api::selector::LabelSelector;
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as k8s;
use serde::{Deserialize, Deserializer, Serialize};

use crate::kinds::condition::Condition;
use crate::kinds::kind::{IndexKeys, Kind};
use crate::kinds::meta::Meta;
use crate::kinds::resource::Resource;
use crate::kinds::template::Template;
use crate::kinds::wire;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ReplicaSet {
    #[serde(rename = "metadata")]
    pub meta: Meta,
    pub spec: Spec,
    pub status: Status,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    pub replicas: i32,
    pub min_ready_seconds: i32,
    pub selector: Selector,
    pub template: Template,
}

impl Default for Spec {
    fn default() -> Self {
        Self { replicas: 1, min_ready_seconds: 0, selector: Selector::default(), template: Template::default() }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    pub replicas: i32,
    #[serde(deserialize_with = "wire::or_default", serialize_with = "wire::unless_zero")]
    pub fully_labeled_replicas: i32,
    #[serde(deserialize_with = "wire::or_default", serialize_with = "wire::unless_zero")]
    pub ready_replicas: i32,
    #[serde(deserialize_with = "wire::or_default", serialize_with = "wire::unless_zero")]
    pub available_replicas: i32,
    pub terminating_replicas: i32,
    #[serde(deserialize_with = "wire::or_default", serialize_with = "wire::unless_zero")]
    pub observed_generation: i64,
    #[serde(deserialize_with = "wire::or_default", serialize_with = "wire::unless_empty")]
    pub conditions: Vec<Condition>,
}

impl Kind for ReplicaSet {
    const RESOURCE: Resource = Resource::namespaced("apps", "v1", "ReplicaSet", "replicasets");

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn index(&self, keys: &mut IndexKeys) {
        keys.add_controller(&self.meta);
    }
}

/// A selector as it was written, and ready to be asked.
#[derive(Debug, Clone)]
pub struct Selector {
    pub written: k8s::LabelSelector,
    parsed: LabelSelector,
}

impl Selector {
    pub fn is_empty(&self) -> bool {
        self.parsed.is_everything()
    }

    pub fn matches(&self, meta: &Meta) -> bool {
        self.parsed.matches_by(|key| meta.labels.get(key))
    }
}

impl From<k8s::LabelSelector> for Selector {
    fn from(written: k8s::LabelSelector) -> Self {
        // The server refuses selectors that cannot be read; should one come all the same, it selects nothing.
        let parsed = LabelSelector::from_object(&written).unwrap_or_else(|_| LabelSelector::nothing());
        Self { written, parsed }
    }
}

impl Default for Selector {
    fn default() -> Self {
        Self { written: k8s::LabelSelector::default(), parsed: LabelSelector::nothing() }
    }
}

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(k8s::LabelSelector::deserialize(deserializer)?.into())
    }
}
