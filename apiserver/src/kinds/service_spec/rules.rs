//! Rules of a Service.

use std::collections::BTreeSet;
use std::net::IpAddr;

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::core::v1::{ServicePort, ServiceSpec, ServiceStatus};

use crate::kinds::addresses;
use crate::kinds::rules::{
    PROTOCOLS, endpoint_address, ip_address, labels, port_number, port_number_or_name, required_and_supported,
    required_name, shown, supported, text,
};
use crate::kinds::service_spec::{
    CLUSTER_IP, EXTERNAL_NAME, HEADLESS, LOAD_BALANCER, NODE_PORT, is_external, is_headless, needs_health_check_port,
};

const TYPES: &[&str] = &[CLUSTER_IP, EXTERNAL_NAME, LOAD_BALANCER, NODE_PORT];
const TRAFFIC_POLICIES: &[&str] = &["Cluster", "Local"];
const IPV4: &str = "IPv4";
const IPV6: &str = "IPv6";

pub fn validate(spec: &ServiceSpec, errors: &mut FieldErrors) {
    let path = Path::new("spec");
    let ports = spec.ports.as_deref().unwrap_or_default();
    if ports.is_empty() && !is_headless(spec) && text(&spec.type_) != EXTERNAL_NAME {
        errors.push(FieldError::required(&path.child("ports"), ""));
    }
    validate_type(spec, &path, errors);
    let mut names = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        validate_port(port, ports.len() > 1, &mut names, &path.child("ports").index(index), errors);
    }
    labels(errors, &path.child("selector"), spec.selector.as_ref().unwrap_or(&Default::default()));
    validate_affinity(spec, &path, errors);
    if text(&spec.type_) != EXTERNAL_NAME {
        validate_families(spec, &path, errors);
        validate_addresses(spec, &path, errors);
    }
    for (index, address) in spec.external_ips.iter().flatten().enumerate() {
        endpoint_address(errors, &path.child("externalIPs").index(index), address);
    }
    required_and_supported(errors, &path.child("type"), text(&spec.type_), TYPES);
    validate_ports(spec, ports, &path.child("ports"), errors);
    validate_load_balancer(spec, &path, errors);
    validate_traffic(spec, &path, errors);
}

/// What a load balancer has given the Service.
pub fn validate_status(spec: &ServiceSpec, status: &ServiceStatus, errors: &mut FieldErrors) {
    let path = Path::new("status").child("loadBalancer").child("ingress");
    let ingress = status.load_balancer.as_ref().and_then(|balancer| balancer.ingress.as_deref()).unwrap_or_default();
    if !ingress.is_empty() && text(&spec.type_) != LOAD_BALANCER {
        errors.push(FieldError::forbidden(&path, "may only be used when `spec.type` is 'LoadBalancer'"));
        return;
    }
    for (index, ingress) in ingress.iter().enumerate() {
        let path = path.index(index);
        let (address, mode) = (text(&ingress.ip), text(&ingress.ip_mode));
        if !address.is_empty() {
            ip_address(errors, &path.child("ip"), address);
            match mode {
                "" => errors.push(FieldError::required(&path.child("ipMode"), "must be specified when `ip` is set")),
                mode => supported(errors, &path.child("ipMode"), mode, &["Proxy", "VIP"]),
            }
        } else if !mode.is_empty() {
            let why = "may not be specified when `ip` is not set";
            errors.push(FieldError::forbidden(&path.child("ipMode"), why));
        }
        let name = text(&ingress.hostname);
        if !name.is_empty() {
            errors.check(&path.child("hostname"), name, names::dns_subdomain);
        }
        if name.parse::<IpAddr>().is_ok() {
            let why = "must be a DNS name, not an IP address";
            errors.push(FieldError::invalid(&path.child("hostname"), name, why));
        }
    }
}

fn validate_type(spec: &ServiceSpec, path: &Path, errors: &mut FieldErrors) {
    match text(&spec.type_) {
        kind @ (LOAD_BALANCER | NODE_PORT) if is_headless(spec) => {
            let why = format!("may not be set to 'None' for {kind} services");
            errors.push(FieldError::invalid(&path.child("clusterIPs").index(0), HEADLESS, why));
        }
        EXTERNAL_NAME => {
            if spec.cluster_ips.as_ref().is_some_and(|list| !list.is_empty()) {
                let why = "may not be set for ExternalName services";
                errors.push(FieldError::forbidden(&path.child("clusterIPs"), why));
            }
            let why = "may not be set for ExternalName services";
            if spec.ip_families.as_ref().is_some_and(|list| !list.is_empty()) {
                errors.push(FieldError::forbidden(&path.child("ipFamilies"), why));
            }
            if spec.ip_family_policy.is_some() {
                errors.push(FieldError::forbidden(&path.child("ipFamilyPolicy"), why));
            }
            let name = text(&spec.external_name);
            let name = name.strip_suffix('.').unwrap_or(name);
            required_name(errors, &path.child("externalName"), name, names::dns_subdomain);
        }
        _ => {}
    }
}

