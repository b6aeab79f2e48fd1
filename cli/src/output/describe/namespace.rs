//! Namespaces, with their quotas and limits where the server knows of such.

use serde_json::Value;

use crate::object;
use crate::output::describe::page::Page;
use crate::output::describe::{Describer, Need, Related};
use crate::output::{age, plain};

pub const DESCRIBER: Describer = Describer { group: "", kind: "Namespace", needs, write };

fn needs(object: &Value) -> Vec<Need> {
    let path = format!("/api/v1/namespaces/{}", object::name(object));
    vec![Need::new("quotas", format!("{path}/resourcequotas")), Need::new("limits", format!("{path}/limitranges"))]
}

fn write(page: &mut Page, object: &Value, related: &Related) {
    page.field(0, "Name", object::name(object));
    page.labels("Labels", object::at(object, "metadata.labels"));
    page.annotations("Annotations", object::at(object, "metadata.annotations"));
    page.field(0, "Status", object::text(object, "status.phase"));
    let conditions = object::items(object, "status.conditions");
    if !conditions.is_empty() {
        page.line(0, "Conditions:");
        page.line(1, "Type\tStatus\tLastTransitionTime\tReason\tMessage");
        page.line(1, "----\t------\t------------------\t------\t-------");
    }
    for condition in conditions {
        let [kind, status, reason, message] =
            ["type", "status", "reason", "message"].map(|name| object::text(condition, name));
        let changed = age::date(&condition["lastTransitionTime"]);
        page.line(1, &format!("{kind}\t{status}\t{changed}\t{reason}\t{message}"));
    }
    if related.answer("quotas").is_some() {
        page.raw("\n");
        write_quotas(page, related.items("quotas"));
    }
    if related.answer("limits").is_some() {
        page.raw("\n");
        write_limits(page, related.items("limits"));
    }
}

fn write_quotas(page: &mut Page, quotas: &[Value]) {
    if quotas.is_empty() {
        page.line(0, "No resource quota.");
        return;
    }
    page.line(0, "Resource Quotas");
    for quota in quotas {
        page.field(1, "Name", object::name(quota));
        let mut scopes: Vec<String> = object::items(quota, "spec.scopes").iter().map(plain).collect();
        scopes.sort();
        page.field_unless_empty(1, "Scopes", &scopes.join(", "));
        page.line(1, "Resource\tUsed\tHard");
        page.line(1, "--------\t---\t---");
        for (name, hard) in object::at(quota, "status.hard").as_object().into_iter().flatten() {
            let used = quota["status"]["used"].get(name).map_or_else(|| "0".to_owned(), plain);
            page.line(1, &format!("{name}\t{used}\t{}", plain(hard)));
        }
    }
}

fn write_limits(page: &mut Page, ranges: &[Value]) {
    if ranges.is_empty() {
        page.line(0, "No LimitRange resource.");
        return;
    }
    page.raw("Resource Limits\n Type\tResource\tMin\tMax\tDefault Request\tDefault Limit\tMax Limit/Request Ratio\n");
    page.raw(" ----\t--------\t---\t---\t---------------\t-------------\t-----------------------\n");
    const BOUNDS: [&str; 5] = ["min", "max", "defaultRequest", "default", "maxLimitRequestRatio"];
    for limit in ranges.iter().flat_map(|range| object::items(range, "spec.limits")) {
        let mut names: Vec<&String> =
            BOUNDS.iter().filter_map(|bound| limit[*bound].as_object()).flat_map(|map| map.keys()).collect();
        names.sort();
        names.dedup();
        for name in names {
            let bounds = BOUNDS.map(|bound| limit[bound].get(name).map_or_else(|| "-".to_owned(), plain));
            page.raw(&format!(" {}\t{name}\t{}\n", object::text(limit, "type"), bounds.join("\t")));
        }
    }
}
