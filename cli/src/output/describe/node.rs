//! Nodes: what they are, what they have, and who uses how much of it.

use serde_json::Value;

use crate::object;
use crate::output::describe::page::{Page, joined};
use crate::output::describe::{Describer, Need, Related, events, node_resources};
use crate::output::{age, plain};

pub const DESCRIBER: Describer = Describer { group: "", kind: "Node", needs, write };

fn needs(object: &Value) -> Vec<Need> {
    let name = object::name(object);
    // Controllers know a node by its uid, kubelets by its name.
    let mut by_name = events::need_about(object, "Node", name);
    by_name.name = "events-by-name";
    let pods = Need::new("pods", "/api/v1/pods");
    vec![
        events::need(object),
        by_name,
        pods.fields(format!("spec.nodeName={name},status.phase!=Succeeded,status.phase!=Failed")),
        Need::new("lease", format!("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}")),
    ]
}

fn write(page: &mut Page, object: &Value, related: &Related) {
    let (spec, status) = (&object["spec"], &object["status"]);
    page.field(0, "Name", object::name(object));
    page.field(0, "Roles", roles(object));
    page.labels("Labels", object::at(object, "metadata.labels"));
    page.annotations("Annotations", object::at(object, "metadata.annotations"));
    page.field(0, "CreationTimestamp", age::date(object::at(object, "metadata.creationTimestamp")));
    page.column("Taints", &taints(object::items(spec, "taints")));
    page.field(0, "Unschedulable", spec["unschedulable"] == true);
    write_lease(page, related);
    write_conditions(page, object::items(status, "conditions"));
    page.line(0, "Addresses:");
    for address in object::items(status, "addresses") {
        page.field(1, object::text(address, "type"), object::text(address, "address"));
    }
    for (label, field) in [("Capacity", "capacity"), ("Allocatable", "allocatable")] {
        let Some(amounts) = status[field].as_object().filter(|amounts| !amounts.is_empty()) else { continue };
        page.line(0, &format!("{label}:"));
        for (name, amount) in amounts {
            page.field(1, name, plain(amount));
        }
    }
    write_system(page, &status["nodeInfo"]);
    page.field_unless_empty(0, "PodCIDR", object::text(spec, "podCIDR"));
    page.field_unless_empty(0, "PodCIDRs", &joined(object::items(spec, "podCIDRs"), ","));
    page.field_unless_empty(0, "ProviderID", object::text(spec, "providerID"));
    if related.answer("pods").is_some() {
        node_resources::write(page, object, related.items("pods"), related.now);
    } else {
        page.field(0, "Pods", "not authorized");
    }
    events::write(page, related);
}

fn roles(object: &Value) -> String {
    let labels = object::at(object, "metadata.labels").as_object();
    let mut roles: Vec<String> = Vec::new();
    for (key, value) in labels.into_iter().flatten() {
        match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) if !role.is_empty() => roles.push(role.to_owned()),
            None if key == "kubernetes.io/role" && value != "" => roles.push(plain(value)),
            _ => {}
        }
    }
    roles.sort();
    roles.dedup();
    if roles.is_empty() { "<none>".to_owned() } else { roles.join(",") }
}

fn taints(taints: &[Value]) -> Vec<String> {
    let mut taints: Vec<&Value> = taints.iter().collect();
    taints.sort_by_key(|taint| (object::text(taint, "effect"), object::text(taint, "key")));
    let text = |taint: &Value| {
        let [key, value, effect] = ["key", "value", "effect"].map(|field| object::text(taint, field));
        let value = if value.is_empty() { String::new() } else { format!("={value}") };
        let effect = if effect.is_empty() { String::new() } else { format!(":{effect}") };
        format!("{key}{value}{effect}")
    };
    taints.into_iter().map(text).collect()
}

fn write_lease(page: &mut Page, related: &Related) {
    if let Some(error) = related.error("lease") {
        page.field(0, "Lease", format_args!("Failed to get lease: {error}"));
    }
    let Some(lease) = related.answer("lease") else { return };
    let time = |field: &str| match &lease["spec"][field] {
        Value::Null => "<unset>".to_owned(),
        time => age::date(time),
    };
    page.line(0, "Lease:");
    page.field(1, "HolderIdentity", object::at(lease, "spec.holderIdentity").as_str().unwrap_or("<unset>"));
    page.field(1, "AcquireTime", time("acquireTime"));
    page.field(1, "RenewTime", time("renewTime"));
}

fn write_conditions(page: &mut Page, conditions: &[Value]) {
    if conditions.is_empty() {
        return;
    }
    page.raw("Conditions:\n  Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage\n");
    page.line(1, "----\t------\t-----------------\t------------------\t------\t-------");
    for condition in conditions {
        let [kind, status, reason, message] =
            ["type", "status", "reason", "message"].map(|name| object::text(condition, name));
        let [seen, changed] = ["lastHeartbeatTime", "lastTransitionTime"].map(|name| age::date(&condition[name]));
        page.line(1, &format!("{kind} \t{status} \t{seen} \t{changed} \t{reason} \t{message}"));
    }
}

fn write_system(page: &mut Page, info: &Value) {
    page.line(0, "System Info:");
    for (label, field) in [
        ("Machine ID", "machineID"),
        ("System UUID", "systemUUID"),
        ("Boot ID", "bootID"),
        ("Kernel Version", "kernelVersion"),
        ("OS Image", "osImage"),
        ("Operating System", "operatingSystem"),
        ("Architecture", "architecture"),
        ("Container Runtime Version", "containerRuntimeVersion"),
        ("Kubelet Version", "kubeletVersion"),
    ] {
        page.field(1, label, object::text(info, field));
    }
}
