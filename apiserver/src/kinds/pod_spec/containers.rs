//! Rules of containers: names, images, ports, environment, mounts.

use std::collections::BTreeSet;

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::core::v1::{Container, ContainerPort, EnvFromSource, EnvVar, EnvVarSource, PodSpec, VolumeMount};

use crate::kinds::pod_spec::{ephemeral, probes, resources, restarts, security};
use crate::kinds::rules::{
    PROTOCOLS, config_key, inner_path, ip_address, port_number, required_and_supported, supported, text,
};

const PULL_POLICIES: &[&str] = &["Always", "IfNotPresent", "Never"];
const MESSAGE_POLICIES: &[&str] = &["FallbackToLogsOnError", "File"];

/// All containers of a pod, of all three sorts: their names are told apart across the lists.
pub fn validate(spec: &PodSpec, path: &Path, errors: &mut FieldErrors) {
    let volumes: BTreeSet<&str> = spec.volumes.iter().flatten().map(|volume| volume.name.as_str()).collect();
    let host_network = spec.host_network == Some(true);
    let mut names = BTreeSet::new();
    let mut host_ports = BTreeSet::new();
    if spec.containers.is_empty() {
        errors.push(FieldError::required(&path.child("containers"), ""));
    }
    let init = spec.init_containers.as_deref().unwrap_or_default();
    let claims: BTreeSet<&str> = spec.resource_claims.iter().flatten().map(|claim| claim.name.as_str()).collect();
    let path_of_init = path.child("initContainers");
    let context = Surroundings { volumes: &volumes, claims: &claims, spec };
    for (list, list_path) in [(&spec.containers[..], path.child("containers")), (init, path.child("initContainers"))] {
        for (index, container) in list.iter().enumerate() {
            let path = list_path.index(index);
            validate_name(&container.name, &path.child("name"), &mut names, errors);
            validate_container(container, &context, &path, errors);
            validate_ports(container.ports.as_deref(), host_network, &path.child("ports"), errors);
            validate_host_ports(container, &path.child("ports"), &mut host_ports, errors);
            probes::validate(container, &path, errors);
            if list_path == path_of_init {
                refuse_for_ending(container, &path, errors);
            }
        }
    }
    ephemeral::validate(spec, &mut names, &path.child("ephemeralContainers"), errors);
}

pub fn validate_name<'a>(name: &'a str, path: &Path, names: &mut BTreeSet<&'a str>, errors: &mut FieldErrors) {
    if name.is_empty() {
        errors.push(FieldError::required(path, ""));
        return;
    }
    errors.check(path, name, names::dns_label);
    if !names.insert(name) {
        errors.push(FieldError::duplicate(path, name));
    }
}

pub fn validate_image(image: &str, path: &Path, errors: &mut FieldErrors) {
    if image.is_empty() {
        errors.push(FieldError::required(path, ""));
    } else if image.trim() != image {
        errors.push(FieldError::invalid(path, image, "must not have leading or trailing whitespace"));
    }
}

/// What a container may refer to in its pod.
struct Surroundings<'a> {
    volumes: &'a BTreeSet<&'a str>,
    claims: &'a BTreeSet<&'a str>,
    spec: &'a PodSpec,
}

/// A container that must end before the others begin is not probed, and nothing waits for it.
fn refuse_for_ending(container: &Container, path: &Path, errors: &mut FieldErrors) {
    if text(&container.restart_policy) == "Always" {
        return;
    }
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
}

fn validate_resizes(container: &Container, pod_policy: &str, path: &Path, errors: &mut FieldErrors) {
    let mut seen = BTreeSet::new();
    for (index, policy) in container.resize_policy.iter().flatten().enumerate() {
        let path = path.index(index);
        if !seen.insert(&policy.resource_name) {
            errors.push(FieldError::duplicate(&path, policy.resource_name.as_str()));
        }
        let resource_path = path.child("resourceName");
        required_and_supported(errors, &resource_path, &policy.resource_name, &["cpu", "memory"]);
        let restart_path = path.child("restartPolicy");
        let restart = policy.restart_policy.as_str();
        required_and_supported(errors, &restart_path, restart, &["NotRequired", "RestartContainer"]);
        if pod_policy == "Never" && restart == "RestartContainer" {
            let why = "must be 'NotRequired' when `restartPolicy` is 'Never'";
            errors.push(FieldError::invalid(&restart_path, restart, why));
        }
    }
}

