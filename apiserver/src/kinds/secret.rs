//! Secret.

use k8s_openapi::api::core::v1::Secret;

use crate::kinds::kind::{Column, Kind, name_column};

impl Kind for Secret {
    const COLUMNS: &'static [Column<Self>] = &[name_column()];
}
