//! The volumes of a pod: those of a cluster of its own kind in words, all others field by field.

use serde_json::Value;

use crate::object;
use crate::output::describe::page::Page;
use crate::output::plain;

pub fn write(page: &mut Page, volumes: &[Value], space: &str) {
    if volumes.is_empty() {
        page.line(0, &format!("{space}Volumes:\t<none>"));
        return;
    }
    page.line(0, &format!("{space}Volumes:"));
    let indent = if space.is_empty() { "" } else { " " };
    for volume in volumes {
        page.line(1, &format!("{indent}{}:", object::text(volume, "name")));
        let source = volume.as_object().into_iter().flatten().find(|(key, _)| *key != "name");
        match source {
            Some((kind, source)) => write_source(page, kind, source),
            None => page.line(1, "<unknown>"),
        }
    }
}

fn write_source(page: &mut Page, kind: &str, source: &Value) {
    let optional = source["optional"] == true;
    match kind {
        "emptyDir" => {
            page.field(2, "Type", "EmptyDir (a temporary directory that shares a pod's lifetime)");
            page.field(2, "Medium", object::text(source, "medium"));
            page.field(
                2,
                "SizeLimit",
                Some(object::text(source, "sizeLimit")).filter(|size| !size.is_empty()).unwrap_or("<unset>"),
            );
        }
        "configMap" => {
            page.field(2, "Type", "ConfigMap (a volume populated by a ConfigMap)");
            page.field(2, "Name", object::text(source, "name"));
            page.field(2, "Optional", optional);
        }
        "secret" => {
            page.field(2, "Type", "Secret (a volume populated by a Secret)");
            page.field(2, "SecretName", object::text(source, "secretName"));
            page.field(2, "Optional", optional);
        }
        "hostPath" => {
            page.field(2, "Type", "HostPath (bare host directory volume)");
            page.field(2, "Path", object::text(source, "path"));
            page.field(2, "HostPathType", source["type"].as_str().unwrap_or("<none>"));
        }
        "persistentVolumeClaim" => {
            page.field(
                2,
                "Type",
                "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
            );
            page.field(2, "ClaimName", object::text(source, "claimName"));
            page.field(2, "ReadOnly", source["readOnly"] == true);
        }
        "downwardAPI" => {
            page.line(2, "Type:\tDownwardAPI (a volume populated by information about the pod)");
            page.line(2, "Items:");
            for item in object::items(source, "items") {
                let field = Some(object::text(item, "fieldRef.fieldPath")).filter(|field| !field.is_empty());
                let field = field.unwrap_or_else(|| object::text(item, "resourceFieldRef.resource"));
                page.line(3, &format!("{field} -> {}", object::text(item, "path")));
            }
        }
        "projected" => write_projected(page, source),
        _ => write_other(page, kind, source),
    }
}

fn write_projected(page: &mut Page, source: &Value) {
    page.field(2, "Type", "Projected (a volume that contains injected data from multiple sources)");
    for part in object::items(source, "sources") {
        for (label, field) in [("SecretName", "secret"), ("ConfigMapName", "configMap")] {
            if part[field].is_object() {
                page.field(2, label, object::text(&part[field], "name"));
                page.field(2, "Optional", part[field]["optional"] == true);
            }
        }
        if part["downwardAPI"].is_object() {
            page.field(2, "DownwardAPI", "true");
        }
        if part["serviceAccountToken"].is_object() {
            page.field(2, "TokenExpirationSeconds", plain(&part["serviceAccountToken"]["expirationSeconds"]));
        }
    }
}

fn write_other(page: &mut Page, kind: &str, source: &Value) {
    page.field(2, "Type", kind);
    for (field, value) in source.as_object().into_iter().flatten() {
        let mut letters = field.chars();
        let label: String = letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect();
        page.field(2, &label, plain(value));
    }
}
