//! ServiceAccount.

use k8s_openapi::api::core::v1::ServiceAccount;

use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::table::{age_column, name_column};

impl Kind for ServiceAccount {
    const SHORT_NAMES: &'static [&'static str] = &["sa"];
    const FLAGS: Flags = Flags { returns_deleted: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[name_column(), age_column()];
}
