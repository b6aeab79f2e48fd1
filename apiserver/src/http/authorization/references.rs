//! What ties a node to an object: the pods that run on it.

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, Volume};

use crate::registry::options::ListOptions;
use crate::registry::{Registry, Target};

/// What a pod can refer to by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Referred {
    Secret,
    ConfigMap,
}

/// The node that a pod is bound to; empty while it is not. `None` if there is no such pod.
pub fn node_of_pod(registry: &Registry, namespace: &str, name: &str) -> Option<String> {
    let kind = registry.find("", "v1", "pods")?;
    let target = Target { namespace: Some(namespace), name, subresource: None };
    let object = registry.get(kind, target, "").ok()?;
    let pod: Pod = api::json::read(&object.bytes()).ok()?;
    Some(pod.spec.and_then(|spec| spec.node_name).unwrap_or_default())
}

/// Whether a pod of the namespace that is bound to the node refers to the object.
pub fn is_used_on_node(registry: &Registry, node: &str, what: Referred, namespace: &str, name: &str) -> bool {
    let Some(kind) = registry.find("", "v1", "pods") else { return false };
    let options = ListOptions { field_selector: format!("spec.nodeName={node}"), ..ListOptions::default() };
    let Ok(page) = registry.list(kind, Some(namespace), &options) else { return false };
    let pods = page.objects.iter().filter_map(|object| api::json::read::<Pod>(&object.bytes()).ok());
    pods.filter_map(|pod| pod.spec).any(|spec| refers(&spec, what, name))
}

fn refers(spec: &PodSpec, what: Referred, name: &str) -> bool {
    let pulls = spec.image_pull_secrets.iter().flatten().any(|secret| what == Referred::Secret && secret.name == name);
    let in_volume = spec.volumes.iter().flatten().any(|volume| volume_refers(volume, what, name));
    let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    pulls || in_volume || containers.into_iter().any(|container| container_refers(container, what, name))
}

fn volume_refers(volume: &Volume, what: Referred, name: &str) -> bool {
    let projected = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
    match what {
        Referred::Secret => {
            volume.secret.as_ref().is_some_and(|source| source.secret_name.as_deref() == Some(name))
                || projected.filter_map(|source| source.secret.as_ref()).any(|source| source.name == name)
        }
        Referred::ConfigMap => {
            volume.config_map.as_ref().is_some_and(|source| source.name == name)
                || projected.filter_map(|source| source.config_map.as_ref()).any(|source| source.name == name)
        }
    }
}

fn container_refers(container: &Container, what: Referred, name: &str) -> bool {
    let mut values = container.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref());
    let mut sources = container.env_from.iter().flatten();
    match what {
        Referred::Secret => {
            values.any(|value| value.secret_key_ref.as_ref().is_some_and(|key| key.name == name))
                || sources.any(|source| source.secret_ref.as_ref().is_some_and(|secret| secret.name == name))
        }
        Referred::ConfigMap => {
            values.any(|value| value.config_map_key_ref.as_ref().is_some_and(|key| key.name == name))
                || sources.any(|source| source.config_map_ref.as_ref().is_some_and(|map| map.name == name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_use_a_secret_counts() {
        let specs = [
            r#"{"containers":[],"volumes":[{"name":"v","secret":{"secretName":"s"}}]}"#,
            r#"{"containers":[],"volumes":[{"name":"v","projected":{"sources":[{"secret":{"name":"s"}}]}}]}"#,
            r#"{"containers":[],"imagePullSecrets":[{"name":"s"}]}"#,
            r#"{"containers":[{"name":"c","envFrom":[{"secretRef":{"name":"s"}}]}]}"#,
            r#"{"containers":[],"initContainers":[{"name":"c",
                "env":[{"name":"E","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}}]}]}"#,
        ];
        for text in specs {
            let spec: PodSpec = serde_json::from_str(text).unwrap();
            assert!(refers(&spec, Referred::Secret, "s"), "{text}");
            assert!(!refers(&spec, Referred::Secret, "t") && !refers(&spec, Referred::ConfigMap, "s"), "{text}");
        }
    }

    #[test]
    fn every_way_to_use_a_config_map_counts() {
        let specs = [
            r#"{"containers":[],"volumes":[{"name":"v","configMap":{"name":"m"}}]}"#,
            r#"{"containers":[],"volumes":[{"name":"v","projected":{"sources":[{"configMap":{"name":"m"}}]}}]}"#,
            r#"{"containers":[{"name":"c","envFrom":[{"configMapRef":{"name":"m"}}]}]}"#,
        ];
        for text in specs {
            let spec: PodSpec = serde_json::from_str(text).unwrap();
            assert!(refers(&spec, Referred::ConfigMap, "m") && !refers(&spec, Referred::Secret, "m"), "{text}");
        }
    }
}
