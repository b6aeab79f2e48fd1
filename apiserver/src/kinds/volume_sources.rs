//! Where a PersistentVolume keeps its data: defaults and rules of its spec.

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::core::v1::{
    CSIPersistentVolumeSource, HostPathVolumeSource, LocalVolumeSource, NFSVolumeSource, PersistentVolumeSpec,
    SecretReference,
};

use crate::kinds::claim_spec::{VOLUME_MODES, validate_access_modes};
use crate::kinds::pod_spec::rules::validate_node_selector;
use crate::kinds::rules::{default_text, no_way_up, positive_amount, required_name, shown, supported, text};
use crate::kinds::storage_drivers::driver_name;

/// What old sources must name, and whether they leave it out. Volumes of pods and PersistentVolumes have the same fields
/// here, in types of their own.
macro_rules! old_sources {
    ($of:expr) => {{
        use crate::kinds::volume_sources::is_blank;
        [
            ("persistentDisk", "pdName", is_blank(&$of.gce_persistent_disk, |disk| &disk.pd_name)),
            ("awsElasticBlockStore", "volumeID", is_blank(&$of.aws_elastic_block_store, |disk| &disk.volume_id)),
            ("iscsi", "targetPortal", is_blank(&$of.iscsi, |target| &target.target_portal)),
            ("iscsi", "iqn", is_blank(&$of.iscsi, |target| &target.iqn)),
            ("glusterfs", "endpoints", is_blank(&$of.glusterfs, |volume| &volume.endpoints)),
            ("glusterfs", "path", is_blank(&$of.glusterfs, |volume| &volume.path)),
            ("rbd", "monitors", $of.rbd.as_ref().is_some_and(|disk| disk.monitors.is_empty())),
            ("rbd", "image", is_blank(&$of.rbd, |disk| &disk.image)),
            ("cinder", "volumeID", is_blank(&$of.cinder, |disk| &disk.volume_id)),
            ("cephfs", "monitors", $of.cephfs.as_ref().is_some_and(|volume| volume.monitors.is_empty())),
            ("flexVolume", "driver", is_blank(&$of.flex_volume, |volume| &volume.driver)),
            ("azureFile", "secretName", is_blank(&$of.azure_file, |share| &share.secret_name)),
            ("azureFile", "shareName", is_blank(&$of.azure_file, |share| &share.share_name)),
            ("vsphereVolume", "volumePath", is_blank(&$of.vsphere_volume, |disk| &disk.volume_path)),
            ("portworxVolume", "volumeID", is_blank(&$of.portworx_volume, |volume| &volume.volume_id)),
            ("azureDisk", "diskName", is_blank(&$of.azure_disk, |disk| &disk.disk_name)),
            ("azureDisk", "diskURI", is_blank(&$of.azure_disk, |disk| &disk.disk_uri)),
        ]
    }};
}
pub(in crate::kinds) use old_sources;

const RECLAIM_POLICIES: &[&str] = &["Delete", "Recycle", "Retain"];

pub fn fill(spec: &mut PersistentVolumeSpec) {
    if let Some(source) = &mut spec.host_path {
        source.type_.get_or_insert_default();
    }
    if let Some(source) = &mut spec.iscsi {
        default_text(&mut source.iscsi_interface, "default");
    }
    if let Some(source) = &mut spec.rbd {
        default_text(&mut source.pool, "rbd");
        default_text(&mut source.user, "admin");
        default_text(&mut source.keyring, "/etc/ceph/keyring");
    }
    if let Some(source) = &mut spec.azure_disk {
        default_text(&mut source.caching_mode, "ReadWrite");
        default_text(&mut source.kind, "Shared");
        default_text(&mut source.fs_type, "ext4");
        source.read_only.get_or_insert(false);
    }
    if let Some(source) = &mut spec.scale_io {
        default_text(&mut source.storage_mode, "ThinProvisioned");
        default_text(&mut source.fs_type, "xfs");
    }
}

