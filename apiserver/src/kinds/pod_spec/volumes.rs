//! Rules of a pod's volumes.

use std::collections::{BTreeMap, BTreeSet};

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::core::v1::{
    DownwardAPIVolumeFile, EphemeralVolumeSource, KeyToPath, ProjectedVolumeSource, ServiceAccountTokenProjection,
    Volume,
};

use crate::kinds::claim_spec;
use crate::kinds::pod_spec::downward;
use crate::kinds::rules::{inner_path, readable, required_and_supported, template_metadata, text, unreserved_path};
use crate::kinds::storage_drivers::driver_name;
use crate::kinds::volume_sources::{self, is_blank, old_sources, require_named};

/// Volumes by their names: those that are as they must be.
pub type Volumes<'a> = BTreeMap<&'a str, &'a Volume>;

/// Fields of the pod that a file may tell.
const FIELDS: &[&str] =
    &["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];

/// The sources that a volume names, as texts name them. One is right.
fn sources(volume: &Volume) -> Vec<&'static str> {
    let all = [
        ("emptyDir", volume.empty_dir.is_some()),
        ("hostPath", volume.host_path.is_some()),
        ("gitRepo", volume.git_repo.is_some()),
        ("gcePersistentDisk", volume.gce_persistent_disk.is_some()),
        ("awsElasticBlockStore", volume.aws_elastic_block_store.is_some()),
        ("secret", volume.secret.is_some()),
        ("nfs", volume.nfs.is_some()),
        ("iscsi", volume.iscsi.is_some()),
        ("glusterfs", volume.glusterfs.is_some()),
        ("flocker", volume.flocker.is_some()),
        ("persistentVolumeClaim", volume.persistent_volume_claim.is_some()),
        ("rbd", volume.rbd.is_some()),
        ("cinder", volume.cinder.is_some()),
        ("cephFS", volume.cephfs.is_some()),
        ("quobyte", volume.quobyte.is_some()),
        // Upstream's spelling.
        ("downwarAPI", volume.downward_api.is_some()),
        ("fc", volume.fc.is_some()),
        ("flexVolume", volume.flex_volume.is_some()),
        ("configMap", volume.config_map.is_some()),
        ("azureFile", volume.azure_file.is_some()),
        ("vsphereVolume", volume.vsphere_volume.is_some()),
        ("photonPersistentDisk", volume.photon_persistent_disk.is_some()),
        ("portworxVolume", volume.portworx_volume.is_some()),
        ("azureDisk", volume.azure_disk.is_some()),
        ("storageos", volume.storageos.is_some()),
        ("projected", volume.projected.is_some()),
        ("scaleIO", volume.scale_io.is_some()),
        ("csi", volume.csi.is_some()),
        ("ephemeral", volume.ephemeral.is_some()),
        ("image", volume.image.is_some()),
    ];
    all.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name).collect()
}

pub fn source_count(volume: &Volume) -> usize {
    sources(volume).len()
}

pub fn validate<'a>(volumes: &'a [Volume], path: &Path, errors: &mut FieldErrors) -> Volumes<'a> {
    let mut right = Volumes::new();
    for (index, volume) in volumes.iter().enumerate() {
        let path = path.index(index);
        let known = errors.0.len();
        validate_source(volume, &path, errors);
        match &sources(volume)[..] {
            [] => errors.push(FieldError::required(&path, "must specify a volume type")),
            [_, more @ ..] => {
                for name in more {
                    errors.push(FieldError::forbidden(&path.child(name), "may not specify more than 1 volume type"));
                }
            }
        }
        let name_path = path.child("name");
        if volume.name.is_empty() {
            errors.push(FieldError::required(&name_path, ""));
        } else {
            errors.check(&name_path, &volume.name, names::dns_label);
        }
        if right.contains_key(volume.name.as_str()) {
            errors.push(FieldError::duplicate(&name_path, volume.name.as_str()));
        }
        if errors.0.len() == known {
            right.insert(&volume.name, volume);
        }
    }
    right
}

