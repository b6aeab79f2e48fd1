//! What may be changed of a pod that exists: very little.

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::core::v1::{Affinity, Container, NodeAffinity, NodeSelectorRequirement, PodSpec, Toleration};
use serde_json::Value;

use crate::kinds::difference;
use crate::kinds::rules::shown;

const WHY: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
    `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
    `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

pub fn validate(new: &PodSpec, old: &PodSpec, path: &Path, errors: &mut FieldErrors) {
    let (new_init, old_init) = (new.init_containers.as_deref(), old.init_containers.as_deref());
    for (field, new, old) in [
        ("containers", new.containers.len(), old.containers.len()),
        ("initContainers", new_init.map_or(0, <[_]>::len), old_init.map_or(0, <[_]>::len)),
    ] {
        if new != old {
            let why = "pod updates may not add or remove containers";
            errors.push(FieldError::forbidden(&path.child(field), why));
            return;
        }
    }
    if let Some(error) = refusal_of_deadline(new, old, &path.child("activeDeadlineSeconds")) {
        let is_last = new.active_deadline_seconds.is_some();
        errors.push(error);
        if is_last {
            return;
        }
    }
    validate_tolerations(
        new.tolerations.as_deref().unwrap_or_default(),
        old.tolerations.as_deref().unwrap_or_default(),
        &path.child("tolerations"),
        errors,
    );
    validate_gates(new, old, &path.child("schedulingGates"), errors);
    let mut munged = with_fixed_fields(new, old);
    // A pod that waits behind a gate may still be told more narrowly where to go.
    if old.scheduling_gates.as_ref().is_some_and(|gates| !gates.is_empty()) {
        narrow_nodes(&mut munged, old, path, errors);
    }
    if munged != *old {
        let changed = difference::between(old, &munged);
        errors.push(FieldError::forbidden(path, format!("{WHY}\n{changed}")));
    }
}

/// The new spec with everything that may change put back.
fn with_fixed_fields(new: &PodSpec, old: &PodSpec) -> PodSpec {
    let mut munged = new.clone();
    let put_back = |new: &mut [Container], old: &[Container]| {
        for (new, old) in new.iter_mut().zip(old) {
            new.image = old.image.clone();
        }
    };
    put_back(&mut munged.containers, &old.containers);
    put_back(
        munged.init_containers.as_deref_mut().unwrap_or_default(),
        old.init_containers.as_deref().unwrap_or_default(),
    );
    munged.active_deadline_seconds = old.active_deadline_seconds;
    munged.scheduling_gates = old.scheduling_gates.clone();
    munged.tolerations = old.tolerations.clone();
    let was_negative = old.termination_grace_period_seconds.is_some_and(|seconds| seconds < 0);
    if was_negative && new.termination_grace_period_seconds == Some(1) {
        munged.termination_grace_period_seconds = old.termination_grace_period_seconds;
    }
    munged
}

/// A deadline may come, and come nearer.
fn refusal_of_deadline(new: &PodSpec, old: &PodSpec, path: &Path) -> Option<FieldError> {
    let (value, why) = match (new.active_deadline_seconds, old.active_deadline_seconds) {
        (Some(new), _) if !(0..=i64::from(i32::MAX)).contains(&new) => {
            (new.into(), "must be between 0 and 2147483647, inclusive")
        }
        (Some(new), Some(old)) if new > old => (new.into(), "must be less than or equal to previous value"),
        (None, Some(_)) => (Value::Null, "must not update from a positive integer to nil value"),
        _ => return None,
    };
    Some(FieldError::invalid(path, value, why))
}

fn validate_gates(new: &PodSpec, old: &PodSpec, path: &Path, errors: &mut FieldErrors) {
    let known = old.scheduling_gates.as_deref().unwrap_or_default();
    for (index, gate) in new.scheduling_gates.iter().flatten().enumerate() {
        if !known.contains(gate) {
            let why = format!("only deletion is allowed, but found new scheduling gate '{}'", gate.name);
            errors.push(FieldError::forbidden(&path.index(index).child("name"), why));
        }
    }
}

fn validate_tolerations(new: &[Toleration], old: &[Toleration], path: &Path, errors: &mut FieldErrors) {
    let without_time = |toleration: &Toleration| Toleration { toleration_seconds: None, ..toleration.clone() };
    let is_kept = |old: &Toleration| new.iter().any(|new| without_time(new) == without_time(old));
    if !old.iter().all(is_kept) {
        let why = "existing toleration can not be modified except its tolerationSeconds";
        errors.push(FieldError::forbidden(path, why));
    }
}

/// Lets node selector and node affinity grow, and puts them back.
fn narrow_nodes(munged: &mut PodSpec, old: &PodSpec, path: &Path, errors: &mut FieldErrors) {
    if munged.node_selector != old.node_selector {
        let is_kept = |(key, value): (&String, &String)| {
            munged.node_selector.as_ref().is_some_and(|new| new.get(key) == Some(value))
        };
        if !old.node_selector.iter().flatten().all(is_kept) {
            let why = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
            errors.push(FieldError::invalid(&path.child("nodeSelector"), shown(&munged.node_selector), why));
        }
        munged.node_selector = old.node_selector.clone();
    }
    let of = |spec: &PodSpec| spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.clone());
    let (new_nodes, old_nodes) = (of(munged), of(old));
    if new_nodes == old_nodes {
        return;
    }
    validate_narrower(new_nodes.as_ref(), old_nodes.as_ref(), &path.child("affinity").child("nodeAffinity"), errors);
    let mut affinity = munged.affinity.take().unwrap_or_default();
    affinity.node_affinity = old_nodes;
    munged.affinity = (old.affinity.is_some() || affinity != Affinity::default()).then_some(affinity);
}

fn validate_narrower(new: Option<&NodeAffinity>, old: Option<&NodeAffinity>, path: &Path, errors: &mut FieldErrors) {
    let terms = |affinity: Option<&NodeAffinity>| {
        let required = affinity.and_then(|nodes| nodes.required_during_scheduling_ignored_during_execution.as_ref());
        required.map(|required| required.node_selector_terms.clone()).unwrap_or_default()
    };
    let (new, old) = (terms(new), terms(old));
    let path = path.child("requiredDuringSchedulingIgnoredDuringExecution").child("nodeSelectorTerms");
    if old.is_empty() {
        return;
    }
    if new.len() != old.len() {
        let why = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        errors.push(FieldError::invalid(&path, shown(&new), why));
        return;
    }
    for (index, (new, old)) in new.iter().zip(&old).enumerate() {
        let grows = |new: &Option<Vec<NodeSelectorRequirement>>, old: &Option<Vec<NodeSelectorRequirement>>| {
            new.as_deref().unwrap_or_default().starts_with(old.as_deref().unwrap_or_default())
        };
        let was_empty = old.match_expressions.is_none() && old.match_fields.is_none();
        let only_grows = grows(&new.match_expressions, &old.match_expressions)
            && grows(&new.match_fields, &old.match_fields)
            // An empty term matches nothing: more in it would match more.
            && (!was_empty || new == old);
        if !only_grows {
            let why = "only additions are allowed (no mutations or deletions)";
            errors.push(FieldError::invalid(&path.index(index), shown(new), why));
        }
    }
}
