//! The pod that a workload makes, and what pods and templates have in common.

use serde_json::Value;

use crate::object;
use crate::output::describe::containers::{self, Owner};
use crate::output::describe::page::{Page, number, selector_or_none};
use crate::output::describe::volumes;

pub fn write(page: &mut Page, template: &Value) {
    const SPACE: &str = "  ";
    let spec = &template["spec"];
    page.line(0, "Pod Template:");
    page.labels("  Labels", object::at(template, "metadata.labels"));
    if object::at(template, "metadata.annotations").as_object().is_some_and(|map| !map.is_empty()) {
        page.annotations("  Annotations", object::at(template, "metadata.annotations"));
    }
    page.field_unless_empty(1, "Service Account", object::text(spec, "serviceAccountName"));
    let owner = Owner { pod: None, space: SPACE };
    let first = object::items(spec, "initContainers");
    if !first.is_empty() {
        containers::write(page, "Init Containers", first, &[], &owner);
    }
    containers::write(page, "Containers", object::items(spec, "containers"), &[], &owner);
    volumes::write(page, object::items(spec, "volumes"), SPACE);
    write_spread(page, spec, SPACE);
    page.field_unless_empty(1, "Priority Class Name", object::text(spec, "priorityClassName"));
    page.labels("  Node-Selectors", &spec["nodeSelector"]);
    write_tolerations(page, "  Tolerations", spec);
}

pub fn write_tolerations(page: &mut Page, label: &str, spec: &Value) {
    let mut tolerations: Vec<&Value> = object::items(spec, "tolerations").iter().collect();
    tolerations.sort_by_key(|toleration| object::text(toleration, "key"));
    page.column(label, &tolerations.into_iter().map(toleration).collect::<Vec<_>>());
}

fn toleration(toleration: &Value) -> String {
    let [key, value, effect] = ["key", "value", "effect"].map(|field| object::text(toleration, field));
    let mut text = key.to_owned();
    if !value.is_empty() {
        text += &format!("={value}");
    }
    if !effect.is_empty() {
        text += &format!(":{effect}");
    }
    if object::text(toleration, "operator") == "Exists" && value.is_empty() {
        text += if text.is_empty() { "op=Exists" } else { " op=Exists" };
    }
    if !toleration["tolerationSeconds"].is_null() {
        text += &format!(" for {}s", number(toleration, "tolerationSeconds"));
    }
    text
}

pub fn write_spread(page: &mut Page, spec: &Value, space: &str) {
    let mut constraints: Vec<&Value> = object::items(spec, "topologySpreadConstraints").iter().collect();
    if constraints.is_empty() {
        return;
    }
    constraints.sort_by_key(|constraint| object::text(constraint, "topologyKey"));
    let texts = constraints.into_iter().map(|constraint| {
        let [key, otherwise] = ["topologyKey", "whenUnsatisfiable"].map(|field| object::text(constraint, field));
        let skew = number(constraint, "maxSkew");
        let selector = &constraint["labelSelector"];
        let about =
            if selector.is_object() { format!(" for selector {}", selector_or_none(selector)) } else { String::new() };
        format!("{key}:{otherwise} when max skew {skew} is exceeded{about}")
    });
    page.column(&format!("{space}Topology Spread Constraints"), &texts.collect::<Vec<_>>());
}
