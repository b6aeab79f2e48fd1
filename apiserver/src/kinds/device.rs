//! Rules of one device of a slice.

use std::collections::BTreeMap;

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use api::quantity::Quantity;
use k8s_openapi::api::resource::v1::{
    CapacityRequestPolicy, CapacityRequestPolicyRange, Device, DeviceAttribute, DeviceCapacity, DeviceTaint,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Amount;
use serde_json::Value;

use crate::kinds::device_rules::{TAINT_EFFECTS, bounded, entry, qualified, unique, validate_binding};
use crate::kinds::pod_spec::rules::validate_node_selector;
use crate::kinds::rules::{required_and_supported, required_name, shown, text};

const MOST_ATTRIBUTES: usize = 32;
const MOST_VALUES: usize = 48;
const MOST_TAINTS: usize = 16;
const MOST_COUNTERS: usize = 32;
const MOST_CONSUMPTIONS: usize = 2;
const MOST_OPTIONS: usize = 10;
const LONGEST_VALUE: usize = 64;

/// Who says on which nodes a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    OfSlice,
    OfDevice,
}

/// Whether it takes more work to give the device out.
pub fn is_costly(device: &Device) -> bool {
    let has = |count: Option<usize>| count.is_some_and(|count| count > 0);
    let mut attributes = device.attributes.iter().flat_map(BTreeMap::values);
    has(device.taints.as_ref().map(Vec::len))
        || has(device.consumes_counters.as_ref().map(Vec::len))
        || attributes.any(|attribute| list_length(attribute).is_some())
}

pub fn validate(device: &Device, place: Place, path: &Path, errors: &mut FieldErrors) {
    errors.check(&path.child("name"), &device.name, names::dns_label);
    validate_counts(device, path, errors);
    for (name, attribute) in device.attributes.iter().flatten() {
        let path = path.child("attributes");
        qualified(name, &path, errors);
        validate_attribute(attribute, &entry(&path, name), errors);
    }
    for (name, capacity) in device.capacity.iter().flatten() {
        let path = path.child("capacity");
        qualified(name, &path, errors);
        let many = device.allow_multiple_allocations == Some(true);
        validate_capacity(capacity, many, &entry(&path, name), errors);
    }
    let (taints, taints_path) = (device.taints.as_deref().unwrap_or_default(), path.child("taints"));
    if bounded(taints.len(), MOST_TAINTS, &taints_path, errors) {
        taints.iter().enumerate().for_each(|(index, taint)| validate_taint(taint, &taints_path.index(index), errors));
    }
    validate_consumptions(device, &path.child("consumesCounters"), errors);
    validate_place(device, place, path, errors);
    let (conditions, failures) = (device.binding_conditions.as_deref(), device.binding_failure_conditions.as_deref());
    validate_binding(conditions, failures, path, errors);
}

fn validate_counts(device: &Device, path: &Path, errors: &mut FieldErrors) {
    let count = device.attributes.as_ref().map_or(0, BTreeMap::len) + device.capacity.as_ref().map_or(0, BTreeMap::len);
    if count > MOST_ATTRIBUTES {
        let why = format!("the total number of attributes and capacities must not exceed {MOST_ATTRIBUTES}");
        errors.push(FieldError::invalid(path, count, why));
    }
    let attributes = device.attributes.iter().flat_map(BTreeMap::values);
    let values: usize = attributes.map(|attribute| list_length(attribute).unwrap_or(1)).sum();
    if values > MOST_VALUES {
        let why = format!("the total number of attribute values must not exceed {MOST_VALUES}");
        errors.push(FieldError::invalid(path, values, why));
    }
}

/// How many values an attribute that is a list has.
fn list_length(attribute: &DeviceAttribute) -> Option<usize> {
    let lengths = [
        attribute.bools.as_ref().map(Vec::len),
        attribute.ints.as_ref().map(Vec::len),
        attribute.strings.as_ref().map(Vec::len),
        attribute.versions.as_ref().map(Vec::len),
    ];
    lengths.into_iter().flatten().reduce(|sum, length| sum + length)
}

