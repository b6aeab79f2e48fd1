//! Conditions, as most kinds carry them in their status.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::kinds::wire;

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    #[serde(rename = "type")]
    pub kind: Box<str>,
    /// `True`, `False` or `Unknown`.
    pub status: Box<str>,
    #[serde(deserialize_with = "wire::or_default", skip_serializing_if = "str::is_empty")]
    pub reason: Box<str>,
    #[serde(deserialize_with = "wire::or_default", skip_serializing_if = "str::is_empty")]
    pub message: Box<str>,
    #[serde(
        deserialize_with = "wire::time",
        serialize_with = "wire::seconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub last_update_time: Option<Timestamp>,
    #[serde(
        deserialize_with = "wire::time",
        serialize_with = "wire::seconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub last_transition_time: Option<Timestamp>,
}

impl Condition {
    pub fn is_true(&self) -> bool {
        &*self.status == "True"
    }
}

/// The condition of a type, if it is there.
pub fn find<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| *condition.kind == *kind)
}
