//! Rules of what containers ask for and are held to.

use std::collections::BTreeMap;

use api::field::{FieldError, FieldErrors, Path};
use api::quantity::Quantity;
use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Amount;

use crate::kinds::resource_names::{self, is_huge_pages, may_be_overcommitted};
use crate::kinds::rules::supported;

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

/// What is said of a pod as a whole: it holds what its containers ask for, and none of them exceeds it.
pub fn validate_whole(spec: &PodSpec, path: &Path, errors: &mut FieldErrors) {
    let Some(whole) = &spec.resources else { return };
    let whole_path = path.child("resources");
    if whole.claims.as_ref().is_some_and(|claims| !claims.is_empty()) {
        let why = "claims cannot be set for Resources at pod-level";
        errors.push(FieldError::forbidden(&whole_path.child("claims"), why));
    }
    for (field, list) in [("limits", &whole.limits), ("requests", &whole.requests)] {
        for name in list.iter().flat_map(BTreeMap::keys) {
            if !is_huge_pages(name) {
                supported(errors, &whole_path.child(field), name, &["cpu", "hugepages-", "memory"]);
            }
        }
    }
    validate(whole, &whole_path, errors);
    let read = |list: &Option<BTreeMap<String, Amount>>, name: &str| {
        list.as_ref().and_then(|list| Quantity::parse(&list.get(name)?.0).ok())
    };
    for name in whole.requests.iter().flat_map(BTreeMap::keys) {
        let of = |container: &Container| read(&container.resources.as_ref()?.requests, name);
        let sum = spec.containers.iter().filter_map(of).fold(Quantity::ZERO, |sum, amount| sum + amount);
        if let Some(request) = read(&whole.requests, name).filter(|request| sum > *request) {
            let why = format!("must be greater than or equal to aggregate container requests of {sum}");
            errors.push(FieldError::invalid(&whole_path.child("requests").key(name), request.to_string(), why));
        }
    }
    for (index, container) in spec.containers.iter().enumerate() {
        let Some(resources) = &container.resources else { continue };
        for name in resources.limits.iter().flat_map(BTreeMap::keys) {
            if let (Some(limit), Some(most)) = (read(&resources.limits, name), read(&whole.limits, name))
                && limit > most
            {
                let path = path.child("containers").index(index).child("resources").child("limits").key(name);
                let why = format!("must be less than or equal to pod limits of {most}");
                errors.push(FieldError::invalid(&path, limit.to_string(), why));
            }
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
        resource_names::of_container(errors, &path, name);
        if let Some(amount) = resource_names::amount(errors, &path, name, amount) {
            read.insert(name.as_str(), amount);
        }
    }
    read
}
