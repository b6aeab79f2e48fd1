//! CSIStorageCapacity: how much space there is for volumes of a class, and where.

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use api::quantity::Quantity;
use k8s_openapi::api::storage::v1::CSIStorageCapacity;

use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::{canonical_amount, selector, shown};
use crate::kinds::table::{name_column, or_unset};

impl Kind for CSIStorageCapacity {
    const FLAGS: Flags = Flags { unconditional_update: false, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("StorageClassName", "string", "The class.", |capacity, _| {
            capacity.storage_class_name.clone().into()
        }),
        Column::new("Capacity", "string", "How much space there is.", |capacity, _| {
            or_unset(capacity.capacity.as_ref().map(|amount| amount.0.as_str())).into()
        }),
    ];

    fn fill_defaults(&mut self) {
        self.capacity.iter_mut().chain(&mut self.maximum_volume_size).for_each(canonical_amount);
    }

    fn validate(&self, errors: &mut FieldErrors) {
        if let Some(topology) = &self.node_topology {
            selector(errors, &Path::new("nodeTopology"), topology);
        }
        errors.check(&Path::new("storageClassName"), &self.storage_class_name, names::dns_subdomain);
        for (field, amount) in [("capacity", &self.capacity), ("maximumVolumeSize", &self.maximum_volume_size)] {
            let Some(amount) = amount else { continue };
            match Quantity::parse(&amount.0) {
                Ok(read) if read.is_negative() => {
                    let why = "must be greater than or equal to 0";
                    errors.push(FieldError::invalid(&Path::new(field), read.to_string(), why));
                }
                Ok(_) => {}
                Err(why) => errors.push(FieldError::invalid(&Path::new(field), amount.0.as_str(), why)),
            }
        }
    }

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        let why = "field is immutable";
        if self.node_topology != old.node_topology {
            errors.push(FieldError::invalid(&Path::new("nodeTopology"), shown(&self.node_topology), why));
        }
        if self.storage_class_name != old.storage_class_name {
            let name = self.storage_class_name.as_str();
            errors.push(FieldError::invalid(&Path::new("storageClassName"), name, why));
        }
    }
}
