//! Rules of how pods are spread over zones and nodes.

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::core::v1::TopologySpreadConstraint;

use crate::kinds::pod_spec::own_labels;
use crate::kinds::rules::{selector, supported};

const DO_NOT_SCHEDULE: &str = "DoNotSchedule";

pub fn validate(constraints: &[TopologySpreadConstraint], path: &Path, errors: &mut FieldErrors) {
    for (index, constraint) in constraints.iter().enumerate() {
        let path = path.index(index);
        validate_one(constraint, &path, errors);
        let pair = |of: &TopologySpreadConstraint| format!("{{{}, {}}}", of.topology_key, of.when_unsatisfiable);
        if constraints[index + 1..].iter().any(|later| pair(later) == pair(constraint)) {
            errors.push(FieldError::duplicate(&path.child("{topologyKey, whenUnsatisfiable}"), pair(constraint)));
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
    }
    let unsatisfiable_path = path.child("whenUnsatisfiable");
    supported(errors, &unsatisfiable_path, unsatisfiable, &[DO_NOT_SCHEDULE, "ScheduleAnyway"]);
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
    let keys = constraint.match_label_keys.as_deref();
    own_labels::validate(keys, None, constraint.label_selector.as_ref(), path, errors);
    if let Some(given) = &constraint.label_selector {
        selector(errors, &path.child("labelSelector"), given);
    }
}
