//! Node.

use std::collections::BTreeSet;

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::core::v1::{Node, NodeSpec, NodeStatus};

use crate::kinds::addresses;
use crate::kinds::facts::{self, FieldLabel, STATUS, Subresource};
use crate::kinds::kind::{Column, Kind};
use crate::kinds::pod_spec::rules::TAINT_EFFECTS;
use crate::kinds::resource_names;
use crate::kinds::rules::{canonical_amounts, required_and_supported, shown, text};
use crate::kinds::table::{NONE, UNKNOWN, age_column, name_column, or_none};

const PROXY: Subresource = facts::connection("proxy", facts::PROXIED, "NodeProxyOptions");

impl Kind for Node {
    const SHORT_NAMES: &'static [&'static str] = &["no"];
    const SUBRESOURCES: &'static [Subresource] = &[PROXY, STATUS];
    const FIELD_LABELS: &'static [FieldLabel] =
        &[FieldLabel { label: "spec.unschedulable", path: &["spec", "unschedulable"], default: "false" }];
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Status", "string", "Whether it is ready, and open to new pods.", |node, _| state(node).into()),
        Column::new("Roles", "string", "What it is for.", |node, _| roles(node).into()),
        age_column(),
        Column::new("Version", "string", "The version of its agent.", |node, _| {
            info(node, |info| &info.kubelet_version).into()
        }),
        Column::wide("Internal-IP", "string", "Its address within the cluster.", |node, _| {
            address(node, "InternalIP").into()
        }),
        Column::wide("External-IP", "string", "Its address outside of the cluster.", |node, _| {
            address(node, "ExternalIP").into()
        }),
        Column::wide("OS-Image", "string", "Its operating system.", |node, _| {
            or_unknown(info(node, |info| &info.os_image)).into()
        }),
        Column::wide("Kernel-Version", "string", "Its kernel.", |node, _| {
            or_unknown(info(node, |info| &info.kernel_version)).into()
        }),
        Column::wide("Container-Runtime", "string", "What runs its containers.", |node, _| {
            or_unknown(info(node, |info| &info.container_runtime_version)).into()
        }),
    ];

    fn fill_defaults(&mut self) {
        match_ranges(self.spec.get_or_insert_default());
        let status = self.status.get_or_insert_default();
        canonical_amounts(&mut status.capacity);
        canonical_amounts(&mut status.allocatable);
        if status.allocatable.is_none() {
            status.allocatable = status.capacity.clone();
        }
    }

    fn before_update(&mut self, old: &Self) {
        self.status = old.status.clone();
    }

    fn before_subresource_update(&mut self, _: &str, old: &Self) {
        self.spec = old.spec.clone();
    }

    fn validate(&self, errors: &mut FieldErrors) {
        if let Some(status) = &self.status {
            validate_amounts(status, errors);
        }
        let Some(spec) = &self.spec else { return };
        let path = Path::new("spec");
        let mut seen = BTreeSet::new();
        for (index, taint) in spec.taints.iter().flatten().enumerate() {
            // Upstream's path to it.
            let path = Path::new("metadata").child("taints").index(index);
            errors.check(&path.child("key"), &taint.key, names::qualified_name);
            errors.check(&path.child("value"), text(&taint.value), names::label_value);
            required_and_supported(errors, &path.child("effect"), &taint.effect, TAINT_EFFECTS);
            if !seen.insert((&taint.key, &taint.effect)) {
                let mut error = FieldError::duplicate(&path, shown(taint));
                error.body.push_str(": taints must be unique by key and effect pair");
                errors.push(error);
            }
        }
        validate_ranges(spec.pod_cidrs.as_deref().unwrap_or_default(), &path.child("podCIDRs"), errors);
    }

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        let (Some(new), Some(old)) = (&self.spec, &old.spec) else { return };
        let path = Path::new("spec");
        // Both may be given once, and not be changed after that.
        if old.pod_cidrs.as_ref().is_some_and(|ranges| !ranges.is_empty()) && new.pod_cidrs != old.pod_cidrs {
            let why = "node updates may not change podCIDR except from \"\" to valid";
            errors.push(FieldError::forbidden(&path.child("podCIDRs"), why));
        }
        if !text(&old.provider_id).is_empty() && new.provider_id != old.provider_id {
            let why = "node updates may not change providerID except from \"\" to valid";
            errors.push(FieldError::forbidden(&path.child("providerID"), why));
        }
    }

    fn validate_subresource_update(&self, _: &str, _: &Self, errors: &mut FieldErrors) {
        let Some(status) = &self.status else { return };
        let path = Path::new("status");
        let mut addresses = BTreeSet::new();
        for (index, address) in status.addresses.iter().flatten().enumerate() {
            if !addresses.insert((&address.type_, &address.address)) {
                errors.push(FieldError::duplicate(&path.child("addresses").index(index), shown(address)));
            }
        }
        validate_amounts(status, errors);
    }

    fn spec_differs(&self, old: &Self) -> bool {
        self.spec != old.spec
    }

    fn is_volatile_update(&self, old: &Self) -> bool {
        without_heartbeats(self) == without_heartbeats(old)
    }
}

