//! Lease.

use k8s_openapi::api::coordination::v1::Lease;

use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind, name_column};

impl Kind for Lease {
    const FLAGS: Flags = Flags { create_on_update: true, unconditional_update: false, volatile: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[name_column()];
}
