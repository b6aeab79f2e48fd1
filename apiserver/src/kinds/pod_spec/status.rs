//! Rules of a pod's status: its addresses, and that what has ended for good does not begin again.

use std::collections::BTreeSet;
use std::net::IpAddr;

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::core::v1::{Container, ContainerStateTerminated, ContainerStatus, Pod, PodSpec, PodStatus};

use crate::kinds::rules::{ip_address, shown, text};

pub fn validate(new: &Pod, old: &Pod, errors: &mut FieldErrors) {
    let (none, path) = (PodStatus::default(), Path::new("status"));
    let (status, old_status) = (new.status.as_ref().unwrap_or(&none), old.status.as_ref().unwrap_or(&none));
    let node = text(&status.nominated_node_name);
    if !node.is_empty() {
        errors.check(&path.child("nominatedNodeName"), node, names::dns_subdomain);
    }
    let (none, spec) = (PodSpec::default(), old.spec.as_ref());
    let spec = spec.unwrap_or(&none);
    let init = spec.init_containers.as_deref().unwrap_or_default();
    for (field, containers, new, old) in [
        ("containerStatuses", &spec.containers[..], &status.container_statuses, &old_status.container_statuses),
        ("initContainerStatuses", init, &status.init_container_statuses, &old_status.init_container_statuses),
    ] {
        let stays = |status: &ContainerStatus| stays_ended(status, containers, text(&spec.restart_policy));
        for old in old.iter().flatten().filter(|old| stays(old)) {
            let same = new.iter().flatten().enumerate().find(|(_, new)| new.name == old.name);
            if let Some((index, _)) = same.filter(|(_, new)| end_of(new).is_none()) {
                let why = "may not be transitioned to non-terminated state";
                errors.push(FieldError::forbidden(&path.child(field).index(index).child("state"), why));
            }
        }
    }
    let addresses = status.pod_ips.iter().flatten().map(|address| address.ip.as_str()).collect();
    validate_addresses(addresses, shown(&status.pod_ips), &path.child("podIPs"), errors);
    let addresses = status.host_ips.iter().flatten().map(|address| address.ip.as_str()).collect();
    validate_addresses(addresses, shown(&status.host_ips), &path.child("hostIPs"), errors);
    let mut conditions = BTreeSet::new();
    for (index, condition) in status.conditions.iter().flatten().enumerate() {
        if !conditions.insert(&condition.type_) {
            let path = path.child("conditions").index(index).child("type");
            errors.push(FieldError::duplicate(&path, condition.type_.as_str()));
        }
    }
}

fn end_of(status: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    status.state.as_ref()?.terminated.as_ref()
}

/// Whether a container has ended, and nothing starts it again.
fn stays_ended(status: &ContainerStatus, containers: &[Container], pod_policy: &str) -> bool {
    let Some(end) = end_of(status) else { return false };
    let container = containers.iter().find(|container| container.name == status.name);
    if container.is_some_and(|container| container.restart_policy_rules.is_some()) {
        return false;
    }
    match container.and_then(|container| container.restart_policy.as_deref()).unwrap_or(pod_policy) {
        "OnFailure" => end.exit_code == 0,
        "Never" => true,
        _ => false,
    }
}

/// One address of each family at most.
fn validate_addresses(addresses: Vec<&str>, shown: serde_json::Value, path: &Path, errors: &mut FieldErrors) {
    let mut families = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for (index, address) in addresses.iter().enumerate() {
        let Some(parsed) = ip_address(errors, &path.index(index), address) else { continue };
        if !seen.insert(*address) {
            errors.push(FieldError::duplicate(&path.index(index), *address));
        }
        families.insert(matches!(parsed, IpAddr::V6(_)));
    }
    if addresses.len() > 1 && families.len() < addresses.len() {
        errors.push(FieldError::invalid(path, shown, "may specify no more than one IP for each IP family"));
    }
}
