//! Rules of what containers ask for and are held to.

use std::collections::{BTreeMap, BTreeSet};

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use api::quantity::Quantity;
use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceClaim, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Amount;

use crate::kinds::resource_names::{self, is_huge_pages, may_be_overcommitted};
use crate::kinds::rules::text;

/// What a container asks for. `claims` are the names of devices that its pod claims.
pub fn validate(resources: &ResourceRequirements, claims: &BTreeSet<&str>, path: &Path, errors: &mut FieldErrors) {
    validate_amounts(resources, resource_names::of_container, path, errors);
    validate_claims(resources.claims.as_deref().unwrap_or_default(), claims, &path.child("claims"), errors);
}

/// A rule of which resources there are.
type ResourceRule = fn(&mut FieldErrors, &Path, &str);

fn validate_amounts(resources: &ResourceRequirements, rule: ResourceRule, path: &Path, errors: &mut FieldErrors) {
    let limits_path = path.child("limits");
    let limits = amounts_of(resources.limits.as_ref(), rule, &limits_path, errors);
    let requests_path = path.child("requests");
    let requests = amounts_of(resources.requests.as_ref(), rule, &requests_path, errors);
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
        let why = "claims may not be set for Resources at pod-level";
        errors.push(FieldError::forbidden(&whole_path.child("claims"), why));
    }
    validate_amounts(whole, of_pod, &whole_path, errors);
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
                // Upstream's path to it.
                let path = whole_path.child("containers").index(index).key(name).child("limits");
                let why = format!("must be less than or equal to pod limits of {most}");
                errors.push(FieldError::invalid(&path, limit.to_string(), why));
            }
        }
    }
}

/// What a pod as a whole may ask for.
fn of_pod(errors: &mut FieldErrors, path: &Path, name: &str) {
    let known = errors.0.len();
    resource_names::any(errors, path, name);
    if errors.0.len() == known && !matches!(name, "cpu" | "memory") && !is_huge_pages(name) {
        errors.push(FieldError::not_supported(path, name, &["cpu", "hugepages-", "memory"]));
    }
}

/// Devices by the names of the pod's claims, each told once, or once for each of its requests.
fn validate_claims(claims: &[ResourceClaim], known: &BTreeSet<&str>, path: &Path, errors: &mut FieldErrors) {
    let mut seen = BTreeSet::new();
    for (index, claim) in claims.iter().enumerate() {
        let path = path.index(index);
        let (name, request) = (claim.name.as_str(), text(&claim.request));
        if name.is_empty() {
            errors.push(FieldError::required(&path, ""));
            continue;
        }
        if !request.is_empty() {
            errors.check(&path.child("request"), request, names::dns_label);
        }
        let overlaps = |(other, of): &(&str, &str)| *other == name && (of.is_empty() || request.is_empty());
        if seen.iter().any(overlaps) {
            errors.push(FieldError::duplicate(&path, name));
        } else if !seen.insert((name, request)) {
            errors.push(FieldError::duplicate(&path, format!("{name}/{request}")));
        }
        if !known.contains(name) {
            let all: Vec<&str> = known.iter().copied().collect();
            let all = if all.is_empty() { " which is empty".to_owned() } else { format!(": {}", all.join(", ")) };
            let mut error = FieldError::not_found(&path, name);
            error.body = format!("{}: must be one of the names in pod.spec.resourceClaims{all}", error.body);
            errors.push(error);
        }
    }
}

/// The amounts of containers that can be read; the others are recorded as errors.
pub fn amounts<'a>(
    list: Option<&'a BTreeMap<String, Amount>>,
    path: &Path,
    errors: &mut FieldErrors,
) -> BTreeMap<&'a str, Quantity> {
    amounts_of(list, resource_names::of_container, path, errors)
}

fn amounts_of<'a>(
    list: Option<&'a BTreeMap<String, Amount>>,
    rule: ResourceRule,
    path: &Path,
    errors: &mut FieldErrors,
) -> BTreeMap<&'a str, Quantity> {
    let mut read = BTreeMap::new();
    for (name, amount) in list.into_iter().flatten() {
        let path = path.key(name);
        rule(errors, &path, name);
        if let Some(amount) = resource_names::amount(errors, &path, name, amount) {
            resource_names::whole_pages(errors, &path, name, amount);
            read.insert(name.as_str(), amount);
        }
    }
    read
}
