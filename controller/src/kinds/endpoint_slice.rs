//! EndpointSlices: what stands behind a Service, in pieces.

use api::well_known::label;
use serde::{Deserialize, Serialize};

use crate::kinds::kind::{IndexKey, IndexKeys, Kind};
use crate::kinds::meta::Meta;
use crate::kinds::pod::Protocol;
use crate::kinds::resource::Resource;
use crate::kinds::wire;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointSlice {
    #[serde(rename = "metadata")]
    pub meta: Meta,
    pub address_type: AddressType,
    #[serde(deserialize_with = "wire::or_default")]
    pub ports: Box<[Port]>,
    #[serde(deserialize_with = "wire::or_default")]
    pub endpoints: Box<[Endpoint]>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
pub enum AddressType {
    IPv4,
    IPv6,
    #[default]
    #[serde(other)]
    FQDN,
}

impl AddressType {
    /// That of an IP address.
    pub fn of(address: &str) -> Option<Self> {
        match address.parse().ok()? {
            std::net::IpAddr::V4(_) => Some(Self::IPv4),
            std::net::IpAddr::V6(_) => Some(Self::IPv6),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Port {
    pub name: Option<Box<str>>,
    pub protocol: Option<Protocol>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_protocol: Option<Box<str>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Endpoint {
    #[serde(deserialize_with = "wire::or_default")]
    pub addresses: Box<[Box<str>]>,
    #[serde(deserialize_with = "wire::or_default")]
    pub conditions: Conditions,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_name: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_ref: Option<Box<TargetRef>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hints: Option<Box<Hints>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Conditions {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serving: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminating: Option<bool>,
}

/// The object behind an address, without its revision: a change of the object alone is no change of the endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TargetRef {
    #[serde(deserialize_with = "wire::or_default", skip_serializing_if = "str::is_empty")]
    pub kind: Box<str>,
    #[serde(deserialize_with = "wire::or_default", skip_serializing_if = "str::is_empty")]
    pub namespace: Box<str>,
    #[serde(deserialize_with = "wire::or_default", skip_serializing_if = "str::is_empty")]
    pub name: Box<str>,
    #[serde(deserialize_with = "wire::or_default", skip_serializing_if = "str::is_empty")]
    pub uid: Box<str>,
    #[serde(deserialize_with = "wire::or_default", skip_serializing_if = "str::is_empty")]
    pub api_version: Box<str>,
    #[serde(deserialize_with = "wire::or_default", skip_serializing_if = "str::is_empty")]
    pub field_path: Box<str>,
}

/// Whose traffic an endpoint is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Hints {
    #[serde(deserialize_with = "wire::or_default", skip_serializing_if = "<[_]>::is_empty")]
    pub for_zones: Box<[Named]>,
    #[serde(deserialize_with = "wire::or_default", skip_serializing_if = "<[_]>::is_empty")]
    pub for_nodes: Box<[Named]>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Named {
    pub name: Box<str>,
}

impl Kind for EndpointSlice {
    const RESOURCE: Resource = Resource::namespaced("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices");

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn index(&self, keys: &mut IndexKeys) {
        if let Some(service) = self.service_name() {
            keys.add(IndexKey::label(&self.meta.namespace, label::SERVICE_NAME, service));
        }
    }
}

impl EndpointSlice {
    /// The Service that the slice belongs to, by its label.
    pub fn service_name(&self) -> Option<&str> {
        self.meta.labels.get(label::SERVICE_NAME).filter(|name| !name.is_empty())
    }

    pub fn is_managed_by(&self, manager: &str) -> bool {
        self.meta.labels.get(label::ENDPOINT_SLICE_MANAGED_BY) == Some(manager)
    }
}

impl Endpoint {
    pub fn is_ready(&self) -> bool {
        self.conditions.ready == Some(true)
    }
}
