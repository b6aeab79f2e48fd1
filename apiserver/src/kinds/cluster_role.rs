//! ClusterRole: what may be done in the whole cluster.

use api::field::{FieldError, FieldErrors, Path};
use api::names::{self, NameRule};
use k8s_openapi::api::rbac::v1::ClusterRole;

use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rbac;
use crate::kinds::rules::selector;
use crate::kinds::table::{created_at_column, name_column};

impl Kind for ClusterRole {
    const FLAGS: Flags = Flags { create_on_update: true, ..Flags::USUAL };
    const NAME_RULE: NameRule = names::path_segment;
    const COLUMNS: &'static [Column<Self>] = &[name_column(), created_at_column()];

    fn validate(&self, errors: &mut FieldErrors) {
        rbac::validate_rules(self.rules.as_deref(), false, errors);
        let Some(aggregation) = &self.aggregation_rule else { return };
        let path = Path::new("aggregationRule").child("clusterRoleSelectors");
        let selectors = aggregation.cluster_role_selectors.as_deref().unwrap_or_default();
        if selectors.is_empty() {
            let why = "at least one clusterRoleSelector required if aggregationRule is non-nil";
            errors.push(FieldError::required(&path, why));
        }
        for (index, wanted) in selectors.iter().enumerate() {
            selector(errors, &path.index(index), wanted);
        }
    }
}
