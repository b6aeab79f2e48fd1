//! DeviceClass: a sort of devices that claims may ask for.

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::resource::v1::DeviceClass;

use crate::kinds::device_rules::{MOST_CONFIGS, bounded, validate_config, validate_selectors};
use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::resource_names::is_native;
use crate::kinds::table::{age_column, name_column};

impl Kind for DeviceClass {
    const FLAGS: Flags = Flags { returns_deleted: true, counts_generations: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[name_column(), age_column()];

    fn validate(&self, errors: &mut FieldErrors) {
        let (spec, path) = (&self.spec, Path::new("spec"));
        validate_selectors(spec.selectors.as_deref(), &path.child("selectors"), errors);
        let configs = spec.config.as_deref().unwrap_or_default();
        if bounded(configs.len(), MOST_CONFIGS, &path.child("config"), errors) {
            for (index, config) in configs.iter().enumerate() {
                validate_config(config.opaque.as_ref(), &path.child("config").index(index), errors);
            }
        }
        if let Some(name) = spec.extended_resource_name.as_deref().filter(|name| !is_extended_resource(name)) {
            let why = "must be a valid extended resource name";
            errors.push(FieldError::invalid(&path.child("extendedResourceName"), name, why));
        }
    }

    fn spec_differs(&self, old: &Self) -> bool {
        self.spec != old.spec
    }
}

/// A resource that is no invention of Kubernetes itself, and whose name a quota can hold.
fn is_extended_resource(name: &str) -> bool {
    !is_native(name) && !name.starts_with("requests.") && names::qualified_name(&format!("requests.{name}")).is_ok()
}