fn validate_ports(spec: &ServiceSpec, ports: &[ServicePort], path: &Path, errors: &mut FieldErrors) {
    for (index, port) in ports.iter().enumerate() {
        if port.node_port.is_some() && text(&spec.type_) == CLUSTER_IP {
            let why = "may not be used when `type` is 'ClusterIP'";
            errors.push(FieldError::forbidden(&path.index(index).child("nodePort"), why));
        }
    }
    let mut node_ports = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        if let Some(number) = port.node_port.filter(|number| !node_ports.insert((text(&port.protocol), *number))) {
            errors.push(FieldError::duplicate(&path.index(index).child("nodePort"), number));
        }
    }
    let mut numbers = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let protocol = text(&port.protocol);
        if !numbers.insert((protocol, port.port)) {
            // Upstream shows its own form of a port, with nothing else in it.
            let port = format!(
                "{{\"Name\":\"\",\"Protocol\":{protocol:?},\"AppProtocol\":null,\"Port\":{},\"TargetPort\":0,\"NodePort\":0}}",
                port.port
            );
            let mut error = FieldError::duplicate(&path.index(index), "");
            error.body = format!("Duplicate value: {port}");
            errors.push(error);
        }
    }
}

fn validate_port<'a>(
    port: &'a ServicePort,
    needs_name: bool,
    names: &mut BTreeSet<&'a str>,
    path: &Path,
    errors: &mut FieldErrors,
) {
    match text(&port.name) {
        "" if needs_name => errors.push(FieldError::required(&path.child("name"), "")),
        "" => {}
        name => {
            errors.check(&path.child("name"), name, names::dns_label);
            if !names.insert(name) {
                errors.push(FieldError::duplicate(&path.child("name"), name));
            }
        }
    }
    port_number(errors, &path.child("port"), port.port);
    required_and_supported(errors, &path.child("protocol"), text(&port.protocol), PROTOCOLS);
    if let Some(target) = &port.target_port {
        port_number_or_name(errors, &path.child("targetPort"), target);
    }
    if let Some(protocol) = &port.app_protocol {
        errors.check(&path.child("appProtocol"), protocol, names::qualified_name);
    }
}

fn validate_affinity(spec: &ServiceSpec, path: &Path, errors: &mut FieldErrors) {
    const LONGEST: i32 = 86_400;
    let affinity = text(&spec.session_affinity);
    required_and_supported(errors, &path.child("sessionAffinity"), affinity, &["ClientIP", "None"]);
    let config_path = path.child("sessionAffinityConfig");
    if affinity == "None" && spec.session_affinity_config.is_some() {
        let why = "must not be set when session affinity is None";
        errors.push(FieldError::forbidden(&config_path, why));
    }
    let client = spec.session_affinity_config.as_ref().and_then(|config| config.client_ip.as_ref());
    if let Some(seconds) = client.and_then(|client| client.timeout_seconds)
        && !(1..=LONGEST).contains(&seconds)
    {
        let path = config_path.child("clientIP").child("timeoutSeconds");
        let why = format!("must be greater than 0 and less than {LONGEST}");
        errors.push(FieldError::invalid(&path, seconds, why));
    }
}

