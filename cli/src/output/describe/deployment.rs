//! Deployments, with the replica sets of now and of before.

use serde_json::Value;

use crate::object;
use crate::output::describe::page::{Page, number, selector_text};
use crate::output::describe::{Describer, Need, Related, events, pod_template};
use crate::output::{age, plain};

pub const DESCRIBER: Describer = Describer { group: "apps", kind: "Deployment", needs, write };

fn needs(object: &Value) -> Vec<Need> {
    let sets = Need::in_namespace("replica-sets", object, "/apis/apps/v1", "replicasets");
    vec![events::need(object), sets.labels(selector_text(&object["spec"]["selector"]))]
}

fn write(page: &mut Page, object: &Value, related: &Related) {
    let (spec, status) = (&object["spec"], &object["status"]);
    page.field(0, "Name", object::name(object));
    page.field(0, "Namespace", object::namespace(object));
    page.field(0, "CreationTimestamp", age::date(object::at(object, "metadata.creationTimestamp")));
    page.labels("Labels", object::at(object, "metadata.labels"));
    page.annotations("Annotations", object::at(object, "metadata.annotations"));
    page.field(0, "Selector", selector_text(&spec["selector"]));
    let replicas = format!(
        "{} desired | {} updated | {} total | {} available | {} unavailable",
        number(spec, "replicas"),
        number(status, "updatedReplicas"),
        number(status, "replicas"),
        number(status, "availableReplicas"),
        number(status, "unavailableReplicas"),
    );
    page.field(0, "Replicas", replicas);
    page.field(0, "StrategyType", object::text(spec, "strategy.type"));
    page.field(0, "MinReadySeconds", number(spec, "minReadySeconds"));
    let rolling = object::at(spec, "strategy.rollingUpdate");
    if rolling.is_object() {
        let [unavailable, surge] = ["maxUnavailable", "maxSurge"].map(|field| plain(&rolling[field]));
        page.field(0, "RollingUpdateStrategy", format_args!("{unavailable} max unavailable, {surge} max surge"));
    }
    pod_template::write(page, &spec["template"]);
    page.conditions_with_reasons(object);
    write_sets(page, object, related.items("replica-sets"));
    events::write(page, related);
}

fn write_sets(page: &mut Page, object: &Value, sets: &[Value]) {
    let uid = object::uid(object);
    let is_own = |set: &&Value| {
        let owners = object::items(set, "metadata.ownerReferences");
        owners.iter().any(|owner| owner["controller"] == true && object::text(owner, "uid") == uid)
    };
    let mut own: Vec<&Value> = sets.iter().filter(is_own).collect();
    if own.is_empty() {
        return;
    }
    own.sort_by_key(|set| object::text(set, "metadata.creationTimestamp"));
    let wanted = &object["spec"]["template"];
    // Of several with the wanted template, the oldest is the one in use.
    let newest = own.iter().position(|set| has_template(set, wanted));
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for (at, set) in own.into_iter().enumerate() {
        let list = if newest == Some(at) { &mut new } else { &mut old };
        let (created, desired) = (number(set, "status.replicas"), number(set, "spec.replicas"));
        list.push(format!("{} ({created}/{desired} replicas created)", object::name(set)));
    }
    page.field(0, "OldReplicaSets", or_none(&old));
    page.field(0, "NewReplicaSet", or_none(&new));
}

fn or_none(list: &[String]) -> String {
    if list.is_empty() { "<none>".to_owned() } else { list.join(", ") }
}

/// Whether the set makes pods of this template; the label that only tells sets apart does not count.
fn has_template(set: &Value, wanted: &Value) -> bool {
    let without_hash = |template: &Value| {
        let mut template = template.clone();
        object::metadata_map(&mut template, "labels").remove(api::well_known::label::POD_TEMPLATE_HASH);
        if let Some(metadata) = template["metadata"].as_object_mut() {
            metadata.remove("creationTimestamp");
        }
        template
    };
    without_hash(&set["spec"]["template"]) == without_hash(wanted)
}
