//! PodDisruptionBudgets.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use crate::kinds::condition::Condition;
use crate::kinds::kind::Kind;
use crate::kinds::meta::Meta;
use crate::kinds::replica_set::Selector;
use crate::kinds::resource::Resource;
use crate::kinds::wire::{self, IntOrString};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct PodDisruptionBudget {
    #[serde(rename = "metadata")]
    pub meta: Meta,
    #[serde(deserialize_with = "wire::or_default")]
    pub spec: Spec,
    #[serde(deserialize_with = "wire::or_default")]
    pub status: Status,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// An empty one selects all pods of the namespace, an absent one none.
    #[serde(deserialize_with = "wire::or_default")]
    pub selector: Selector,
    pub min_available: Option<IntOrString>,
    pub max_unavailable: Option<IntOrString>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    pub observed_generation: i64,
    /// Pods whose eviction was allowed, and when.
    #[serde(deserialize_with = "times")]
    pub disrupted_pods: DisruptedPods,
    pub disruptions_allowed: i32,
    pub current_healthy: i32,
    pub desired_healthy: i32,
    pub expected_pods: i32,
    #[serde(deserialize_with = "wire::or_default")]
    pub conditions: Vec<Condition>,
}

pub type DisruptedPods = BTreeMap<Box<str>, Timestamp>;

/// A time that is absent or cannot be read is long ago.
fn times<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DisruptedPods, D::Error> {
    let all = Option::<BTreeMap<Box<str>, Option<Cow<'_, str>>>>::deserialize(deserializer)?.unwrap_or_default();
    let read = |text: Option<Cow<'_, str>>| text.and_then(|text| text.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH);
    Ok(all.into_iter().map(|(pod, text)| (pod, read(text))).collect())
}

impl Kind for PodDisruptionBudget {
    const RESOURCE: Resource = Resource::namespaced("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets");

    fn meta(&self) -> &Meta {
        &self.meta
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_budget_is_read() {
        let budget: PodDisruptionBudget = serde_json::from_value(json!({
            "metadata": {"name": "a"}, "spec": {"selector": null, "maxUnavailable": "20%"},
            "status": {"disruptedPods": {"old": null, "new": "2026-01-02T03:04:05Z"}, "expectedPods": 3},
        }))
        .unwrap();
        assert!(!budget.spec.selector.matches(&budget.meta));
        assert_eq!(budget.spec.max_unavailable, Some(IntOrString::Text("20%".into())));
        assert_eq!(budget.status.disrupted_pods["old"], Timestamp::UNIX_EPOCH);
        assert_eq!(budget.status.disrupted_pods["new"].to_string(), "2026-01-02T03:04:05Z");
        let all: PodDisruptionBudget = serde_json::from_value(json!({"spec": {"selector": {}}})).unwrap();
        assert!(all.spec.selector.matches(&all.meta));
    }
}
