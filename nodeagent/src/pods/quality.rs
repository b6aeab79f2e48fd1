//! The quality-of-service class of a pod.

use std::collections::BTreeMap;

use api::quantity::Quantity;
use k8s_openapi::api::core::v1::Pod;

use crate::pods::state::Roster;

/// Guaranteed: each container has limits for cpu and memory, and asks for no less. BestEffort: none asks for anything.
pub fn class(pod: &Pod) -> &'static str {
    let empty = BTreeMap::new();
    let mut has_any = false;
    let mut is_guaranteed = true;
    for (_, _, container) in Roster::of(pod).iter() {
        let resources = container.resources.as_ref();
        let requests = resources.and_then(|resources| resources.requests.as_ref()).unwrap_or(&empty);
        let limits = resources.and_then(|resources| resources.limits.as_ref()).unwrap_or(&empty);
        for name in ["cpu", "memory"] {
            let amount = |map: &BTreeMap<_, k8s_openapi::apimachinery::pkg::api::resource::Quantity>| {
                map.get(name).and_then(|text| Quantity::parse(&text.0).ok()).filter(|amount| !amount.is_zero())
            };
            let (request, limit) = (amount(requests), amount(limits));
            has_any |= request.is_some() || limit.is_some();
            is_guaranteed &= limit.is_some() && (request.is_none() || request == limit);
        }
    }
    match (has_any, is_guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_class_follows_requests_and_limits() {
        let class_of = |resources: serde_json::Value| {
            let spec = json!({ "containers": [{ "name": "a", "resources": resources }] });
            class(&serde_json::from_value(json!({ "spec": spec })).unwrap())
        };
        let both = json!({ "cpu": "1", "memory": "1Gi" });
        assert_eq!(class_of(json!({})), "BestEffort");
        assert_eq!(class_of(json!({ "requests": { "cpu": "1" } })), "Burstable");
        assert_eq!(class_of(json!({ "limits": both })), "Guaranteed");
        assert_eq!(class_of(json!({ "limits": both, "requests": { "cpu": "1000m" } })), "Guaranteed");
        assert_eq!(class_of(json!({ "limits": both, "requests": { "cpu": "500m" } })), "Burstable");
    }
}
