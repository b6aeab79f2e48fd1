//! Reads the body of an action.

use api::failure::Failure;
use api::names::GroupVersionKind;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::context::Context;
use crate::registry::{Target, decode};

/// A body that must be of this kind. `old_version` is an earlier one with the same fields.
pub fn read<T: DeserializeOwned>(
    context: &Context,
    of: GroupVersionKind,
    old_version: Option<&str>,
    json: &[u8],
) -> Result<T, Failure> {
    let unreadable = |error: serde_json::Error| {
        Failure::bad_request(format!("couldn't get version/kind; json parse error: {error}"))
    };
    let mut value: Value = serde_json::from_slice(json).map_err(unreadable)?;
    let claim = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
    let (kind, api_version) = (claim(&value, "kind"), claim(&value, "apiVersion"));
    let old = old_version.map(|version| api::names::api_version(of.group, version));
    let cannot = |why: &dyn std::fmt::Display| {
        let kind = if kind.is_empty() { of.kind } else { &kind };
        format!("{kind} in version {:?} cannot be handled as a {}: {why}", of.version, of.kind)
    };
    if !kind.is_empty() && kind != of.kind {
        return Err(Failure::bad_request(cannot(&"it is of another kind")));
    }
    if !api_version.is_empty() && api_version != of.api_version() && Some(&api_version) != old.as_ref() {
        return Err(Failure::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({})",
            of.api_version()
        )));
    }
    if let Some(fields) = value.as_object_mut() {
        fields.remove("kind");
        fields.remove("apiVersion");
    }
    decode::check(context, of, json, |complaint| Failure::bad_request(cannot(&complaint)))?;
    // By way of text, as objects are read: one more way would make the program larger.
    let read = serde_json::to_vec(&value).and_then(|json| api::json::read(&json));
    read.map_err(|error| Failure::bad_request(cannot(&error)))
}

/// A body may name the namespace that the path names, and no other.
pub fn check_namespace(namespace: Option<&str>, target: Target<'_>) -> Result<(), Failure> {
    let given = namespace.unwrap_or_default();
    if given.is_empty() || Some(given) == target.namespace {
        return Ok(());
    }
    let why = "the namespace of the provided object does not match the namespace sent on the request";
    Err(Failure::bad_request(why))
}
