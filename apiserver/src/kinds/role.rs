//! Role: what may be done in one namespace.

use api::field::FieldErrors;
use api::names::{self, NameRule};
use k8s_openapi::api::rbac::v1::Role;

use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rbac;
use crate::kinds::table::{created_at_column, name_column};

impl Kind for Role {
    const FLAGS: Flags = Flags { create_on_update: true, ..Flags::USUAL };
    const NAME_RULE: NameRule = names::path_segment;
    const COLUMNS: &'static [Column<Self>] = &[name_column(), created_at_column()];

    fn validate(&self, errors: &mut FieldErrors) {
        rbac::validate_rules(self.rules.as_deref(), true, errors);
    }
}
