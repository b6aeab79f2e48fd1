//! From a request's body to a draft.

use api::failure::Failure;
use api::field::{FieldError, FieldErrors, Path};
use api::names::{GroupVersionKind, split_api_version};
use api::schema;
use serde::Deserialize;
use serde_json::Value;

use crate::context::{Context, FieldValidation};
use crate::kinds::erased::{Draft, KindRef};
use crate::kinds::facts::Facts;
use crate::kinds::strict::{self, Search};

/// Reads a body that must be an object of this kind.
pub fn body(context: &Context, kind: KindRef, json: &[u8]) -> Result<Box<dyn Draft>, Failure> {
    let facts = kind.facts();
    let decoded = kind.decode(json, search(context)).map_err(|error| refusal(facts, json, &error))?;
    let prefix = || cannot_be_handled(facts, facts.kind, facts.version);
    tell(context, decoded.complaints, |complaint| Failure::bad_request(prefix() + &complaint))?;
    Ok(decoded.draft)
}

/// Reads what a patch made of an object.
pub fn patched(context: &Context, kind: KindRef, value: Value) -> Result<Box<dyn Draft>, Failure> {
    // Only for the text of a refusal.
    let shown = if context.field_validation == FieldValidation::Strict { value.clone() } else { Value::Null };
    let decoded = kind.decode_value(value, search(context)).map_err(|error| invalid_patch("", &error.to_string()))?;
    tell(context, decoded.complaints, |complaint| invalid_patch(&shown.to_string(), &complaint))?;
    Ok(decoded.draft)
}

fn search(context: &Context) -> Search {
    match context.field_validation {
        FieldValidation::Ignore => Search::Silence,
        FieldValidation::Warn | FieldValidation::Strict => Search::Everything,
    }
}

pub fn invalid_patch(patched: &str, why: &str) -> Failure {
    let error = FieldError::invalid(&Path::new("patch"), patched, why);
    Failure::invalid("", "", "", FieldErrors(vec![error]))
}

/// Tells what is to be complained of in an object that is read elsewhere.
pub fn check(
    context: &Context,
    of: GroupVersionKind,
    json: &[u8],
    refuse: impl FnOnce(String) -> Failure,
) -> Result<(), Failure> {
    if context.field_validation == FieldValidation::Ignore {
        return Ok(());
    }
    let definition = schema::of_kind(of.group, of.version, of.kind);
    tell(context, strict::scan(json, definition, Search::Everything).complaints, refuse)
}

/// Refuses an object for all complaints about it, or tells the client each, as it wishes. What was found in its YAML comes
/// first. `refuse` makes the failure of what may not be passed over.
fn tell(context: &Context, found: Vec<String>, refuse: impl FnOnce(String) -> Failure) -> Result<(), Failure> {
    let complaints: Vec<String> = context.complaint.iter().cloned().chain(found).collect();
    match context.field_validation {
        FieldValidation::Ignore => {}
        FieldValidation::Warn => complaints.into_iter().for_each(|complaint| context.warnings.add(complaint)),
        FieldValidation::Strict if complaints.is_empty() => {}
        FieldValidation::Strict => {
            return Err(refuse(format!("strict decoding error: {}", complaints.join(", "))));
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
