//! Rules of a pod's volumes.

use std::collections::BTreeSet;

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::core::v1::{DownwardAPIVolumeFile, KeyToPath, Volume, VolumeProjection};

use crate::kinds::pod_spec::containers;
use crate::kinds::rules::{config_key, inner_path, readable, required_and_supported, supported, text};
use crate::kinds::{claim_spec, volume_sources};

/// How many sources a volume names. One is right.
pub fn source_count(volume: &Volume) -> usize {
    [
        volume.aws_elastic_block_store.is_some(),
        volume.azure_disk.is_some(),
        volume.azure_file.is_some(),
        volume.cephfs.is_some(),
        volume.cinder.is_some(),
        volume.config_map.is_some(),
        volume.csi.is_some(),
        volume.downward_api.is_some(),
        volume.empty_dir.is_some(),
        volume.ephemeral.is_some(),
        volume.fc.is_some(),
        volume.flex_volume.is_some(),
        volume.flocker.is_some(),
        volume.gce_persistent_disk.is_some(),
        volume.git_repo.is_some(),
        volume.glusterfs.is_some(),
        volume.host_path.is_some(),
        volume.image.is_some(),
        volume.iscsi.is_some(),
        volume.nfs.is_some(),
        volume.persistent_volume_claim.is_some(),
        volume.photon_persistent_disk.is_some(),
        volume.portworx_volume.is_some(),
        volume.projected.is_some(),
        volume.quobyte.is_some(),
        volume.rbd.is_some(),
        volume.scale_io.is_some(),
        volume.secret.is_some(),
        volume.storageos.is_some(),
        volume.vsphere_volume.is_some(),
    ]
    .into_iter()
    .filter(|is_there| *is_there)
    .count()
}

pub fn validate(volumes: &[Volume], path: &Path, errors: &mut FieldErrors) {
    let mut seen = BTreeSet::new();
    for (index, volume) in volumes.iter().enumerate() {
        let path = path.index(index);
        let name_path = path.child("name");
        if volume.name.is_empty() {
            errors.push(FieldError::required(&name_path, ""));
        } else {
            errors.check(&name_path, &volume.name, names::dns_label);
        }
        if !volume.name.is_empty() && !seen.insert(&volume.name) {
            errors.push(FieldError::duplicate(&name_path, volume.name.as_str()));
        }
        match source_count(volume) {
            0 => errors.push(FieldError::required(&path, "must specify a volume type")),
            1 => validate_source(volume, &path, errors),
            _ => errors.push(FieldError::forbidden(&path, "may not specify more than 1 volume type")),
        }
    }
}

fn validate_source(volume: &Volume, path: &Path, errors: &mut FieldErrors) {
    validate_written(volume, path, errors);
    if let Some(source) = &volume.host_path {
        volume_sources::validate_host_path(source, &path.child("hostPath"), errors);
    }
    if let Some(limit) = volume.empty_dir.as_ref().and_then(|source| source.size_limit.as_ref()) {
        let path = path.child("emptyDir").child("sizeLimit");
        if readable(errors, &path, limit).is_some_and(|limit| limit.is_negative()) {
            errors.push(FieldError::forbidden(&path, "SizeLimit field must be a valid resource quantity"));
        }
    }
    if let Some(source) = &volume.csi {
        let path = path.child("csi").child("driver");
        if source.driver.is_empty() {
            errors.push(FieldError::required(&path, ""));
        } else {
            errors.check(&path, &source.driver.to_lowercase(), names::dns_subdomain);
        }
    }
    if let Some(source) = &volume.nfs {
        volume_sources::validate_nfs(source, &path.child("nfs"), errors);
    }
    if let Some(source) = &volume.image {
        let path = path.child("image").child("pullPolicy");
        supported(errors, &path, text(&source.pull_policy), &["Always", "IfNotPresent", "Never"]);
    }
    if let Some(source) = &volume.ephemeral {
        let path = path.child("ephemeral").child("volumeClaimTemplate");
        match &source.volume_claim_template {
            Some(template) => claim_spec::validate(&template.spec, &path.child("spec"), errors),
            None => errors.push(FieldError::required(&path, "")),
        }
    }
    if let Some(source) = &volume.persistent_volume_claim
        && source.claim_name.is_empty()
    {
        errors.push(FieldError::required(&path.child("persistentVolumeClaim").child("claimName"), ""));
    }
}

