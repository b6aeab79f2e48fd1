//! EndpointSlice.

use k8s_openapi::api::discovery::v1::EndpointSlice;

use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind, name_column};

impl Kind for EndpointSlice {
    const FLAGS: Flags = Flags { counts_generations: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[name_column()];
}
