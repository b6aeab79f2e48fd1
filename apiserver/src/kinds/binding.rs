//! Binding: what a scheduler sends to give a pod its node. It is never kept.

use k8s_openapi::api::core::v1::Binding;

use crate::kinds::kind::{Column, Kind};
use crate::kinds::table::{created_at_column, name_column};

impl Kind for Binding {
    const VERBS: &'static [&'static str] = &["create"];
    const COLUMNS: &'static [Column<Self>] = &[name_column(), created_at_column()];
}
