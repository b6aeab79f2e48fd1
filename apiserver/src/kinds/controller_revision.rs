//! ControllerRevision: what a StatefulSet or a DaemonSet was like before.

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::apps::v1::ControllerRevision;

use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::{immutable, non_negative};
use crate::kinds::table::{NONE, age_column, name_column};

impl Kind for ControllerRevision {
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Controller", "string", "Whose revision it is.", |revision, _| controller(revision).into()),
        Column::new("Revision", "string", "Its number; the newest is the highest.", |revision, _| {
            revision.revision.into()
        }),
        age_column(),
    ];

    fn validate(&self, errors: &mut FieldErrors) {
        if self.data.is_none() {
            errors.push(FieldError::required(&Path::new("data"), "data is mandatory"));
        }
        non_negative(errors, &Path::new("revision"), Some(self.revision));
    }

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        immutable(errors, &Path::new("data"), &self.data, &old.data);
    }
}

/// `statefulset.apps/web`.
fn controller(revision: &ControllerRevision) -> String {
    let mut owners = revision.metadata.owner_references.iter().flatten();
    let Some(owner) = owners.find(|owner| owner.controller == Some(true)) else { return NONE.to_owned() };
    let (group, _) = names::split_api_version(&owner.api_version);
    let kind = owner.kind.to_lowercase();
    if group.is_empty() { format!("{kind}/{}", owner.name) } else { format!("{kind}.{group}/{}", owner.name) }
}
