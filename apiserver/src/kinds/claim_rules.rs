//! Rules of what a claim asks for, and of what it gets.

use std::collections::BTreeMap;

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::resource::v1::{
    AllocatedDeviceStatus, AllocationResult, DeviceClaim, DeviceConstraint, DeviceRequest,
    DeviceRequestAllocationResult, DeviceSelector, DeviceToleration, NetworkDeviceData, ResourceClaim,
    ResourceClaimSpec, ResourceClaimStatus,
};

use crate::kinds::addresses::canonical_interface;
use crate::kinds::device_rules::{
    LONGEST_PARAMETERS, MOST_CONFIGS, MOST_REQUESTS, bounded, class_name, fully_qualified, pool_name, raw, share_id,
    unique, validate_binding, validate_config, validate_selectors, validate_tolerations,
};
use crate::kinds::pod_spec::rules::validate_node_selector;
use crate::kinds::rules::{conditions, default_text, immutable, required_and_supported, text};
use crate::kinds::storage_drivers::driver_name;

const MOST_CONSTRAINTS: usize = 32;
const MOST_ALTERNATIVES: usize = 8;
const MOST_CONSUMERS: usize = 256;
const MOST_RESULTS: usize = 32;
const MOST_CONDITIONS: usize = 8;
const MOST_ADDRESSES: usize = 16;
const LONGEST_INTERFACE: usize = 256;
const LONGEST_HARDWARE_ADDRESS: usize = 128;
const NO_REQUEST: &str =
    "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";

pub fn fill_spec(spec: &mut ResourceClaimSpec) {
    let requests = spec.devices.iter_mut().flat_map(|devices| devices.requests.iter_mut().flatten());
    for request in requests {
        if let Some(exactly) = &mut request.exactly {
            fill_mode(&mut exactly.allocation_mode, &mut exactly.count);
            fill_tolerations(&mut exactly.tolerations);
        }
        for alternative in request.first_available.iter_mut().flatten() {
            fill_mode(&mut alternative.allocation_mode, &mut alternative.count);
            fill_tolerations(&mut alternative.tolerations);
        }
    }
}

pub fn fill_status(status: &mut ResourceClaimStatus) {
    let devices = status.allocation.iter_mut().filter_map(|allocation| allocation.devices.as_mut());
    for result in devices.flat_map(|devices| devices.results.iter_mut().flatten()) {
        fill_tolerations(&mut result.tolerations);
    }
}

fn fill_mode(mode: &mut Option<String>, count: &mut Option<i64>) {
    default_text(mode, "ExactCount");
    if text(mode) == "ExactCount" && count.unwrap_or_default() == 0 {
        *count = Some(1);
    }
}

fn fill_tolerations(tolerations: &mut Option<Vec<DeviceToleration>>) {
    tolerations.iter_mut().flatten().for_each(|toleration| default_text(&mut toleration.operator, "Equal"));
}

/// The requests of a claim, each with its alternatives.
type Names<'a> = BTreeMap<&'a str, Vec<&'a str>>;

fn request_names(devices: Option<&DeviceClaim>) -> Names<'_> {
    let requests = devices.into_iter().flat_map(|devices| devices.requests.iter().flatten());
    let named = requests.map(|request| {
        let alternatives = request.first_available.iter().flatten().map(|one| one.name.as_str()).collect();
        (request.name.as_str(), alternatives)
    });
    named.collect()
}

pub fn validate_spec(spec: &ResourceClaimSpec, path: &Path, errors: &mut FieldErrors) {
    let Some(devices) = &spec.devices else { return };
    let (path, known) = (path.child("devices"), request_names(Some(devices)));
    let (requests, requests_path) = (devices.requests.as_deref().unwrap_or_default(), path.child("requests"));
    if bounded(requests.len(), MOST_REQUESTS, &requests_path, errors) {
        for (index, request) in requests.iter().enumerate() {
            validate_request(request, &requests_path.index(index), errors);
        }
        unique(requests.iter().map(|request| request.name.as_str()), &requests_path, errors);
    }
    let (constraints, constraints_path) =
        (devices.constraints.as_deref().unwrap_or_default(), path.child("constraints"));
    if bounded(constraints.len(), MOST_CONSTRAINTS, &constraints_path, errors) {
        for (index, constraint) in constraints.iter().enumerate() {
            validate_constraint(constraint, &known, &constraints_path.index(index), errors);
        }
    }
    let (configs, configs_path) = (devices.config.as_deref().unwrap_or_default(), path.child("config"));
    if bounded(configs.len(), MOST_CONFIGS, &configs_path, errors) {
        for (index, config) in configs.iter().enumerate() {
            let path = configs_path.index(index);
            validate_references(config.requests.as_deref(), &known, &path.child("requests"), errors);
            validate_config(config.opaque.as_ref(), &path, errors);
        }
    }
}

