//! Rules of conditions in a status.

use std::collections::BTreeSet;

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::kinds::rules::supported;

pub const STATUSES: &[&str] = &["False", "True", "Unknown"];
const LONGEST_REASON: usize = 1024;
const LONGEST_MESSAGE: usize = 32 * 1024;
const REASON_RULE: &str = "a condition reason must start with alphabetic character, optionally followed by a string of \
    alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or \
    'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is \
    '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')";

pub fn validate(conditions: Option<&[Condition]>, path: &Path, errors: &mut FieldErrors) {
    let mut seen = BTreeSet::new();
    for (index, condition) in conditions.into_iter().flatten().enumerate() {
        let path = path.index(index);
        if !seen.insert(&condition.type_) {
            errors.push(FieldError::duplicate(&path.child("type"), condition.type_.as_str()));
        }
        validate_one(condition, &path, errors);
    }
}

fn validate_one(condition: &Condition, path: &Path, errors: &mut FieldErrors) {
    errors.check(&path.child("type"), &condition.type_, names::qualified_name);
    supported(errors, &path.child("status"), &condition.status, STATUSES);
    if let Some(generation) = condition.observed_generation.filter(|generation| *generation < 0) {
        let why = "must be greater than or equal to zero";
        errors.push(FieldError::invalid(&path.child("observedGeneration"), generation, why));
    }
    let reason_path = path.child("reason");
    if condition.reason.is_empty() {
        errors.push(FieldError::required(&reason_path, "must be set"));
    } else {
        errors.check(&reason_path, &condition.reason, reason);
        if condition.reason.len() > LONGEST_REASON {
            errors.push(FieldError::too_long(&reason_path, LONGEST_REASON));
        }
    }
    if condition.message.len() > LONGEST_MESSAGE {
        errors.push(FieldError::too_long(&path.child("message"), LONGEST_MESSAGE));
    }
}

fn reason(value: &str) -> Result<(), String> {
    let bytes = value.as_bytes();
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let begins = bytes.first().is_some_and(u8::is_ascii_alphabetic);
    let ends = bytes.last().is_some_and(is_word);
    let all = bytes.iter().all(|byte| is_word(byte) || matches!(byte, b',' | b':'));
    if begins && ends && all { Ok(()) } else { Err(REASON_RULE.to_owned()) }
}
