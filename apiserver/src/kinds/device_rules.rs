//! What claims, classes and slices of devices share: names, lists of bounded length, selectors, settings.

use std::collections::BTreeSet;

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::resource::v1::{DeviceSelector, DeviceToleration, OpaqueDeviceConfiguration};
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use serde_json::Value;

use crate::kinds::rules::{required_and_supported, required_name, shown, supported, text};
use crate::kinds::storage_drivers::driver_name;

pub const MOST_REQUESTS: usize = 32;
pub const MOST_CONFIGS: usize = 32;
const MOST_SELECTORS: usize = 32;
const MOST_BINDING_CONDITIONS: usize = 4;
const LONGEST_EXPRESSION: usize = 10 << 10;
pub const LONGEST_PARAMETERS: usize = 10 << 10;
const LONGEST_POOL: usize = 253;
const LONGEST_ID: usize = 32;
/// Of `domain/name`.
const LONGEST_NAME: usize = 63 + 1 + LONGEST_ID;
const IDENTIFIER_RULE: &str = "a valid C identifier must start with alphabetic character or '_', followed by a string of \
    alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is \
    '[A-Za-z_][A-Za-z0-9_]*')";
pub const TAINT_EFFECTS: &[&str] = &["NoExecute", "NoSchedule", "None"];

/// Whether a list is short enough to be looked at.
pub fn bounded(count: usize, most: usize, path: &Path, errors: &mut FieldErrors) -> bool {
    if count > most {
        errors.push(FieldError::too_many(path, count, most));
    }
    count <= most
}

/// Items of a list that are there already.
pub fn unique<'a>(keys: impl Iterator<Item = &'a str>, path: &Path, errors: &mut FieldErrors) {
    let mut seen = BTreeSet::new();
    for (index, key) in keys.enumerate() {
        if !seen.insert(key) {
            errors.push(FieldError::duplicate(&path.index(index), key));
        }
    }
}

pub fn pool_name(name: &str, path: &Path, errors: &mut FieldErrors) {
    if name.is_empty() {
        errors.push(FieldError::required(path, ""));
        return;
    }
    if name.len() > LONGEST_POOL {
        errors.push(FieldError::too_long(path, LONGEST_POOL));
    }
    name.split('/').for_each(|part| errors.check(path, part, names::dns_subdomain));
}

/// A UUID, in the one form in which it is written.
pub fn share_id(id: Option<&str>, path: &Path, errors: &mut FieldErrors) {
    let Some(id) = id else { return };
    let why = match uuid::Uuid::try_parse(id) {
        Ok(read) if read.hyphenated().to_string() == id => return,
        Ok(_) => "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase \
                  hexadecimal characters"
            .to_owned(),
        Err(_) if matches!(id.len(), 32 | 36 | 38 | 45) => "error validating uid: invalid UUID format".to_owned(),
        Err(_) => format!("error validating uid: invalid UUID length: {}", id.len()),
    };
    errors.push(FieldError::invalid(path, id, why));
}

/// The entry of an attribute or a capacity. Of a name that is too long the middle is left out.
pub fn entry(path: &Path, name: &str) -> Path {
    if name.len() <= LONGEST_NAME {
        return path.key(name);
    }
    let (head, tail) = (LONGEST_NAME.div_ceil(2) - 1, LONGEST_NAME / 2 - 2);
    let (head, tail) = (&name.as_bytes()[..head], &name.as_bytes()[name.len() - tail..]);
    path.key(&format!("{}...{}", String::from_utf8_lossy(head), String::from_utf8_lossy(tail)))
}

/// `name`, or `domain/name`: of an attribute or a capacity.
pub fn qualified(name: &str, path: &Path, errors: &mut FieldErrors) {
    let (domain, id) = match name.split_once('/') {
        None => (None, name),
        Some((_, rest)) if rest.contains('/') => {
            errors.push(FieldError::invalid(path, name, "must not contain more than one slash"));
            return;
        }
        Some((domain, id)) => (Some(domain), id),
    };
    match domain {
        Some("") => errors.push(FieldError::invalid(path, "", "the domain must not be empty")),
        Some(domain) => driver_name(domain, path, errors),
        None => {}
    }
    if id.is_empty() && domain.is_some() {
        errors.push(FieldError::invalid(path, "", "the name must not be empty"));
        return;
    }
    if id.len() > LONGEST_ID {
        errors.push(FieldError::too_long(path, LONGEST_ID));
    }
    errors.check(path, id, c_identifier);
}

pub fn fully_qualified(name: &str, path: &Path, errors: &mut FieldErrors) {
    qualified(name, path, errors);
    if !name.contains('/') {
        let why = "a fully qualified name must be a domain and a name separated by a slash";
        errors.push(FieldError::invalid(path, name, why));
    }
}

