//! Rules of what containers ask for and are held to.

use std::collections::BTreeMap;

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use api::quantity::Quantity;
use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Amount;

pub fn validate(resources: &ResourceRequirements, path: &Path, errors: &mut FieldErrors) {
    let limits = amounts(resources.limits.as_ref(), &path.child("limits"), errors);
    let requests_path = path.child("requests");
    let requests = amounts(resources.requests.as_ref(), &requests_path, errors);
    for (name, request) in requests {
        let Some(limit) = limits.get(name) else { continue };
        if request > *limit {
            let why = format!("must be less than or equal to {name} limit of {limit}");
            errors.push(FieldError::invalid(&requests_path, request.to_string(), why));
        } else if is_extended(name) && request != *limit {
            let why = format!("must be equal to {name} limit of {limit}");
            errors.push(FieldError::invalid(&requests_path, request.to_string(), why));
        }
    }
}

/// The amounts that can be read; the others are recorded as errors.
pub fn amounts<'a>(
    list: Option<&'a BTreeMap<String, Amount>>,
    path: &Path,
    errors: &mut FieldErrors,
) -> BTreeMap<&'a str, Quantity> {
    let mut read = BTreeMap::new();
    for (name, amount) in list.into_iter().flatten() {
        let path = path.key(name);
        if !is_known(name) {
            errors.check(&path, name, names::qualified_name);
            if !name.contains('/') {
                errors.push(FieldError::invalid(
                    &path,
                    name.as_str(),
                    "must be a standard resource type or fully qualified",
                ));
            }
        }
        match Quantity::parse(&amount.0) {
            Ok(amount) if amount.is_negative() => {
                errors.push(FieldError::invalid(&path, amount.to_string(), "must be greater than or equal to 0"));
            }
            Ok(amount) => {
                read.insert(name.as_str(), amount);
            }
            Err(why) => errors.push(FieldError::invalid(&path, amount.0.as_str(), why)),
        }
    }
    read
}

fn is_known(name: &str) -> bool {
    matches!(name, "cpu" | "memory" | "ephemeral-storage" | "storage" | "pods") || name.starts_with("hugepages-")
}

/// A resource that is counted in whole devices and never overcommitted.
fn is_extended(name: &str) -> bool {
    name.starts_with("hugepages-") || (name.contains('/') && !name.contains("kubernetes.io/"))
}