fn validate_attribute(attribute: &DeviceAttribute, path: &Path, errors: &mut FieldErrors) {
    let strings = attribute.strings.iter().flatten().enumerate();
    let strings = strings.map(|(index, value)| (path.child("strings").index(index), value));
    for (path, value) in attribute.string.iter().map(|value| (path.child("string"), value)).chain(strings) {
        if value.len() > LONGEST_VALUE {
            errors.push(FieldError::too_long(&path, LONGEST_VALUE));
        }
    }
    let versions = attribute.versions.iter().flatten().enumerate();
    let versions = versions.map(|(index, value)| (path.child("versions").index(index), value));
    for (path, value) in attribute.version.iter().map(|value| (path.child("version"), value)).chain(versions) {
        if !is_semantic_version(value) {
            let why = "must be a string compatible with semver.org spec 2.0.0";
            errors.push(FieldError::invalid(&path, value.as_str(), why));
        }
        if value.len() > LONGEST_VALUE {
            errors.push(FieldError::too_long(&path, LONGEST_VALUE));
        }
    }
    let forms = [
        attribute.bool.is_some(),
        attribute.int.is_some(),
        attribute.string.is_some(),
        attribute.version.is_some(),
        attribute.bools.is_some(),
        attribute.ints.is_some(),
        attribute.strings.is_some(),
        attribute.versions.is_some(),
    ];
    match forms.iter().filter(|is_there| **is_there).count() {
        0 => errors.push(FieldError::invalid(path, "", "exactly one value must be specified")),
        1 => {}
        _ => errors.push(FieldError::invalid(path, shown(attribute), "exactly one value must be specified")),
    }
}

/// `1.2.3-beta.1+build.5`.
fn is_semantic_version(value: &str) -> bool {
    let (rest, build) = value.split_once('+').map_or((value, None), |(rest, build)| (rest, Some(build)));
    let (core, release) = rest.split_once('-').map_or((rest, None), |(core, release)| (core, Some(release)));
    let is_number = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) && (part == "0" || !part.starts_with('0'))
    };
    let is_word =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_release = |part: &str| is_word(part) && (is_number(part) || !part.bytes().all(|byte| byte.is_ascii_digit()));
    core.split('.').count() == 3
        && core.split('.').all(is_number)
        && release.is_none_or(|release| release.split('.').all(is_release))
        && build.is_none_or(|build| build.split('.').all(is_word))
}

fn validate_capacity(capacity: &DeviceCapacity, many: bool, path: &Path, errors: &mut FieldErrors) {
    let Some(most) = amount(&capacity.value, &path.child("value"), errors) else { return };
    let Some(policy) = &capacity.request_policy else { return };
    let path = path.child("requestPolicy");
    if many {
        validate_policy(policy, &most, &path, errors);
    } else {
        errors.push(FieldError::forbidden(&path, "allowMultipleAllocations must be true"));
    }
}

fn amount(value: &Amount, path: &Path, errors: &mut FieldErrors) -> Option<Quantity> {
    match Quantity::parse(&value.0) {
        Ok(read) => Some(read),
        Err(why) => {
            errors.push(FieldError::invalid(path, value.0.as_str(), why));
            None
        }
    }
}

/// Which shares of a capacity may be asked for.
fn validate_policy(policy: &CapacityRequestPolicy, most: &Quantity, path: &Path, errors: &mut FieldErrors) {
    let options = policy.valid_values.as_deref().unwrap_or_default();
    let (what, range) = match (options.is_empty(), &policy.valid_range) {
        (false, Some(_)) => {
            let why = "exactly one policy can be specified, cannot specify \"validValues\" and \"validRange\" at the \
                       same time";
            errors.push(FieldError::forbidden(path, why));
            return;
        }
        (true, None) => return,
        (false, None) => ("validValues", None),
        (true, Some(range)) => ("validRange", Some(range)),
    };
    let default_path = path.child("default");
    let Some(default) = &policy.default else {
        errors.push(FieldError::required(&default_path, &format!("required when {what} is defined")));
        return;
    };
    let Some(default) = amount(default, &default_path, errors) else { return };
    match range {
        Some(range) => validate_range(range, &default, most, &path.child(what), errors),
        None => validate_options(options, &default, most, &path.child(what), errors),
    }
}

fn validate_options(options: &[Amount], default: &Quantity, most: &Quantity, path: &Path, errors: &mut FieldErrors) {
    let read = options.iter().enumerate().map(|(index, option)| amount(option, &path.index(index), errors));
    let Some(read) = read.collect::<Option<Vec<Quantity>>>() else { return };
    for (index, pair) in read.windows(2).enumerate().filter(|(_, pair)| pair[0] > pair[1]) {
        let why = "values must be sorted in ascending order";
        errors.push(FieldError::invalid(&path.index(index + 1), pair[1].to_string(), why));
    }
    let few = bounded(read.len(), MOST_OPTIONS, path, errors);
    if few {
        for (index, option) in read.iter().enumerate().filter(|(_, option)| *option > most) {
            let why = format!("option is larger than capacity value: {most}");
            errors.push(FieldError::invalid(&path.index(index), option.to_string(), why));
        }
        let units: Vec<String> = read.iter().map(|option| option.units().to_string()).collect();
        unique(units.iter().map(String::as_str), path, errors);
    }
    if !few || !read.contains(default) {
        let why = "default value is not valid according to the requestPolicy";
        errors.push(FieldError::invalid(path, default.to_string(), why));
    }
}