fn validate_amounts(status: &NodeStatus, errors: &mut FieldErrors) {
    for (field, amounts) in [("capacity", &status.capacity), ("allocatable", &status.allocatable)] {
        for (name, amount) in amounts.iter().flatten() {
            let path = Path::new("status").child(field).child(name);
            resource_names::amount(errors, &path, name, amount);
        }
    }
}

/// One range of each family at most.
fn validate_ranges(ranges: &[String], path: &Path, errors: &mut FieldErrors) {
    let mut families = BTreeSet::new();
    for (index, range) in ranges.iter().enumerate() {
        addresses::range(errors, &path.index(index), range);
        families.insert(range.contains(':'));
    }
    if ranges.len() > 1 && families.len() < ranges.len() {
        let why = "may specify no more than one CIDR for each IP family";
        errors.push(FieldError::invalid(path, shown(&ranges), why));
    }
}

/// The range of pods is said in an old way and in a new one.
fn match_ranges(spec: &mut NodeSpec) {
    let first = spec.pod_cidrs.as_ref().and_then(|list| list.first()).cloned();
    if text(&spec.pod_cidr).is_empty() {
        spec.pod_cidr = first;
    } else if first.is_none() {
        spec.pod_cidrs = spec.pod_cidr.clone().map(|range| vec![range]);
    }
}

/// The node without the times at which it last said that nothing has changed.
fn without_heartbeats(node: &Node) -> Node {
    let mut node = node.clone();
    for condition in node.status.iter_mut().flat_map(|status| status.conditions.iter_mut().flatten()) {
        condition.last_heartbeat_time = None;
    }
    node
}

fn state(node: &Node) -> String {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let ready = conditions.into_iter().find(|condition| condition.type_ == "Ready");
    let mut words = vec![match ready {
        Some(condition) if condition.status == "True" => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }];
    if node.spec.as_ref().is_some_and(|spec| spec.unschedulable == Some(true)) {
        words.push("SchedulingDisabled");
    }
    words.join(",")
}

fn roles(node: &Node) -> String {
    let labels = node.metadata.labels.iter().flatten();
    let roles: BTreeSet<&str> = labels
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role),
            None if key == "kubernetes.io/role" => Some(value.as_str()),
            None => None,
        })
        .filter(|role| !role.is_empty())
        .collect();
    or_none(&roles.into_iter().collect::<Vec<_>>().join(",")).to_owned()
}

fn info(node: &Node, of: fn(&k8s_openapi::api::core::v1::NodeSystemInfo) -> &String) -> String {
    let info = node.status.as_ref().and_then(|status| status.node_info.as_ref());
    info.map(|info| of(info).clone()).unwrap_or_default()
}

fn or_unknown(text: String) -> String {
    if text.is_empty() { UNKNOWN.to_owned() } else { text }
}

fn address(node: &Node, kind: &str) -> String {
    let list = |status: &NodeStatus| status.addresses.clone().unwrap_or_default();
    let addresses = node.status.as_ref().map(list).unwrap_or_default();
    addresses.into_iter().find(|address| address.type_ == kind).map_or_else(|| NONE.to_owned(), |found| found.address)
}
