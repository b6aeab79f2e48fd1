//! Pods.

use serde_json::Value;

use crate::object;
use crate::output::age;
use crate::output::describe::containers::{self, Owner};
use crate::output::describe::page::{Page, number};
use crate::output::describe::{Describer, Need, Related, events, pod_template, volumes};

pub const DESCRIBER: Describer = Describer { group: "", kind: "Pod", needs, write };

/// The events of a mirror pod are about the pod that it mirrors.
fn needs(object: &Value) -> Vec<Need> {
    let mirrored = object["metadata"]["annotations"][api::well_known::annotation::MIRROR_POD].as_str();
    vec![events::need_about(object, "", mirrored.unwrap_or_else(|| object::uid(object)))]
}

fn write(page: &mut Page, object: &Value, related: &Related) {
    write_heading(page, object, related);
    let (spec, status) = (&object["spec"], &object["status"]);
    if spec["resources"].is_object() {
        page.line(0, "Resources:");
        containers::write_resources(page, &spec["resources"], 1);
    }
    let owner = Owner { pod: Some(object), space: "" };
    for (label, field, statuses) in [
        ("Init Containers", "initContainers", "initContainerStatuses"),
        ("Containers", "containers", "containerStatuses"),
        ("Ephemeral Containers", "ephemeralContainers", "ephemeralContainerStatuses"),
    ] {
        let list = object::items(spec, field);
        if !list.is_empty() || field == "containers" {
            containers::write(page, label, list, object::items(status, statuses), &owner);
        }
    }
    write_conditions(page, object);
    volumes::write(page, object::items(spec, "volumes"), "");
    page.field(0, "QoS Class", quality(object));
    page.labels("Node-Selectors", &spec["nodeSelector"]);
    pod_template::write_tolerations(page, "Tolerations", spec);
    pod_template::write_spread(page, spec, "");
    events::write(page, related);
}

fn write_heading(page: &mut Page, object: &Value, related: &Related) {
    let (spec, status) = (&object["spec"], &object["status"]);
    page.field(0, "Name", object::name(object));
    page.field(0, "Namespace", object::namespace(object));
    if !spec["priority"].is_null() {
        page.field(0, "Priority", number(spec, "priority"));
    }
    page.field_unless_empty(0, "Priority Class Name", object::text(spec, "priorityClassName"));
    page.field_unless_empty(0, "Runtime Class Name", object::text(spec, "runtimeClassName"));
    page.field_unless_empty(0, "Service Account", object::text(spec, "serviceAccountName"));
    match object::text(spec, "nodeName") {
        "" => page.field(0, "Node", "<none>"),
        node => page.field(0, "Node", format_args!("{node}/{}", object::text(status, "hostIP"))),
    }
    if !status["startTime"].is_null() {
        page.field(0, "Start Time", age::date(&status["startTime"]));
    }
    page.labels("Labels", object::at(object, "metadata.labels"));
    page.annotations("Annotations", object::at(object, "metadata.annotations"));
    let phase = object::text(status, "phase");
    let deleted = object::at(object, "metadata.deletionTimestamp");
    if deleted.is_null() || matches!(phase, "Failed" | "Succeeded") {
        page.field(0, "Status", phase);
    } else {
        page.field(0, "Status", format_args!("Terminating (lasts {})", age::since(deleted, related.now)));
        page.field(
            0,
            "Termination Grace Period",
            format_args!("{}s", number(object, "metadata.deletionGracePeriodSeconds")),
        );
    }
    page.field_unless_empty(0, "Reason", object::text(status, "reason"));
    page.field_unless_empty(0, "Message", object::text(status, "message"));
    containers::write_seccomp(page, object::at(spec, "securityContext.seccompProfile"), 0, 0);
    page.field(0, "IP", object::text(status, "podIP"));
    let addresses = object::items(status, "podIPs");
    page.line(0, if addresses.is_empty() { "IPs:\t<none>" } else { "IPs:" });
    for address in addresses {
        page.field(1, "IP", object::text(address, "ip"));
    }
    page.controller(object);
    page.field_unless_empty(0, "NominatedNodeName", object::text(status, "nominatedNodeName"));
}

fn write_conditions(page: &mut Page, object: &Value) {
    let conditions = object::items(object, "status.conditions");
    let gates = object::items(object, "spec.readinessGates");
    if !gates.is_empty() {
        page.raw("Readiness Gates:\n  Type\tStatus\n");
    }
    for gate in gates {
        let kind = object::text(gate, "conditionType");
        let found = conditions.iter().find(|condition| object::text(condition, "type") == kind);
        let status = found.map_or("<none>", |condition| object::text(condition, "status"));
        page.line(1, &format!("{kind} \t{status} "));
    }
    if !conditions.is_empty() {
        page.raw("Conditions:\n  Type\tStatus\n");
    }
    for condition in conditions {
        page.line(1, &format!("{} \t{} ", object::text(condition, "type"), object::text(condition, "status")));
    }
}

/// As the server says, or as the containers' resources say where it does not yet.
fn quality(object: &Value) -> &str {
    let said = object::text(object, "status.qosClass");
    if !said.is_empty() {
        return said;
    }
    let has_any = object::items(object, "spec.containers").iter().any(|container| {
        ["limits", "requests"]
            .iter()
            .any(|kind| container["resources"][*kind].as_object().is_some_and(|map| !map.is_empty()))
    });
    if has_any { "Burstable" } else { "BestEffort" }
}
