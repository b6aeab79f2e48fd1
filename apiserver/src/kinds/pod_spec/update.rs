//! What may be changed of a pod that exists: very little.

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::core::v1::{Container, PodSpec, Toleration};
use serde_json::Value;

const WHY: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
    `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
    `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

pub fn validate(new: &PodSpec, old: &PodSpec, path: &Path, errors: &mut FieldErrors) {
    let none = Vec::new();
    let lists = [
        ("containers", &new.containers, &old.containers),
        (
            "initContainers",
            new.init_containers.as_ref().unwrap_or(&none),
            old.init_containers.as_ref().unwrap_or(&none),
        ),
    ];
    for (field, new, old) in lists {
        if new.len() != old.len() {
            let why = format!(
                "pod updates may not add or remove {}",
                if field == "containers" { "containers" } else { "init containers" }
            );
            errors.push(FieldError::forbidden(&path.child(field), why));
            return;
        }
    }
    validate_deadline(new, old, &path.child("activeDeadlineSeconds"), errors);
    validate_gates(new, old, &path.child("schedulingGates"), errors);
    validate_tolerations(
        new.tolerations.as_deref().unwrap_or_default(),
        old.tolerations.as_deref().unwrap_or_default(),
        &path.child("tolerations"),
        errors,
    );
    let munged = with_fixed_fields(new, old);
    if munged != *old {
        let changed = differences(&munged, old).join("\n");
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
    // A pod that waits behind a gate may still be sent elsewhere.
    if old.scheduling_gates.as_ref().is_some_and(|gates| !gates.is_empty()) {
        munged.node_selector = old.node_selector.clone();
        munged.affinity = old.affinity.clone();
    }
    munged
}

fn validate_deadline(new: &PodSpec, old: &PodSpec, path: &Path, errors: &mut FieldErrors) {
    match (new.active_deadline_seconds, old.active_deadline_seconds) {
        (Some(new), Some(old)) if new > old => {
            errors.push(FieldError::invalid(path, new, "must be less than or equal to previous value"));
        }
        (None, Some(_)) => {
            errors.push(FieldError::invalid(path, Value::Null, "must not update from a positive integer to nil value"));
        }
        _ => {}
    }
}

fn validate_gates(new: &PodSpec, old: &PodSpec, path: &Path, errors: &mut FieldErrors) {
    let known = old.scheduling_gates.as_deref().unwrap_or_default();
    for (index, gate) in new.scheduling_gates.iter().flatten().enumerate() {
        if !known.contains(gate) {
            let why = format!("only deletion is allowed, but found new scheduling gate '{}'", gate.name);
            errors.push(FieldError::forbidden(&path.index(index), why));
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

/// The places where two specs differ, as far as a reader needs them.
fn differences(new: &PodSpec, old: &PodSpec) -> Vec<String> {
    let (new, old) = (crate::kinds::rules::shown(new), crate::kinds::rules::shown(old));
    let (Value::Object(new), Value::Object(old)) = (new, old) else { return Vec::new() };
    let mut names: Vec<&String> = new.keys().chain(old.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let differs = |name: &&String| new.get(*name) != old.get(*name);
    let line = |name: &String| {
        let text = |value: Option<&Value>| value.map_or_else(|| "(unset)".to_owned(), Value::to_string);
        format!("  {name}: {} → {}", text(old.get(name)), text(new.get(name)))
    };
    names.into_iter().filter(differs).map(line).collect()
}
