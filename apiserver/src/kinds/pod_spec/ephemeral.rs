//! Ephemeral containers: added to look into a running pod, they promise nothing and are never taken out.

use std::collections::BTreeSet;

use api::field::{FieldError, FieldErrors, Path};
use api::well_known::annotation;
use k8s_openapi::api::core::v1::{Container, EphemeralContainer, Pod, PodSpec};

use crate::kinds::difference;
use crate::kinds::pod_spec::containers::{self, Surroundings};
use crate::kinds::pod_spec::rules;
use crate::kinds::rules::text;

const WHY: &str = "cannot be set for an Ephemeral Container";

pub fn validate<'a>(around: &Surroundings<'a>, names: &mut BTreeSet<&'a str>, path: &Path, errors: &mut FieldErrors) {
    let known = names.clone();
    for (index, container) in around.spec.ephemeral_containers.iter().flatten().enumerate() {
        let path = path.index(index);
        containers::validate_any(&as_any(container), around, &path, errors);
        containers::validate_image(text(&container.image), &path.child("image"), errors);
        containers::tell_apart(&container.name, &path.child("name"), names, errors);
        let target = text(&container.target_container_name);
        if !target.is_empty() && !known.contains(target) {
            errors.push(FieldError::not_found(&path.child("targetContainerName"), target));
        }
        refuse_promises(container, &path, errors);
        let mounts_path = path.child("volumeMounts");
        for (index, mount) in container.volume_mounts.iter().flatten().enumerate() {
            for (field, value) in [("subPath", &mount.sub_path), ("subPathExpr", &mount.sub_path_expr)] {
                if !text(value).is_empty() {
                    errors.push(FieldError::forbidden(&mounts_path.index(index).child(field), WHY));
                }
            }
        }
    }
}

/// What it has in common with other containers.
fn as_any(container: &EphemeralContainer) -> Container {
    let container = container.clone();
    Container {
        env: container.env,
        env_from: container.env_from,
        image: container.image,
        image_pull_policy: container.image_pull_policy,
        name: container.name,
        ports: container.ports,
        resize_policy: container.resize_policy,
        resources: container.resources,
        security_context: container.security_context,
        termination_message_policy: container.termination_message_policy,
        volume_devices: container.volume_devices,
        volume_mounts: container.volume_mounts,
        ..Container::default()
    }
}

fn refuse_promises(container: &EphemeralContainer, path: &Path, errors: &mut FieldErrors) {
    let asks = container.resources.as_ref().is_some_and(|wanted| {
        let is_there = |list: &Option<_>| list.is_some();
        is_there(&wanted.limits) || is_there(&wanted.requests) || wanted.claims.is_some()
    });
    for (field, is_set) in [
        ("ports", container.ports.is_some()),
        ("resources", asks),
        ("resizePolicy", container.resize_policy.is_some()),
        ("restartPolicy", container.restart_policy.is_some()),
        ("restartPolicyRules", container.restart_policy_rules.is_some()),
        ("livenessProbe", container.liveness_probe.is_some()),
        ("readinessProbe", container.readiness_probe.is_some()),
        ("startupProbe", container.startup_probe.is_some()),
        ("lifecycle", container.lifecycle.is_some()),
    ] {
        if is_set {
            errors.push(FieldError::forbidden(&path.child(field), WHY));
        }
    }
}

/// Puts everything back but the ephemeral containers.
pub fn keep_rest(new: &mut Pod, old: &Pod) {
    let wanted = new.spec.take().and_then(|spec| spec.ephemeral_containers);
    new.spec = old.spec.clone();
    new.spec.get_or_insert_default().ephemeral_containers = wanted.filter(|list| !list.is_empty());
    new.status = old.status.clone();
}

pub fn validate_update(new: &Pod, old: &Pod, errors: &mut FieldErrors) {
    if old.metadata.annotations.iter().flatten().any(|(key, _)| key == annotation::MIRROR_POD) {
        // Upstream's path to the object itself.
        errors.push(FieldError::forbidden(&Path::new("[]"), "static pods do not support ephemeral containers"));
        return;
    }
    let path = Path::new("spec");
    if let Some(spec) = &new.spec {
        rules::validate(spec, &path, errors);
    }
    let path = path.child("ephemeralContainers");
    for old in list(old.spec.as_ref()) {
        match list(new.spec.as_ref()).iter().find(|new| new.name == old.name) {
            None => {
                let why = format!("existing ephemeral containers {:?} may not be removed\n", old.name);
                errors.push(FieldError::forbidden(&path, why));
            }
            Some(new) if new != old => {
                let why = format!(
                    "existing ephemeral containers {:?} may not be changed\n{}",
                    old.name,
                    difference::between(old, new)
                );
                errors.push(FieldError::forbidden(&path, why));
            }
            Some(_) => {}
        }
    }
}

fn list(spec: Option<&PodSpec>) -> &[EphemeralContainer] {
    spec.and_then(|spec| spec.ephemeral_containers.as_deref()).unwrap_or_default()
}