/// Block devices: told apart from each other and from mounts.
fn validate_devices(container: &Container, volumes: &BTreeSet<&str>, path: &Path, errors: &mut FieldErrors) {
    let mounts = container.volume_mounts.as_deref().unwrap_or_default();
    let (mut names, mut places) = (BTreeSet::new(), BTreeSet::new());
    for (index, device) in container.volume_devices.iter().flatten().enumerate() {
        let (name_path, place_path) = (path.index(index).child("name"), path.index(index).child("devicePath"));
        if device.name.is_empty() {
            errors.push(FieldError::required(&name_path, ""));
        } else if !names.insert(&device.name) {
            errors.push(FieldError::invalid(&name_path, device.name.as_str(), "must be unique"));
        } else if mounts.iter().any(|mount| mount.name == device.name) {
            errors.push(FieldError::invalid(
                &name_path,
                device.name.as_str(),
                "must not already exist in volumeMounts",
            ));
        } else if !volumes.contains(device.name.as_str()) {
            errors.push(FieldError::not_found(&name_path, device.name.as_str()));
        }
        let place = device.device_path.as_str();
        if place.is_empty() {
            errors.push(FieldError::required(&place_path, ""));
        } else if !places.insert(place) {
            errors.push(FieldError::invalid(&place_path, place, "must be unique"));
        } else if mounts.iter().any(|mount| mount.mount_path == place) {
            let why = "must not already exist as a path in volumeMounts";
            errors.push(FieldError::invalid(&place_path, place, why));
        }
        inner_path(errors, &place_path, place.trim_start_matches('/'));
    }
}

fn validate_container(container: &Container, around: &Surroundings<'_>, path: &Path, errors: &mut FieldErrors) {
    validate_image(text(&container.image), &path.child("image"), errors);
    let policy = text(&container.image_pull_policy);
    required_and_supported(errors, &path.child("imagePullPolicy"), policy, PULL_POLICIES);
    let policy = text(&container.termination_message_policy);
    required_and_supported(errors, &path.child("terminationMessagePolicy"), policy, MESSAGE_POLICIES);
    validate_env(container.env.as_deref(), &path.child("env"), errors);
    validate_env_from(container.env_from.as_deref(), &path.child("envFrom"), errors);
    validate_mounts(container.volume_mounts.as_deref(), around.volumes, &path.child("volumeMounts"), errors);
    validate_devices(container, around.volumes, &path.child("volumeDevices"), errors);
    if let Some(wanted) = &container.resources {
        let path = path.child("resources");
        resources::validate(wanted, &path, errors);
        for (index, claim) in wanted.claims.iter().flatten().enumerate() {
            if !around.claims.contains(claim.name.as_str()) {
                errors.push(FieldError::not_found(&path.child("claims").index(index), claim.name.as_str()));
            }
        }
    }
    restarts::validate(container, path, errors);
    validate_resizes(container, text(&around.spec.restart_policy), &path.child("resizePolicy"), errors);
    if let Some(context) = &container.security_context {
        let host_users = around.spec.host_users != Some(false);
        security::validate_container(context, host_users, &path.child("securityContext"), errors);
    }
}

