//! Rules of a pod's status: its addresses, and that what has ended for good does not begin again.

use std::collections::BTreeSet;
use std::net::IpAddr;

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::core::v1::{
    Container, ContainerRestartRule, ContainerStateTerminated, ContainerStatus, Pod, PodSpec, PodStatus,
};

use crate::kinds::rules::{immutable, ip_address, shown, text};

const OF_THE_SYSTEM: &[&str] = &["Initialized", "PodScheduled", "Ready"];

pub fn validate(new: &Pod, old: &Pod, errors: &mut FieldErrors) {
    let (none, path) = (PodStatus::default(), Path::new("status"));
    let (status, old_status) = (new.status.as_ref().unwrap_or(&none), old.status.as_ref().unwrap_or(&none));
    let (none, spec) = (PodSpec::default(), old.spec.as_ref());
    let spec = spec.unwrap_or(&none);
    validate_conditions(status, &path.child("conditions"), errors);
    validate_nominated(status, old_status, spec, &path.child("nominatedNodeName"), errors);
    not_below_zero(status.observed_generation, &path.child("observedGeneration"), errors);
    immutable(errors, &path.child("qosClass"), &status.qos_class, &old_status.qos_class);
    let init = spec.init_containers.as_deref().unwrap_or_default();
    for (field, containers, new, old) in [
        ("containerStatuses", &spec.containers[..], &status.container_statuses, &old_status.container_statuses),
        ("initContainerStatuses", init, &status.init_container_statuses, &old_status.init_container_statuses),
        // None of these is ever started again.
        (
            "ephemeralContainerStatuses",
            &[],
            &status.ephemeral_container_statuses,
            &old_status.ephemeral_container_statuses,
        ),
    ] {
        let stays = |status: &ContainerStatus| stays_ended(status, containers, spec);
        for (index, old) in old.iter().flatten().enumerate().filter(|(_, old)| stays(old)) {
            let same = new.iter().flatten().find(|new| new.name == old.name);
            if same.is_some_and(|new| end_of(new).is_none()) {
                let why = "may not be transitioned to non-terminated state";
                errors.push(FieldError::forbidden(&path.child(field).index(index).child("state"), why));
            }
        }
    }
    validate_claims(status, spec, &path.child("resourceClaimStatuses"), errors);
    let addresses = status.pod_ips.iter().flatten().map(|address| address.ip.as_str()).collect();
    validate_addresses(addresses, shown(&status.pod_ips), &path.child("podIPs"), errors);
    let addresses: Vec<&str> = status.host_ips.iter().flatten().map(|address| address.ip.as_str()).collect();
    let path = path.child("hostIPs");
    if let Some(first) = addresses.first().filter(|first| **first != text(&status.host_ip)) {
        errors.push(FieldError::invalid(&path.index(0).child("ip"), *first, "must be equal to `hostIP`"));
    }
    validate_addresses(addresses, shown(&status.host_ips), &path, errors);
}

fn not_below_zero(generation: Option<i64>, path: &Path, errors: &mut FieldErrors) {
    if let Some(generation) = generation.filter(|generation| *generation < 0) {
        errors.push(FieldError::invalid(path, generation, "must be a non-negative integer"));
    }
}

fn validate_conditions(status: &PodStatus, path: &Path, errors: &mut FieldErrors) {
    for (index, condition) in status.conditions.iter().flatten().enumerate() {
        let path = path.index(index);
        not_below_zero(condition.observed_generation, &path.child("observedGeneration"), errors);
        if !OF_THE_SYSTEM.contains(&condition.type_.as_str()) {
            // Upstream's spelling.
            errors.check(&path.child("Type"), &condition.type_, names::qualified_name);
        }
    }
}

/// A node is nominated as long as there is none.
fn validate_nominated(new: &PodStatus, old: &PodStatus, spec: &PodSpec, path: &Path, errors: &mut FieldErrors) {
    let node = text(&new.nominated_node_name);
    if node.is_empty() || node == text(&old.nominated_node_name) {
        return;
    }
    errors.check(path, node, names::dns_subdomain);
    if !text(&spec.node_name).is_empty() {
        errors.push(FieldError::forbidden(path, "may not be set on pods that are already bound to a node"));
    }
}

fn validate_claims(status: &PodStatus, spec: &PodSpec, path: &Path, errors: &mut FieldErrors) {
    let mut seen = BTreeSet::new();
    for (index, claim) in status.resource_claim_statuses.iter().flatten().enumerate() {
        let path = path.index(index);
        if !spec.resource_claims.iter().flatten().any(|known| known.name == claim.name) {
            let why = "must match the name of an entry in `spec.resourceClaims`";
            errors.push(FieldError::invalid(&path.child("name"), claim.name.as_str(), why));
        }
        if !seen.insert(&claim.name) {
            errors.push(FieldError::duplicate(&path.child("name"), claim.name.as_str()));
        }
        if let Some(name) = &claim.resource_claim_name {
            errors.check(&path.child("resourceClaimName"), name, names::dns_subdomain);
        }
    }
}

fn end_of(status: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    status.state.as_ref()?.terminated.as_ref()
}

/// Whether a container has ended, and nothing starts it again.
fn stays_ended(status: &ContainerStatus, containers: &[Container], spec: &PodSpec) -> bool {
    let Some(end) = end_of(status) else { return false };
    let Some(container) = containers.iter().find(|container| container.name == status.name) else { return true };
    if restarts_all(spec) || container.restart_policy_rules.iter().flatten().any(|rule| fits(rule, end.exit_code)) {
        return false;
    }
    match container.restart_policy.as_deref().unwrap_or(text(&spec.restart_policy)) {
        "OnFailure" => end.exit_code == 0,
        "Never" => true,
        _ => false,
    }
}

/// Whether the end of some container starts all of them again.
fn restarts_all(spec: &PodSpec) -> bool {
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let mut rules = containers.flat_map(|container| container.restart_policy_rules.iter().flatten());
    rules.any(|rule| rule.action == "RestartAllContainers")
}

fn fits(rule: &ContainerRestartRule, exit_code: i32) -> bool {
    let Some(codes) = &rule.exit_codes else { return false };
    let is_listed = codes.values.as_ref().is_some_and(|values| values.contains(&exit_code));
    if codes.operator == "In" { is_listed } else { codes.operator == "NotIn" && !is_listed }
}

/// One address of each family at most.
fn validate_addresses(addresses: Vec<&str>, shown: serde_json::Value, path: &Path, errors: &mut FieldErrors) {
    let mut families = BTreeSet::new();
    for (index, address) in addresses.iter().enumerate() {
        let Some(parsed) = ip_address(errors, &path.index(index), address) else { continue };
        families.insert(matches!(parsed, IpAddr::V6(_)));
    }
    if addresses.len() > 1 && families.len() < addresses.len() {
        errors.push(FieldError::invalid(path, shown, "may specify no more than one IP for each IP family"));
    }
}
