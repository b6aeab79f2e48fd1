//! Event, of both groups: one storage, two shapes.

use k8s_openapi::api::{core, events};

use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind, name_column};

const FLAGS: Flags = Flags { create_on_update: true, volatile: true, ignores_dependents: true, ..Flags::USUAL };

impl Kind for core::v1::Event {
    const SHORT_NAMES: &'static [&'static str] = &["ev"];
    const FLAGS: Flags = FLAGS;
    const COLUMNS: &'static [Column<Self>] = &[name_column()];
}

impl Kind for events::v1::Event {
    const SHORT_NAMES: &'static [&'static str] = &["ev"];
    const FLAGS: Flags = FLAGS;
    const COLUMNS: &'static [Column<Self>] = &[name_column()];
}
