//! Rules of a pod's status: its addresses, and that what has ended for good does not begin again.

use std::collections::BTreeSet;
use std::net::IpAddr;

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodStatus};

use crate::kinds::rules::{ip_address, shown, text};

pub fn validate(new: &Pod, old: &Pod, errors: &mut FieldErrors) {
    let (none, path) = (PodStatus::default(), Path::new("status"));
    let (status, old_status) = (new.status.as_ref().unwrap_or(&none), old.status.as_ref().unwrap_or(&none));
    let node = text(&status.nominated_node_name);
    if !node.is_empty() {
        errors.check(&path.child("nominatedNodeName"), node, names::dns_subdomain);
    }
    let policy = old.spec.as_ref().map_or("", |spec| text(&spec.restart_policy));
    let is_sidecar = |name: &str| {
        let init = old.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten());
        init.into_iter().any(|container| container.name == name && text(&container.restart_policy) == "Always")
    };
    validate_states(
        status.container_statuses.as_deref().unwrap_or_default(),
        old_status.container_statuses.as_deref().unwrap_or_default(),
        policy,
        &path.child("containerStatuses"),
        errors,
    );
    // What fails before the start is tried again unless nothing is.
    let mut ended = old_status.init_container_statuses.clone().unwrap_or_default();
    ended.retain(|container| !is_sidecar(&container.name));
    validate_states(
        status.init_container_statuses.as_deref().unwrap_or_default(),
        &ended,
        if policy == "Always" { "OnFailure" } else { policy },
        &path.child("initContainerStatuses"),
        errors,
    );
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

fn validate_states(
    new: &[ContainerStatus],
    old: &[ContainerStatus],
    policy: &str,
    path: &Path,
    errors: &mut FieldErrors,
) {
    if policy == "Always" {
        return;
    }
    let ended = |status: &ContainerStatus| status.state.as_ref().and_then(|state| state.terminated.clone());
    for old in old {
        let Some(end) = ended(old) else { continue };
        if policy == "OnFailure" && end.exit_code != 0 {
            continue;
        }
        let Some((index, new)) = new.iter().enumerate().find(|(_, new)| new.name == old.name) else { continue };
        if ended(new).is_none() {
            let why = "may not be transitioned to non-terminated state";
            errors.push(FieldError::forbidden(&path.index(index).child("state"), why));
        }
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