fn validate_ports(ports: Option<&[ContainerPort]>, host_network: bool, path: &Path, errors: &mut FieldErrors) {
    let mut names = BTreeSet::new();
    for (index, port) in ports.into_iter().flatten().enumerate() {
        let path = path.index(index);
        let name = text(&port.name);
        if !name.is_empty() {
            errors.check(&path.child("name"), name, names::port_name);
            if !names.insert(name) {
                errors.push(FieldError::duplicate(&path.child("name"), name));
            }
        }
        let number_path = path.child("containerPort");
        if port.container_port == 0 {
            errors.push(FieldError::required(&number_path, ""));
        } else {
            port_number(errors, &number_path, port.container_port);
        }
        if let Some(host_port) = port.host_port.filter(|number| *number != 0) {
            port_number(errors, &path.child("hostPort"), host_port);
            if host_network && host_port != port.container_port {
                let why = "must match `hostPort` when `hostNetwork` is true";
                errors.push(FieldError::invalid(&number_path, port.container_port, why));
            }
        }
        if let Some(address) = port.host_ip.as_deref().filter(|address| !address.is_empty()) {
            ip_address(errors, &path.child("hostIP"), address);
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

fn env_name(name: &str) -> Result<(), String> {
    if !name.is_empty() && name.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=') {
        return Ok(());
    }
    Err("a valid environment variable name must consist only of printable ASCII characters other than '='".to_owned())
}

pub fn validate_env(env: Option<&[EnvVar]>, path: &Path, errors: &mut FieldErrors) {
    for (index, variable) in env.into_iter().flatten().enumerate() {
        let path = path.index(index);
        if variable.name.is_empty() {
            errors.push(FieldError::required(&path.child("name"), ""));
        } else {
            errors.check(&path.child("name"), &variable.name, env_name);
        }
        if let Some(source) = &variable.value_from {
            let path = path.child("valueFrom");
            if !text(&variable.value).is_empty() {
                errors.push(FieldError::invalid(&path, "", "may not be specified when `value` is not empty"));
            }
            validate_env_source(source, &path, errors);
        }
    }
}

fn validate_env_source(source: &EnvVarSource, path: &Path, errors: &mut FieldErrors) {
    let kinds = [
        source.config_map_key_ref.is_some(),
        source.field_ref.is_some(),
        source.file_key_ref.is_some(),
        source.resource_field_ref.is_some(),
        source.secret_key_ref.is_some(),
    ];
    match kinds.iter().filter(|is_there| **is_there).count() {
        0 => {
            let why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
            errors.push(FieldError::invalid(path, "", why));
        }
        1 => {}
        _ => errors.push(FieldError::invalid(path, "", "may not have more than one field specified at a time")),
    }
    let keys = [
        source.config_map_key_ref.as_ref().map(|from| ("configMapKeyRef", &from.name, &from.key)),
        source.secret_key_ref.as_ref().map(|from| ("secretKeyRef", &from.name, &from.key)),
    ];
    for (field, name, key) in keys.into_iter().flatten() {
        let path = path.child(field);
        if name.is_empty() {
            errors.push(FieldError::required(&path.child("name"), ""));
        }
        if key.is_empty() {
            errors.push(FieldError::required(&path.child("key"), ""));
        } else {
            errors.check(&path.child("key"), key, config_key);
        }
    }
    if let Some(field) = &source.field_ref {
        validate_field(&field.field_path, &path.child("fieldRef").child("fieldPath"), errors);
    }
    if let Some(field) = &source.resource_field_ref {
        validate_amount(&field.resource, &path.child("resourceFieldRef").child("resource"), errors);
    }
}

/// The fields that a container may be told of itself.
fn validate_field(field: &str, path: &Path, errors: &mut FieldErrors) {
    const FIELDS: &[&str] = &[
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.serviceAccountName",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
    ];
    if field.is_empty() {
        errors.push(FieldError::required(path, ""));
        return;
    }
    if let Some((map, key)) = field.strip_suffix("']").and_then(|rest| rest.split_once("['"))
        && matches!(map, "metadata.labels" | "metadata.annotations")
    {
        errors.check(path, key, names::qualified_name);
        return;
    }
    if !FIELDS.contains(&field) {
        let why = format!("error converting fieldPath: field label not supported: {field}");
        errors.push(FieldError::invalid(path, field, why));
    }
}

/// The amounts that a container may be told of itself.
pub fn validate_amount(resource: &str, path: &Path, errors: &mut FieldErrors) {
    const AMOUNTS: &[&str] = &[
        "limits.cpu",
        "limits.ephemeral-storage",
        "limits.memory",
        "requests.cpu",
        "requests.ephemeral-storage",
        "requests.memory",
    ];
    let is_huge_pages = ["limits.hugepages-", "requests.hugepages-"].iter().any(|prefix| resource.starts_with(prefix));
    if !is_huge_pages {
        required_and_supported(errors, path, resource, AMOUNTS);
    }
}

fn validate_env_from(sources: Option<&[EnvFromSource]>, path: &Path, errors: &mut FieldErrors) {
    for (index, source) in sources.into_iter().flatten().enumerate() {
        let path = path.index(index);
        let prefix = text(&source.prefix);
        if !prefix.is_empty() {
            errors.check(&path.child("prefix"), prefix, env_name);
        }
        match (&source.config_map_ref, &source.secret_ref) {
            (None, None) => {
                errors.push(FieldError::invalid(&path, "", "must specify one of: `configMapRef` or `secretRef`"));
            }
            (Some(_), Some(_)) => {
                errors.push(FieldError::invalid(&path, "", "may not have more than one field specified at a time"));
            }
            (Some(map), None) if map.name.is_empty() => {
                errors.push(FieldError::required(&path.child("configMapRef").child("name"), ""));
            }
            (None, Some(secret)) if secret.name.is_empty() => {
                errors.push(FieldError::required(&path.child("secretRef").child("name"), ""));
            }
            _ => {}
        }
    }
}

pub fn validate_mounts(
    mounts: Option<&[VolumeMount]>,
    volumes: &BTreeSet<&str>,
    path: &Path,
    errors: &mut FieldErrors,
) {
    let mut places = BTreeSet::new();
    for (index, mount) in mounts.into_iter().flatten().enumerate() {
        let path = path.index(index);
        if mount.name.is_empty() {
            errors.push(FieldError::required(&path.child("name"), ""));
        } else if !volumes.contains(mount.name.as_str()) {
            errors.push(FieldError::not_found(&path.child("name"), mount.name.as_str()));
        }
        if mount.mount_path.is_empty() {
            errors.push(FieldError::required(&path.child("mountPath"), ""));
        }
        if !places.insert(&mount.mount_path) {
            errors.push(FieldError::invalid(&path.child("mountPath"), mount.mount_path.as_str(), "must be unique"));
        }
        let (sub_path, expression) = (text(&mount.sub_path), text(&mount.sub_path_expr));
        inner_path(errors, &path.child("subPath"), sub_path);
        inner_path(errors, &path.child("subPathExpr"), expression);
        if !sub_path.is_empty() && !expression.is_empty() {
            let why = "subPathExpr and subPath are mutually exclusive";
            errors.push(FieldError::invalid(&path.child("subPathExpr"), expression, why));
        }
        if let Some(propagation) = &mount.mount_propagation {
            let values = ["Bidirectional", "HostToContainer", "None"];
            supported(errors, &path.child("mountPropagation"), propagation, &values);
        }
    }
}
