//! What an update of a Service keeps, drops, and may not change.

use std::collections::{BTreeMap, BTreeSet};

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::core::v1::ServiceSpec;

use crate::kinds::rules::{shown, text};
use crate::kinds::service_spec::{
    EXTERNAL_NAME, LOAD_BALANCER, is_external, is_headless, needs_cluster_ip, needs_health_check_port, needs_node_ports,
};

const ONCE: &str = "may not change once set";

/// A client that leaves out what was allocated keeps it; a change of the type drops what the new type has no use for.
pub fn keep_what_was_allocated(new: &mut ServiceSpec, old: &ServiceSpec) {
    match_singular_and_plural(new, old);
    if needs_cluster_ip(old) && needs_cluster_ip(new) {
        if text(&new.cluster_ip).is_empty() {
            new.cluster_ip = old.cluster_ip.clone();
        }
        if addresses(new).is_empty() && new.cluster_ip == old.cluster_ip {
            new.cluster_ips = old.cluster_ips.clone();
        }
    }
    if needs_node_ports(old) && needs_node_ports(new) {
        keep_node_ports(new, old);
    }
    if needs_health_check_port(old) && needs_health_check_port(new) && new.health_check_node_port.is_none() {
        new.health_check_node_port = old.health_check_node_port;
    }
    keep_families(new, old);
    drop_by_type(new, old);
}

fn addresses(spec: &ServiceSpec) -> &[String] {
    spec.cluster_ips.as_deref().unwrap_or_default()
}

/// `clusterIP` and `clusterIPs` say the same; a client may have changed only one of them.
fn match_singular_and_plural(new: &mut ServiceSpec, old: &ServiceSpec) {
    if !addresses(old).is_empty() && addresses(new).is_empty() && new.cluster_ip == old.cluster_ip {
        new.cluster_ips = old.cluster_ips.clone();
    }
    if text(&new.cluster_ip) == text(&old.cluster_ip) || addresses(new) != addresses(old) {
        return;
    }
    new.cluster_ips = match text(&new.cluster_ip) {
        "" => None,
        address => Some(vec![address.to_owned()]),
    };
}

fn node_ports(spec: &ServiceSpec) -> BTreeSet<i32> {
    spec.ports.iter().flatten().filter_map(|port| port.node_port).collect()
}

/// By the names of the ports, which tell them apart.
fn keep_node_ports(new: &mut ServiceSpec, old: &ServiceSpec) {
    let mut used: BTreeSet<i32> = node_ports(old).intersection(&node_ports(new)).copied().collect();
    let known: BTreeMap<&str, i32> =
        old.ports.iter().flatten().filter_map(|port| Some((text(&port.name), port.node_port?))).collect();
    for port in new.ports.iter_mut().flatten().filter(|port| port.node_port.is_none()) {
        let kept = known.get(text(&port.name)).copied();
        port.node_port = kept.filter(|number| used.insert(*number));
    }
}

fn keep_families(new: &mut ServiceSpec, old: &ServiceSpec) {
    if !needs_cluster_ip(old) || !needs_cluster_ip(new) {
        return;
    }
    if new.ip_family_policy.is_none() {
        new.ip_family_policy = old.ip_family_policy.clone();
    }
    if new.ip_families.as_ref().is_none_or(Vec::is_empty) {
        new.ip_families = old.ip_families.clone();
    }
}

