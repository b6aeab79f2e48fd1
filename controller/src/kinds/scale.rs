//! Scale: how many replicas an object of any kind wants.

use serde::Deserialize;

use crate::kinds::meta::Meta;
use crate::kinds::wire;

/// The subresource `scale`. Its metadata is that of the object.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Scale {
    #[serde(rename = "metadata")]
    pub meta: Meta,
    #[serde(deserialize_with = "wire::or_default")]
    pub spec: Spec,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Spec {
    pub replicas: i32,
}
