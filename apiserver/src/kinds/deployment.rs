//! Deployment.

use k8s_openapi::api::apps::v1::Deployment;

use crate::kinds::facts::{Flags, SCALE, STATUS, Subresource};
use crate::kinds::kind::{Column, Kind, name_column};

impl Kind for Deployment {
    const SHORT_NAMES: &'static [&'static str] = &["deploy"];
    const CATEGORIES: &'static [&'static str] = &["all"];
    const SUBRESOURCES: &'static [Subresource] = &[SCALE, STATUS];
    const FLAGS: Flags = Flags { counts_generations: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[name_column()];
}
