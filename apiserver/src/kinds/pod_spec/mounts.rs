//! Rules of what of its pod's volumes a container sees: mounts, and bare devices.

use std::collections::BTreeSet;

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::core::v1::{Container, VolumeMount};

use crate::kinds::pod_spec::volumes::Volumes;
use crate::kinds::rules::{inner_path, no_way_up, supported, text};

pub fn validate(container: &Container, volumes: &Volumes<'_>, path: &Path, errors: &mut FieldErrors) {
    validate_mounts(container, volumes, &path.child("volumeMounts"), errors);
    validate_devices(container, volumes, &path.child("volumeDevices"), errors);
}

fn validate_mounts(container: &Container, volumes: &Volumes<'_>, path: &Path, errors: &mut FieldErrors) {
    let devices = container.volume_devices.as_deref().unwrap_or_default();
    let mut places = BTreeSet::new();
    for (index, mount) in container.volume_mounts.iter().flatten().enumerate() {
        let (name_path, place_path) = (path.index(index).child("name"), path.index(index).child("mountPath"));
        let (name, place) = (mount.name.as_str(), mount.mount_path.as_str());
        if name.is_empty() {
            errors.push(FieldError::required(&name_path, ""));
        }
        if !volumes.contains_key(name) {
            errors.push(FieldError::not_found(&name_path, name));
        }
        if place.is_empty() {
            errors.push(FieldError::required(&place_path, ""));
        }
        if !places.insert(place) {
            errors.push(FieldError::invalid(&place_path, place, "must be unique"));
        }
        if devices.iter().any(|device| device.name == name) {
            errors.push(FieldError::invalid(&name_path, name, "must not already exist in volumeDevices"));
        }
        if devices.iter().any(|device| device.device_path == place) {
            let why = "must not already exist as a path in volumeDevices";
            errors.push(FieldError::invalid(&place_path, place, why));
        }
        let (sub_path, expression) = (text(&mount.sub_path), text(&mount.sub_path_expr));
        // Of the fields that follow, upstream does not say at which place in the list they are.
        inner_path(errors, &path.child("subPath"), sub_path);
        if !sub_path.is_empty() && !expression.is_empty() {
            let why = "subPathExpr and subPath are mutually exclusive";
            errors.push(FieldError::invalid(&path.index(index).child("subPathExpr"), expression, why));
        }
        inner_path(errors, &path.child("subPathExpr"), expression);
        validate_propagation(mount, container, &path.child("mountPropagation"), errors);
        validate_read_only(mount, &path.child("recursiveReadOnly"), errors);
    }
}

fn validate_propagation(mount: &VolumeMount, container: &Container, path: &Path, errors: &mut FieldErrors) {
    let Some(propagation) = mount.mount_propagation.as_deref() else { return };
    supported(errors, path, propagation, &["Bidirectional", "HostToContainer", "None"]);
    let is_privileged = container.security_context.as_ref().is_some_and(|context| context.privileged == Some(true));
    if propagation == "Bidirectional" && !is_privileged {
        let why = "Bidirectional mount propagation is available only to privileged containers";
        errors.push(FieldError::forbidden(path, why));
    }
}

fn validate_read_only(mount: &VolumeMount, path: &Path, errors: &mut FieldErrors) {
    let Some(mode) = mount.recursive_read_only.as_deref().filter(|mode| *mode != "Disabled") else { return };
    if !matches!(mode, "Enabled" | "IfPossible") {
        errors.push(FieldError::not_supported(path, mode, &["Disabled", "Enabled", "IfPossible"]));
        return;
    }
    if mount.read_only != Some(true) {
        errors.push(FieldError::forbidden(path, "may only be specified when readOnly is true"));
    }
    if mount.mount_propagation.as_deref().is_some_and(|propagation| propagation != "None") {
        let why = "may only be specified when mountPropagation is None or not specified";
        errors.push(FieldError::forbidden(path, why));
    }
}

/// Block devices: told apart from each other and from mounts.
fn validate_devices(container: &Container, volumes: &Volumes<'_>, path: &Path, errors: &mut FieldErrors) {
    let mounts = container.volume_mounts.as_deref().unwrap_or_default();
    let (mut names, mut places) = (BTreeSet::new(), BTreeSet::new());
    for (index, device) in container.volume_devices.iter().flatten().enumerate() {
        let (name_path, place_path) = (path.index(index).child("name"), path.index(index).child("devicePath"));
        let (name, place) = (device.name.as_str(), device.device_path.as_str());
        if name.is_empty() {
            errors.push(FieldError::required(&name_path, ""));
        } else if !names.insert(name) {
            errors.push(FieldError::invalid(&name_path, name, "must be unique"));
        }
        match volumes.get(name) {
            None => errors.push(FieldError::not_found(&name_path, name)),
            Some(volume) if volume.persistent_volume_claim.is_none() && volume.ephemeral.is_none() => {
                let why = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                errors.push(FieldError::invalid(&name_path, name, why));
            }
            Some(_) => {}
        }
        if place.is_empty() {
            errors.push(FieldError::required(&place_path, ""));
        }
        if places.contains(place) {
            errors.push(FieldError::invalid(&place_path, place, "must be unique"));
        }
        if no_way_up(place).is_err() {
            errors.push(FieldError::invalid(&place_path, place, "can not contain backsteps ('..')"));
        } else {
            places.insert(place);
        }
        if mounts.iter().any(|mount| mount.name == name) {
            errors.push(FieldError::invalid(&name_path, name, "must not already exist in volumeMounts"));
        }
        if mounts.iter().any(|mount| mount.mount_path == place) {
            let why = "must not already exist as a path in volumeMounts";
            errors.push(FieldError::invalid(&place_path, place, why));
        }
    }
}
