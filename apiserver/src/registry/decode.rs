//! From a request's body to a draft.

use api::failure::Failure;
use api::field::{FieldError, FieldErrors, Path};
use api::names::split_api_version;
use serde::Deserialize;
use serde_json::Value;

use crate::context::{Context, FieldValidation};
use crate::kinds::erased::{Decoded, Draft, KindRef};
use crate::kinds::facts::Facts;

/// Reads a body that must be an object of this kind.
pub fn body(context: &Context, kind: KindRef, json: &[u8]) -> Result<Box<dyn Draft>, Failure> {
    let facts = kind.facts();
    let decoded = kind.decode(json).map_err(|error| refusal(facts, json, &error))?;
    let prefix = || cannot_be_handled(facts, facts.kind, facts.version);
    accept(context, decoded, |complaint| Failure::bad_request(prefix() + &complaint))
}

/// Reads what a patch made of an object.
pub fn patched(context: &Context, kind: KindRef, value: Value) -> Result<Box<dyn Draft>, Failure> {
    // Only for the text of a refusal.
    let shown = if context.field_validation == FieldValidation::Strict { value.clone() } else { Value::Null };
    let decoded = kind.decode_value(value).map_err(|error| invalid_patch("", &error.to_string()))?;
    accept(context, decoded, |complaint| invalid_patch(&shown.to_string(), &complaint))
}

fn invalid_patch(patched: &str, why: &str) -> Failure {
    let error = FieldError::invalid(&Path::new("patch"), patched, why);
    Failure::invalid("", "", "", FieldErrors(vec![error]))
}

fn accept(
    context: &Context,
    decoded: Decoded,
    refuse: impl FnOnce(String) -> Failure,
) -> Result<Box<dyn Draft>, Failure> {
    tell_unknown(context, &decoded.unknown_fields, refuse)?;
    Ok(decoded.draft)
}

/// Refuses fields that the kind does not have, or tells the client, as it wishes. `refuse` makes the failure of a
/// complaint that may not be passed over.
pub fn tell_unknown(
    context: &Context,
    fields: &[String],
    refuse: impl FnOnce(String) -> Failure,
) -> Result<(), Failure> {
    if fields.is_empty() {
        return Ok(());
    }
    let mut sentences = fields.iter().map(|field| format!("unknown field {field:?}"));
    match context.field_validation {
        FieldValidation::Ignore => {}
        FieldValidation::Warn => sentences.for_each(|sentence| context.warnings.add(sentence)),
        FieldValidation::Strict => {
            let list: Vec<String> = sentences.by_ref().collect();
            return Err(refuse(format!("strict decoding error: {}", list.join(", "))));
        }
    }
    Ok(())
}

fn cannot_be_handled(facts: &Facts, kind: &str, version: &str) -> String {
    format!("{kind} in version {version:?} cannot be handled as a {}: ", facts.kind)
}

/// Why a body could not be read. Only now is it asked what the body claims to be.
fn refusal(facts: &Facts, json: &[u8], error: &serde_json::Error) -> Failure {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Claim {
        #[serde(default)]
        api_version: String,
        #[serde(default)]
        kind: String,
    }
    let Ok(claim) = serde_json::from_slice::<Claim>(json) else {
        return Failure::bad_request(format!("couldn't get version/kind; json parse error: {error}"));
    };
    let expected = facts.api_version();
    if !claim.api_version.is_empty() && claim.api_version != expected {
        return Failure::bad_request(format!(
            "the API version in the data ({}) does not match the expected API version ({expected})",
            claim.api_version
        ));
    }
    let kind = if claim.kind.is_empty() { facts.kind } else { &claim.kind };
    let (_, version) = split_api_version(&expected);
    Failure::bad_request(format!("{}{error}", cannot_be_handled(facts, kind, version)))
}
