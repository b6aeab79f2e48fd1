//! Selectors of a pod that speak of its own labels: the same value as its own, or any other.

use std::collections::{BTreeMap, BTreeSet};

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::core::v1::{PodAffinityTerm, PodSpec, WeightedPodAffinityTerm};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

/// Writes the values that the labels have now into the selectors.
pub fn fill(spec: &mut PodSpec, labels: &BTreeMap<String, String>) {
    for constraint in spec.topology_spread_constraints.iter_mut().flatten() {
        extend(constraint.label_selector.as_mut(), "In", constraint.match_label_keys.as_deref(), labels);
    }
    let Some(affinity) = &mut spec.affinity else { return };
    let near = affinity.pod_affinity.iter_mut().map(|pods| {
        (
            &mut pods.required_during_scheduling_ignored_during_execution,
            &mut pods.preferred_during_scheduling_ignored_during_execution,
        )
    });
    let far = affinity.pod_anti_affinity.iter_mut().map(|pods| {
        (
            &mut pods.required_during_scheduling_ignored_during_execution,
            &mut pods.preferred_during_scheduling_ignored_during_execution,
        )
    });
    for (required, preferred) in near.chain(far) {
        let preferred =
            preferred.iter_mut().flatten().map(|WeightedPodAffinityTerm { pod_affinity_term, .. }| pod_affinity_term);
        for term in required.iter_mut().flatten().chain(preferred) {
            let PodAffinityTerm { label_selector, match_label_keys, mismatch_label_keys, .. } = term;
            extend(label_selector.as_mut(), "In", match_label_keys.as_deref(), labels);
            extend(label_selector.as_mut(), "NotIn", mismatch_label_keys.as_deref(), labels);
        }
    }
}

fn extend(
    selector: Option<&mut LabelSelector>,
    operator: &str,
    keys: Option<&[String]>,
    labels: &BTreeMap<String, String>,
) {
    let Some(selector) = selector else { return };
    for (key, value) in keys.into_iter().flatten().filter_map(|key| labels.get_key_value(key)) {
        selector.match_expressions.get_or_insert_default().push(LabelSelectorRequirement {
            key: key.clone(),
            operator: operator.to_owned(),
            values: Some(vec![value.clone()]),
        });
    }
}

/// Keys of labels whose values are those of the pod itself. A pod that is made has got them in its selector already, as
/// the last expressions: one of an earlier label or expression contradicts that.
pub fn validate(
    same: Option<&[String]>,
    other: Option<&[String]>,
    selector: Option<&LabelSelector>,
    path: &Path,
    errors: &mut FieldErrors,
) {
    let (same, other) = (same.unwrap_or_default(), other.unwrap_or_default());
    for (field, keys) in [("matchLabelKeys", same), ("mismatchLabelKeys", other)] {
        let path = path.child(field);
        if selector.is_none() && !keys.is_empty() {
            errors.push(FieldError::forbidden(&path, "must not be specified when labelSelector is not set"));
            continue;
        }
        for (index, key) in keys.iter().enumerate() {
            errors.check(&path.index(index), key, names::qualified_name);
        }
    }
    if let Some(selector) = selector {
        let mut seen: BTreeSet<&String> = selector.match_labels.iter().flatten().map(|(key, _)| key).collect();
        for expression in selector.match_expressions.iter().flatten() {
            let index = same.iter().rposition(|key| *key == expression.key);
            if let Some(index) = index.filter(|_| seen.contains(&expression.key)) {
                let why = "exists in both matchLabelKeys and labelSelector";
                errors.push(FieldError::invalid(&path.index(index), expression.key.as_str(), why));
            }
            seen.insert(&expression.key);
        }
    }
    for (index, key) in same.iter().enumerate().filter(|(_, key)| other.contains(key)) {
        let why = "exists in both matchLabelKeys and mismatchLabelKeys";
        errors.push(FieldError::invalid(&path.child("matchLabelKeys").index(index), key.as_str(), why));
    }
}
