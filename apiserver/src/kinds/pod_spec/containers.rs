//! Rules of containers: names, images, ports, and what all sorts of containers have in common.

use std::collections::BTreeSet;

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::core::v1::{Container, PodSpec};

use crate::kinds::pod_spec::volumes::Volumes;
use crate::kinds::pod_spec::{environment, ephemeral, mounts, probes, resources, restarts, security};
use crate::kinds::rules::{PROTOCOLS, port_number, required_and_supported, text};

const PULL_POLICIES: &[&str] = &["Always", "IfNotPresent", "Never"];
const MESSAGE_POLICIES: &[&str] = &["File", "FallbackToLogsOnError"];
const RESTART: &str = "RestartContainer";

/// What a container may refer to in its pod.
pub struct Surroundings<'a> {
    pub volumes: &'a Volumes<'a>,
    pub claims: BTreeSet<&'a str>,
    pub spec: &'a PodSpec,
}

/// All containers of a pod, of all three sorts: their names are told apart across the lists.
pub fn validate(spec: &PodSpec, volumes: &Volumes<'_>, path: &Path, errors: &mut FieldErrors) {
    let claims = spec.resource_claims.iter().flatten().map(|claim| claim.name.as_str());
    let around = Surroundings { volumes, claims: claims.filter(|name| !name.is_empty()).collect(), spec };
    let mut names = BTreeSet::new();
    validate_main(&around, &mut names, &path.child("containers"), errors);
    let init_path = path.child("initContainers");
    for (index, container) in spec.init_containers.iter().flatten().enumerate() {
        let path = init_path.index(index);
        validate_any(container, &around, &path, errors);
        restarts::validate(container, &path, errors);
        tell_apart(&container.name, &path.child("name"), &mut names, errors);
        // They run one after the other; upstream counts each as the first.
        validate_host_ports(container, &init_path.index(0).child("ports"), &mut BTreeSet::new(), errors);
        if text(&container.restart_policy) == "Always" {
            probes::validate(container, spec, &path, errors);
        } else {
            refuse_for_ending(container, &path, errors);
        }
    }
    ephemeral::validate(&around, &mut names, &path.child("ephemeralContainers"), errors);
    if spec.host_network == Some(true) {
        validate_network_of_host(spec, &path.child("containers"), errors);
    }
}

fn validate_main<'a>(around: &Surroundings<'a>, names: &mut BTreeSet<&'a str>, path: &Path, errors: &mut FieldErrors) {
    let containers = &around.spec.containers;
    if containers.is_empty() {
        errors.push(FieldError::required(path, ""));
    }
    for (index, container) in containers.iter().enumerate() {
        let path = path.index(index);
        validate_any(container, around, &path, errors);
        tell_apart(&container.name, &path.child("name"), names, errors);
        probes::validate(container, around.spec, &path, errors);
        restarts::validate(container, &path, errors);
    }
    let mut taken = BTreeSet::new();
    for (index, container) in containers.iter().enumerate() {
        validate_host_ports(container, &path.index(index).child("ports"), &mut taken, errors);
    }
}

/// What holds for a container of any sort.
pub fn validate_any(container: &Container, around: &Surroundings<'_>, path: &Path, errors: &mut FieldErrors) {
    if container.name.is_empty() {
        errors.push(FieldError::required(&path.child("name"), ""));
    } else {
        errors.check(&path.child("name"), &container.name, names::dns_label);
    }
    if text(&container.image).is_empty() {
        errors.push(FieldError::required(&path.child("image"), ""));
    }
    let policy = text(&container.termination_message_policy);
    required_and_supported(errors, &path.child("terminationMessagePolicy"), policy, MESSAGE_POLICIES);
    validate_ports(container, &path.child("ports"), errors);
    environment::validate(container.env.as_deref(), around.volumes, &path.child("env"), errors);
    environment::validate_from(container.env_from.as_deref(), &path.child("envFrom"), errors);
    mounts::validate(container, around.volumes, path, errors);
    let policy = text(&container.image_pull_policy);
    required_and_supported(errors, &path.child("imagePullPolicy"), policy, PULL_POLICIES);
    if let Some(wanted) = &container.resources {
        resources::validate(wanted, &around.claims, &path.child("resources"), errors);
    }
    validate_resizes(container, text(&around.spec.restart_policy), &path.child("resizePolicy"), errors);
    if let Some(context) = &container.security_context {
        let host_users = around.spec.host_users != Some(false);
        security::validate_container(context, host_users, &path.child("securityContext"), errors);
    }
    if around.spec.host_users == Some(false) && container.volume_devices.as_ref().is_some_and(|list| !list.is_empty()) {
        errors.push(FieldError::forbidden(&path.child("volumeDevices"), "when `hostUsers` is false"));
    }
}

pub fn tell_apart<'a>(name: &'a str, path: &Path, names: &mut BTreeSet<&'a str>, errors: &mut FieldErrors) {
    if !name.is_empty() && !names.insert(name) {
        errors.push(FieldError::duplicate(path, name));
    }
}

