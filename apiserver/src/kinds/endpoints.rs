//! Endpoints.

use k8s_openapi::api::core::v1::Endpoints;

use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind, name_column};

impl Kind for Endpoints {
    const SHORT_NAMES: &'static [&'static str] = &["ep"];
    const FLAGS: Flags = Flags { create_on_update: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[name_column()];
}