fn validate_request(request: &DeviceRequest, path: &Path, errors: &mut FieldErrors) {
    errors.check(&path.child("name"), &request.name, names::dns_label);
    let alternatives = request.first_available.as_deref().unwrap_or_default();
    match (&request.exactly, alternatives.is_empty()) {
        (None, true) => {
            let why = "exactly one of `exactly` or `firstAvailable` is required";
            errors.push(FieldError::required(path, why));
        }
        (Some(_), false) => {
            let why = "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set";
            errors.push(FieldError::invalid(path, serde_json::Value::Null, why));
        }
        (Some(exactly), true) => {
            let wanted = Wanted {
                class: &exactly.device_class_name,
                selectors: exactly.selectors.as_deref(),
                mode: text(&exactly.allocation_mode),
                count: exactly.count.unwrap_or_default(),
                tolerations: exactly.tolerations.as_deref(),
            };
            validate_wanted(&wanted, &path.child("exactly"), errors);
        }
        (None, false) => {
            let path = path.child("firstAvailable");
            if !bounded(alternatives.len(), MOST_ALTERNATIVES, &path, errors) {
                return;
            }
            for (index, alternative) in alternatives.iter().enumerate() {
                let path = path.index(index);
                errors.check(&path.child("name"), &alternative.name, names::dns_label);
                let wanted = Wanted {
                    class: &alternative.device_class_name,
                    selectors: alternative.selectors.as_deref(),
                    mode: text(&alternative.allocation_mode),
                    count: alternative.count.unwrap_or_default(),
                    tolerations: alternative.tolerations.as_deref(),
                };
                validate_wanted(&wanted, &path, errors);
            }
            unique(alternatives.iter().map(|alternative| alternative.name.as_str()), &path, errors);
        }
    }
}

/// Devices that are wanted, as the only way or as one of several.
struct Wanted<'a> {
    class: &'a str,
    selectors: Option<&'a [DeviceSelector]>,
    mode: &'a str,
    count: i64,
    tolerations: Option<&'a [DeviceToleration]>,
}

fn validate_wanted(wanted: &Wanted<'_>, path: &Path, errors: &mut FieldErrors) {
    class_name(wanted.class, &path.child("deviceClassName"), errors);
    validate_selectors(wanted.selectors, &path.child("selectors"), errors);
    let count_path = path.child("count");
    match wanted.mode {
        "All" if wanted.count != 0 => {
            let why = "must not be specified when allocationMode is 'All'";
            errors.push(FieldError::invalid(&count_path, wanted.count, why));
        }
        "All" => {}
        "ExactCount" if wanted.count <= 0 => {
            errors.push(FieldError::invalid(&count_path, wanted.count, "must be greater than zero"));
        }
        "ExactCount" => {}
        other => errors.push(FieldError::not_supported(&path.child("allocationMode"), other, &["All", "ExactCount"])),
    }
    validate_tolerations(wanted.tolerations, &path.child("tolerations"), errors);
}

fn validate_constraint(constraint: &DeviceConstraint, known: &Names<'_>, path: &Path, errors: &mut FieldErrors) {
    validate_references(constraint.requests.as_deref(), known, &path.child("requests"), errors);
    match (&constraint.match_attribute, &constraint.distinct_attribute) {
        (Some(name), _) => fully_qualified(name, &path.child("matchAttribute"), errors),
        (None, Some(name)) => fully_qualified(name, &path.child("distinctAttribute"), errors),
        (None, None) => {
            let why =
                "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, but multiple fields are set";
            errors.push(FieldError::required(path, why));
        }
    }
}

