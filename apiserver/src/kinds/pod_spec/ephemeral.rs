//! Rules of ephemeral containers: added to look into a running pod, they promise nothing and keep nothing.

use std::collections::BTreeSet;

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::core::v1::{EphemeralContainer, PodSpec};

use crate::kinds::pod_spec::{containers, security};
use crate::kinds::rules::text;

const WHY: &str = "cannot be set for an Ephemeral Container";

pub fn validate<'a>(spec: &'a PodSpec, names: &mut BTreeSet<&'a str>, path: &Path, errors: &mut FieldErrors) {
    let volumes: BTreeSet<&str> = spec.volumes.iter().flatten().map(|volume| volume.name.as_str()).collect();
    let known: BTreeSet<&str> = spec.containers.iter().map(|container| container.name.as_str()).collect();
    for (index, container) in spec.ephemeral_containers.iter().flatten().enumerate() {
        let path = path.index(index);
        containers::validate_name(&container.name, &path.child("name"), names, errors);
        containers::validate_image(text(&container.image), &path.child("image"), errors);
        containers::validate_env(container.env.as_deref(), &path.child("env"), errors);
        let mounts_path = path.child("volumeMounts");
        containers::validate_mounts(container.volume_mounts.as_deref(), &volumes, &mounts_path, errors);
        for (index, mount) in container.volume_mounts.iter().flatten().enumerate() {
            for (field, value) in [("subPath", &mount.sub_path), ("subPathExpr", &mount.sub_path_expr)] {
                if !text(value).is_empty() {
                    errors.push(FieldError::forbidden(&mounts_path.index(index).child(field), WHY));
                }
            }
        }
        if let Some(context) = &container.security_context {
            let host_users = spec.host_users != Some(false);
            security::validate_container(context, host_users, &path.child("securityContext"), errors);
        }
        let target = text(&container.target_container_name);
        if !target.is_empty() && !known.contains(target) {
            errors.push(FieldError::not_found(&path.child("targetContainerName"), target));
        }
        refuse_promises(container, &path, errors);
    }
}

fn refuse_promises(container: &EphemeralContainer, path: &Path, errors: &mut FieldErrors) {
    let asks = container.resources.as_ref().is_some_and(|wanted| {
        let is_there = |list: &Option<_>| list.is_some();
        is_there(&wanted.limits) || is_there(&wanted.requests)
    });
    for (field, is_set) in [
        ("ports", container.ports.is_some()),
        ("livenessProbe", container.liveness_probe.is_some()),
        ("readinessProbe", container.readiness_probe.is_some()),
        ("startupProbe", container.startup_probe.is_some()),
        ("lifecycle", container.lifecycle.is_some()),
        ("resources", asks),
        ("restartPolicy", container.restart_policy.is_some()),
        ("resizePolicy", container.resize_policy.is_some()),
    ] {
        if is_set {
            errors.push(FieldError::forbidden(&path.child(field), WHY));
        }
    }
}
