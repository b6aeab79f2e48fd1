//! Pod.

use api::names::GroupVersionKind;
use k8s_openapi::api::core::v1::Pod;

use crate::kinds::facts::{Flags, STATUS, Subresource};
use crate::kinds::kind::{Column, Kind, name_column};

const BINDING: Subresource = Subresource {
    name: "binding",
    verbs: &["create"],
    of: Some(GroupVersionKind { group: "", version: "v1", kind: "Binding" }),
};
const LOG: Subresource = Subresource { name: "log", verbs: &["get"], of: None };

impl Kind for Pod {
    const SHORT_NAMES: &'static [&'static str] = &["po"];
    const CATEGORIES: &'static [&'static str] = &["all"];
    const SUBRESOURCES: &'static [Subresource] = &[BINDING, LOG, STATUS];
    const FLAGS: Flags = Flags { returns_deleted: true, counts_generations: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[name_column()];
}
