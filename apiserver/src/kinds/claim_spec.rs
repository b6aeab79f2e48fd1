//! What a PersistentVolumeClaim asks for, on its own and in the templates of a StatefulSet: defaults, rules.

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, TypedLocalObjectReference, TypedObjectReference,
};

use crate::kinds::rules::{canonical_amounts, default_text, positive_amount, selector, supported, text};

pub const ACCESS_MODES: &[&str] = &["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
pub const VOLUME_MODES: &[&str] = &["Block", "Filesystem"];
pub const PENDING: &str = "Pending";

pub fn fill(claim: &mut PersistentVolumeClaim) {
    let spec = claim.spec.get_or_insert_default();
    default_text(&mut spec.volume_mode, "Filesystem");
    let resources = spec.resources.get_or_insert_default();
    canonical_amounts(&mut resources.limits);
    canonical_amounts(&mut resources.requests);
    let status = claim.status.get_or_insert_default();
    default_text(&mut status.phase, PENDING);
    canonical_amounts(&mut status.capacity);
    canonical_amounts(&mut status.allocated_resources);
}

/// Where the data comes from is said in an old way and in a new one; a client may know only one of them.
pub fn match_sources(spec: &mut PersistentVolumeClaimSpec) {
    match (&spec.data_source, &spec.data_source_ref) {
        (Some(TypedLocalObjectReference { api_group, kind, name }), None) => {
            let (api_group, kind, name) = (api_group.clone(), kind.clone(), name.clone());
            spec.data_source_ref = Some(TypedObjectReference { api_group, kind, name, namespace: None });
        }
        (None, Some(TypedObjectReference { api_group, kind, name, namespace })) if text(namespace).is_empty() => {
            let (api_group, kind, name) = (api_group.clone(), kind.clone(), name.clone());
            spec.data_source = Some(TypedLocalObjectReference { api_group, kind, name });
        }
        _ => {}
    }
}

pub fn validate(spec: &PersistentVolumeClaimSpec, path: &Path, errors: &mut FieldErrors) {
    if spec.access_modes.as_ref().is_none_or(Vec::is_empty) {
        errors.push(FieldError::required(&path.child("accessModes"), "at least 1 access mode is required"));
    }
    if let Some(given) = &spec.selector {
        selector(errors, &path.child("selector"), given);
    }
    validate_access_modes(spec.access_modes.as_deref().unwrap_or_default(), &path.child("accessModes"), errors);
    let storage_path = path.child("resources").key("storage");
    let requests = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref());
    match requests.and_then(|requests| requests.get("storage")) {
        Some(amount) => positive_amount(errors, &storage_path, amount),
        None => errors.push(FieldError::required(&storage_path, "")),
    }
    for (field, class) in [
        ("storageClassName", &spec.storage_class_name),
        ("volumeAttributesClassName", &spec.volume_attributes_class_name),
    ] {
        if !text(class).is_empty() {
            errors.check(&path.child(field), text(class), names::dns_subdomain);
        }
    }
    if let Some(mode) = &spec.volume_mode {
        supported(errors, &path.child("volumeMode"), mode, VOLUME_MODES);
    }
    validate_sources(spec, path, errors);
}

pub fn validate_access_modes(modes: &[String], path: &Path, errors: &mut FieldErrors) {
    for mode in modes {
        supported(errors, path, mode, ACCESS_MODES);
    }
    let (alone, others): (Vec<&String>, Vec<&String>) = modes.iter().partition(|mode| *mode == "ReadWriteOncePod");
    if !alone.is_empty() && others.iter().any(|mode| ACCESS_MODES.contains(&mode.as_str())) {
        errors.push(FieldError::forbidden(path, "may not use ReadWriteOncePod with other access modes"));
    }
}

fn validate_sources(spec: &PersistentVolumeClaimSpec, path: &Path, errors: &mut FieldErrors) {
    if let Some(TypedLocalObjectReference { api_group, kind, name }) = &spec.data_source {
        validate_source(text(api_group), kind, name, &path.child("dataSource"), errors);
    }
    let Some(reference) = &spec.data_source_ref else { return };
    let ref_path = path.child("dataSourceRef");
    validate_source(text(&reference.api_group), &reference.kind, &reference.name, &ref_path, errors);
    let namespace = text(&reference.namespace);
    if !namespace.is_empty() {
        errors.check(&ref_path.child("namespace"), namespace, names::dns_label);
    }
    let Some(source) = &spec.data_source else { return };
    let source_path = path.child("dataSource").to_string();
    if !namespace.is_empty() {
        let why = "may not be specified when dataSourceRef.namespace is specified";
        errors.push(FieldError::invalid(path, source_path, why));
    } else if (&source.api_group, &source.kind, &source.name)
        != (&reference.api_group, &reference.kind, &reference.name)
    {
        errors.push(FieldError::invalid(path, source_path, "must match dataSourceRef"));
    }
}

fn validate_source(group: &str, kind: &str, name: &str, path: &Path, errors: &mut FieldErrors) {
    if name.is_empty() {
        errors.push(FieldError::required(&path.child("name"), ""));
    }
    if kind.is_empty() {
        errors.push(FieldError::required(&path.child("kind"), ""));
    }
    if !group.is_empty() {
        errors.check(&path.child("apiGroup"), group, names::dns_subdomain);
    } else if kind != "PersistentVolumeClaim" {
        let why = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
        errors.push(FieldError::invalid(path, kind, why));
    }
}
