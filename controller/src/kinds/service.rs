//! Services.

use serde::Deserialize;

use crate::kinds::kind::{IndexKey, IndexKeys, Kind};
use crate::kinds::meta::Meta;
use crate::kinds::pairs::Pairs;
use crate::kinds::pod::Protocol;
use crate::kinds::resource::Resource;
use crate::kinds::wire::{self, IntOrString};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Service {
    #[serde(rename = "metadata")]
    pub meta: Meta,
    pub spec: Spec,
    pub status: Status,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    #[serde(rename = "type")]
    pub kind: Box<str>,
    /// Absent: the endpoints are somebody else's business. Empty: all pods of the namespace.
    pub selector: Option<Pairs>,
    #[serde(rename = "clusterIP", deserialize_with = "wire::or_default")]
    pub cluster_ip: Box<str>,
    #[serde(deserialize_with = "wire::or_default")]
    pub ip_families: Vec<Box<str>>,
    #[serde(deserialize_with = "wire::or_default")]
    pub ports: Vec<Port>,
    #[serde(deserialize_with = "wire::or_default")]
    pub publish_not_ready_addresses: bool,
    pub traffic_distribution: Option<Box<str>>,
    pub load_balancer_class: Option<Box<str>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Port {
    #[serde(deserialize_with = "wire::or_default")]
    pub name: Box<str>,
    pub protocol: Protocol,
    pub port: i32,
    pub target_port: IntOrString,
    pub app_protocol: Option<Box<str>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    #[serde(deserialize_with = "wire::or_default")]
    pub load_balancer: LoadBalancer,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct LoadBalancer {
    #[serde(deserialize_with = "wire::or_default")]
    pub ingress: Vec<Ingress>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Ingress {
    #[serde(deserialize_with = "wire::or_default")]
    pub ip: Box<str>,
}

impl Kind for Service {
    const RESOURCE: Resource = Resource::namespaced("", "v1", "Service", "services");

    fn meta(&self) -> &Meta {
        &self.meta
    }

    /// By one label that the selector asks for: the pods that it selects all have it.
    fn index(&self, keys: &mut IndexKeys) {
        let Some(selector) = &self.spec.selector else { return };
        let namespace = &self.meta.namespace;
        match selector.iter().next() {
            Some((key, value)) => keys.add(IndexKey::selector(namespace, key, value)),
            None => keys.add(IndexKey::selector(namespace, "", "")),
        }
    }
}

impl Service {
    /// The selector, if endpoints are to follow from it.
    pub fn endpoint_selector(&self) -> Option<&Pairs> {
        self.spec.selector.as_ref().filter(|_| &*self.spec.kind != "ExternalName")
    }

    /// Whether the Service has no address of its own.
    pub fn is_headless(&self) -> bool {
        matches!(&*self.spec.cluster_ip, "" | "None")
    }

    /// Whether it has none because that was asked for.
    pub fn wants_no_cluster_ip(&self) -> bool {
        &*self.spec.cluster_ip == "None"
    }
}
