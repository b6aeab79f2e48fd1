//! Names of what can be asked for, limited and counted: `cpu`, `requests.storage`, `example.com/gpu`.

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use api::quantity::Quantity;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Amount;

use crate::kinds::rules::readable;

/// What a quota can bound, besides what is counted by `count/resource.group` and huge pages.
const OF_QUOTAS: &[&str] = &[
    "configmaps",
    "cpu",
    "ephemeral-storage",
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "memory",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
    "requests.storage",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];

/// Objects that a quota counts: there is no half of one.
const COUNTED: &[&str] = &[
    "configmaps",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];

const HUGE_PAGES: &str = "hugepages-";

pub fn is_huge_pages(name: &str) -> bool {
    name.starts_with(HUGE_PAGES)
}

/// Whether the name is Kubernetes' own.
pub fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// Whether more of it may be promised than there is.
pub fn may_be_overcommitted(name: &str) -> bool {
    is_native(name) && !is_huge_pages(name)
}

/// A resource that somebody else's device plugin announces.
fn is_extended(name: &str) -> bool {
    !is_native(name) && !name.starts_with("requests.") && names::qualified_name(&format!("requests.{name}")).is_ok()
}

pub fn is_of_quotas(name: &str) -> bool {
    OF_QUOTAS.contains(&name) || is_huge_pages(name) || name.starts_with("requests.hugepages-")
}

fn is_of_containers(name: &str) -> bool {
    matches!(name, "cpu" | "memory" | "ephemeral-storage") || is_huge_pages(name)
}

/// Any name of a resource.
pub fn any(errors: &mut FieldErrors, path: &Path, name: &str) {
    if let Err(why) = names::qualified_name(name) {
        errors.push(FieldError::invalid(path, name, why));
    } else if !name.contains('/') && !is_of_quotas(name) && name != "storage" {
        errors.push(FieldError::invalid(path, name, "must be a standard resource type or fully qualified"));
    }
}

/// What containers ask for.
pub fn of_container(errors: &mut FieldErrors, path: &Path, name: &str) {
    any(errors, path, name);
    if !name.contains('/') && !is_of_containers(name) {
        errors.push(FieldError::invalid(path, name, "must be a standard resource for containers"));
    } else if !is_native(name) && !is_extended(name) {
        errors.push(FieldError::invalid(path, name, "doesn't follow extended resource name standard"));
    }
}

/// What quotas bound.
pub fn of_quota(errors: &mut FieldErrors, path: &Path, name: &str) {
    any(errors, path, name);
    if !name.contains('/') && !is_of_quotas(name) {
        errors.push(FieldError::invalid(path, name, "must be a standard resource for quota"));
    }
}

/// Huge pages come whole: `hugepages-2Mi` in multiples of 2Mi.
pub fn whole_pages(errors: &mut FieldErrors, path: &Path, name: &str, amount: Quantity) {
    let Some(size) = name.strip_prefix(HUGE_PAGES) else { return };
    let size = Quantity::parse(size).map_or(0, Quantity::units);
    if size <= 0 || amount.units() % size != 0 {
        let why = format!("{amount} is not positive integer multiple of {name}");
        errors.push(FieldError::invalid(path, amount.to_string(), why));
    }
}

/// An amount of this resource: not negative, and whole where it is counted.
pub fn amount(errors: &mut FieldErrors, path: &Path, name: &str, amount: &Amount) -> Option<Quantity> {
    let amount = readable(errors, path, amount)?;
    if amount.is_negative() {
        errors.push(FieldError::invalid(path, amount.to_string(), "must be greater than or equal to 0"));
    }
    if (COUNTED.contains(&name) || is_extended(name)) && amount.milli() % 1000 != 0 {
        errors.push(FieldError::invalid(path, amount.to_string(), "must be an integer"));
    }
    Some(amount)
}
