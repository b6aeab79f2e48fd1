//! What a pod can tell its own containers: its fields and their resources.

use std::collections::BTreeMap;
use std::net::IpAddr;

use api::quantity::Quantity;
use k8s_openapi::api::core::v1::{Container, Node, Pod, ResourceFieldSelector};

/// A pod as it is while its containers start: its status is not written yet.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    pub pod: &'a Pod,
    pub node: &'a Node,
    pub host: IpAddr,
    pub address: IpAddr,
}

impl Fields<'_> {
    /// The value of a field by its path; whole maps are given as lines.
    pub fn field(&self, path: &str) -> Result<String, String> {
        let meta = &self.pod.metadata;
        let spec = self.pod.spec.as_ref();
        let text = |value: Option<&String>| value.cloned().unwrap_or_default();
        if let Some((map, key)) = subscript(path) {
            let map = match map {
                "metadata.labels" => &meta.labels,
                "metadata.annotations" => &meta.annotations,
                _ => return Err(unsupported(path)),
            };
            return Ok(text(map.as_ref().and_then(|map| map.get(key))));
        }
        Ok(match path {
            "metadata.name" => text(meta.name.as_ref()),
            "metadata.namespace" => text(meta.namespace.as_ref()),
            "metadata.uid" => text(meta.uid.as_ref()),
            "metadata.labels" => lines(meta.labels.as_ref()),
            "metadata.annotations" => lines(meta.annotations.as_ref()),
            "spec.nodeName" => text(spec.and_then(|spec| spec.node_name.as_ref())),
            "spec.serviceAccountName" => text(spec.and_then(|spec| spec.service_account_name.as_ref())),
            "status.hostIP" | "status.hostIPs" => self.host.to_string(),
            "status.podIP" | "status.podIPs" => self.address.to_string(),
            _ => return Err(unsupported(path)),
        })
    }

    fn container(&self, name: &str) -> Option<&Container> {
        let spec = self.pod.spec.as_ref()?;
        spec.init_containers.iter().flatten().chain(&spec.containers).find(|container| container.name == name)
    }

    /// A request or limit of a container, in units of the divisor, rounded up. What has no limit has the node's.
    pub fn resource(&self, selector: &ResourceFieldSelector, own: Option<&str>) -> Result<String, String> {
        let name = selector.container_name.as_deref().or(own).unwrap_or_default();
        let container = self.container(name).ok_or_else(|| format!("container {name} not found"))?;
        let resources = container.resources.as_ref();
        let unsupported = || format!("unsupported container resource: {}", selector.resource);
        let (list, resource) = selector.resource.split_once('.').ok_or_else(unsupported)?;
        if !matches!(resource, "cpu" | "memory" | "ephemeral-storage") {
            return Err(unsupported());
        }
        let lookup = |map: Option<&BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>>| {
            map.and_then(|map| map.get(resource)).and_then(|text| Quantity::parse(&text.0).ok())
        };
        let allocatable = self.node.status.as_ref().and_then(|status| status.allocatable.as_ref());
        let amount = match list {
            "limits" => lookup(resources.and_then(|all| all.limits.as_ref())).or_else(|| lookup(allocatable)),
            "requests" => lookup(resources.and_then(|all| all.requests.as_ref())),
            _ => return Err(unsupported()),
        };
        let divisor = selector.divisor.as_ref().and_then(|text| Quantity::parse(&text.0).ok());
        let divisor = divisor.filter(|divisor| !divisor.is_zero()).unwrap_or(Quantity::from_units(1));
        let (amount, divisor) = (amount.unwrap_or(Quantity::ZERO), i128::from(divisor.milli().max(1)));
        Ok(((i128::from(amount.milli()) + divisor - 1) / divisor).to_string())
    }
}

/// `metadata.labels['key']` in its two parts.
fn subscript(path: &str) -> Option<(&str, &str)> {
    let (map, rest) = path.split_once('[')?;
    let key = rest.strip_suffix(']')?;
    let key = key.strip_prefix('\'').and_then(|key| key.strip_suffix('\'')).unwrap_or(key);
    Some((map, key))
}

fn lines(map: Option<&BTreeMap<String, String>>) -> String {
    let lines = map.into_iter().flatten().map(|(key, value)| format!("{key}={value:?}"));
    lines.collect::<Vec<_>>().join("\n")
}

fn unsupported(path: &str) -> String {
    format!("unsupported fieldPath: {path}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_and_resources_are_found_by_their_paths() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": { "name": "p", "labels": { "a/b": "1", "c": "x\"y" } },
            "spec": {
                "nodeName": "n",
                "containers": [{ "name": "a", "resources": {
                    "requests": { "cpu": "1500m" }, "limits": { "memory": "1Mi" } } }]
            }
        }))
        .unwrap();
        let node: Node = serde_json::from_value(json!({ "status": { "allocatable": { "cpu": "8" } } })).unwrap();
        let (host, address) = ("127.0.0.1".parse().unwrap(), "127.64.1.2".parse().unwrap());
        let fields = Fields { pod: &pod, node: &node, host, address };
        assert_eq!(fields.field("metadata.labels['a/b']").unwrap(), "1");
        assert_eq!(fields.field("metadata.labels").unwrap(), "a/b=\"1\"\nc=\"x\\\"y\"");
        assert_eq!(fields.field("metadata.annotations['none']").unwrap(), "");
        assert_eq!(fields.field("status.podIP").unwrap(), "127.64.1.2");
        assert_eq!(fields.field("spec.nodeName").unwrap(), "n");
        assert!(fields.field("spec.nothing").is_err());
        let resource = |resource: &str, divisor: &str| {
            let divisor = Some(k8s_openapi::apimachinery::pkg::api::resource::Quantity(divisor.to_owned()));
            let selector = ResourceFieldSelector { container_name: None, divisor, resource: resource.to_owned() };
            fields.resource(&selector, Some("a"))
        };
        assert_eq!(resource("requests.cpu", "0").unwrap(), "2");
        assert_eq!(resource("requests.cpu", "1m").unwrap(), "1500");
        assert_eq!(resource("limits.memory", "1Ki").unwrap(), "1024");
        assert_eq!(resource("limits.cpu", "1").unwrap(), "8");
        assert!(resource("limits.gpu", "1").is_err());
    }
}
