//! PersistentVolumeClaim.

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use api::quantity::Quantity;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, PersistentVolumeClaimStatus};

use crate::kinds::facts::{Flags, STATUS, Subresource};
use crate::kinds::kind::{Column, Kind};
use crate::kinds::persistent_volume::{CLASS_ANNOTATION, warning_of_class};
use crate::kinds::rules::{immutable, readable, text};
use crate::kinds::table::{self, age_column, name_column, or_unset};
use crate::kinds::{claim_spec, difference, resource_names};

const RESIZE_STATES: &[&str] = &[
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
    "NodeResizePending",
];

impl Kind for PersistentVolumeClaim {
    const SHORT_NAMES: &'static [&'static str] = &["pvc"];
    const SUBRESOURCES: &'static [Subresource] = &[STATUS];
    const FLAGS: Flags = Flags { returns_deleted: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Status", "string", "Whether it has a volume, and what became of it.", |claim, _| {
            let phase = text(&status(claim).phase).to_owned();
            if claim.metadata.deletion_timestamp.is_some() { "Terminating".into() } else { phase.into() }
        }),
        Column::new("Volume", "string", "The volume that it has.", |claim, _| text(&spec(claim).volume_name).into()),
        Column::new("Capacity", "string", "How much the volume holds.", |claim, _| {
            bound(claim, |status| table::amount(status.capacity.as_ref(), "storage")).into()
        }),
        Column::new("Access Modes", "string", "How the volume can be mounted.", |claim, _| {
            bound(claim, |status| table::access_modes(status.access_modes.as_ref())).into()
        }),
        Column::new("StorageClass", "string", "The class of storage that it asks for.", |claim, _| {
            let annotations = claim.metadata.annotations.as_ref();
            let old = annotations.and_then(|annotations| annotations.get(CLASS_ANNOTATION)).cloned();
            old.or(spec(claim).storage_class_name).unwrap_or_default().into()
        }),
        Column::new("VolumeAttributesClass", "string", "The class of attributes that it asks for.", |claim, _| {
            or_unset(spec(claim).volume_attributes_class_name.as_deref()).into()
        }),
        age_column(),
        Column::wide("VolumeMode", "string", "Whether it is a file system or a bare device.", |claim, _| {
            or_unset(spec(claim).volume_mode.as_deref()).into()
        }),
    ];

    fn fill_defaults(&mut self) {
        claim_spec::fill(self);
    }

    fn before_create(&mut self) {
        let phase = Some(claim_spec::PENDING.to_owned());
        self.status = Some(PersistentVolumeClaimStatus { phase, ..PersistentVolumeClaimStatus::default() });
        claim_spec::match_sources(self.spec.get_or_insert_default());
    }

    fn before_update(&mut self, old: &Self) {
        self.status = old.status.clone();
        claim_spec::match_sources(self.spec.get_or_insert_default());
    }

    fn before_subresource_update(&mut self, _: &str, old: &Self) {
        self.spec = old.spec.clone();
    }

    fn validate(&self, errors: &mut FieldErrors) {
        claim_spec::validate(&spec(self), &Path::new("spec"), errors);
    }

    fn warnings(&self) -> Vec<String> {
        let mut sentences: Vec<String> = warning_of_class(&self.metadata).into_iter().collect();
        let requests = spec(self).resources.and_then(|resources| resources.requests).unwrap_or_default();
        let asked = requests.get("storage").and_then(|amount| Quantity::parse(&amount.0).ok());
        if let Some(amount) = asked.filter(|amount| Quantity::from_units(amount.units()) != *amount) {
            sentences.push(format!(
                "spec.resources.requests[storage]: fractional byte value \"{amount}\" is invalid, must be an integer"
            ));
        }
        sentences
    }

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        let annotation = |claim: &Self| claim.metadata.annotations.as_ref()?.get(CLASS_ANNOTATION).cloned();
        let path = Path::new("metadata").child("annotations").child(CLASS_ANNOTATION);
        // A class that was said in the old way may be said in the new one instead.
        let is_moved = spec(old).storage_class_name.is_none()
            && annotation(old).is_some()
            && spec(self).storage_class_name == annotation(old)
            && annotation(self).is_none_or(|class| Some(class) == annotation(old));
        if !is_moved {
            let of = |claim: &Self| annotation(claim).unwrap_or_default();
            immutable(errors, &path, &of(self), &of(old));
        }
        let is_bound = text(&status(self).phase) == "Bound";
        let (new, old_spec) = (spec(self), spec(old));
        let expected = with_what_may_change(&old_spec, &new, is_bound);
        if new != expected {
            let why = "spec is immutable after creation except resources.requests and volumeAttributesClassName for \
                       bound claims";
            let changed = difference::between(&expected, &new);
            errors.push(FieldError::forbidden(&Path::new("spec"), format!("{why}\n{changed}")));
        }
        validate_size(&new, &old_spec, &status(old), errors);
        immutable(errors, &Path::new("volumeMode"), &new.volume_mode, &old_spec.volume_mode);
        let path = Path::new("spec").child("volumeAttributesClassName");
        let was_applied = status(old).current_volume_attributes_class_name.is_some();
        let what = match new.volume_attributes_class_name.as_deref() {
            None => "nil",
            Some("") => "empty string",
            Some(_) => return,
        };
        if was_applied && old_spec.volume_attributes_class_name != new.volume_attributes_class_name {
            let why = format!("update to {what} is forbidden when status.currentVolumeAttributesClassName is not nil");
            errors.push(FieldError::forbidden(&path, why));
        }
    }

    fn validate_subresource_update(&self, _: &str, _: &Self, errors: &mut FieldErrors) {
        let path = Path::new("status");
        let status = status(self);
        for (name, amount) in status.capacity.iter().flatten() {
            let path = path.child("capacity").key(name);
            if let Some(amount) = readable(errors, &path, amount).filter(|amount| amount.is_negative()) {
                errors.push(FieldError::invalid(&path, amount.units(), "must be a valid resource quantity"));
            }
        }
        let states_path = path.child("allocatedResourceStatuses");
        for (name, state) in status.allocated_resource_statuses.iter().flatten() {
            validate_key(name, &states_path, errors);
            if !RESIZE_STATES.contains(&state.as_str()) {
                errors.push(FieldError::not_supported(&states_path, name.as_str(), RESIZE_STATES));
            }
        }
        let amounts_path = path.child("allocatedResources");
        for (name, amount) in status.allocated_resources.iter().flatten() {
            if validate_key(name, &amounts_path, errors) {
                resource_names::amount(errors, &amounts_path.key(name), name, amount);
            }
        }
    }
}

