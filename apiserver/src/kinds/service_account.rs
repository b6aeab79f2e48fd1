//! ServiceAccount.

use api::names::GroupVersionKind;
use k8s_openapi::api::core::v1::ServiceAccount;

use crate::kinds::facts::{Flags, Subresource};
use crate::kinds::kind::{Column, Kind};
use crate::kinds::table::{age_column, name_column};

const TOKEN: Subresource = Subresource {
    name: "token",
    verbs: &["create"],
    of: Some(GroupVersionKind { group: "authentication.k8s.io", version: "v1", kind: "TokenRequest" }),
};

impl Kind for ServiceAccount {
    const SHORT_NAMES: &'static [&'static str] = &["sa"];
    const SUBRESOURCES: &'static [Subresource] = &[TOKEN];
    const FLAGS: Flags = Flags { returns_deleted: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[name_column(), age_column()];
}