fn c_identifier(value: &str) -> Result<(), String> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let begins = value.bytes().next().is_some_and(|byte| is_word(byte) && !byte.is_ascii_digit());
    if begins && value.bytes().all(is_word) { Ok(()) } else { Err(IDENTIFIER_RULE.to_owned()) }
}

/// Expressions are only measured: what they say is not checked yet.
pub fn validate_selectors(selectors: Option<&[DeviceSelector]>, path: &Path, errors: &mut FieldErrors) {
    let selectors = selectors.unwrap_or_default();
    if !bounded(selectors.len(), MOST_SELECTORS, path, errors) {
        return;
    }
    for (index, selector) in selectors.iter().enumerate() {
        let path = path.index(index).child("cel");
        match &selector.cel {
            None => errors.push(FieldError::required(&path, "")),
            Some(cel) if cel.expression.len() > LONGEST_EXPRESSION => {
                errors.push(FieldError::too_long(&path.child("expression"), LONGEST_EXPRESSION));
            }
            Some(_) => {}
        }
    }
}

/// Settings that only the driver understands.
pub fn validate_config(opaque: Option<&OpaqueDeviceConfiguration>, path: &Path, errors: &mut FieldErrors) {
    let path = path.child("opaque");
    let Some(opaque) = opaque else {
        errors.push(FieldError::required(&path, ""));
        return;
    };
    driver_name(&opaque.driver, &path.child("driver"), errors);
    raw(&opaque.parameters, LONGEST_PARAMETERS, &path.child("parameters"), errors);
}

/// An object that only others understand.
pub fn raw(extension: &RawExtension, longest: usize, path: &Path, errors: &mut FieldErrors) {
    match &extension.0 {
        Value::Null => errors.push(FieldError::required(path, "")),
        value if value.to_string().len() > longest => errors.push(FieldError::too_long(path, longest)),
        Value::Object(_) => {}
        _ => errors.push(FieldError::invalid(path, "<value omitted>", "must be a valid JSON object")),
    }
}

pub fn validate_tolerations(tolerations: Option<&[DeviceToleration]>, path: &Path, errors: &mut FieldErrors) {
    for (index, toleration) in tolerations.into_iter().flatten().enumerate() {
        let path = path.index(index);
        if !text(&toleration.key).is_empty() {
            errors.check(&path.child("key"), text(&toleration.key), names::qualified_name);
        }
        let (operator, value) = (text(&toleration.operator), text(&toleration.value));
        required_and_supported(errors, &path.child("operator"), operator, &["Equal", "Exists"]);
        match operator {
            "Exists" if !value.is_empty() => {
                let why = "must be empty for operator `Exists`";
                errors.push(FieldError::invalid(&path.child("value"), value, why));
            }
            "Equal" => errors.check(&path.child("value"), value, names::label_value),
            _ => {}
        }
        if !text(&toleration.effect).is_empty() {
            supported(errors, &path.child("effect"), text(&toleration.effect), TAINT_EFFECTS);
        }
    }
}

/// Conditions under which a device is bound to a pod, and those under which that has failed.
pub fn validate_binding(
    conditions: Option<&[String]>,
    failures: Option<&[String]>,
    path: &Path,
    errors: &mut FieldErrors,
) {
    let (conditions, failures) = (conditions.unwrap_or_default(), failures.unwrap_or_default());
    let (binding_path, failure_path) = (path.child("bindingConditions"), path.child("bindingFailureConditions"));
    for (list, path) in [(conditions, &binding_path), (failures, &failure_path)] {
        if bounded(list.len(), MOST_BINDING_CONDITIONS, path, errors) {
            for (index, name) in list.iter().enumerate() {
                errors.check(&path.index(index), name, names::qualified_name);
            }
        }
        unique(list.iter().map(String::as_str), path, errors);
    }
    for (index, name) in failures.iter().enumerate().filter(|(_, name)| conditions.contains(name)) {
        let why = "bindingFailureConditions must not overlap with bindingConditions";
        errors.push(FieldError::invalid(&failure_path.index(index), name.as_str(), why));
    }
    match (conditions.is_empty(), failures.is_empty()) {
        (true, false) => {
            let why = "bindingConditions are required to use bindingFailureConditions";
            errors.push(FieldError::invalid(&binding_path, shown(&conditions), why));
        }
        (false, true) => {
            let why = "bindingFailureConditions are required to use bindingConditions";
            errors.push(FieldError::invalid(&failure_path, shown(&failures), why));
        }
        _ => {}
    }
}

pub fn class_name(name: &str, path: &Path, errors: &mut FieldErrors) {
    required_name(errors, path, name, names::dns_subdomain);
}
