//! Rules of containers: names, images, ports, environment, mounts.

use std::collections::BTreeSet;

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EnvFromSource, EnvVar, EnvVarSource, PodSpec, SecurityContext, VolumeMount,
};

use crate::kinds::pod_spec::{probes, resources};
use crate::kinds::rules::{
    PROTOCOLS, config_key, inner_path, ip_address, port_number, required_and_supported, supported, text,
};

const PULL_POLICIES: &[&str] = &["Always", "IfNotPresent", "Never"];
const MESSAGE_POLICIES: &[&str] = &["FallbackToLogsOnError", "File"];
const RESTART_POLICIES: &[&str] = &["Always", "Never", "OnFailure"];

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
    for (list, list_path) in [(&spec.containers[..], path.child("containers")), (init, path.child("initContainers"))] {
        for (index, container) in list.iter().enumerate() {
            let path = list_path.index(index);
            validate_name(&container.name, &path.child("name"), &mut names, errors);
            validate_container(container, &volumes, &path, errors);
            validate_ports(container.ports.as_deref(), host_network, &path.child("ports"), errors);
            validate_host_ports(container, &path.child("ports"), &mut host_ports, errors);
            probes::validate(container, &path, errors);
        }
    }
    for (index, container) in spec.ephemeral_containers.iter().flatten().enumerate() {
        let path = path.child("ephemeralContainers").index(index);
        validate_name(&container.name, &path.child("name"), &mut names, errors);
        validate_image(text(&container.image), &path.child("image"), errors);
        validate_env(container.env.as_deref(), &path.child("env"), errors);
        validate_mounts(container.volume_mounts.as_deref(), &volumes, &path.child("volumeMounts"), errors);
    }
}

fn validate_name<'a>(name: &'a str, path: &Path, names: &mut BTreeSet<&'a str>, errors: &mut FieldErrors) {
    if name.is_empty() {
        errors.push(FieldError::required(path, ""));
        return;
    }
    errors.check(path, name, names::dns_label);
    if !names.insert(name) {
        errors.push(FieldError::duplicate(path, name));
    }
}

fn validate_image(image: &str, path: &Path, errors: &mut FieldErrors) {
    if image.is_empty() {
        errors.push(FieldError::required(path, ""));
    } else if image.trim() != image {
        errors.push(FieldError::invalid(path, image, "must not have leading or trailing whitespace"));
    }
}

fn validate_container(container: &Container, volumes: &BTreeSet<&str>, path: &Path, errors: &mut FieldErrors) {
    validate_image(text(&container.image), &path.child("image"), errors);
    let policy = text(&container.image_pull_policy);
    required_and_supported(errors, &path.child("imagePullPolicy"), policy, PULL_POLICIES);
    let policy = text(&container.termination_message_policy);
    required_and_supported(errors, &path.child("terminationMessagePolicy"), policy, MESSAGE_POLICIES);
    if let Some(policy) = &container.restart_policy {
        supported(errors, &path.child("restartPolicy"), policy, RESTART_POLICIES);
    }
    validate_env(container.env.as_deref(), &path.child("env"), errors);
    validate_env_from(container.env_from.as_deref(), &path.child("envFrom"), errors);
    validate_mounts(container.volume_mounts.as_deref(), volumes, &path.child("volumeMounts"), errors);
    if let Some(wanted) = &container.resources {
        resources::validate(wanted, &path.child("resources"), errors);
    }
    if let Some(context) = &container.security_context {
        validate_security(context, &path.child("securityContext"), errors);
    }
}

fn validate_security(context: &SecurityContext, path: &Path, errors: &mut FieldErrors) {
    identity(context.run_as_user, &path.child("runAsUser"), errors);
    identity(context.run_as_group, &path.child("runAsGroup"), errors);
    if context.privileged == Some(true) && context.allow_privilege_escalation == Some(false) {
        let why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
        errors.push(FieldError::invalid(path, crate::kinds::rules::shown(context), why));
    }
}

/// A user or group by number.
pub fn identity(number: Option<i64>, path: &Path, errors: &mut FieldErrors) {
    if let Some(number) = number.filter(|number| !(0..=i64::from(i32::MAX)).contains(number)) {
        errors.push(FieldError::invalid(path, number, "must be between 0 and 2147483647, inclusive"));
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

fn validate_env(env: Option<&[EnvVar]>, path: &Path, errors: &mut FieldErrors) {
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
    if let Some(field) = &source.resource_field_ref
        && field.resource.is_empty()
    {
        errors.push(FieldError::required(&path.child("resourceFieldRef").child("resource"), ""));
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

fn validate_mounts(mounts: Option<&[VolumeMount]>, volumes: &BTreeSet<&str>, path: &Path, errors: &mut FieldErrors) {
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
