//! Leases: the word of a node that it is there.

use jiff::Timestamp;
use serde::Deserialize;

use crate::kinds::kind::Kind;
use crate::kinds::meta::Meta;
use crate::kinds::resource::Resource;
use crate::kinds::wire;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Lease {
    #[serde(rename = "metadata")]
    pub meta: Meta,
    #[serde(deserialize_with = "wire::or_default")]
    pub spec: Spec,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    #[serde(deserialize_with = "wire::time")]
    pub renew_time: Option<Timestamp>,
}

impl Kind for Lease {
    const RESOURCE: Resource = Resource::namespaced("coordination.k8s.io", "v1", "Lease", "leases");

    fn meta(&self) -> &Meta {
        &self.meta
    }
}