fn validate_source(volume: &Volume, path: &Path, errors: &mut FieldErrors) {
    if let Some(limit) = volume.empty_dir.as_ref().and_then(|source| source.size_limit.as_ref()) {
        let path = path.child("emptyDir").child("sizeLimit");
        if readable(errors, &path, limit).is_some_and(|limit| limit.is_negative()) {
            errors.push(FieldError::forbidden(&path, "SizeLimit field must be a valid resource quantity"));
        }
    }
    if let Some(source) = &volume.host_path {
        volume_sources::validate_host_path(source, &path.child("hostPath"), errors);
    }
    validate_old(volume, path, errors);
    validate_written(volume, path, errors);
    if let Some(source) = &volume.nfs {
        volume_sources::validate_nfs(source, &path.child("nfs"), errors);
    }
    if let Some(source) = &volume.csi {
        let path = path.child("csi");
        driver_name(&source.driver, &path.child("driver"), errors);
        match source.node_publish_secret_ref.as_ref().map(|secret| secret.name.as_str()) {
            Some("") => errors.push(FieldError::required(&path.child("nodePublishSecretRef").child("name"), "")),
            Some(name) => errors.check(&path.child("name"), name, names::dns_subdomain),
            None => {}
        }
    }
    if let Some(source) = &volume.image {
        let path = path.child("image");
        if text(&source.reference).is_empty() {
            errors.push(FieldError::required(&path.child("reference"), ""));
        }
        let policies = ["Always", "IfNotPresent", "Never"];
        required_and_supported(errors, &path.child("pullPolicy"), text(&source.pull_policy), &policies);
    }
    if let Some(source) = &volume.ephemeral {
        validate_ephemeral(source, &path.child("ephemeral").child("volumeClaimTemplate"), errors);
    }
    if let Some(source) = &volume.persistent_volume_claim
        && source.claim_name.is_empty()
    {
        errors.push(FieldError::required(&path.child("persistentVolumeClaim").child("claimName"), ""));
    }
}

/// A claim that is made for the pod. Of its metadata, nothing but labels and annotations is taken.
fn validate_ephemeral(source: &EphemeralVolumeSource, path: &Path, errors: &mut FieldErrors) {
    let Some(template) = &source.volume_claim_template else {
        errors.push(FieldError::required(path, ""));
        return;
    };
    if let Some(metadata) = &template.metadata {
        template_metadata(errors, &path.child("metadata"), metadata);
    }
    claim_spec::validate(&template.spec, &path.child("spec"), errors);
}

/// Volumes that no node of ours mounts: what they must name.
fn validate_old(volume: &Volume, path: &Path, errors: &mut FieldErrors) {
    let repository = ("gitRepo", "repository", is_blank(&volume.git_repo, |git| &git.repository));
    require_named(std::iter::once(repository).chain(old_sources!(volume)), path, errors);
    let directory = volume.git_repo.as_ref().map_or("", |git| text(&git.directory));
    inner_path(errors, &path.child("gitRepo").child("directory"), directory);
}

/// Volumes whose files the node agent writes.
fn validate_written(volume: &Volume, path: &Path, errors: &mut FieldErrors) {
    if let Some(source) = &volume.secret {
        let path = path.child("secret");
        if text(&source.secret_name).is_empty() {
            errors.push(FieldError::required(&path.child("secretName"), ""));
        }
        validate_mode(source.default_mode, &path.child("defaultMode"), errors);
        validate_items(source.items.as_deref(), &path.child("items"), errors);
    }
    if let Some(source) = &volume.downward_api {
        let path = path.child("downwardAPI");
        validate_mode(source.default_mode, &path.child("defaultMode"), errors);
        validate_files(source.items.as_deref(), &path, errors);
    }
    if let Some(source) = &volume.config_map {
        let path = path.child("configMap");
        if source.name.is_empty() {
            errors.push(FieldError::required(&path.child("name"), ""));
        }
        validate_mode(source.default_mode, &path.child("defaultMode"), errors);
        validate_items(source.items.as_deref(), &path.child("items"), errors);
    }
    if let Some(source) = &volume.projected {
        let path = path.child("projected");
        validate_mode(source.default_mode, &path.child("defaultMode"), errors);
        validate_projected(source, &path, errors);
    }
}

