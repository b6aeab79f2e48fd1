//! Deployments.

use serde::{Deserialize, Serialize};

use crate::kinds::condition::Condition;
use crate::kinds::kind::Kind;
use crate::kinds::meta::Meta;
use crate::kinds::replica_set::Selector;
use crate::kinds::resource::Resource;
use crate::kinds::template::Template;
use crate::kinds::wire::{self, IntOrString};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Deployment {
    #[serde(rename = "metadata")]
    pub meta: Meta,
    pub spec: Spec,
    pub status: Status,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    pub replicas: i32,
    pub selector: Selector,
    pub template: Template,
    pub strategy: Strategy,
    pub min_ready_seconds: i32,
    pub revision_history_limit: Option<i32>,
    pub paused: bool,
    pub progress_deadline_seconds: Option<i32>,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            replicas: 1,
            selector: Selector::default(),
            template: Template::default(),
            strategy: Strategy::default(),
            min_ready_seconds: 0,
            revision_history_limit: None,
            paused: false,
            progress_deadline_seconds: None,
        }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Strategy {
    #[serde(rename = "type")]
    pub kind: StrategyKind,
    pub rolling_update: Option<RollingUpdate>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum StrategyKind {
    Recreate,
    #[default]
    #[serde(other)]
    RollingUpdate,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RollingUpdate {
    pub max_surge: Option<IntOrString>,
    pub max_unavailable: Option<IntOrString>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    #[serde(deserialize_with = "wire::or_default", serialize_with = "wire::unless_zero")]
    pub observed_generation: i64,
    #[serde(deserialize_with = "wire::or_default", serialize_with = "wire::unless_zero")]
    pub replicas: i32,
    #[serde(deserialize_with = "wire::or_default", serialize_with = "wire::unless_zero")]
    pub updated_replicas: i32,
    #[serde(deserialize_with = "wire::or_default", serialize_with = "wire::unless_zero")]
    pub ready_replicas: i32,
    #[serde(deserialize_with = "wire::or_default", serialize_with = "wire::unless_zero")]
    pub available_replicas: i32,
    #[serde(deserialize_with = "wire::or_default", serialize_with = "wire::unless_zero")]
    pub unavailable_replicas: i32,
    pub terminating_replicas: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collision_count: Option<i32>,
    #[serde(deserialize_with = "wire::or_default", serialize_with = "wire::unless_empty")]
    pub conditions: Vec<Condition>,
}

impl Kind for Deployment {
    const RESOURCE: Resource = Resource::namespaced("apps", "v1", "Deployment", "deployments");

    fn meta(&self) -> &Meta {
        &self.meta
    }
}
