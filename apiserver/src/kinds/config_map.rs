//! ConfigMap.

use k8s_openapi::api::core::v1::ConfigMap;

use crate::kinds::kind::{Column, Kind, name_column};

impl Kind for ConfigMap {
    const SHORT_NAMES: &'static [&'static str] = &["cm"];

    const COLUMNS: &'static [Column<Self>] = &[name_column()];
}
