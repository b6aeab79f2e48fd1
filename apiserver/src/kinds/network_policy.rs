//! NetworkPolicy: which pods may talk to which.

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::kinds::addresses::{doubtful_range, range};
use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::{default_text, port_number, selector, shown};
use crate::kinds::table::{self, NONE, age_column, name_column};

const POLICY_TYPES: &[&str] = &["Ingress", "Egress"];

impl Kind for NetworkPolicy {
    const SHORT_NAMES: &'static [&'static str] = &["netpol"];
    const FLAGS: Flags = Flags { counts_generations: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Pod-Selector", "string", "The pods that it is about.", |policy, _| {
            let selector = policy.spec.as_ref().and_then(|spec| spec.pod_selector.as_ref());
            selector.map_or_else(|| NONE.to_owned(), table::selector).into()
        }),
        age_column(),
    ];

    fn fill_defaults(&mut self) {
        let spec = self.spec.get_or_insert_default();
        spec.pod_selector.get_or_insert_default();
        let has_egress = spec.egress.as_ref().is_some_and(|rules| !rules.is_empty());
        if spec.policy_types.as_ref().is_none_or(Vec::is_empty) {
            let types = POLICY_TYPES.iter().take(if has_egress { 2 } else { 1 });
            spec.policy_types = Some(types.map(|name| (*name).to_owned()).collect());
        }
        let ingress = spec.ingress.iter_mut().flatten().map(|rule| &mut rule.ports);
        let egress = spec.egress.iter_mut().flatten().map(|rule| &mut rule.ports);
        for port in ingress.chain(egress).flat_map(|ports| ports.iter_mut().flatten()) {
            default_text(&mut port.protocol, "TCP");
        }
    }

    fn validate(&self, errors: &mut FieldErrors) {
        if let Some(spec) = &self.spec {
            validate_spec(spec, &Path::new("spec"), errors);
        }
    }

    fn warnings(&self) -> Vec<String> {
        let spec = self.spec.iter();
        let ingress = spec.clone().flat_map(|spec| spec.ingress.iter().flatten()).map(|rule| &rule.from);
        let egress = spec.flat_map(|spec| spec.egress.iter().flatten()).map(|rule| &rule.to);
        let rules = ingress.map(|peers| ("from", peers)).enumerate().map(|(index, rule)| ("ingress", index, rule));
        let rules =
            rules.chain(egress.map(|peers| ("to", peers)).enumerate().map(|(index, rule)| ("egress", index, rule)));
        let mut found = Vec::new();
        for (direction, index, (field, peers)) in rules {
            let path = Path::new("spec").child(direction).index(index).child(field);
            for (index, peer) in peers.iter().flatten().enumerate() {
                let Some(block) = &peer.ip_block else { continue };
                let path = path.index(index).child("ipBlock");
                found.extend(doubtful_range(&block.cidr, &path.child("cidr")));
                for (index, except) in block.except.iter().flatten().enumerate() {
                    found.extend(doubtful_range(except, &path.child("except").index(index)));
                }
            }
        }
        found
    }

    fn spec_differs(&self, old: &Self) -> bool {
        self.spec != old.spec
    }
}

fn validate_spec(spec: &NetworkPolicySpec, path: &Path, errors: &mut FieldErrors) {
    if let Some(pods) = &spec.pod_selector {
        selector(errors, &path.child("podSelector"), pods);
    }
    for (index, rule) in spec.ingress.iter().flatten().enumerate() {
        let path = path.child("ingress").index(index);
        validate_ports(rule.ports.as_deref(), &path.child("ports"), errors);
        validate_peers(rule.from.as_deref(), &path.child("from"), errors);
    }
    for (index, rule) in spec.egress.iter().flatten().enumerate() {
        let path = path.child("egress").index(index);
        validate_ports(rule.ports.as_deref(), &path.child("ports"), errors);
        validate_peers(rule.to.as_deref(), &path.child("to"), errors);
    }
    let path = path.child("policyTypes");
    let types = spec.policy_types.as_deref().unwrap_or_default();
    if types.len() > POLICY_TYPES.len() {
        errors.push(FieldError::invalid(&path, shown(&types), "may not specify more than two policyTypes"));
        return;
    }
    for (index, name) in types.iter().enumerate().filter(|(_, name)| !POLICY_TYPES.contains(&name.as_str())) {
        errors.push(FieldError::not_supported(&path.index(index), name.as_str(), POLICY_TYPES));
    }
}

fn validate_ports(ports: Option<&[NetworkPolicyPort]>, path: &Path, errors: &mut FieldErrors) {
    for (index, port) in ports.into_iter().flatten().enumerate() {
        let path = path.index(index);
        if let Some(protocol) = port.protocol.as_deref().filter(|name| !["TCP", "UDP", "SCTP"].contains(name)) {
            errors.push(FieldError::not_supported(&path.child("protocol"), protocol, &["TCP", "UDP", "SCTP"]));
        }
        let end_path = path.child("endPort");
        match (&port.port, port.end_port) {
            (Some(IntOrString::Int(first)), end) => {
                port_number(errors, &path.child("port"), *first);
                if let Some(end) = end {
                    if end < *first {
                        errors.push(FieldError::invalid(&end_path, end, "must be greater than or equal to `port`"));
                    }
                    port_number(errors, &end_path, end);
                }
            }
            (Some(IntOrString::String(name)), end) => {
                if let Some(end) = end {
                    let why = "may not be specified when `port` is non-numeric";
                    errors.push(FieldError::invalid(&end_path, end, why));
                }
                errors.check(&path.child("port"), name, names::port_name);
            }
            (None, Some(end)) => {
                errors.push(FieldError::invalid(&end_path, end, "may not be specified when `port` is not specified"));
            }
            (None, None) => {}
        }
    }
}

fn validate_peers(peers: Option<&[NetworkPolicyPeer]>, path: &Path, errors: &mut FieldErrors) {
    for (index, peer) in peers.into_iter().flatten().enumerate() {
        let path = path.index(index);
        if let Some(pods) = &peer.pod_selector {
            selector(errors, &path.child("podSelector"), pods);
        }
        if let Some(namespaces) = &peer.namespace_selector {
            selector(errors, &path.child("namespaceSelector"), namespaces);
        }
        if let Some(block) = &peer.ip_block {
            validate_block(block, &path.child("ipBlock"), errors);
        }
        let has_selector = peer.pod_selector.is_some() || peer.namespace_selector.is_some();
        match (has_selector, peer.ip_block.is_some()) {
            (false, false) => errors.push(FieldError::required(&path, "must specify a peer")),
            (true, true) => errors.push(FieldError::forbidden(&path, "may not specify both ipBlock and another peer")),
            _ => {}
        }
    }
}

fn validate_block(block: &IPBlock, path: &Path, errors: &mut FieldErrors) {
    if block.cidr.is_empty() {
        errors.push(FieldError::required(&path.child("cidr"), ""));
        return;
    }
    let Some(whole) = range(errors, &path.child("cidr"), &block.cidr) else { return };
    for (index, except) in block.except.iter().flatten().enumerate() {
        let path = path.child("except").index(index);
        let Some(part) = range(errors, &path, except) else { continue };
        if !whole.contains(part.network()) || whole.prefix() >= part.prefix() {
            errors.push(FieldError::invalid(&path, except.as_str(), "must be a strict subset of `cidr`"));
        }
    }
}
