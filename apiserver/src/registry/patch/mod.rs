//! Patches: from an object as JSON and a patch to the object as it shall be.

mod json;
mod strategic;

use api::failure::{Failure, Reason};
use api::schema;
use serde_json::Value;

use crate::kinds::facts::Facts;
use crate::registry::options::PatchType;

/// A patch that has been read, and can be applied again when somebody else was faster.
pub enum Patch {
    Json(json_patch::Patch),
    Merge(Value),
    Strategic(Value),
}

impl Patch {
    pub fn parse(patch_type: PatchType, bytes: &[u8]) -> Result<Self, Failure> {
        match patch_type {
            PatchType::Json => json::parse(bytes).map(Self::Json),
            PatchType::Merge => object(bytes).map(Self::Merge),
            PatchType::Strategic => object(bytes).map(Self::Strategic),
            PatchType::Apply => Err(Failure::internal("a configuration is applied, not laid onto JSON")),
        }
    }

    /// Changes an object of a kind. `target` is spoiled when this fails.
    pub fn apply(&self, facts: &Facts, target: &mut Value) -> Result<(), Failure> {
        self.apply_to(facts.group, facts.version, facts.kind, target)
    }

    pub fn apply_to(&self, group: &str, version: &str, kind: &str, target: &mut Value) -> Result<(), Failure> {
        match self {
            Self::Json(patch) => json::apply(patch, target),
            Self::Merge(patch) => {
                json_patch::merge(target, patch);
                Ok(())
            }
            Self::Strategic(patch) => {
                let definition = schema::of_kind(group, version, kind);
                strategic::apply(patch, definition, target)
            }
        }
    }
}

fn object(bytes: &[u8]) -> Result<Value, Failure> {
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| Failure::bad_request(format!("error decoding patch: {error}")))?;
    if value.is_object() {
        return Ok(value);
    }
    Err(Failure::bad_request("error decoding patch: a patch of this type is a JSON object"))
}

/// The answer to a patch that is well formed and cannot be carried out.
fn unprocessable() -> Failure {
    Failure::new(Reason::Invalid, "the server rejected our request due to an error in our request")
}
