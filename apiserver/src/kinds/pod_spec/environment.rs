//! Rules of a container's environment.

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar, EnvVarSource, FileKeySelector};

use crate::kinds::pod_spec::downward;
use crate::kinds::pod_spec::volumes::Volumes;
use crate::kinds::rules::{config_key, no_way_up, text};

/// Fields of the pod that a variable may tell.
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

pub fn validate(env: Option<&[EnvVar]>, volumes: &Volumes<'_>, path: &Path, errors: &mut FieldErrors) {
    for (index, variable) in env.into_iter().flatten().enumerate() {
        let path = path.index(index);
        if variable.name.is_empty() {
            errors.push(FieldError::required(&path.child("name"), ""));
        } else {
            errors.check(&path.child("name"), &variable.name, variable_name);
        }
        if let Some(source) = &variable.value_from {
            validate_source(source, text(&variable.value), volumes, &path.child("valueFrom"), errors);
        }
    }
}

fn variable_name(name: &str) -> Result<(), String> {
    if !name.is_empty() && name.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=') {
        return Ok(());
    }
    Err("a valid environment variable name must consist only of printable ASCII characters other than '='".to_owned())
}

fn validate_source(source: &EnvVarSource, value: &str, volumes: &Volumes<'_>, path: &Path, errors: &mut FieldErrors) {
    let mut count = 0;
    let mut at = |field: &str| {
        count += 1;
        path.child(field)
    };
    if let Some(field) = &source.field_ref {
        downward::validate_field(field, FIELDS, &at("fieldRef"), errors);
    }
    if let Some(amount) = &source.resource_field_ref {
        downward::validate_amount(amount, false, &at("resourceFieldRef"), errors);
    }
    if let Some(entry) = &source.config_map_key_ref {
        validate_entry(&entry.name, &entry.key, &at("configMapKeyRef"), errors);
    }
    if let Some(entry) = &source.secret_key_ref {
        validate_entry(&entry.name, &entry.key, &at("secretKeyRef"), errors);
    }
    if let Some(file) = &source.file_key_ref {
        validate_file(file, volumes, &at("fileKeyRef"), errors);
    }
    let why = match count {
        0 => "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        _ if !value.is_empty() => "may not be specified when `value` is not empty",
        1 => return,
        _ => "may not have more than one field specified at a time",
    };
    errors.push(FieldError::invalid(path, "", why));
}

fn validate_entry(name: &str, key: &str, path: &Path, errors: &mut FieldErrors) {
    errors.check(&path.child("name"), name, names::dns_subdomain);
    if key.is_empty() {
        errors.push(FieldError::required(&path.child("key"), ""));
    } else {
        errors.check(&path.child("key"), key, config_key);
    }
}

/// A variable in a file of the pod: such files live in a directory that lives as long as the pod.
fn validate_file(file: &FileKeySelector, volumes: &Volumes<'_>, path: &Path, errors: &mut FieldErrors) {
    let rules: [(&str, &str, names::NameRule); 3] = [
        ("key", &file.key, variable_name),
        ("volumeName", &file.volume_name, names::dns_label),
        ("path", &file.path, no_way_up),
    ];
    for (field, value, rule) in rules {
        if value.is_empty() {
            errors.push(FieldError::required(&path.child(field), ""));
        } else {
            errors.check(&path.child(field), value, rule);
        }
    }
    let path = path.child("volumeName");
    match volumes.get(file.volume_name.as_str()) {
        None => errors.push(FieldError::not_found(&path, file.volume_name.as_str())),
        Some(volume) if volume.empty_dir.is_none() => {
            let why = "referenced volume must be of type emptyDir";
            errors.push(FieldError::invalid(&path, file.volume_name.as_str(), why));
        }
        Some(_) => {}
    }
}

pub fn validate_from(sources: Option<&[EnvFromSource]>, path: &Path, errors: &mut FieldErrors) {
    for (index, source) in sources.into_iter().flatten().enumerate() {
        let index_path = path.index(index);
        let prefix = text(&source.prefix);
        if !prefix.is_empty() {
            errors.check(&index_path.child("prefix"), prefix, variable_name);
        }
        let names = [
            ("configMapRef", source.config_map_ref.as_ref().map(|map| map.name.as_str())),
            ("secretRef", source.secret_ref.as_ref().map(|secret| secret.name.as_str())),
        ];
        let given = names.iter().filter_map(|(field, name)| name.map(|name| (field, name)));
        for (field, name) in given.clone() {
            let path = index_path.child(field).child("name");
            if name.is_empty() {
                errors.push(FieldError::required(&path, ""));
            } else {
                errors.check(&path, name, begin_of_name);
            }
        }
        // Upstream does not say at which place in the list.
        match given.count() {
            0 => errors.push(FieldError::invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")),
            1 => {}
            _ => errors.push(FieldError::invalid(path, "", "may not have more than one field specified at a time")),
        }
    }
}

/// A name, or the beginning of one: it may end with a dash.
fn begin_of_name(name: &str) -> Result<(), String> {
    match name.strip_suffix('-') {
        Some(start) => names::dns_subdomain(&format!("{start}a")),
        None => names::dns_subdomain(name),
    }
}
