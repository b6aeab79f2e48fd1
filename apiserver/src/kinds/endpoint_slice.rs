//! EndpointSlice: some of the addresses behind a Service.

use std::collections::BTreeSet;
use std::net::IpAddr;

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointHints, EndpointPort, EndpointSlice};

use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::{
    PROTOCOLS, default_text, endpoint_address, immutable, labels, required_and_supported, supported, text,
};
use crate::kinds::table::{age_column, first_three, name_column};

const ADDRESS_TYPES: &[&str] = &["FQDN", "IPv4", "IPv6"];
const MOST_ENDPOINTS: usize = 1000;
const MOST_PORTS: usize = 20_000;
const MOST_ADDRESSES: usize = 100;
const MOST_HINTS: usize = 8;
const MOST_TOPOLOGY: usize = 16;

impl Kind for EndpointSlice {
    const FLAGS: Flags = Flags { counts_generations: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("AddressType", "string", "What its addresses are.", |slice, _| slice.address_type.clone().into()),
        Column::new("Ports", "string", "Ports of every endpoint.", |slice, _| {
            let ports = slice.ports.iter().flatten().map(|port| match (port.port, &port.name) {
                (Some(number), _) => number.to_string(),
                (None, Some(name)) if !name.is_empty() => name.clone(),
                (None, _) => "*".to_owned(),
            });
            or_unset(first_three(ports)).into()
        }),
        Column::new("Endpoints", "string", "Addresses, ready or not.", |slice, _| {
            let addresses = slice.endpoints.iter().flatten().flat_map(|endpoint| endpoint.addresses.iter().cloned());
            or_unset(first_three(addresses)).into()
        }),
        age_column(),
    ];

    fn fill_defaults(&mut self) {
        for port in self.ports.iter_mut().flatten() {
            port.name.get_or_insert_default();
            default_text(&mut port.protocol, "TCP");
        }
    }

    fn validate(&self, errors: &mut FieldErrors) {
        let path = Path::new("addressType");
        if self.address_type.is_empty() {
            errors.push(FieldError::required(&path, ""));
        } else {
            supported(errors, &path, &self.address_type, ADDRESS_TYPES);
        }
        validate_ports(self.ports.as_deref().unwrap_or_default(), errors);
        validate_endpoints(self.endpoints.as_deref().unwrap_or_default(), &self.address_type, errors);
    }

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        immutable(errors, &Path::new("addressType"), &self.address_type, &old.address_type);
    }

    fn spec_differs(&self, old: &Self) -> bool {
        // Labels count too: they say whose the slice is.
        self.endpoints != old.endpoints || self.ports != old.ports || self.metadata.labels != old.metadata.labels
    }
}

fn or_unset(text: String) -> String {
    if text.is_empty() { "<unset>".to_owned() } else { text }
}

fn validate_endpoints(endpoints: &[Endpoint], address_type: &str, errors: &mut FieldErrors) {
    let path = Path::new("endpoints");
    if endpoints.len() > MOST_ENDPOINTS {
        errors.push(FieldError::too_many(&path, endpoints.len(), MOST_ENDPOINTS));
        return;
    }
    for (index, endpoint) in endpoints.iter().enumerate() {
        let path = path.index(index);
        let addresses_path = path.child("addresses");
        if endpoint.addresses.is_empty() {
            errors.push(FieldError::required(&addresses_path, "must contain at least 1 address"));
        } else if endpoint.addresses.len() > MOST_ADDRESSES {
            errors.push(FieldError::too_many(&addresses_path, endpoint.addresses.len(), MOST_ADDRESSES));
        }
        for (index, address) in endpoint.addresses.iter().enumerate() {
            validate_address(address, address_type, &addresses_path.index(index), errors);
        }
        if let Some(node) = &endpoint.node_name {
            errors.check(&path.child("nodeName"), node, names::dns_subdomain);
        }
        if let Some(topology) = &endpoint.deprecated_topology {
            let path = path.child("deprecatedTopology");
            if topology.len() > MOST_TOPOLOGY {
                errors.push(FieldError::too_many(&path, topology.len(), MOST_TOPOLOGY));
            }
            labels(errors, &path, topology);
        }
        if let Some(hostname) = &endpoint.hostname {
            errors.check(&path.child("hostname"), hostname, names::dns_label);
        }
        if let Some(hints) = &endpoint.hints {
            validate_hints(hints, &path.child("hints"), errors);
        }
    }
}

/// For whom an endpoint is meant: zones or nodes, each told once.
fn validate_hints(hints: &EndpointHints, path: &Path, errors: &mut FieldErrors) {
    let zones = hints.for_zones.iter().flatten().map(|zone| zone.name.as_str()).collect::<Vec<_>>();
    let nodes = hints.for_nodes.iter().flatten().map(|node| node.name.as_str()).collect::<Vec<_>>();
    let rules: [(&str, Vec<&str>, names::NameRule); 2] =
        [("forZones", zones, names::label_value), ("forNodes", nodes, names::dns_subdomain)];
    for (field, list, rule) in rules {
        let path = path.child(field);
        if list.len() > MOST_HINTS {
            errors.push(FieldError::too_many(&path, list.len(), MOST_HINTS));
            continue;
        }
        let mut seen = BTreeSet::new();
        for (index, name) in list.into_iter().enumerate() {
            let path = path.index(index).child("name");
            if !seen.insert(name) {
                errors.push(FieldError::duplicate(&path, name));
            }
            errors.check(&path, name, rule);
        }
    }
}

fn validate_address(address: &str, address_type: &str, path: &Path, errors: &mut FieldErrors) {
    if address_type == "FQDN" {
        validate_domain(address, path, errors);
        return;
    }
    let parsed = endpoint_address(errors, path, address);
    match (address_type, parsed) {
        ("IPv4", Some(IpAddr::V6(_))) => errors.push(FieldError::invalid(path, address, "must be an IPv4 address")),
        ("IPv6", Some(IpAddr::V4(_))) => errors.push(FieldError::invalid(path, address, "must be an IPv6 address")),
        _ => {}
    }
}

/// A name of at least two parts, which may end with a dot.
fn validate_domain(name: &str, path: &Path, errors: &mut FieldErrors) {
    let plain = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() {
        errors.push(FieldError::required(path, ""));
    } else if let Err(why) = names::dns_subdomain(plain) {
        errors.push(FieldError::invalid(path, plain, why));
    } else if !plain.contains('.') {
        let why = "should be a domain with at least two segments separated by dots";
        errors.push(FieldError::invalid(path, plain, why));
    } else if let Some((part, why)) = plain.split('.').find_map(|part| Some((part, names::dns_label(part).err()?))) {
        errors.push(FieldError::invalid(path, part, why));
    }
}

fn validate_ports(ports: &[EndpointPort], errors: &mut FieldErrors) {
    let path = Path::new("ports");
    if ports.len() > MOST_PORTS {
        errors.push(FieldError::too_many(&path, ports.len(), MOST_PORTS));
        return;
    }
    let mut names = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let path = path.index(index);
        let name = text(&port.name);
        if !name.is_empty() {
            errors.check(&path.child("name"), name, names::dns_label);
        }
        if !names.insert(name) {
            errors.push(FieldError::duplicate(&path.child("name"), name));
        }
        required_and_supported(errors, &path.child("protocol"), text(&port.protocol), PROTOCOLS);
        if let Some(protocol) = &port.app_protocol {
            errors.check(&path.child("appProtocol"), protocol, names::qualified_name);
        }
    }
}
