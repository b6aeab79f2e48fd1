//! ConfigMap.

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::core::v1::ConfigMap;

use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::config_key;
use crate::kinds::table::{age_column, name_column};

/// As much as an object may hold in all its values.
pub const MOST_BYTES: usize = 1 << 20;

impl Kind for ConfigMap {
    const SHORT_NAMES: &'static [&'static str] = &["cm"];
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Data", "string", "How many entries it has.", |map, _| {
            let count = map.data.as_ref().map_or(0, |data| data.len());
            (count + map.binary_data.as_ref().map_or(0, |data| data.len())).into()
        }),
        age_column(),
    ];

    fn validate(&self, errors: &mut FieldErrors) {
        let mut size = 0;
        for (key, value) in self.data.iter().flatten() {
            let path = Path::new("data").key(key);
            errors.check(&path, key, config_key);
            if self.binary_data.as_ref().is_some_and(|binary| binary.contains_key(key)) {
                let why = "duplicate of key present in binaryData";
                errors.push(FieldError::invalid(&path, key.as_str(), why));
            }
            size += value.len();
        }
        for (key, value) in self.binary_data.iter().flatten() {
            errors.check(&Path::new("binaryData").key(key), key, config_key);
            size += value.0.len();
        }
        if size > MOST_BYTES {
            // Upstream's path to the object itself.
            errors.push(FieldError::too_long(&Path::new("[]"), MOST_BYTES));
        }
    }

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        if old.immutable != Some(true) {
            return;
        }
        let why = "field is immutable when `immutable` is set";
        if self.immutable != Some(true) {
            errors.push(FieldError::forbidden(&Path::new("immutable"), why));
        }
        if self.data != old.data {
            errors.push(FieldError::forbidden(&Path::new("data"), why));
        }
        if self.binary_data != old.binary_data {
            errors.push(FieldError::forbidden(&Path::new("binaryData"), why));
        }
    }
}