/// Only what the client did not touch is dropped; what it asks for is for the rules to refuse.
fn drop_by_type(new: &mut ServiceSpec, old: &ServiceSpec) {
    if needs_cluster_ip(old) && !needs_cluster_ip(new) {
        if addresses(new) == addresses(old) || addresses(new).is_empty() {
            new.cluster_ip = None;
            new.cluster_ips = None;
        }
        if new.ip_families == old.ip_families && new.ip_family_policy == old.ip_family_policy {
            new.ip_families = None;
            new.ip_family_policy = None;
        }
    }
    if needs_node_ports(old) && !needs_node_ports(new) && node_ports(old) == node_ports(new) {
        new.ports.iter_mut().flatten().for_each(|port| port.node_port = None);
    }
    if needs_health_check_port(old)
        && !needs_health_check_port(new)
        && old.health_check_node_port == new.health_check_node_port
    {
        new.health_check_node_port = None;
    }
    let was_load_balancer = text(&old.type_) == LOAD_BALANCER;
    if was_load_balancer && text(&new.type_) != LOAD_BALANCER {
        if new.allocate_load_balancer_node_ports == old.allocate_load_balancer_node_ports {
            new.allocate_load_balancer_node_ports = None;
        }
        if new.load_balancer_class == old.load_balancer_class {
            new.load_balancer_class = None;
        }
        if new.load_balancer_source_ranges == old.load_balancer_source_ranges {
            new.load_balancer_source_ranges = None;
        }
    }
    if is_external(old) && !is_external(new) && new.external_traffic_policy == old.external_traffic_policy {
        new.external_traffic_policy = None;
    }
    if text(&new.type_) == EXTERNAL_NAME && new.internal_traffic_policy == old.internal_traffic_policy {
        new.internal_traffic_policy = None;
    }
}

pub fn validate(new: &ServiceSpec, old: &ServiceSpec, errors: &mut FieldErrors) {
    let path = Path::new("spec");
    if needs_cluster_ip(old) && needs_cluster_ip(new) {
        validate_addresses(new, old, &path, errors);
        validate_families(new, old, &path, errors);
    }
    let both_balance = text(&old.type_) == LOAD_BALANCER && text(&new.type_) == LOAD_BALANCER;
    if both_balance && new.load_balancer_class != old.load_balancer_class {
        let path = path.child("loadBalancerClass");
        errors.push(FieldError::invalid(&path, shown(&new.load_balancer_class), ONCE));
    }
    if needs_health_check_port(old)
        && needs_health_check_port(new)
        && new.health_check_node_port != old.health_check_node_port
    {
        errors.push(FieldError::forbidden(&path.child("healthCheckNodePort"), "field is immutable"));
    }
}

/// A second address may come and go; the first one stays.
fn validate_addresses(new: &ServiceSpec, old: &ServiceSpec, path: &Path, errors: &mut FieldErrors) {
    if is_headless(new) && is_headless(old) {
        return;
    }
    let (new_addresses, old_addresses) = (addresses(new), addresses(old));
    let list_path = path.child("clusterIPs");
    if new_addresses.is_empty() && !old_addresses.is_empty() {
        let why = "primary clusterIP can not be unset";
        errors.push(FieldError::invalid(&list_path.index(0), shown(&new_addresses), why));
    }
    let compared = if new_addresses.len() == old_addresses.len() { new_addresses.len() } else { 1 };
    for (index, (new, old)) in new_addresses.iter().zip(old_addresses).enumerate().take(compared) {
        if new != old {
            errors.push(FieldError::invalid(&list_path.index(index), shown(&new_addresses), ONCE));
        }
    }
    if new_addresses.len() == 1 && old_addresses.len() > 1 {
        release(new, "clusterIP", path, errors);
    }
}

fn validate_families(new: &ServiceSpec, old: &ServiceSpec, path: &Path, errors: &mut FieldErrors) {
    if is_headless(new) || is_headless(old) {
        return;
    }
    let families = |spec: &ServiceSpec| spec.ip_families.clone().unwrap_or_default();
    let (new_families, old_families) = (families(new), families(old));
    let compared = if new_families.len() == old_families.len() { new_families.len() } else { 1 };
    for (new, old) in new_families.iter().zip(&old_families).take(compared) {
        if new != old {
            errors.push(FieldError::invalid(&path.child("ipFamilies").index(0), shown(&new_families), ONCE));
        }
    }
    if new_families.len() == 1 && old_families.len() > 1 {
        release(new, "ipFamily", path, errors);
    }
}

/// Who gives up the second of two has to say so.
fn release(spec: &ServiceSpec, what: &str, path: &Path, errors: &mut FieldErrors) {
    if text(&spec.ip_family_policy) != "SingleStack" {
        let why = format!("must be set to 'SingleStack' when releasing the secondary {what}");
        errors.push(FieldError::invalid(&path.child("ipFamilyPolicy"), shown(&spec.ip_family_policy), why));
    }
}