fn validate_references(requests: Option<&[String]>, known: &Names<'_>, path: &Path, errors: &mut FieldErrors) {
    let requests = requests.unwrap_or_default();
    if bounded(requests.len(), MOST_REQUESTS, path, errors) {
        for (index, name) in requests.iter().enumerate() {
            validate_reference(name, known, &path.index(index), errors);
        }
        unique(requests.iter().map(String::as_str), path, errors);
    }
}

/// `request`, or `request/alternative`.
fn validate_reference(name: &str, known: &Names<'_>, path: &Path, errors: &mut FieldErrors) {
    let (request, alternative) = name.split_once('/').map_or((name, None), |(request, rest)| (request, Some(rest)));
    if alternative.is_some_and(|alternative| alternative.contains('/')) {
        errors.push(FieldError::invalid(path, name, NO_REQUEST));
        return;
    }
    errors.check(path, request, names::dns_label);
    if let Some(alternative) = alternative {
        errors.check(path, alternative, names::dns_label);
    }
    let is_known = |alternatives: &Vec<&str>| alternative.is_none_or(|wanted| alternatives.contains(&wanted));
    if !known.get(request).is_some_and(is_known) {
        errors.push(FieldError::invalid(path, name, NO_REQUEST));
    }
}

pub fn validate_status(new: &ResourceClaim, old: &ResourceClaim, errors: &mut FieldErrors) {
    let none = ResourceClaimStatus::default();
    let (status, before) = (new.status.as_ref().unwrap_or(&none), old.status.as_ref().unwrap_or(&none));
    let (path, known) = (Path::new("status"), request_names(new.spec.devices.as_ref()));
    validate_consumers(status, &path.child("reservedFor"), errors);
    let devices = status.devices.as_deref().unwrap_or_default();
    for (index, device) in devices.iter().enumerate() {
        validate_device(device, status.allocation.as_ref(), &path.child("devices").index(index), errors);
    }
    let ids: Vec<String> = devices.iter().map(device_id).collect();
    unique(ids.iter().map(String::as_str), &path.child("devices"), errors);
    validate_reservation(new, status, before, &path.child("reservedFor"), errors);
    let path = path.child("allocation");
    match (&status.allocation, &before.allocation) {
        (Some(new), Some(old)) => immutable(errors, &path, new, old),
        (Some(new), None) => validate_allocation(new, &known, &path, errors),
        (None, _) => {}
    }
}

fn validate_consumers(status: &ResourceClaimStatus, path: &Path, errors: &mut FieldErrors) {
    let consumers = status.reserved_for.as_deref().unwrap_or_default();
    if !bounded(consumers.len(), MOST_CONSUMERS, path, errors) {
        return;
    }
    for (index, consumer) in consumers.iter().enumerate() {
        for (field, value) in [("resource", &consumer.resource), ("name", &consumer.name), ("uid", &consumer.uid)] {
            if value.is_empty() {
                errors.push(FieldError::required(&path.index(index).child(field), ""));
            }
        }
    }
    unique(consumers.iter().map(|consumer| consumer.uid.as_str()), path, errors);
}

/// Only what is allocated is reserved, and of what goes nothing more.
fn validate_reservation(
    claim: &ResourceClaim,
    status: &ResourceClaimStatus,
    before: &ResourceClaimStatus,
    path: &Path,
    errors: &mut FieldErrors,
) {
    let consumers = status.reserved_for.as_deref().unwrap_or_default();
    let known = before.reserved_for.as_deref().unwrap_or_default();
    if !consumers.is_empty() && status.allocation.is_none() {
        errors.push(FieldError::forbidden(path, "may not be specified when `allocated` is not set"));
    } else if claim.metadata.deletion_timestamp.is_some() && consumers.iter().any(|one| !known.contains(one)) {
        let why = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set";
        errors.push(FieldError::forbidden(path, why));
    }
}

fn device_id(device: &AllocatedDeviceStatus) -> String {
    shared_id(&device.driver, &device.pool, &device.device, device.share_id.as_deref())
}

fn shared_id(driver: &str, pool: &str, device: &str, share: Option<&str>) -> String {
    let id = format!("{driver}/{pool}/{device}");
    share.map_or_else(|| id.clone(), |share| format!("{id}/{share}"))
}