/// What is asked of the images of a pod, and not of those of a template: old templates have odd ones.
pub fn validate_images(spec: &PodSpec, path: &Path, errors: &mut FieldErrors) {
    let main = spec.containers.iter().map(|container| &container.image).enumerate();
    let init = spec.init_containers.iter().flatten().map(|container| &container.image).enumerate();
    for (field, images) in [("containers", main.collect::<Vec<_>>()), ("initContainers", init.collect())] {
        for (index, image) in images {
            validate_image(text(image), &path.child(field).index(index).child("image"), errors);
        }
    }
}

pub fn validate_image(image: &str, path: &Path, errors: &mut FieldErrors) {
    if image.trim() != image {
        errors.push(FieldError::invalid(path, image, "must not have leading or trailing whitespace"));
    }
}

/// A container that must end before the others begin is not probed, and nothing waits for it.
fn refuse_for_ending(container: &Container, path: &Path, errors: &mut FieldErrors) {
    for (field, is_set) in [
        ("lifecycle", container.lifecycle.is_some()),
        ("livenessProbe", container.liveness_probe.is_some()),
        ("readinessProbe", container.readiness_probe.is_some()),
        ("startupProbe", container.startup_probe.is_some()),
    ] {
        if is_set {
            let why = "may not be set for init containers without restartPolicy=Always";
            errors.push(FieldError::forbidden(&path.child(field), why));
        }
    }
    for (index, policy) in container.resize_policy.iter().flatten().enumerate() {
        if policy.restart_policy == RESTART {
            let path = path.child("resizePolicy").index(index).child("restartPolicy");
            let why = "must not be set to 'RestartContainer' for non-sidecar initContainers";
            errors.push(FieldError::invalid(&path, RESTART, why));
        }
    }
}

/// Upstream says at which place in the list only of resources that are named twice.
fn validate_resizes(container: &Container, pod_policy: &str, path: &Path, errors: &mut FieldErrors) {
    let mut seen = BTreeSet::new();
    for (index, policy) in container.resize_policy.iter().flatten().enumerate() {
        if !seen.insert(&policy.resource_name) {
            errors.push(FieldError::duplicate(&path.index(index), policy.resource_name.as_str()));
        }
        required_and_supported(errors, path, &policy.resource_name, &["cpu", "memory"]);
        let restart = policy.restart_policy.as_str();
        required_and_supported(errors, path, restart, &["NotRequired", RESTART]);
        if pod_policy == "Never" && restart != "NotRequired" {
            let why = "must be 'NotRequired' when pod `restartPolicy` is 'Never'";
            errors.push(FieldError::invalid(path, restart, why));
        }
    }
}

fn validate_ports(container: &Container, path: &Path, errors: &mut FieldErrors) {
    let mut names = BTreeSet::new();
    for (index, port) in container.ports.iter().flatten().enumerate() {
        let path = path.index(index);
        let name = text(&port.name);
        if !name.is_empty() {
            if let Err(why) = names::port_name(name) {
                errors.push(FieldError::invalid(&path.child("name"), name, why));
            } else if !names.insert(name) {
                errors.push(FieldError::duplicate(&path.child("name"), name));
            }
        }
        if port.container_port == 0 {
            errors.push(FieldError::required(&path.child("containerPort"), ""));
        } else {
            port_number(errors, &path.child("containerPort"), port.container_port);
        }
        if let Some(number) = port.host_port.filter(|number| *number != 0) {
            port_number(errors, &path.child("hostPort"), number);
        }
        required_and_supported(errors, &path.child("protocol"), text(&port.protocol), PROTOCOLS);
    }
}

fn validate_host_ports<'a>(
    container: &'a Container,
    path: &Path,
    taken: &mut BTreeSet<(&'a str, &'a str, i32)>,
    errors: &mut FieldErrors,
) {
    for (index, port) in container.ports.iter().flatten().enumerate() {
        let Some(number) = port.host_port.filter(|number| *number != 0) else { continue };
        let place = (text(&port.protocol), text(&port.host_ip), number);
        if !taken.insert(place) {
            let shown = format!("{}/{}/{number}", place.0, place.1);
            errors.push(FieldError::duplicate(&path.index(index).child("hostPort"), shown));
        }
    }
}

/// In the network of the host, a port is what it is. One that is not said follows from the other.
fn validate_network_of_host(spec: &PodSpec, path: &Path, errors: &mut FieldErrors) {
    for (index, container) in spec.containers.iter().enumerate() {
        let path = path.index(index).child("ports");
        for (index, port) in container.ports.iter().flatten().enumerate() {
            if let Some(number) = port.host_port.filter(|number| *number != 0 && *number != port.container_port) {
                let why = "must match `containerPort` when `hostNetwork` is true";
                errors.push(FieldError::invalid(&path.index(index).child("hostPort"), number, why));
            }
        }
    }
}