/// A volume that stands inside of another object, from the time when drivers took the place of volume plugins.
pub fn validate_inline(spec: &PersistentVolumeSpec, path: &Path, errors: &mut FieldErrors) {
    let forbid = |fields: &[(&str, bool, &str)], errors: &mut FieldErrors| {
        for (field, _, why) in fields.iter().filter(|(_, is_set, _)| *is_set) {
            errors.push(FieldError::forbidden(&path.child(field), why));
        }
    };
    let why = "may not be specified in the context of inline volumes";
    let holds = spec.capacity.as_ref().is_some_and(|capacity| !capacity.is_empty());
    forbid(&[("claimRef", spec.claim_ref.is_some(), why), ("capacity", holds, why)], errors);
    if spec.csi.is_none() {
        errors.push(FieldError::required(&path.child("csi"), "has to be specified in the context of inline volumes"));
    }
    validate_modes(spec, &path.child("accessModes"), errors);
    let is_kept = matches!(text(&spec.persistent_volume_reclaim_policy), "" | "Retain");
    let only_kept = "may only be Retain in the context of inline volumes";
    forbid(
        &[("persistentVolumeReclaimPolicy", !is_kept, only_kept), ("nodeAffinity", spec.node_affinity.is_some(), why)],
        errors,
    );
    validate_source(spec, path, errors);
    let is_mounted = spec.volume_mode.as_deref().is_none_or(|mode| mode == "Filesystem");
    let only_mounted = "may not specify volumeMode other than Filesystem in the context of inline volumes";
    let has_class = !text(&spec.storage_class_name).is_empty();
    forbid(&[("storageClassName", has_class, why), ("volumeMode", !is_mounted, only_mounted)], errors);
    validate_attributes_class(spec, path, errors);
}

fn validate_modes(spec: &PersistentVolumeSpec, path: &Path, errors: &mut FieldErrors) {
    let modes = spec.access_modes.as_deref().unwrap_or_default();
    if modes.is_empty() {
        errors.push(FieldError::required(path, ""));
    }
    validate_access_modes(modes, path, errors);
}

pub fn validate(spec: &PersistentVolumeSpec, path: &Path, errors: &mut FieldErrors) {
    validate_modes(spec, &path.child("accessModes"), errors);
    validate_capacity(spec, &path.child("capacity"), errors);
    let policy = text(&spec.persistent_volume_reclaim_policy);
    if !policy.is_empty() {
        supported(errors, &path.child("persistentVolumeReclaimPolicy"), policy, RECLAIM_POLICIES);
    }
    if let Some(affinity) = &spec.node_affinity {
        let path = path.child("nodeAffinity").child("required");
        match &affinity.required {
            Some(required) => validate_node_selector(required, &path, errors),
            None => errors.push(FieldError::required(&path, "must specify required node constraints")),
        }
    }
    validate_source(spec, path, errors);
    let class = text(&spec.storage_class_name);
    if !class.is_empty() {
        errors.check(&path.child("storageClassName"), class, names::dns_subdomain);
    }
    if let Some(mode) = &spec.volume_mode {
        supported(errors, &path.child("volumeMode"), mode, VOLUME_MODES);
    }
    validate_attributes_class(spec, path, errors);
}

fn validate_attributes_class(spec: &PersistentVolumeSpec, path: &Path, errors: &mut FieldErrors) {
    if let Some(class) = &spec.volume_attributes_class_name {
        let class_path = path.child("volumeAttributesClassName");
        if class.is_empty() {
            errors.push(FieldError::required(&class_path, "an empty string is disallowed"));
        } else {
            errors.check(&class_path, class, names::dns_subdomain);
        }
        if spec.csi.is_none() {
            let why = "has to be specified when using volumeAttributesClassName";
            errors.push(FieldError::required(&path.child("csi"), why));
        }
    }
}

/// How much it holds, and nothing else.
fn validate_capacity(spec: &PersistentVolumeSpec, path: &Path, errors: &mut FieldErrors) {
    let none = Default::default();
    let capacity = spec.capacity.as_ref().unwrap_or(&none);
    if capacity.is_empty() {
        errors.push(FieldError::required(path, ""));
    }
    if !capacity.contains_key("storage") || capacity.len() > 1 {
        errors.push(FieldError::not_supported(path, shown(capacity), &["storage"]));
    }
    for (name, amount) in capacity {
        positive_amount(errors, &path.key(name), amount);
    }
}

/// Exactly one source, and that one as it must be.
fn validate_source(spec: &PersistentVolumeSpec, path: &Path, errors: &mut FieldErrors) {
    let sources = [
        ("hostPath", spec.host_path.is_some()),
        ("gcePersistentDisk", spec.gce_persistent_disk.is_some()),
        ("awsElasticBlockStore", spec.aws_elastic_block_store.is_some()),
        ("glusterfs", spec.glusterfs.is_some()),
        ("flocker", spec.flocker.is_some()),
        ("nfs", spec.nfs.is_some()),
        ("rbd", spec.rbd.is_some()),
        ("quobyte", spec.quobyte.is_some()),
        ("cephFS", spec.cephfs.is_some()),
        ("iscsi", spec.iscsi.is_some()),
        ("cinder", spec.cinder.is_some()),
        ("fc", spec.fc.is_some()),
        ("flexVolume", spec.flex_volume.is_some()),
        ("azureFile", spec.azure_file.is_some()),
        ("vsphereVolume", spec.vsphere_volume.is_some()),
        ("photonPersistentDisk", spec.photon_persistent_disk.is_some()),
        ("portworxVolume", spec.portworx_volume.is_some()),
        ("azureDisk", spec.azure_disk.is_some()),
        ("scaleIO", spec.scale_io.is_some()),
        ("local", spec.local.is_some()),
        ("storageos", spec.storageos.is_some()),
        ("csi", spec.csi.is_some()),
    ];
    let given: Vec<&str> = sources.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name).collect();
    let [_, more @ ..] = &given[..] else {
        errors.push(FieldError::required(path, "must specify a volume type"));
        return;
    };
    for name in more {
        errors.push(FieldError::forbidden(&path.child(name), "may not specify more than 1 volume type"));
    }
    if more.is_empty() {
        validate_one_source(spec, path, errors);
    }
}

