//! Rules and defaults that several kinds share. Texts are upstream's `pkg/apis/core/validation`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use api::quantity;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Serialize;
use serde_json::Value;

use crate::kinds::addresses;

pub const CONDITION_STATUSES: &[&str] = &["False", "True", "Unknown"];
pub const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];

/// A value as error texts show it.
pub fn shown(value: &impl Serialize) -> Value {
    serde_json::to_vec(value).and_then(|json| api::json::read(&json)).unwrap_or_default()
}

/// Fills a text that is absent or empty.
pub fn default_text(field: &mut Option<String>, default: &str) {
    if field.as_deref().is_none_or(str::is_empty) {
        *field = Some(default.to_owned());
    }
}

pub fn text(field: &Option<String>) -> &str {
    field.as_deref().unwrap_or_default()
}

/// Writes amounts in their canonical form. Those that cannot be read stay, for `validate` to refuse.
pub fn canonical_amounts(amounts: &mut Option<BTreeMap<String, Quantity>>) {
    for amount in amounts.iter_mut().flat_map(BTreeMap::values_mut) {
        canonical_amount(amount);
    }
}

pub fn canonical_amount(amount: &mut Quantity) {
    if let Ok(parsed) = quantity::Quantity::parse(&amount.0) {
        amount.0 = parsed.to_string();
    }
}

/// An amount that can be read; upstream refuses others before it looks at the object.
pub fn readable(errors: &mut FieldErrors, path: &Path, amount: &Quantity) -> Option<quantity::Quantity> {
    match quantity::Quantity::parse(&amount.0) {
        Ok(amount) => Some(amount),
        Err(why) => {
            errors.push(FieldError::invalid(path, amount.0.as_str(), why));
            None
        }
    }
}

pub fn positive_amount(errors: &mut FieldErrors, path: &Path, amount: &Quantity) {
    if let Some(amount) = readable(errors, path, amount)
        && (amount.is_negative() || amount.is_zero())
    {
        errors.push(FieldError::invalid(path, amount.to_string(), "must be greater than zero"));
    }
}

pub fn supported(errors: &mut FieldErrors, path: &Path, value: &str, values: &[&str]) {
    if !values.contains(&value) {
        errors.push(FieldError::not_supported(path, value, values));
    }
}

/// Whether `*` is in the list, where it has to be alone.
pub fn all_alone(errors: &mut FieldErrors, path: &Path, list: &[String], others: &str) -> bool {
    let has_all = list.iter().any(|item| item == "*");
    if has_all && list.len() > 1 {
        let why = format!("if '*' is present, must not specify other {others}");
        errors.push(FieldError::invalid(path, shown(&list), why));
    }
    has_all
}

/// As `supported`, for a field that must be there.
pub fn required_and_supported(errors: &mut FieldErrors, path: &Path, value: &str, values: &[&str]) {
    if value.is_empty() {
        errors.push(FieldError::required(path, ""));
    } else {
        supported(errors, path, value, values);
    }
}

pub fn non_negative(errors: &mut FieldErrors, path: &Path, value: Option<i64>) {
    if let Some(value) = value.filter(|value| *value < 0) {
        errors.push(FieldError::invalid(path, value, "must be greater than or equal to 0"));
    }
}

/// Counts of a status: none negative, and none beyond `total`.
pub fn counts(errors: &mut FieldErrors, path: &Path, total: i32, counts: &[(&str, Option<i32>)]) {
    non_negative(errors, &path.child("replicas"), Some(i64::from(total)));
    for (field, count) in counts {
        non_negative(errors, &path.child(field), count.map(i64::from));
        if let Some(count) = count.filter(|count| *count > total) {
            errors.push(FieldError::invalid(&path.child(field), count, "cannot be greater than status.replicas"));
        }
    }
}

pub fn not_decremented(errors: &mut FieldErrors, path: &Path, new: Option<i32>, old: Option<i32>) {
    if old.is_some_and(|old| new.is_none_or(|new| new < old)) {
        errors.push(FieldError::invalid(path, new.unwrap_or_default(), "cannot be decremented"));
    }
}

/// A count, or a percentage; its number.
pub fn count_or_percent(errors: &mut FieldErrors, path: &Path, value: Option<&IntOrString>) -> Option<i64> {
    match value? {
        IntOrString::Int(number) => {
            non_negative(errors, path, Some(i64::from(*number)));
            Some(i64::from(*number))
        }
        IntOrString::String(text) => {
            let number = percent(text);
            if number.is_none() {
                let why = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or \
                           '93%', regex used for validation is '[0-9]+%')";
                errors.push(FieldError::invalid(path, text.as_str(), why));
            }
            number
        }
    }
}

/// A percentage of what there is: not more than all of it.
pub fn at_most_all(errors: &mut FieldErrors, path: &Path, value: Option<&IntOrString>) {
    if let Some(IntOrString::String(text)) = value
        && percent(text).is_some_and(|percent| percent > 100)
    {
        errors.push(FieldError::invalid(path, text.as_str(), "must not be greater than 100%"));
    }
}

