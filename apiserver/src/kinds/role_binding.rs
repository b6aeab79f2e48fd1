//! RoleBinding and ClusterRoleBinding: who may do what a role says, in one namespace or everywhere.

use api::field::FieldErrors;
use api::names::{self, NameRule};
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleBinding};

use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rbac;
use crate::kinds::table::{age_column, name_column};

/// `$roles` are the kinds that the binding may refer to.
macro_rules! binding {
    ($kind:ident, $roles:expr, namespaced: $namespaced:expr) => {
        impl Kind for $kind {
            const FLAGS: Flags = Flags { create_on_update: true, ..Flags::USUAL };
            const NAME_RULE: NameRule = names::path_segment;
            const COLUMNS: &'static [Column<Self>] = &[
                name_column(),
                Column::new("Role", "string", "The role that is given.", |binding, _| {
                    rbac::role_cell(&binding.role_ref).into()
                }),
                age_column(),
                Column::wide("Users", "string", "Users that have the role.", |binding, _| {
                    rbac::subjects_cell(binding.subjects.as_deref(), "User").into()
                }),
                Column::wide("Groups", "string", "Groups that have the role.", |binding, _| {
                    rbac::subjects_cell(binding.subjects.as_deref(), "Group").into()
                }),
                Column::wide("ServiceAccounts", "string", "Accounts that have the role.", |binding, _| {
                    rbac::subjects_cell(binding.subjects.as_deref(), "ServiceAccount").into()
                }),
            ];

            fn fill_defaults(&mut self) {
                rbac::fill_binding(&mut self.role_ref, &mut self.subjects);
            }

            fn validate(&self, errors: &mut FieldErrors) {
                rbac::validate_binding(&self.role_ref, self.subjects.as_deref(), $roles, $namespaced, errors);
            }

            fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
                rbac::validate_binding_update(&self.role_ref, &old.role_ref, errors);
            }
        }
    };
}
binding!(RoleBinding, &["Role", "ClusterRole"], namespaced: true);
binding!(ClusterRoleBinding, &["ClusterRole"], namespaced: false);
