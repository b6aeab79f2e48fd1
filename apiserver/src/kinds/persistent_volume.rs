//! PersistentVolume.

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeSpec, PersistentVolumeStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::kinds::claim_spec::PENDING;
use crate::kinds::facts::{Flags, STATUS, Subresource};
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::{canonical_amounts, default_text, immutable, text};
use crate::kinds::table::{self, age_column, name_column, or_unset};
use crate::kinds::{difference, volume_sources};

/// How the class of storage was said before it had a field.
pub const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

impl Kind for PersistentVolume {
    const SHORT_NAMES: &'static [&'static str] = &["pv"];
    const SUBRESOURCES: &'static [Subresource] = &[STATUS];
    const FLAGS: Flags = Flags { returns_deleted: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Capacity", "string", "How much it holds.", |volume, _| {
            table::amount(spec(volume).capacity.as_ref(), "storage").into()
        }),
        Column::new("Access Modes", "string", "How it can be mounted.", |volume, _| {
            table::access_modes(spec(volume).access_modes.as_ref()).into()
        }),
        Column::new("Reclaim Policy", "string", "What becomes of it after its claim.", |volume, _| {
            text(&spec(volume).persistent_volume_reclaim_policy).into()
        }),
        Column::new("Status", "string", "Whether it is claimed.", |volume, _| {
            let phase = volume.status.as_ref().map_or("", |status| text(&status.phase));
            if volume.metadata.deletion_timestamp.is_some() { "Terminating".into() } else { phase.into() }
        }),
        Column::new("Claim", "string", "The claim that has it.", |volume, _| {
            let claim = spec(volume).claim_ref;
            claim.map(|claim| format!("{}/{}", text(&claim.namespace), text(&claim.name))).unwrap_or_default().into()
        }),
        Column::new("StorageClass", "string", "Its class of storage.", |volume, _| {
            let annotations = volume.metadata.annotations.as_ref();
            let old = annotations.and_then(|annotations| annotations.get(CLASS_ANNOTATION)).cloned();
            old.or(spec(volume).storage_class_name).unwrap_or_default().into()
        }),
        Column::new("VolumeAttributesClass", "string", "Its class of attributes.", |volume, _| {
            or_unset(spec(volume).volume_attributes_class_name.as_deref()).into()
        }),
        Column::new("Reason", "string", "Why it is in this state, in a word.", |volume, _| {
            volume.status.as_ref().map_or("", |status| text(&status.reason)).into()
        }),
        age_column(),
        Column::wide("VolumeMode", "string", "Whether it is a file system or a bare device.", |volume, _| {
            or_unset(spec(volume).volume_mode.as_deref()).into()
        }),
    ];

    fn fill_defaults(&mut self) {
        let spec = self.spec.get_or_insert_default();
        canonical_amounts(&mut spec.capacity);
        default_text(&mut spec.persistent_volume_reclaim_policy, "Retain");
        default_text(&mut spec.volume_mode, "Filesystem");
        volume_sources::fill(spec);
        default_text(&mut self.status.get_or_insert_default().phase, PENDING);
    }

    fn before_create(&mut self) {
        self.status = Some(PersistentVolumeStatus {
            phase: Some(PENDING.to_owned()),
            last_phase_transition_time: self.metadata.creation_timestamp.clone(),
            ..PersistentVolumeStatus::default()
        });
    }

    fn before_update(&mut self, old: &Self) {
        self.status = old.status.clone();
    }

    fn before_subresource_update(&mut self, _: &str, old: &Self) {
        self.spec = old.spec.clone();
    }

    fn validate(&self, errors: &mut FieldErrors) {
        volume_sources::validate(&spec(self), &Path::new("spec"), errors);
    }

    fn warnings(&self) -> Vec<String> {
        let mut sentences: Vec<String> = warning_of_class(&self.metadata).into_iter().collect();
        if text(&spec(self).persistent_volume_reclaim_policy) == "Recycle" {
            let why = "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the \
                       recommended approach is to use dynamic provisioning.";
            sentences.push(why.to_owned());
        }
        sentences
    }

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        let (new, old) = (spec(self), spec(old));
        let path = Path::new("spec");
        let expected = with_what_may_change(&old, &new);
        if new != expected {
            let why = "spec.persistentvolumesource is immutable after creation";
            let changed = difference::between(&expected, &new);
            errors.push(FieldError::forbidden(&path.child("persistentvolumesource"), format!("{why}\n{changed}")));
        }
        immutable(errors, &Path::new("volumeMode"), &new.volume_mode, &old.volume_mode);
        if old.node_affinity.is_some() {
            immutable(errors, &Path::new("nodeAffinity"), &new.node_affinity, &old.node_affinity);
        }
        if old.volume_attributes_class_name.is_some() && new.volume_attributes_class_name.is_none() {
            let why = "update from non-nil value to nil is forbidden";
            errors.push(FieldError::forbidden(&path.child("volumeAttributesClassName"), why));
        }
    }
}

/// Of a class that is said in the old way.
pub fn warning_of_class(metadata: &ObjectMeta) -> Option<String> {
    let is_set = metadata.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(CLASS_ANNOTATION));
    is_set.then(|| {
        format!(
            "metadata.annotations[{CLASS_ANNOTATION}]: deprecated since v1.8; use \"storageClassName\" attribute instead"
        )
    })
}

fn spec(volume: &PersistentVolume) -> PersistentVolumeSpec {
    volume.spec.clone().unwrap_or_default()
}

/// The new spec with the source of the old one, save for a secret that may be added.
fn with_what_may_change(old: &PersistentVolumeSpec, new: &PersistentVolumeSpec) -> PersistentVolumeSpec {
    let mut spec = PersistentVolumeSpec {
        access_modes: new.access_modes.clone(),
        capacity: new.capacity.clone(),
        claim_ref: new.claim_ref.clone(),
        mount_options: new.mount_options.clone(),
        node_affinity: new.node_affinity.clone(),
        persistent_volume_reclaim_policy: new.persistent_volume_reclaim_policy.clone(),
        storage_class_name: new.storage_class_name.clone(),
        volume_attributes_class_name: new.volume_attributes_class_name.clone(),
        volume_mode: new.volume_mode.clone(),
        ..old.clone()
    };
    if let (Some(kept), Some(new)) = (&mut spec.csi, &new.csi)
        && kept.controller_expand_secret_ref.is_none()
    {
        kept.controller_expand_secret_ref = new.controller_expand_secret_ref.clone();
    }
    spec
}
