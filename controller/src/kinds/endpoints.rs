//! Endpoints: the older form of what stands behind a Service.

use serde::{Deserialize, Serialize};

use crate::kinds::endpoint_slice::TargetRef;
use crate::kinds::kind::Kind;
use crate::kinds::meta::Meta;
use crate::kinds::pod::Protocol;
use crate::kinds::resource::Resource;
use crate::kinds::wire;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Endpoints {
    #[serde(rename = "metadata")]
    pub meta: Meta,
    #[serde(deserialize_with = "wire::or_default")]
    pub subsets: Box<[Subset]>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Subset {
    #[serde(deserialize_with = "wire::or_default", skip_serializing_if = "<[_]>::is_empty")]
    pub addresses: Box<[Address]>,
    #[serde(deserialize_with = "wire::or_default", skip_serializing_if = "<[_]>::is_empty")]
    pub not_ready_addresses: Box<[Address]>,
    #[serde(deserialize_with = "wire::or_default", skip_serializing_if = "<[_]>::is_empty")]
    pub ports: Box<[Port]>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Address {
    pub ip: Box<str>,
    #[serde(deserialize_with = "wire::or_default", skip_serializing_if = "str::is_empty")]
    pub hostname: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_name: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_ref: Option<Box<TargetRef>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Port {
    #[serde(deserialize_with = "wire::or_default", skip_serializing_if = "str::is_empty")]
    pub name: Box<str>,
    pub port: i32,
    pub protocol: Protocol,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_protocol: Option<Box<str>>,
}

impl Kind for Endpoints {
    const RESOURCE: Resource = Resource::namespaced("", "v1", "Endpoints", "endpoints");

    fn meta(&self) -> &Meta {
        &self.meta
    }
}
