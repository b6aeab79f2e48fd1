//! Node.

use k8s_openapi::api::core::v1::Node;

use crate::kinds::facts::{STATUS, Subresource};
use crate::kinds::kind::{Column, Kind, name_column};

impl Kind for Node {
    const SHORT_NAMES: &'static [&'static str] = &["no"];
    const SUBRESOURCES: &'static [Subresource] = &[STATUS];
    const COLUMNS: &'static [Column<Self>] = &[name_column()];
}
