//! Namespaces.

use serde::Deserialize;

use crate::kinds::condition::Condition;
use crate::kinds::kind::Kind;
use crate::kinds::meta::Meta;
use crate::kinds::resource::Resource;
use crate::kinds::wire;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Namespace {
    #[serde(rename = "metadata")]
    pub meta: Meta,
    pub spec: Spec,
    pub status: Status,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Spec {
    #[serde(deserialize_with = "wire::or_default")]
    pub finalizers: Vec<Box<str>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Status {
    pub phase: Box<str>,
    #[serde(deserialize_with = "wire::or_default")]
    pub conditions: Vec<Condition>,
}

impl Kind for Namespace {
    const RESOURCE: Resource = Resource::cluster("", "v1", "Namespace", "namespaces");

    fn meta(&self) -> &Meta {
        &self.meta
    }
}

impl Namespace {
    /// Whether things can still be created in it.
    pub fn is_active(&self) -> bool {
        !self.meta.is_deleting() && &*self.status.phase != "Terminating"
    }
}
