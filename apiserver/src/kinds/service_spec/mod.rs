//! What the types of a Service need, its rules, and what an update keeps.

pub mod rules;
pub mod update;

use k8s_openapi::api::core::v1::ServiceSpec;

use crate::kinds::rules::text;

pub const CLUSTER_IP: &str = "ClusterIP";
pub const NODE_PORT: &str = "NodePort";
pub const LOAD_BALANCER: &str = "LoadBalancer";
pub const EXTERNAL_NAME: &str = "ExternalName";
/// The address of a Service that has none.
pub const HEADLESS: &str = "None";

pub fn needs_cluster_ip(spec: &ServiceSpec) -> bool {
    text(&spec.type_) != EXTERNAL_NAME
}

pub fn is_headless(spec: &ServiceSpec) -> bool {
    let first = spec.cluster_ips.iter().flatten().next();
    first.or(spec.cluster_ip.as_ref()).is_some_and(|address| address == HEADLESS)
}

pub fn needs_node_ports(spec: &ServiceSpec) -> bool {
    match text(&spec.type_) {
        NODE_PORT => true,
        LOAD_BALANCER => spec.allocate_load_balancer_node_ports != Some(false),
        _ => false,
    }
}

pub fn needs_health_check_port(spec: &ServiceSpec) -> bool {
    text(&spec.type_) == LOAD_BALANCER && text(&spec.external_traffic_policy) == "Local"
}

/// Whether it can be reached from outside of the cluster.
pub fn is_external(spec: &ServiceSpec) -> bool {
    match text(&spec.type_) {
        NODE_PORT | LOAD_BALANCER => true,
        CLUSTER_IP => spec.external_ips.as_ref().is_some_and(|list| !list.is_empty()),
        _ => false,
    }
}

/// What is accepted, and yet has no effect.
pub fn warnings_of(spec: &ServiceSpec) -> Vec<String> {
    let kind = text(&spec.type_);
    let has_external_ips = spec.external_ips.as_ref().is_some_and(|list| !list.is_empty());
    let mut sentences = Vec::new();
    let mut warn = |is_so: bool, sentence: &str| {
        if is_so {
            sentences.push(sentence.to_owned());
        }
    };
    let is_external_name = kind == EXTERNAL_NAME;
    warn(is_external_name && has_external_ips, "spec.externalIPs is ignored when spec.type is \"ExternalName\"");
    let has_name = !text(&spec.external_name).is_empty();
    warn(!is_external_name && has_name, "spec.externalName is ignored when spec.type is not \"ExternalName\"");
    if is_headless(spec) {
        let has_balancer = !text(&spec.load_balancer_ip).is_empty();
        warn(has_balancer, "spec.loadBalancerIP is ignored for headless services");
        warn(has_external_ips, "spec.externalIPs is ignored for headless services");
        let is_sticky = !matches!(text(&spec.session_affinity), "" | "None");
        warn(is_sticky, "spec.SessionAffinity is ignored for headless services");
    }
    sentences
}
