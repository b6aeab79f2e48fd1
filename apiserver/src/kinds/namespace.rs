//! Namespace.

use k8s_openapi::api::core::v1::Namespace;

use crate::kinds::facts::{Flags, STATUS, Subresource};
use crate::kinds::kind::{Column, Kind, name_column};

const FINALIZE: Subresource = Subresource { name: "finalize", verbs: &["update"], of: None };

impl Kind for Namespace {
    const SHORT_NAMES: &'static [&'static str] = &["ns"];
    const VERBS: &'static [&'static str] = &["create", "delete", "get", "list", "patch", "update", "watch"];
    const SUBRESOURCES: &'static [Subresource] = &[FINALIZE, STATUS];
    const FLAGS: Flags = Flags { returns_deleted: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[name_column()];
}