/// Files that tell of the pod itself. Upstream does not say at which place in the list.
fn validate_files(files: Option<&[DownwardAPIVolumeFile]>, path: &Path, errors: &mut FieldErrors) {
    for file in files.into_iter().flatten() {
        if file.path.is_empty() {
            errors.push(FieldError::required(&path.child("path"), ""));
        }
        unreserved_path(errors, &path.child("path"), &file.path);
        if let Some(field) = &file.field_ref {
            downward::validate_field(field, FIELDS, &path.child("fieldRef"), errors);
        }
        match (&file.field_ref, &file.resource_field_ref) {
            (Some(_), None) => {}
            (None, Some(amount)) => downward::validate_amount(amount, true, &path.child("resourceFieldRef"), errors),
            (Some(_), Some(_)) => {
                let why = "fieldRef and resourceFieldRef can not be specified simultaneously";
                errors.push(FieldError::invalid(path, "resource", why));
            }
            (None, None) => {
                errors.push(FieldError::required(path, "one of fieldRef and resourceFieldRef is required"));
            }
        }
        validate_mode(file.mode, &path.child("mode"), errors);
    }
}

/// Files of several sources, which must not stand in each other's place.
fn validate_projected(source: &ProjectedVolumeSource, path: &Path, errors: &mut FieldErrors) {
    let mut places = BTreeSet::new();
    for (index, projection) in source.sources.iter().flatten().enumerate() {
        let source_path = path.child("sources").index(index);
        let maps = [
            ("secret", projection.secret.as_ref().map(|from| (&from.name, &from.items))),
            ("configMap", projection.config_map.as_ref().map(|from| (&from.name, &from.items))),
        ];
        for (field, (name, items)) in maps.into_iter().filter_map(|(field, from)| Some((field, from?))) {
            let from_path = source_path.child(field);
            if name.is_empty() {
                errors.push(FieldError::required(&from_path.child("name"), ""));
            }
            validate_items(items.as_deref(), &from_path.child("items"), errors);
            for item in items.iter().flatten().filter(|item| !item.path.is_empty()) {
                if !places.insert(item.path.as_str()) {
                    errors.push(FieldError::invalid(path, name.as_str(), "conflicting duplicate paths"));
                }
            }
        }
        if let Some(from) = &projection.downward_api {
            validate_files(from.items.as_deref(), &source_path.child("downwardAPI"), errors);
            for file in from.items.iter().flatten().filter(|file| !file.path.is_empty()) {
                if !places.insert(file.path.as_str()) {
                    errors.push(FieldError::invalid(path, file.path.as_str(), "conflicting duplicate paths"));
                }
            }
        }
        if let Some(token) = &projection.service_account_token {
            let seconds_path = source_path.child("serviceAccountToken").child("expirationSeconds");
            validate_token(token, &seconds_path, &path.child("path"), errors);
        }
        let kinds = [
            projection.cluster_trust_bundle.is_some(),
            projection.config_map.is_some(),
            projection.downward_api.is_some(),
            projection.pod_certificate.is_some(),
            projection.secret.is_some(),
            projection.service_account_token.is_some(),
        ];
        if kinds.iter().filter(|is_there| **is_there).count() > 1 {
            errors.push(FieldError::forbidden(&source_path, "may not specify more than 1 volume type per source"));
        }
    }
}

fn validate_token(token: &ServiceAccountTokenProjection, seconds_path: &Path, path: &Path, errors: &mut FieldErrors) {
    let why = match token.expiration_seconds {
        Some(..600) => "may not specify a duration less than 10 minutes",
        Some(seconds) if seconds > 1 << 32 => "may not specify a duration larger than 2^32 seconds",
        _ => "",
    };
    if let Some(seconds) = token.expiration_seconds.filter(|_| !why.is_empty()) {
        errors.push(FieldError::invalid(seconds_path, seconds, why));
    }
    if token.path.is_empty() {
        errors.push(FieldError::required(path, ""));
    }
    unreserved_path(errors, path, &token.path);
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
        for (field, value) in [("key", &item.key), ("path", &item.path)] {
            if value.is_empty() {
                errors.push(FieldError::required(&path.child(field), ""));
            }
        }
        unreserved_path(errors, &path.child("path"), &item.path);
        validate_mode(item.mode, &path.child("mode"), errors);
    }
}
