//! What a pod is told of itself, in its environment and in files: fields, and amounts of its containers.

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use api::quantity::Quantity;
use k8s_openapi::api::core::v1::{ObjectFieldSelector, ResourceFieldSelector};

use crate::kinds::rules::text;

/// Fields that go by a name, whether or not they are told in every place.
const KNOWN: &[&str] = &[
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.host",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.phase",
    "status.podIP",
    "status.podIPs",
];
const AMOUNTS: &[&str] = &[
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
const SIZES: &[&str] = &["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

/// A field among those that are told in this place.
pub fn validate_field(field: &ObjectFieldSelector, told: &[&str], path: &Path, errors: &mut FieldErrors) {
    let (version, name) = (text(&field.api_version), field.field_path.as_str());
    let name_path = path.child("fieldPath");
    if version.is_empty() {
        errors.push(FieldError::required(&path.child("apiVersion"), ""));
        return;
    }
    if name.is_empty() {
        errors.push(FieldError::required(&name_path, ""));
        return;
    }
    let mut refuse = |why: String| {
        errors.push(FieldError::invalid(&name_path, name, format!("error converting fieldPath: {why}")));
    };
    let entry = name.strip_suffix("']").and_then(|rest| rest.split_once("['")).filter(|(map, _)| !map.is_empty());
    match entry {
        _ if version != "v1" => refuse(format!("unsupported pod version: {version}")),
        Some(("metadata.annotations", key)) => errors.check(path, &key.to_lowercase(), names::qualified_name),
        Some(("metadata.labels", key)) => errors.check(path, key, names::qualified_name),
        Some(_) => refuse(format!("field label does not support subscript: {name}")),
        None if !KNOWN.contains(&name) => refuse(format!("field label not supported: {name}")),
        None => {
            // The old name of the node.
            let name = if name == "spec.host" { "spec.nodeName" } else { name };
            if !told.contains(&name) {
                errors.push(FieldError::not_supported(&name_path, name, told));
            }
        }
    }
}

/// An amount that a container asks for or is held to. A file, which is of no container, has to say of which one.
pub fn validate_amount(amount: &ResourceFieldSelector, is_file: bool, path: &Path, errors: &mut FieldErrors) {
    let name = amount.resource.as_str();
    let name_path = path.child("resource");
    if is_file && text(&amount.container_name).is_empty() {
        errors.push(FieldError::required(&path.child("containerName"), ""));
    } else if name.is_empty() {
        errors.push(FieldError::required(&name_path, ""));
    } else if !AMOUNTS.contains(&name) && !is_of_huge_pages(name) {
        errors.push(FieldError::not_supported(&name_path, name, AMOUNTS));
    }
    validate_divisor(amount, &path.child("divisor"), errors);
}

fn is_of_huge_pages(name: &str) -> bool {
    ["limits.hugepages-", "requests.hugepages-"].iter().any(|prefix| name.starts_with(prefix))
}

fn validate_divisor(amount: &ResourceFieldSelector, path: &Path, errors: &mut FieldErrors) {
    let Some(Ok(divisor)) = amount.divisor.as_ref().map(|divisor| Quantity::parse(&divisor.0)) else { return };
    let name = amount.resource.as_str();
    let (units, what): (&[&str], &str) = match name {
        "limits.cpu" | "requests.cpu" => (&["1m", "1"], "cpu"),
        "limits.memory" | "requests.memory" => (SIZES, "memory"),
        "limits.ephemeral-storage" | "requests.ephemeral-storage" => (SIZES, "local ephemeral storage"),
        _ if is_of_huge_pages(name) => (SIZES, "hugepages"),
        _ => return,
    };
    if !divisor.is_zero() && !units.contains(&divisor.to_string().as_str()) {
        let units = if what == "cpu" { "1m and 1".to_owned() } else { units.join(", ") };
        let why = format!("only divisor's values {units} are supported with the {what} resource");
        errors.push(FieldError::invalid(path, name, why));
    }
}
