//! MutatingAdmissionPolicyBinding: where a policy that changes writes holds.

use api::field::{FieldErrors, Path};
use k8s_openapi::api::admissionregistration::v1::MutatingAdmissionPolicyBinding;

use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::match_rules;
use crate::kinds::rules::text;
use crate::kinds::table::{age_column, name_column};

impl Kind for MutatingAdmissionPolicyBinding {
    const CATEGORIES: &'static [&'static str] = &["api-extensions"];
    const FLAGS: Flags = Flags { unconditional_update: false, counts_generations: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("PolicyName", "string", "The policy.", |binding, _| {
            binding.spec.as_ref().map(|spec| text(&spec.policy_name)).unwrap_or_default().into()
        }),
        Column::new("ParamRef", "string", "The parameters.", |binding, _| {
            match_rules::param_ref_cell(binding.spec.as_ref().and_then(|spec| spec.param_ref.as_ref())).into()
        }),
        age_column(),
    ];

    fn fill_defaults(&mut self) {
        let spec = self.spec.get_or_insert_default();
        spec.match_resources.iter_mut().for_each(match_rules::fill_resources);
    }

    fn validate(&self, errors: &mut FieldErrors) {
        let Some(spec) = &self.spec else { return };
        let path = Path::new("spec");
        let (parameters, resources) = (spec.param_ref.as_ref(), spec.match_resources.as_ref());
        match_rules::validate_binding(text(&spec.policy_name), parameters, resources, &path, errors);
        match_rules::validate_changing_operations(resources, &path.child("matchResources"), errors);
    }

    fn spec_differs(&self, old: &Self) -> bool {
        self.spec != old.spec
    }
}