fn validate_one_source(spec: &PersistentVolumeSpec, path: &Path, errors: &mut FieldErrors) {
    if let Some(source) = &spec.host_path {
        validate_host_path(source, &path.child("hostPath"), errors);
        let is_root = source.path.split('/').all(|part| part.is_empty() || part == ".");
        if is_root && text(&spec.persistent_volume_reclaim_policy) == "Recycle" {
            let why = "may not be 'recycle' for a hostPath mount of '/'";
            errors.push(FieldError::forbidden(&path.child("persistentVolumeReclaimPolicy"), why));
        }
    }
    if let Some(source) = &spec.nfs {
        validate_nfs(source, &path.child("nfs"), errors);
    }
    if let Some(source) = &spec.local {
        validate_local(source, &path.child("local"), errors);
        if spec.node_affinity.is_none() {
            errors.push(FieldError::required(&path.child("nodeAffinity"), "Local volume requires node affinity"));
        }
    }
    if let Some(source) = &spec.csi {
        validate_csi(source, &path.child("csi"), errors);
    }
    require_named(old_sources!(spec), path, errors);
}

/// Tells of each source and field that is blank.
pub fn require_named(
    fields: impl IntoIterator<Item = (&'static str, &'static str, bool)>,
    path: &Path,
    errors: &mut FieldErrors,
) {
    for (source, field, _) in fields.into_iter().filter(|(_, _, is_blank)| *is_blank) {
        errors.push(FieldError::required(&path.child(source).child(field), ""));
    }
}

/// Whether a source is there, and leaves out what it must name.
pub fn is_blank<T>(source: &Option<T>, field: fn(&T) -> &String) -> bool {
    source.as_ref().is_some_and(|source| field(source).is_empty())
}

pub fn validate_host_path(source: &HostPathVolumeSource, path: &Path, errors: &mut FieldErrors) {
    if source.path.is_empty() {
        errors.push(FieldError::required(&path.child("path"), ""));
        return;
    }
    errors.check(&path.child("path"), &source.path, no_way_up);
    let types = ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
    supported(errors, &path.child("type"), text(&source.type_), &types);
}

pub fn validate_nfs(source: &NFSVolumeSource, path: &Path, errors: &mut FieldErrors) {
    if source.server.is_empty() {
        errors.push(FieldError::required(&path.child("server"), ""));
    }
    let path = path.child("path");
    if source.path.is_empty() {
        errors.push(FieldError::required(&path, ""));
    }
    if !source.path.starts_with('/') {
        errors.push(FieldError::invalid(&path, source.path.as_str(), "must be an absolute path"));
    }
}

fn validate_local(source: &LocalVolumeSource, path: &Path, errors: &mut FieldErrors) {
    if source.path.is_empty() {
        errors.push(FieldError::required(&path.child("path"), ""));
    } else {
        errors.check(&path.child("path"), &source.path, no_way_up);
    }
}

fn validate_csi(source: &CSIPersistentVolumeSource, path: &Path, errors: &mut FieldErrors) {
    driver_name(&source.driver, &path.child("driver"), errors);
    if source.volume_handle.is_empty() {
        errors.push(FieldError::required(&path.child("volumeHandle"), ""));
    }
    for (field, secret) in [
        ("controllerPublishSecretRef", &source.controller_publish_secret_ref),
        ("controllerExpandSecretRef", &source.controller_expand_secret_ref),
        ("nodePublishSecretRef", &source.node_publish_secret_ref),
        ("nodeExpandSecretRef", &source.node_expand_secret_ref),
    ] {
        let Some(SecretReference { name, namespace }) = secret else { continue };
        let path = path.child(field);
        required_name(errors, &path.child("name"), text(name), names::dns_subdomain);
        required_name(errors, &path.child("namespace"), text(namespace), names::dns_label);
    }
}