/// Volumes whose files the node agent writes.
fn validate_written(volume: &Volume, path: &Path, errors: &mut FieldErrors) {
    if let Some(source) = &volume.config_map {
        let path = path.child("configMap");
        if source.name.is_empty() {
            errors.push(FieldError::required(&path.child("name"), ""));
        }
        validate_mode(source.default_mode, &path.child("defaultMode"), errors);
        validate_items(source.items.as_deref(), &path.child("items"), errors);
    }
    if let Some(source) = &volume.secret {
        let path = path.child("secret");
        if text(&source.secret_name).is_empty() {
            errors.push(FieldError::required(&path.child("secretName"), ""));
        }
        validate_mode(source.default_mode, &path.child("defaultMode"), errors);
        validate_items(source.items.as_deref(), &path.child("items"), errors);
    }
    if let Some(source) = &volume.projected {
        let path = path.child("projected");
        validate_mode(source.default_mode, &path.child("defaultMode"), errors);
        for (index, projection) in source.sources.iter().flatten().enumerate() {
            validate_projection(projection, &path.child("sources").index(index), errors);
        }
    }
    if let Some(source) = &volume.downward_api {
        let path = path.child("downwardAPI");
        validate_mode(source.default_mode, &path.child("defaultMode"), errors);
        validate_files(source.items.as_deref(), &path.child("items"), errors);
    }
}

/// Files that tell of the pod itself.
fn validate_files(files: Option<&[DownwardAPIVolumeFile]>, path: &Path, errors: &mut FieldErrors) {
    const FIELDS: &[&str] =
        &["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
    for (index, file) in files.into_iter().flatten().enumerate() {
        let path = path.index(index);
        if file.path.is_empty() {
            errors.push(FieldError::required(&path.child("path"), ""));
        }
        inner_path(errors, &path.child("path"), &file.path);
        validate_mode(file.mode, &path.child("mode"), errors);
        match (&file.field_ref, &file.resource_field_ref) {
            (Some(field), None) => {
                let path = path.child("fieldRef").child("fieldPath");
                let is_of_map = ["metadata.labels['", "metadata.annotations['"]
                    .iter()
                    .any(|start| field.field_path.starts_with(start) && field.field_path.ends_with("']"));
                if !is_of_map {
                    required_and_supported(errors, &path, &field.field_path, FIELDS);
                }
            }
            (None, Some(amount)) => {
                let path = path.child("resourceFieldRef");
                if text(&amount.container_name).is_empty() {
                    errors.push(FieldError::required(&path.child("containerName"), ""));
                } else {
                    containers::validate_amount(&amount.resource, &path.child("resource"), errors);
                }
            }
            (Some(_), Some(_)) => {
                let why = "fieldRef and resourceFieldRef can not be specified simultaneously";
                errors.push(FieldError::invalid(&path, "resource", why));
            }
            (None, None) => {
                errors.push(FieldError::required(&path, "one of fieldRef and resourceFieldRef is required"));
            }
        }
    }
}

fn validate_projection(projection: &VolumeProjection, path: &Path, errors: &mut FieldErrors) {
    let kinds = [
        projection.cluster_trust_bundle.is_some(),
        projection.config_map.is_some(),
        projection.downward_api.is_some(),
        projection.pod_certificate.is_some(),
        projection.secret.is_some(),
        projection.service_account_token.is_some(),
    ];
    if kinds.iter().filter(|is_there| **is_there).count() > 1 {
        errors.push(FieldError::forbidden(path, "may not specify more than 1 volume type per source"));
    }
    if let Some(source) = &projection.config_map {
        validate_items(source.items.as_deref(), &path.child("configMap").child("items"), errors);
    }
    if let Some(source) = &projection.secret {
        validate_items(source.items.as_deref(), &path.child("secret").child("items"), errors);
    }
    if let Some(source) = &projection.downward_api {
        validate_files(source.items.as_deref(), &path.child("downwardAPI").child("items"), errors);
    }
    if let Some(token) = &projection.service_account_token {
        let path = path.child("serviceAccountToken");
        if token.path.is_empty() {
            errors.push(FieldError::required(&path.child("path"), ""));
        }
        inner_path(errors, &path.child("path"), &token.path);
        let seconds_path = path.child("expirationSeconds");
        match token.expiration_seconds {
            Some(seconds @ ..600) => {
                errors.push(FieldError::invalid(
                    &seconds_path,
                    seconds,
                    "may not specify a duration less than 10 minutes",
                ));
            }
            Some(seconds) if seconds > 1 << 32 => {
                let why = "may not specify a duration larger than 2^32 seconds";
                errors.push(FieldError::invalid(&seconds_path, seconds, why));
            }
            _ => {}
        }
    }
}

fn validate_mode(mode: Option<i32>, path: &Path, errors: &mut FieldErrors) {
    if let Some(mode) = mode.filter(|mode| !(0..=0o777).contains(mode)) {
        let why = "must be a number between 0 and 0777 (octal), both inclusive";
        errors.push(FieldError::invalid(path, mode, why));
    }
}

fn validate_items(items: Option<&[KeyToPath]>, path: &Path, errors: &mut FieldErrors) {
    for (index, item) in items.into_iter().flatten().enumerate() {
        let path = path.index(index);
        if item.key.is_empty() {
            errors.push(FieldError::required(&path.child("key"), ""));
        } else {
            errors.check(&path.child("key"), &item.key, config_key);
        }
        if item.path.is_empty() {
            errors.push(FieldError::required(&path.child("path"), ""));
        }
        inner_path(errors, &path.child("path"), &item.path);
        validate_mode(item.mode, &path.child("mode"), errors);
    }
}
