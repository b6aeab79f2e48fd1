//! CSINode: the drivers of volumes that a node has.

use std::collections::BTreeSet;

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::storage::v1::{CSINode, CSINodeDriver};

use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::{non_negative, shown};
use crate::kinds::storage_drivers::driver_name;
use crate::kinds::table::{age_column, name_column};

const LONGEST_NODE_ID: usize = 256;

impl Kind for CSINode {
    const FLAGS: Flags = Flags { unconditional_update: false, returns_deleted: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Drivers", "integer", "How many drivers it has.", |node, _| node.spec.drivers.len().into()),
        age_column(),
    ];

    fn validate(&self, errors: &mut FieldErrors) {
        let path = Path::new("spec").child("drivers");
        let mut seen = BTreeSet::new();
        for (index, driver) in self.spec.drivers.iter().enumerate() {
            let path = path.index(index);
            validate_driver(driver, &path, errors);
            if !seen.insert(&driver.name) {
                errors.push(FieldError::duplicate(&path.child("name"), driver.name.as_str()));
            }
        }
    }

    /// How much a driver can take may change; all else of it is as it was registered.
    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        let fixed = |driver: &CSINodeDriver| CSINodeDriver { allocatable: None, ..driver.clone() };
        for old in &old.spec.drivers {
            for new in self.spec.drivers.iter().filter(|new| new.name == old.name && fixed(new) != fixed(old)) {
                errors.push(FieldError::invalid(&Path::new("CSINodeDriver"), shown(new), "field is immutable"));
            }
        }
    }
}

fn validate_driver(driver: &CSINodeDriver, path: &Path, errors: &mut FieldErrors) {
    driver_name(&driver.name, &path.child("name"), errors);
    let id_path = path.child("nodeID");
    if driver.node_id.is_empty() {
        errors.push(FieldError::required(&id_path, ""));
    }
    if driver.node_id.len() > LONGEST_NODE_ID {
        let why = format!("must be {LONGEST_NODE_ID} characters or less");
        errors.push(FieldError::invalid(&id_path, driver.node_id.as_str(), why));
    }
    let count = driver.allocatable.as_ref().and_then(|allocatable| allocatable.count);
    non_negative(errors, &path.child("allocatable").child("count"), count.map(i64::from));
    let mut seen = BTreeSet::new();
    for key in driver.topology_keys.iter().flatten() {
        if key.is_empty() {
            errors.push(FieldError::required(path, ""));
        }
        if !seen.insert(key) {
            errors.push(FieldError::duplicate(path, key.as_str()));
        }
        errors.check(path, key, names::qualified_name);
    }
}
