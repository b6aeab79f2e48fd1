//! Service.

use k8s_openapi::api::core::v1::Service;

use crate::kinds::facts::{Flags, STATUS, Subresource};
use crate::kinds::kind::{Column, Kind, name_column};

impl Kind for Service {
    const SHORT_NAMES: &'static [&'static str] = &["svc"];
    const CATEGORIES: &'static [&'static str] = &["all"];
    const SUBRESOURCES: &'static [Subresource] = &[STATUS];
    const FLAGS: Flags = Flags { create_on_update: true, returns_deleted: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[name_column()];
}
