//! What may be changed of a Job that exists: how many pods run at once, and while none does, where and with what.

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{Affinity, PodTemplateSpec};

use crate::kinds::job_spec::{INDEXED, status};
use crate::kinds::rules::{immutable, text};

pub fn validate(new: &Job, old: &Job, errors: &mut FieldErrors) {
    let (Some(new), Some(old_spec)) = (&new.spec, &old.spec) else { return };
    let path = Path::new("spec");
    validate_completions(new, old_spec, &path.child("completions"), errors);
    immutable(errors, &path.child("selector"), &new.selector, &old_spec.selector);
    let (template_path, mut template) = (path.child("template"), old_spec.template.clone());
    if is_at_rest(old) {
        take_directives(&mut template, &new.template);
        take_resources(&mut template, &new.template);
        immutable(errors, &template_path.child("spec"), &new.template.spec, &template.spec);
    } else {
        immutable(errors, &template_path, &new.template, &template);
    }
    immutable(errors, &path.child("completionMode"), &new.completion_mode, &old_spec.completion_mode);
    immutable(errors, &path.child("podFailurePolicy"), &new.pod_failure_policy, &old_spec.pod_failure_policy);
    let path_of_limit = path.child("backoffLimitPerIndex");
    immutable(errors, &path_of_limit, &new.backoff_limit_per_index, &old_spec.backoff_limit_per_index);
    immutable(errors, &path.child("managedBy"), &new.managed_by, &old_spec.managed_by);
    immutable(errors, &path.child("successPolicy"), &new.success_policy, &old_spec.success_policy);
}

/// Suspended, and no pod of it runs: it has not begun, or has come to a stop.
fn is_at_rest(job: &Job) -> bool {
    let is_suspended = job.spec.as_ref().is_some_and(|spec| spec.suspend == Some(true));
    let Some(status) = &job.status else { return is_suspended };
    let has_stopped = status.start_time.is_none() || status::has(status, "Suspended");
    is_suspended && has_stopped && status.active.unwrap_or_default() == 0
}

/// A Job with indexes may grow and shrink, together with how many run at once.
fn validate_completions(new: &JobSpec, old: &JobSpec, path: &Path, errors: &mut FieldErrors) {
    if text(&new.completion_mode) != INDEXED {
        immutable(errors, path, &new.completions, &old.completions);
        return;
    }
    let Some(completions) = new.completions.filter(|completions| Some(*completions) != old.completions) else { return };
    if Some(completions) != new.parallelism {
        let why = "can only be modified in tandem with spec.parallelism";
        errors.push(FieldError::invalid(path, completions, why));
    }
}

/// Takes over what says where pods go: a queueing controller decides that before it lets the Job start.
fn take_directives(template: &mut PodTemplateSpec, new: &PodTemplateSpec) {
    let new_metadata = new.metadata.clone().unwrap_or_default();
    if template.metadata.is_some() || new.metadata.is_some() {
        let metadata = template.metadata.get_or_insert_default();
        metadata.labels = new_metadata.labels;
        metadata.annotations = new_metadata.annotations;
    }
    let (Some(spec), Some(new)) = (&mut template.spec, &new.spec) else { return };
    spec.node_selector = new.node_selector.clone();
    spec.tolerations = new.tolerations.clone();
    spec.scheduling_gates = new.scheduling_gates.clone();
    let node_affinity = new.affinity.as_ref().and_then(|affinity| affinity.node_affinity.clone());
    let mut affinity = spec.affinity.take().unwrap_or_default();
    affinity.node_affinity = node_affinity;
    spec.affinity = (new.affinity.is_some() || affinity != Affinity::default()).then_some(affinity);
}

fn take_resources(template: &mut PodTemplateSpec, new: &PodTemplateSpec) {
    let (Some(spec), Some(new)) = (&mut template.spec, &new.spec) else { return };
    let pairs = spec.containers.iter_mut().zip(&new.containers);
    let init = spec.init_containers.iter_mut().flatten().zip(new.init_containers.iter().flatten());
    for (container, new) in pairs.chain(init).filter(|(container, new)| container.name == new.name) {
        container.resources = new.resources.clone();
    }
}