fn percent(text: &str) -> Option<i64> {
    let digits = text.strip_suffix('%').filter(|digits| !digits.is_empty())?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().unwrap_or(i64::MAX))
}

/// A selector that must be there. One that says nothing is taken as absent, which it nearly always is.
pub fn required_selector(errors: &mut FieldErrors, path: &Path, given: &LabelSelector) {
    let says_nothing = given.match_labels.as_ref().is_none_or(BTreeMap::is_empty)
        && given.match_expressions.as_ref().is_none_or(Vec::is_empty);
    if says_nothing {
        errors.push(FieldError::required(path, ""));
    } else {
        selector(errors, path, given);
    }
}

/// Conditions of the sort that all kinds share. Texts are upstream's `apimachinery/pkg/apis/meta/v1/validation`.
pub fn conditions(errors: &mut FieldErrors, path: &Path, conditions: &[Condition]) {
    let mut seen = BTreeSet::new();
    for (index, condition) in conditions.iter().enumerate() {
        let path = path.index(index);
        if !seen.insert(&condition.type_) {
            errors.push(FieldError::duplicate(&path.child("type"), condition.type_.as_str()));
        }
        errors.check(&path.child("type"), &condition.type_, names::qualified_name);
        supported(errors, &path.child("status"), &condition.status, CONDITION_STATUSES);
        if let Some(generation) = condition.observed_generation.filter(|generation| *generation < 0) {
            let why = "must be greater than or equal to zero";
            errors.push(FieldError::invalid(&path.child("observedGeneration"), generation, why));
        }
        let reason_path = path.child("reason");
        if condition.reason.is_empty() {
            errors.push(FieldError::required(&reason_path, "must be set"));
        } else {
            errors.check(&reason_path, &condition.reason, condition_reason);
        }
        const LONGEST_REASON: usize = 1024;
        if condition.reason.len() > LONGEST_REASON {
            errors.push(FieldError::too_long(&reason_path, LONGEST_REASON));
        }
        const LONGEST_MESSAGE: usize = 32 * 1024;
        if condition.message.len() > LONGEST_MESSAGE {
            errors.push(FieldError::too_long(&path.child("message"), LONGEST_MESSAGE));
        }
    }
}

fn condition_reason(reason: &str) -> Result<(), String> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = reason.as_bytes();
    let ends_well = bytes.last().copied().is_some_and(is_word);
    let begins_well = bytes.first().is_some_and(u8::is_ascii_alphabetic);
    if begins_well && ends_well && bytes.iter().all(|byte| is_word(*byte) || matches!(byte, b',' | b':')) {
        return Ok(());
    }
    Err("a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric \
         characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or \
         'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is \
         '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')"
        .to_owned())
}

pub fn port_number(errors: &mut FieldErrors, path: &Path, port: i32) {
    if !(1..=65535).contains(&port) {
        errors.push(FieldError::invalid(path, port, "must be between 1 and 65535, inclusive"));
    }
}

/// A port by number or by name.
pub fn port_number_or_name(errors: &mut FieldErrors, path: &Path, port: &IntOrString) {
    match port {
        IntOrString::Int(number) => port_number(errors, path, *number),
        IntOrString::String(name) => errors.check(path, name, names::port_name),
    }
}

/// An address in a field that takes more forms than the canonical one.
pub fn ip_address(errors: &mut FieldErrors, path: &Path, text: &str) -> Option<IpAddr> {
    match addresses::plain_ip(text) {
        Ok(address) => Some(address),
        Err(why) => {
            errors.push(FieldError::invalid(path, text, why));
            None
        }
    }
}

/// Addresses that no endpoint can have. Loopback addresses may: pods live there.
pub fn endpoint_address(errors: &mut FieldErrors, path: &Path, text: &str) -> Option<IpAddr> {
    let address = ip_address(errors, path, text)?;
    let (link_local, local_multicast) = match address {
        IpAddr::V4(address) => (address.is_link_local(), address.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(address) => (address.is_unicast_link_local(), address.segments()[0] & 0xff0f == 0xff02),
    };
    if address.is_unspecified() {
        errors.push(FieldError::invalid(path, text, format!("may not be unspecified ({text})")));
    } else if link_local {
        let why = "may not be in the link-local range (169.254.0.0/16, fe80::/10)";
        errors.push(FieldError::invalid(path, text, why));
    } else if local_multicast {
        let why = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)";
        errors.push(FieldError::invalid(path, text, why));
    }
    Some(address)
}

pub fn immutable<T: PartialEq + Serialize>(errors: &mut FieldErrors, path: &Path, new: &T, old: &T) {
    if new != old {
        errors.push(FieldError::invalid(path, shown(new), "field is immutable"));
    }
}

/// A write of a status may change nothing else: not the metadata either.
pub fn keep_metadata(new: &mut ObjectMeta, old: &ObjectMeta) {
    new.labels = old.labels.clone();
    new.annotations = old.annotations.clone();
    new.finalizers = old.finalizers.clone();
    new.owner_references = old.owner_references.clone();
}

