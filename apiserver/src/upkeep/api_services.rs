//! An APIService for each group and version that this server answers itself.

use api::failure::Failure;
use api::names::GroupResource;
use async_trait::async_trait;
use futures::future::try_join_all;
use serde_json::{Value, json};

use crate::kinds::KINDS;
use crate::upkeep::chore::{Chore, Place, Watched};

const API_SERVICES: GroupResource = GroupResource { group: "apiregistration.k8s.io", resource: "apiservices" };

pub struct ApiServices;

#[async_trait]
impl Chore for ApiServices {
    fn name(&self) -> &'static str {
        "APIService objects"
    }

    fn watched(&self) -> &'static [Watched] {
        &[Watched { resource: API_SERVICES, namespace: None, name: "" }]
    }

    async fn keep(&self, place: &Place) -> Result<(), Failure> {
        let wanted: Vec<(String, Value)> =
            versions().into_iter().map(|(group, version)| object(group, version)).collect();
        try_join_all(wanted.iter().map(|(name, wanted)| place.ensure(API_SERVICES, None, name, wanted))).await?;
        Ok(())
    }
}

/// Each group and version once, in the order of the kind list. This kind's own group describes the others.
fn versions() -> Vec<(&'static str, &'static str)> {
    let mut versions = Vec::new();
    for facts in KINDS.iter().map(|kind| kind.facts()).filter(|facts| facts.group != API_SERVICES.group) {
        if !versions.contains(&(facts.group, facts.version)) {
            versions.push((facts.group, facts.version));
        }
    }
    versions
}

fn object(group: &str, version: &str) -> (String, Value) {
    let name = format!("{version}.{group}");
    let (group_priority, version_priority) = priorities(group, version);
    let object = json!({
        "metadata": {"name": name, "labels": {"kube-aggregator.kubernetes.io/automanaged": "onstart"}},
        "spec": {
            "group": group,
            "version": version,
            "groupPriorityMinimum": group_priority,
            "versionPriority": version_priority,
        },
        "status": {"conditions": [{
            "type": "Available",
            "status": "True",
            "reason": "Local",
            "message": "Local APIServices are always available",
            // The merge patch of a chore must come out the same each time.
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }]},
    });
    (name, object)
}

/// Where a group and a version stand in kubectl's lists (upstream: pkg/controlplane/apiserver/aggregator.go).
fn priorities(group: &str, version: &str) -> (i32, i32) {
    let of_group = match group {
        "" => 18000,
        "apps" => 17800,
        "events.k8s.io" => 17750,
        "authentication.k8s.io" => 17700,
        "authorization.k8s.io" => 17600,
        "autoscaling" => 17500,
        "batch" => 17400,
        "certificates.k8s.io" => 17300,
        "networking.k8s.io" => 17200,
        "policy" => 17100,
        "rbac.authorization.k8s.io" => 17000,
        "storage.k8s.io" => 16800,
        "apiextensions.k8s.io" | "admissionregistration.k8s.io" => 16700,
        "scheduling.k8s.io" => 16600,
        "coordination.k8s.io" => 16500,
        "node.k8s.io" => 16300,
        "discovery.k8s.io" | "resource.k8s.io" => 16200,
        "flowcontrol.apiserver.k8s.io" => 16100,
        _ => 15000,
    };
    let of_version = match (group, version) {
        ("", _) => 1,
        ("autoscaling", "v2") => 30,
        ("resource.k8s.io", _) => 20,
        ("flowcontrol.apiserver.k8s.io", _) => 21,
        _ => 15,
    };
    (of_group, of_version)
}
