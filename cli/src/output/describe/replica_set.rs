//! Replica sets, and how the pods of a controller are doing.

use serde_json::Value;

use crate::object;
use crate::output::describe::page::{Page, number, selector_or_none, selector_text};
use crate::output::describe::{Describer, Need, Related, events, pod_template};

pub const DESCRIBER: Describer = Describer { group: "apps", kind: "ReplicaSet", needs, write };

fn needs(object: &Value) -> Vec<Need> {
    let pods = Need::in_namespace("pods", object, "/api/v1", "pods");
    vec![events::need(object), pods.labels(selector_text(&object["spec"]["selector"]))]
}

fn write(page: &mut Page, object: &Value, related: &Related) {
    page.field(0, "Name", object::name(object));
    page.field(0, "Namespace", object::namespace(object));
    page.field(0, "Selector", selector_or_none(&object["spec"]["selector"]));
    page.labels("Labels", object::at(object, "metadata.labels"));
    page.annotations("Annotations", object::at(object, "metadata.annotations"));
    page.controller(object);
    let (current, desired) = (number(object, "status.replicas"), number(object, "spec.replicas"));
    page.field(0, "Replicas", format_args!("{current} current / {desired} desired"));
    match related.error("pods") {
        Some(error) => page.field(0, "Pods Status", format_args!("error in fetching pods: {error}")),
        None => page.field(0, "Pods Status", pods_status(object, related.items("pods"))),
    }
    pod_template::write(page, &object["spec"]["template"]);
    page.conditions_with_reasons(object);
    events::write(page, related);
}

/// How many of the pods that this object controls are in which phase.
fn pods_status(object: &Value, pods: &[Value]) -> String {
    let uid = object::uid(object);
    let is_own = |pod: &&Value| {
        let owners = object::items(pod, "metadata.ownerReferences");
        owners.iter().any(|owner| owner["controller"] == true && object::text(owner, "uid") == uid)
    };
    let count =
        |phase: &str| pods.iter().filter(is_own).filter(|pod| object::text(pod, "status.phase") == phase).count();
    let [running, waiting, succeeded, failed] = ["Running", "Pending", "Succeeded", "Failed"].map(count);
    format!("{running} Running / {waiting} Waiting / {succeeded} Succeeded / {failed} Failed")
}