/// As `errors.check`, for a field that must be there.
pub fn required_name(errors: &mut FieldErrors, path: &Path, name: &str, rule: names::NameRule) {
    if name.is_empty() {
        errors.push(FieldError::required(path, ""));
    } else {
        errors.check(path, name, rule);
    }
}

pub fn labels(errors: &mut FieldErrors, path: &Path, labels: &BTreeMap<String, String>) {
    for (key, value) in labels {
        errors.check(path, key, names::qualified_name);
        errors.check(path, value, names::label_value);
    }
}

pub fn annotations(errors: &mut FieldErrors, path: &Path, annotations: &BTreeMap<String, String>) {
    const MOST_BYTES: usize = 256 << 10;
    for key in annotations.keys() {
        if let Err(why) = names::qualified_name(&key.to_lowercase()) {
            errors.push(FieldError::invalid(path, key.as_str(), why));
        }
    }
    if annotations.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > MOST_BYTES {
        errors.push(FieldError::too_long(path, MOST_BYTES));
    }
}

/// What is made from a template inside of another object has labels and annotations of it, and nothing else.
pub fn template_metadata(errors: &mut FieldErrors, path: &Path, metadata: &ObjectMeta) {
    let none = BTreeMap::new();
    annotations(errors, &path.child("annotations"), metadata.annotations.as_ref().unwrap_or(&none));
    labels(errors, &path.child("labels"), metadata.labels.as_ref().unwrap_or(&none));
    let says = |field: &Option<String>| !text(field).is_empty();
    let counts = |field: Option<i64>| field.is_some_and(|count| count != 0);
    for (field, is_set) in [
        ("name", says(&metadata.name)),
        ("generateName", says(&metadata.generate_name)),
        ("namespace", says(&metadata.namespace)),
        ("selfLink", says(&metadata.self_link)),
        // Upstream makes the name out of its own `UID`.
        ("uID", says(&metadata.uid)),
        ("resourceVersion", says(&metadata.resource_version)),
        ("generation", counts(metadata.generation)),
        ("creationTimestamp", metadata.creation_timestamp.is_some()),
        ("deletionTimestamp", metadata.deletion_timestamp.is_some()),
        ("deletionGracePeriodSeconds", metadata.deletion_grace_period_seconds.is_some()),
        ("ownerReferences", metadata.owner_references.is_some()),
        ("finalizers", metadata.finalizers.is_some()),
        ("managedFields", metadata.managed_fields.is_some()),
    ] {
        if is_set {
            errors.push(FieldError::forbidden(&path.child(field), "cannot be set"));
        }
    }
}

pub fn selector(errors: &mut FieldErrors, path: &Path, selector: &LabelSelector) {
    if let Some(pairs) = &selector.match_labels {
        labels(errors, &path.child("matchLabels"), pairs);
    }
    for (index, expression) in selector.match_expressions.iter().flatten().enumerate() {
        let path = path.child("matchExpressions").index(index);
        let values = expression.values.iter().flatten();
        match expression.operator.as_str() {
            "In" | "NotIn" if values.clone().next().is_none() => {
                let why = "must be specified when `operator` is 'In' or 'NotIn'";
                errors.push(FieldError::required(&path.child("values"), why));
            }
            "Exists" | "DoesNotExist" if values.clone().next().is_some() => {
                let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.push(FieldError::forbidden(&path.child("values"), why));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => {
                errors.push(FieldError::invalid(&path.child("operator"), other, "not a valid selector operator"));
            }
        }
        errors.check(&path.child("key"), &expression.key, names::qualified_name);
        for (index, value) in values.enumerate() {
            errors.check(&path.child("values").index(index), value, names::label_value);
        }
    }
}

/// The key of a ConfigMap or a Secret: it may become the name of a file.
pub fn config_key(key: &str) -> Result<(), String> {
    if key.len() > 253 {
        return Err("must be no more than 253 bytes".to_owned());
    }
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')) {
        return Err(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or \
                    'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
                .to_owned(),
        );
    }
    match key {
        "." => Err("must not be '.'".to_owned()),
        ".." => Err("must not be '..'".to_owned()),
        _ if key.starts_with("..") => Err("must not start with '..'".to_owned()),
        _ => Ok(()),
    }
}

/// A path below a directory: relative, and without a way out.
pub fn inner_path(errors: &mut FieldErrors, path: &Path, value: &str) {
    if value.starts_with('/') {
        errors.push(FieldError::invalid(path, value, "must be a relative path"));
    }
    errors.check(path, value, no_way_up);
}

/// As `inner_path`, and not a name that the node agent keeps for itself.
pub fn unreserved_path(errors: &mut FieldErrors, path: &Path, value: &str) {
    inner_path(errors, path, value);
    if value.starts_with("..") && no_way_up(value).is_ok() {
        errors.push(FieldError::invalid(path, value, "must not start with '..'"));
    }
}

pub fn no_way_up(value: &str) -> Result<(), String> {
    if value.split('/').any(|part| part == "..") { Err("must not contain '..'".to_owned()) } else { Ok(()) }
}