/// One address of each family at most, in the order of the families; or none at all.
fn validate_addresses(spec: &ServiceSpec, path: &Path, errors: &mut FieldErrors) {
    let addresses = spec.cluster_ips.as_deref().unwrap_or_default();
    let path = path.child("clusterIPs");
    let mut parsed = Vec::new();
    let mut is_right = true;
    for (index, address) in addresses.iter().enumerate() {
        if index == 0 && address == HEADLESS {
            if addresses.len() > 1 {
                let why = "'None' must be the first and only value";
                errors.push(FieldError::invalid(&path, shown(&addresses), why));
                is_right = false;
            }
            continue;
        }
        let address = ip_address(errors, &path.index(index), address);
        is_right &= address.is_some();
        parsed.extend(address);
    }
    if addresses.len() > 2 {
        errors.push(FieldError::invalid(&path, shown(&addresses), "may only hold up to 2 values"));
    }
    if !is_right {
        return;
    }
    if parsed.len() > 1 && parsed.iter().all(|address| address.is_ipv4() == parsed[0].is_ipv4()) {
        let why = "may specify no more than one IP for each IP family";
        errors.push(FieldError::invalid(&path, shown(&addresses), why));
    }
    for (index, (address, family)) in parsed.iter().zip(spec.ip_families.iter().flatten()).enumerate() {
        let is_other = matches!((family.as_str(), address.is_ipv4()), (IPV4, false) | (IPV6, true));
        if is_other {
            let why = format!("expected an {family} value as indicated by `ipFamilies[{index}]`");
            errors.push(FieldError::invalid(&path.index(index), address.to_string(), why));
        }
    }
}

fn validate_families(spec: &ServiceSpec, path: &Path, errors: &mut FieldErrors) {
    let addresses = spec.cluster_ips.as_deref().unwrap_or_default();
    let first = addresses.first().map_or("", String::as_str);
    if first != text(&spec.cluster_ip) {
        let why = match text(&spec.cluster_ip) {
            "" => "must be empty when `clusterIP` is not specified",
            _ => "first value must match `clusterIP`",
        };
        errors.push(FieldError::invalid(&path.child("clusterIPs"), shown(&addresses), why));
    }
    let families = spec.ip_families.as_deref().unwrap_or_default();
    let path_of_list = path.child("ipFamilies");
    for (index, family) in families.iter().enumerate() {
        supported(errors, &path_of_list.index(index), family, &[IPV4, IPV6]);
        if families[..index].contains(family) {
            errors.push(FieldError::duplicate(&path_of_list.index(index), family.as_str()));
        }
    }
    if let Some(policy) = &spec.ip_family_policy {
        let policies = ["PreferDualStack", "RequireDualStack", "SingleStack"];
        supported(errors, &path.child("ipFamilyPolicy"), policy, &policies);
    }
}

fn validate_traffic(spec: &ServiceSpec, path: &Path, errors: &mut FieldErrors) {
    let policy = text(&spec.external_traffic_policy);
    let policy_path = path.child("externalTrafficPolicy");
    if !policy.is_empty() && !is_external(spec) {
        let why = "may only be set for externally-accessible services";
        errors.push(FieldError::invalid(&policy_path, policy, why));
    } else if !policy.is_empty() {
        supported(errors, &policy_path, policy, TRAFFIC_POLICIES);
    }
    if let Some(policy) = &spec.internal_traffic_policy {
        supported(errors, &path.child("internalTrafficPolicy"), policy, TRAFFIC_POLICIES);
    }
    if let Some(distribution) = spec.traffic_distribution.as_deref().filter(|text| !text.is_empty()) {
        let values = ["PreferClose", "PreferSameZone", "PreferSameNode"];
        supported(errors, &path.child("trafficDistribution"), distribution, &values);
    }
    if let Some(port) = spec.health_check_node_port.filter(|_| !needs_health_check_port(spec)) {
        let why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
        errors.push(FieldError::invalid(&path.child("healthCheckNodePort"), port, why));
    }
}

fn validate_load_balancer(spec: &ServiceSpec, path: &Path, errors: &mut FieldErrors) {
    let is_load_balancer = text(&spec.type_) == LOAD_BALANCER;
    let why = "may only be used when `type` is 'LoadBalancer'";
    let ranges = spec.load_balancer_source_ranges.as_deref().unwrap_or_default();
    // Upstream's spelling.
    let ranges_path = path.child("LoadBalancerSourceRanges");
    if !ranges.is_empty() && !is_load_balancer {
        errors.push(FieldError::forbidden(&ranges_path, why));
    }
    for (index, range) in ranges.iter().enumerate() {
        addresses::range(errors, &ranges_path.index(index), range.trim());
    }
    if spec.allocate_load_balancer_node_ports.is_some() && !is_load_balancer {
        errors.push(FieldError::forbidden(&path.child("allocateLoadBalancerNodePorts"), why));
    }
    match &spec.load_balancer_class {
        Some(_) if !is_load_balancer => errors.push(FieldError::forbidden(&path.child("loadBalancerClass"), why)),
        Some(class) => errors.check(&path.child("loadBalancerClass"), class, names::qualified_name),
        None => {}
    }
}
