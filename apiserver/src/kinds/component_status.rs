//! ComponentStatus: how the parts of a control plane are, in a form that upstream gave up. Nothing writes any here, so
//! that lists are empty; how this server is stands at `/livez` and `/readyz`.

use k8s_openapi::api::core::v1::{ComponentCondition, ComponentStatus};

use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::text;
use crate::kinds::table::name_column;

impl Kind for ComponentStatus {
    const SHORT_NAMES: &'static [&'static str] = &["cs"];
    const VERBS: &'static [&'static str] = &["get", "list"];
    const DEPRECATION: Option<&'static str> = Some("v1 ComponentStatus is deprecated in v1.19+");
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Status", "string", "Whether the component is healthy.", |status, _| {
            healthy(status)
                .map_or("Unknown", |condition| if condition.status == "True" { "Healthy" } else { "Unhealthy" })
                .into()
        }),
        Column::new("Message", "string", "What it says of itself.", |status, _| {
            healthy(status).map_or("", |condition| text(&condition.message)).into()
        }),
        Column::new("Error", "string", "What went wrong with it.", |status, _| {
            healthy(status).map_or("", |condition| text(&condition.error)).into()
        }),
    ];
}

fn healthy(status: &ComponentStatus) -> Option<&ComponentCondition> {
    status.conditions.iter().flatten().find(|condition| condition.type_ == "Healthy")
}