fn results(allocation: Option<&AllocationResult>) -> &[DeviceRequestAllocationResult] {
    let devices = allocation.and_then(|allocation| allocation.devices.as_ref());
    devices.and_then(|devices| devices.results.as_deref()).unwrap_or_default()
}

fn validate_device(
    device: &AllocatedDeviceStatus,
    allocation: Option<&AllocationResult>,
    path: &Path,
    errors: &mut FieldErrors,
) {
    driver_name(&device.driver, &path.child("driver"), errors);
    pool_name(&device.pool, &path.child("pool"), errors);
    errors.check(&path.child("device"), &device.device, names::dns_label);
    share_id(device.share_id.as_deref(), &path.child("shareID"), errors);
    let id = device_id(device);
    let is_allocated = results(allocation)
        .iter()
        .any(|result| shared_id(&result.driver, &result.pool, &result.device, result.share_id.as_deref()) == id);
    if !is_allocated {
        errors.push(FieldError::invalid(path, id, "must be an allocated device in the claim"));
    }
    let conditions_path = path.child("conditions");
    let found = device.conditions.as_deref().unwrap_or_default();
    bounded(found.len(), MOST_CONDITIONS, &conditions_path, errors);
    conditions(errors, &conditions_path, found);
    if let Some(data) = device.data.as_ref().filter(|data| !data.0.is_null()) {
        raw(data, LONGEST_PARAMETERS, &path.child("data"), errors);
    }
    if let Some(network) = &device.network_data {
        validate_network(network, &path.child("networkData"), errors);
    }
}

fn validate_network(network: &NetworkDeviceData, path: &Path, errors: &mut FieldErrors) {
    for (field, value, longest) in [
        ("interfaceName", text(&network.interface_name), LONGEST_INTERFACE),
        ("hardwareAddress", text(&network.hardware_address), LONGEST_HARDWARE_ADDRESS),
    ] {
        if value.len() > longest {
            errors.push(FieldError::too_long(&path.child(field), longest));
        }
    }
    let (addresses, path) = (network.ips.as_deref().unwrap_or_default(), path.child("ips"));
    if bounded(addresses.len(), MOST_ADDRESSES, &path, errors) {
        for (index, address) in addresses.iter().enumerate() {
            errors.check(&path.index(index), address, canonical_interface);
        }
        unique(addresses.iter().map(String::as_str), &path, errors);
    }
}

fn validate_allocation(allocation: &AllocationResult, known: &Names<'_>, path: &Path, errors: &mut FieldErrors) {
    let results = results(Some(allocation));
    let devices_path = path.child("devices");
    if bounded(results.len(), MOST_RESULTS, &devices_path.child("results"), errors) {
        for (index, result) in results.iter().enumerate() {
            validate_result(result, known, &devices_path.child("results").index(index), errors);
        }
    }
    let configs = allocation.devices.as_ref().and_then(|devices| devices.config.as_deref()).unwrap_or_default();
    // Those of the class, and those of the claim.
    if bounded(configs.len(), 2 * MOST_CONFIGS, &devices_path.child("config"), errors) {
        for (index, config) in configs.iter().enumerate() {
            let path = devices_path.child("config").index(index);
            required_and_supported(errors, &path.child("source"), &config.source, &["FromClaim", "FromClass"]);
            validate_references(config.requests.as_deref(), known, &path.child("requests"), errors);
            validate_config(config.opaque.as_ref(), &path, errors);
        }
    }
    if let Some(selector) = &allocation.node_selector {
        validate_node_selector(selector, &path.child("nodeSelector"), errors);
    }
}

fn validate_result(result: &DeviceRequestAllocationResult, known: &Names<'_>, path: &Path, errors: &mut FieldErrors) {
    validate_reference(&result.request, known, &path.child("request"), errors);
    driver_name(&result.driver, &path.child("driver"), errors);
    pool_name(&result.pool, &path.child("pool"), errors);
    errors.check(&path.child("device"), &result.device, names::dns_label);
    let (conditions, failures) = (result.binding_conditions.as_deref(), result.binding_failure_conditions.as_deref());
    validate_binding(conditions, failures, path, errors);
    validate_tolerations(result.tolerations.as_deref(), &path.child("tolerations"), errors);
    share_id(result.share_id.as_deref(), &path.child("shareID"), errors);
}
