//! Rules of what containers ask for and are held to.

use std::collections::BTreeMap;

use api::field::{FieldError, FieldErrors, Path};
use api::quantity::Quantity;
use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Amount;

use crate::kinds::resource_names::{self, is_huge_pages, may_be_overcommitted};

pub fn validate(resources: &ResourceRequirements, path: &Path, errors: &mut FieldErrors) {
    let limits_path = path.child("limits");
    let limits = amounts(resources.limits.as_ref(), &limits_path, errors);
    let requests_path = path.child("requests");
    let requests = amounts(resources.requests.as_ref(), &requests_path, errors);
    for (name, request) in &requests {
        let overcommit = may_be_overcommitted(name);
        let Some(limit) = limits.get(name) else {
            if !overcommit {
                let why = "Limit must be set for non overcommitable resources";
                errors.push(FieldError::required(&limits_path, why));
            }
            continue;
        };
        if !overcommit && request != limit {
            let why = format!("must be equal to {name} limit of {limit}");
            errors.push(FieldError::invalid(&requests_path, request.to_string(), why));
        } else if request > limit {
            let why = format!("must be less than or equal to {name} limit of {limit}");
            errors.push(FieldError::invalid(&requests_path, request.to_string(), why));
        }
    }
    let asks = |wanted: fn(&str) -> bool| limits.keys().chain(requests.keys()).any(|name| wanted(name));
    if asks(is_huge_pages) && !asks(|name| matches!(name, "cpu" | "memory")) {
        errors.push(FieldError::forbidden(path, "HugePages require cpu or memory"));
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
        resource_names::of_container(errors, &path, name);
        if let Some(amount) = resource_names::amount(errors, &path, name, amount) {
            read.insert(name.as_str(), amount);
        }
    }
    read
}
