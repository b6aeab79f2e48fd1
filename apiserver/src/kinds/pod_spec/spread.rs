//! Rules of how pods are spread over zones and nodes.

use std::collections::BTreeSet;

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::core::v1::TopologySpreadConstraint;

use crate::kinds::rules::{required_and_supported, selector, supported};

const DO_NOT_SCHEDULE: &str = "DoNotSchedule";

pub fn validate(constraints: &[TopologySpreadConstraint], path: &Path, errors: &mut FieldErrors) {
    let mut seen = BTreeSet::new();
    for (index, constraint) in constraints.iter().enumerate() {
        let path = path.index(index);
        validate_one(constraint, &path, errors);
        let pair = (constraint.topology_key.as_str(), constraint.when_unsatisfiable.as_str());
        if !seen.insert(pair) {
            let path = path.child("{topologyKey, whenUnsatisfiable}");
            errors.push(FieldError::duplicate(&path, format!("{{{}, {}}}", pair.0, pair.1)));
        }
    }
}

fn validate_one(constraint: &TopologySpreadConstraint, path: &Path, errors: &mut FieldErrors) {
    let unsatisfiable = constraint.when_unsatisfiable.as_str();
    if constraint.max_skew <= 0 {
        errors.push(FieldError::invalid(&path.child("maxSkew"), constraint.max_skew, "must be greater than zero"));
    }
    let key_path = path.child("topologyKey");
    if constraint.topology_key.is_empty() {
        errors.push(FieldError::required(&key_path, "can not be empty"));
    } else {
        errors.check(&key_path, &constraint.topology_key, names::qualified_name);
    }
    let unsatisfiable_path = path.child("whenUnsatisfiable");
    required_and_supported(errors, &unsatisfiable_path, unsatisfiable, &[DO_NOT_SCHEDULE, "ScheduleAnyway"]);
    if let Some(domains) = constraint.min_domains {
        let path = path.child("minDomains");
        if domains <= 0 {
            errors.push(FieldError::invalid(&path, domains, "must be greater than zero"));
        }
        if unsatisfiable != DO_NOT_SCHEDULE {
            let why = format!("can only use minDomains if whenUnsatisfiable={DO_NOT_SCHEDULE}, not {unsatisfiable}");
            errors.push(FieldError::invalid(&path, domains, why));
        }
    }
    for (field, policy) in
        [("nodeAffinityPolicy", &constraint.node_affinity_policy), ("nodeTaintsPolicy", &constraint.node_taints_policy)]
    {
        if let Some(policy) = policy {
            supported(errors, &path.child(field), policy, &["Honor", "Ignore"]);
        }
    }
    let keys = constraint.match_label_keys.as_deref().unwrap_or_default();
    let keys_path = path.child("matchLabelKeys");
    if constraint.label_selector.is_none() && !keys.is_empty() {
        let why = "must not be specified when labelSelector is not set";
        errors.push(FieldError::forbidden(&keys_path, why));
    }
    let pairs = constraint.label_selector.as_ref().and_then(|selector| selector.match_labels.as_ref());
    for (index, key) in keys.iter().enumerate() {
        errors.check(&keys_path.index(index), key, names::qualified_name);
        if pairs.is_some_and(|pairs| pairs.contains_key(key)) {
            let why = "exists in both matchLabelKeys and labelSelector";
            errors.push(FieldError::invalid(&keys_path.index(index), key.as_str(), why));
        }
    }
    if let Some(given) = &constraint.label_selector {
        selector(errors, &path.child("labelSelector"), given);
    }
}
