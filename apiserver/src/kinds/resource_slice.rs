//! ResourceSlice: devices that a driver offers.

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::resource::v1::{CounterSet, ResourcePool, ResourceSlice, ResourceSliceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::kinds::device::{self, Place};
use crate::kinds::device_rules::{bounded, pool_name, unique};
use crate::kinds::facts::{FieldLabel, Flags};
use crate::kinds::kind::{Column, Kind};
use crate::kinds::pod_spec::rules::validate_node_selector;
use crate::kinds::rules::{immutable, required_name, shown, text};
use crate::kinds::storage_drivers::driver_name;
use crate::kinds::table::{age_column, name_column};

const MOST_DEVICES: usize = 128;
/// Of devices with taints, counters or lists of values, which cost more.
const MOST_COSTLY_DEVICES: usize = 64;
const MOST_COUNTER_SETS: usize = 8;

impl Kind for ResourceSlice {
    const FLAGS: Flags = Flags { returns_deleted: true, counts_generations: true, ..Flags::USUAL };
    const FIELD_LABELS: &'static [FieldLabel] = &[
        FieldLabel { label: "spec.nodeName", path: &["spec", "nodeName"], default: "" },
        FieldLabel { label: "spec.driver", path: &["spec", "driver"], default: "" },
    ];
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Node", "string", "The node that has the devices.", |slice, _| text(&slice.spec.node_name).into()),
        Column::new("Driver", "string", "The driver that offers them.", |slice, _| slice.spec.driver.clone().into()),
        Column::new("Pool", "string", "The pool that they are in.", |slice, _| slice.spec.pool.name.clone().into()),
        age_column(),
    ];

    /// Since when a device is tainted.
    fn set_times(&mut self, _: Option<&Self>, now: &Time) {
        let devices = self.spec.devices.iter_mut().flatten();
        for taint in devices.flat_map(|device| device.taints.iter_mut().flatten()) {
            taint.time_added.get_or_insert_with(|| now.clone());
        }
    }

    fn validate(&self, errors: &mut FieldErrors) {
        validate_spec(&self.spec, &Path::new("spec"), errors);
    }

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        let (path, new, old) = (Path::new("spec"), &self.spec, &old.spec);
        immutable(errors, &path.child("pool").child("name"), &new.pool.name, &old.pool.name);
        immutable(errors, &path.child("driver"), &new.driver, &old.driver);
        immutable(errors, &path.child("nodeName"), &new.node_name, &old.node_name);
    }

    fn spec_differs(&self, old: &Self) -> bool {
        self.spec != old.spec
    }
}

fn validate_spec(spec: &ResourceSliceSpec, path: &Path, errors: &mut FieldErrors) {
    driver_name(&spec.driver, &path.child("driver"), errors);
    validate_pool(&spec.pool, &path.child("pool"), errors);
    validate_place(spec, path, errors);
    if spec.shared_counters.is_some() && spec.devices.is_some() {
        errors.push(FieldError::invalid(path, "", "only one of `sharedCounters` or `devices` is allowed"));
    }
    let devices = spec.devices.as_deref().unwrap_or_default();
    let most = if devices.iter().any(device::is_costly) { MOST_COSTLY_DEVICES } else { MOST_DEVICES };
    let devices_path = path.child("devices");
    if bounded(devices.len(), most, &devices_path, errors) {
        let place = if spec.per_device_node_selection == Some(true) { Place::OfDevice } else { Place::OfSlice };
        for (index, one) in devices.iter().enumerate() {
            device::validate(one, place, &devices_path.index(index), errors);
        }
        unique(devices.iter().map(|device| device.name.as_str()), &devices_path, errors);
    }
    let (sets, path) = (spec.shared_counters.as_deref().unwrap_or_default(), path.child("sharedCounters"));
    if bounded(sets.len(), MOST_COUNTER_SETS, &path, errors) {
        for (index, set) in sets.iter().enumerate() {
            validate_counters(set, &path.index(index), errors);
        }
        unique(sets.iter().map(|set| set.name.as_str()), &path, errors);
    }
}

fn validate_pool(pool: &ResourcePool, path: &Path, errors: &mut FieldErrors) {
    pool_name(&pool.name, &path.child("name"), errors);
    if pool.resource_slice_count <= 0 {
        let (count, why) = (pool.resource_slice_count, "must be greater than zero");
        errors.push(FieldError::invalid(&path.child("resourceSliceCount"), count, why));
    }
    if pool.generation < 0 {
        let why = "must be greater than or equal to zero";
        errors.push(FieldError::invalid(&path.child("generation"), pool.generation, why));
    }
}

/// Where the devices are is said in exactly one way.
fn validate_place(spec: &ResourceSliceSpec, path: &Path, errors: &mut FieldErrors) {
    let mut ways = Vec::new();
    if let Some(node) = &spec.node_name {
        let path = path.child("nodeName");
        if node.is_empty() {
            errors.push(FieldError::invalid(&path, "", "must be either unset or set to a non-empty string"));
        } else {
            ways.push("`nodeName`");
            errors.check(&path, node, names::dns_subdomain);
        }
    }
    if let Some(selector) = &spec.node_selector {
        ways.push("`nodeSelector`");
        validate_node_selector(selector, &path.child("nodeSelector"), errors);
        if selector.node_selector_terms.len() != 1 {
            let path = path.child("nodeSelector").child("nodeSelectorTerms");
            let why = "must have exactly one node selector term";
            errors.push(FieldError::invalid(&path, shown(&selector.node_selector_terms), why));
        }
    }
    for (field, flag, way) in [
        ("allNodes", spec.all_nodes, "`allNodes`"),
        ("perDeviceNodeSelection", spec.per_device_node_selection, "`perDeviceNodeSelection`"),
    ] {
        match flag {
            Some(true) => ways.push(way),
            Some(false) => {
                let why = "must be either unset or set to true";
                errors.push(FieldError::invalid(&path.child(field), false, why));
            }
            None => {}
        }
    }
    let why = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
    match ways.len() {
        0 => errors.push(FieldError::required(path, why)),
        1 => {}
        _ => {
            let why = format!("{why}, but multiple fields are set");
            errors.push(FieldError::invalid(path, format!("{{{}}}", ways.join(", ")), why));
        }
    }
}

fn validate_counters(set: &CounterSet, path: &Path, errors: &mut FieldErrors) {
    required_name(errors, &path.child("name"), &set.name, names::dns_label);
    device::validate_counter_names(set.counters.keys(), &path.child("counters"), errors);
}
