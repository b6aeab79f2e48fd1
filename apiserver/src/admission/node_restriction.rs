//! Nodes write for themselves alone: what the path of a request cannot tell is seen in its body.

use api::failure::Failure;
use api::well_known::annotation;
use api::well_known::identity::{NODE_PREFIX, NODES};
use async_trait::async_trait;
use k8s_openapi::api::core::v1::Pod;

use crate::admission::check::{Check, Operation, Request};
use crate::kinds::erased::Draft;

pub struct NodeRestriction;

/// The node that asks, if it is one.
fn node<'a>(request: &Request<'a>) -> Option<&'a str> {
    let user = &request.context.user;
    user.name.strip_prefix(NODE_PREFIX).filter(|_| user.is_in(NODES))
}

#[async_trait]
impl Check for NodeRestriction {
    fn name(&self) -> &'static str {
        "NodeRestriction"
    }

    fn handles(&self, request: &Request<'_>) -> bool {
        request.operation == Operation::Create && node(request).is_some()
    }

    async fn validate(&self, request: &Request<'_>, draft: Option<&dyn Draft>) -> Result<(), Failure> {
        let (Some(node), Some(draft)) = (node(request), draft) else { return Ok(()) };
        let name = draft.metadata().name.as_deref().unwrap_or_default();
        if request.is_about("", "nodes") && name != node {
            return Err(request.forbidden(format!("node {node:?} is not allowed to create another node")));
        }
        if request.is_about("coordination.k8s.io", "leases") && name != node {
            return Err(request.forbidden("can only access node lease with the same name as the requesting node"));
        }
        match draft.typed::<Pod>() {
            Some(pod) => mirror(node, pod).map_err(|why| request.forbidden(why)),
            None => Ok(()),
        }
    }
}

/// A node only shows what it runs from its own files, and nothing by which such a pod would gain rights.
fn mirror(node: &str, pod: &Pod) -> Result<(), String> {
    if !pod.metadata.annotations.iter().flatten().any(|(key, _)| key == annotation::MIRROR_POD) {
        return Err(format!(
            "pod does not have {:?} annotation, node {node:?} can only create mirror pods",
            annotation::MIRROR_POD
        ));
    }
    let spec = pod.spec.as_ref();
    let bound = spec.and_then(|spec| spec.node_name.as_deref()).unwrap_or_default();
    if bound != node {
        return Err(format!("node {node:?} can only create pods with spec.nodeName set to itself"));
    }
    if spec.and_then(|spec| spec.service_account_name.as_deref()).is_some_and(|name| !name.is_empty()) {
        return Err(format!("node {node:?} can not create pods that reference a service account"));
    }
    let volumes = spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    if volumes.clone().any(|volume| volume.secret.is_some() || volume.projected.is_some()) {
        return Err(format!("node {node:?} can not create pods that reference secrets"));
    }
    if volumes.into_iter().any(|volume| volume.config_map.is_some()) {
        return Err(format!("node {node:?} can not create pods that reference configmaps"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(spec: serde_json::Value, is_mirror: bool) -> Pod {
        let annotations = if is_mirror { json!({annotation::MIRROR_POD: "x"}) } else { json!({}) };
        serde_json::from_value(json!({"metadata": {"name": "p", "annotations": annotations}, "spec": spec})).unwrap()
    }

    #[test]
    fn a_node_creates_mirrors_of_its_own_pods_only() {
        let own = json!({"nodeName": "a", "containers": []});
        assert!(mirror("a", &pod(own.clone(), true)).is_ok());
        assert!(mirror("b", &pod(own.clone(), true)).is_err());
        assert!(mirror("a", &pod(own, false)).is_err());
        let secret = json!([{"name": "v", "secret": {"secretName": "s"}}]);
        assert!(mirror("a", &pod(json!({"nodeName": "a", "containers": [], "volumes": secret}), true)).is_err());
        let account = json!({"nodeName": "a", "containers": [], "serviceAccountName": "default"});
        assert!(mirror("a", &pod(account, true)).is_err());
    }
}