/// Of a volume's own resources, there is its size.
fn validate_key(name: &str, path: &Path, errors: &mut FieldErrors) -> bool {
    if let Err(why) = names::qualified_name(name) {
        errors.push(FieldError::invalid(path, name, why));
    } else if resource_names::is_native(name) && name != "storage" {
        errors.push(FieldError::not_supported(path, name, &["storage"]));
    } else {
        return true;
    }
    false
}

fn spec(claim: &PersistentVolumeClaim) -> PersistentVolumeClaimSpec {
    claim.spec.clone().unwrap_or_default()
}

fn status(claim: &PersistentVolumeClaim) -> PersistentVolumeClaimStatus {
    claim.status.clone().unwrap_or_default()
}

/// What is told of a claim that has a volume.
fn bound(claim: &PersistentVolumeClaim, of: fn(&PersistentVolumeClaimStatus) -> String) -> String {
    if text(&spec(claim).volume_name).is_empty() { String::new() } else { of(&status(claim)) }
}

/// The old spec with those changes of the new one that are allowed.
fn with_what_may_change(
    old: &PersistentVolumeClaimSpec,
    new: &PersistentVolumeClaimSpec,
    is_bound: bool,
) -> PersistentVolumeClaimSpec {
    let mut spec = old.clone();
    // A volume is found once, and a class may be chosen for a claim that has none.
    if text(&spec.volume_name).is_empty() {
        spec.volume_name = new.volume_name.clone();
    }
    if spec.storage_class_name.is_none() {
        spec.storage_class_name = new.storage_class_name.clone();
    }
    if is_bound {
        spec.volume_attributes_class_name = new.volume_attributes_class_name.clone();
    }
    let asked = new.resources.as_ref().and_then(|resources| resources.requests.as_ref()?.get("storage"));
    if is_bound && let Some(asked) = asked {
        let resources = spec.resources.get_or_insert_default();
        resources.requests.get_or_insert_default().insert("storage".to_owned(), asked.clone());
    }
    spec
}

/// A claim may shrink again as far as its volume has not grown yet.
fn validate_size(
    new: &PersistentVolumeClaimSpec,
    old: &PersistentVolumeClaimSpec,
    status: &PersistentVolumeClaimStatus,
    errors: &mut FieldErrors,
) {
    let asked = |spec: &PersistentVolumeClaimSpec| {
        let requests = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref());
        requests.and_then(|requests| Quantity::parse(&requests.get("storage")?.0).ok()).unwrap_or(Quantity::ZERO)
    };
    let capacity = status.capacity.as_ref().and_then(|capacity| Quantity::parse(&capacity.get("storage")?.0).ok());
    if asked(new) < asked(old) && asked(new) <= capacity.unwrap_or(Quantity::ZERO) {
        let path = Path::new("spec").child("resources").child("requests").child("storage");
        errors.push(FieldError::forbidden(&path, "field can not be less than status.capacity"));
    }
}
