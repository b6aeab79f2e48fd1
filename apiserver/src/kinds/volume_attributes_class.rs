//! VolumeAttributesClass: what a volume can be changed to.

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::storage::v1::VolumeAttributesClass;

use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::immutable;
use crate::kinds::storage_class::{named_default, validate_parameters};
use crate::kinds::storage_drivers::driver_name;
use crate::kinds::table::{age_column, name_column};

const DEFAULT_CLASS: [&str; 1] = ["volumeattributesclass.alpha.kubernetes.io/is-default-class"];

impl Kind for VolumeAttributesClass {
    const SHORT_NAMES: &'static [&'static str] = &["vac"];
    const FLAGS: Flags = Flags { returns_deleted: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        Column { cell: |class, _| named_default(&class.metadata, &DEFAULT_CLASS).into(), ..name_column() },
        Column::new("DriverName", "string", "Whose volumes can be changed to it.", |class, _| {
            class.driver_name.clone().into()
        }),
        age_column(),
    ];

    fn validate(&self, errors: &mut FieldErrors) {
        driver_name(&self.driver_name, &Path::new("driverName"), errors);
        if self.parameters.as_ref().is_none_or(|parameters| parameters.is_empty()) {
            errors.push(FieldError::required(&Path::new("parameters"), "must contain at least one key/value pair"));
        }
        validate_parameters(self.parameters.as_ref(), errors);
    }

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        immutable(errors, &Path::new("driverName"), &self.driver_name, &old.driver_name);
        immutable(errors, &Path::new("parameters"), &self.parameters, &old.parameters);
    }
}
