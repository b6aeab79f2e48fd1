//! Endpoints: the addresses behind a Service, in the old form.

use std::net::IpAddr;

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::core::v1::{EndpointAddress, EndpointPort, EndpointSubset, Endpoints};

use crate::kinds::addresses;
use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::{
    PROTOCOLS, default_text, endpoint_address, ip_address, port_number, required_and_supported, text,
};
use crate::kinds::table::{NONE, age_column, first_three, name_column};

impl Kind for Endpoints {
    const SHORT_NAMES: &'static [&'static str] = &["ep"];
    const FLAGS: Flags = Flags { create_on_update: true, ..Flags::USUAL };
    const DEPRECATION: Option<&'static str> =
        Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice");
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Endpoints", "string", "Addresses that are ready.", |endpoints, _| shown(endpoints).into()),
        age_column(),
    ];

    fn fill_defaults(&mut self) {
        for port in self.subsets.iter_mut().flatten().flat_map(|subset| subset.ports.iter_mut().flatten()) {
            default_text(&mut port.protocol, "TCP");
        }
    }

    fn validate(&self, errors: &mut FieldErrors) {
        for (index, subset) in self.subsets.iter().flatten().enumerate() {
            validate_subset(subset, &Path::new("subsets").index(index), errors);
        }
    }
}

fn validate_subset(subset: &EndpointSubset, path: &Path, errors: &mut FieldErrors) {
    let ready = subset.addresses.as_deref().unwrap_or_default();
    let not_ready = subset.not_ready_addresses.as_deref().unwrap_or_default();
    let ports = subset.ports.as_deref().unwrap_or_default();
    if ready.is_empty() && not_ready.is_empty() {
        errors.push(FieldError::required(path, "must specify `addresses` or `notReadyAddresses`"));
    }
    for (addresses, field) in [(ready, "addresses"), (not_ready, "notReadyAddresses")] {
        for (index, address) in addresses.iter().enumerate() {
            validate_address(address, &path.child(field).index(index), errors);
        }
    }
    for (index, port) in ports.iter().enumerate() {
        validate_port(port, ports.len() > 1, &path.child("ports").index(index), errors);
    }
}

fn validate_address(address: &EndpointAddress, path: &Path, errors: &mut FieldErrors) {
    let is_right = addresses::plain_ip(&address.ip).is_ok();
    if !is_right {
        ip_address(errors, &path.child("ip"), &address.ip);
    }
    if !text(&address.hostname).is_empty() {
        errors.check(&path.child("hostname"), text(&address.hostname), names::dns_label);
    }
    if let Some(node) = &address.node_name {
        errors.check(&path.child("nodeName"), node, names::dns_subdomain);
    }
    if is_right {
        endpoint_address(errors, &path.child("ip"), &address.ip);
    } else {
        let why = "must be a valid IP address";
        errors.push(FieldError::invalid(&path.child("ip"), address.ip.as_str(), why));
    }
}

fn validate_port(port: &EndpointPort, needs_name: bool, path: &Path, errors: &mut FieldErrors) {
    match text(&port.name) {
        "" if needs_name => errors.push(FieldError::required(&path.child("name"), "")),
        "" => {}
        name => errors.check(&path.child("name"), name, names::dns_label),
    }
    port_number(errors, &path.child("port"), port.port);
    required_and_supported(errors, &path.child("protocol"), text(&port.protocol), PROTOCOLS);
    if let Some(protocol) = &port.app_protocol {
        errors.check(&path.child("appProtocol"), protocol, names::qualified_name);
    }
}

fn shown(endpoints: &Endpoints) -> String {
    let subsets = endpoints.subsets.as_deref().unwrap_or_default();
    if subsets.is_empty() {
        return NONE.to_owned();
    }
    first_three(subsets.iter().flat_map(|subset| {
        let addresses = subset.addresses.as_deref().unwrap_or_default();
        let ports = subset.ports.as_deref().unwrap_or_default();
        // A headless Service may have no ports.
        let bare = addresses.iter().filter(|_| ports.is_empty()).map(|address| address.ip.clone());
        let with_port =
            ports.iter().flat_map(move |port| addresses.iter().map(move |address| with_port(&address.ip, port.port)));
        bare.chain(with_port)
    }))
}

fn with_port(address: &str, port: i32) -> String {
    match address.parse() {
        Ok(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        _ => format!("{address}:{port}"),
    }
}