fn validate_range(
    range: &CapacityRequestPolicyRange,
    default: &Quantity,
    most: &Quantity,
    path: &Path,
    errors: &mut FieldErrors,
) {
    if range.min.0.is_empty() {
        errors.push(FieldError::required(&path.child("min"), "required when validRange is defined"));
        return;
    }
    let Some(min) = amount(&range.min, &path.child("min"), errors) else { return };
    let max = range.max.as_ref().and_then(|max| amount(max, &path.child("max"), errors));
    let mut wrong = |field: &str, value: &Quantity, why: String| {
        errors.push(FieldError::invalid(&path.child(field), value.to_string(), why));
    };
    if min > *most {
        wrong("min", &min, format!("min is larger than capacity value: {most}"));
    }
    if *default < min {
        wrong("default", default, format!("default is less than min: {min}"));
    }
    if let Some(max) = &max {
        if min > *max {
            wrong("max", &min, format!("min is larger than max: {max}"));
        }
        if max > most {
            wrong("max", max, format!("max is larger than capacity value: {most}"));
        }
        if default > max {
            wrong("default", default, format!("default is more than max: {max}"));
        }
    }
    let Some(step) = range.step.as_ref().and_then(|step| Quantity::parse(&step.0).ok()) else { return };
    if step.milli() <= 0 {
        wrong("step", &step, "must be greater than zero".to_owned());
        return;
    }
    let first = min + step;
    if first > *most {
        wrong("step", &step, format!("one step {first} is larger than capacity value: {most}"));
    }
    for value in std::iter::once(default).chain(&max) {
        if value.milli().saturating_sub(min.milli()) % step.milli() != 0 {
            wrong("step", value, format!("value is not a multiple of a given step ({step}) from ({min})"));
        }
    }
}

fn validate_taint(taint: &DeviceTaint, path: &Path, errors: &mut FieldErrors) {
    errors.check(&path.child("key"), &taint.key, names::qualified_name);
    errors.check(&path.child("value"), text(&taint.value), names::label_value);
    required_and_supported(errors, &path.child("effect"), &taint.effect, TAINT_EFFECTS);
}

/// Counters that the device takes a share of.
fn validate_consumptions(device: &Device, path: &Path, errors: &mut FieldErrors) {
    let consumptions = device.consumes_counters.as_deref().unwrap_or_default();
    if !bounded(consumptions.len(), MOST_CONSUMPTIONS, path, errors) {
        return;
    }
    for (index, consumption) in consumptions.iter().enumerate() {
        let path = path.index(index);
        required_name(errors, &path.child("counterSet"), &consumption.counter_set, names::dns_label);
        validate_counter_names(consumption.counters.keys(), &path.child("counters"), errors);
    }
    unique(consumptions.iter().map(|consumption| consumption.counter_set.as_str()), path, errors);
}

pub fn validate_counter_names<'a>(
    counters: impl ExactSizeIterator<Item = &'a String>,
    path: &Path,
    errors: &mut FieldErrors,
) {
    if counters.len() == 0 {
        errors.push(FieldError::required(path, ""));
    } else if bounded(counters.len(), MOST_COUNTERS, path, errors) {
        counters.for_each(|name| errors.check(path, name, names::dns_label));
    }
}

fn validate_place(device: &Device, place: Place, path: &Path, errors: &mut FieldErrors) {
    let mut ways = Vec::new();
    if place == Place::OfSlice {
        if device.node_name.is_some() || device.node_selector.is_some() || device.all_nodes.is_some() {
            let why = "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to \
                       true in the ResourceSlice spec";
            errors.push(FieldError::invalid(path, Value::Null, why));
        }
        return;
    }
    match device.node_name.as_deref() {
        Some("") => errors.push(FieldError::invalid(&path.child("nodeName"), "", "must not be empty")),
        Some(node) => {
            ways.push("`nodeName`");
            errors.check(&path.child("nodeName"), node, names::dns_subdomain);
        }
        None => {}
    }
    if let Some(selector) = &device.node_selector {
        ways.push("`nodeSelector`");
        validate_node_selector(selector, &path.child("nodeSelector"), errors);
    }
    match device.all_nodes {
        Some(true) => ways.push("`allNodes`"),
        Some(false) => {
            let why = "must be either unset or set to true";
            errors.push(FieldError::invalid(&path.child("allNodes"), false, why));
        }
        None => {}
    }
    let why = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set \
               to true in the ResourceSlice spec";
    match ways.len() {
        0 => errors.push(FieldError::required(path, why)),
        1 => {}
        _ => errors.push(FieldError::invalid(path, format!("{{{}}}", ways.join(", ")), why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_semantic() {
        for version in ["0.0.0", "1.2.3", "1.2.3-beta.1", "1.2.3-0a+build.05", "1.0.0+x"] {
            assert!(is_semantic_version(version), "{version}");
        }
        for version in ["", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3+", "v1.2.3"] {
            assert!(!is_semantic_version(version), "{version}");
        }
    }
}
