//! ValidatingAdmissionPolicyBinding: where a policy holds, and what happens to those who break it.

use std::collections::BTreeSet;

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicyBinding;

use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::match_rules;
use crate::kinds::rules::{shown, supported};
use crate::kinds::table::{age_column, name_column};

impl Kind for ValidatingAdmissionPolicyBinding {
    const CATEGORIES: &'static [&'static str] = &["api-extensions"];
    const FLAGS: Flags = Flags { unconditional_update: false, counts_generations: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("PolicyName", "string", "The policy.", |binding, _| binding.spec.policy_name.clone().into()),
        Column::new("ParamRef", "string", "The parameters.", |binding, _| {
            match_rules::param_ref_cell(binding.spec.param_ref.as_ref()).into()
        }),
        age_column(),
    ];

    fn fill_defaults(&mut self) {
        self.spec.match_resources.iter_mut().for_each(match_rules::fill_resources);
    }

    fn validate(&self, errors: &mut FieldErrors) {
        let (spec, path) = (&self.spec, Path::new("spec"));
        let (parameters, resources) = (spec.param_ref.as_ref(), spec.match_resources.as_ref());
        match_rules::validate_binding(&spec.policy_name, parameters, resources, &path, errors);
        validate_actions(&spec.validation_actions, &path.child("validationActions"), errors);
    }

    fn spec_differs(&self, old: &Self) -> bool {
        self.spec != old.spec
    }
}

fn validate_actions(actions: &[String], path: &Path, errors: &mut FieldErrors) {
    let mut seen = BTreeSet::new();
    for (index, action) in actions.iter().enumerate() {
        supported(errors, &path.index(index), action, &["Audit", "Deny", "Warn"]);
        if !seen.insert(action.as_str()) {
            errors.push(FieldError::duplicate(&path.index(index), action.as_str()));
        }
    }
    if seen.contains("Deny") && seen.contains("Warn") {
        let why = "must not contain both Deny and Warn (repeating the same validation failure information in the API \
                   response and headers serves no purpose)";
        errors.push(FieldError::invalid(path, shown(&actions), why));
    }
    if actions.is_empty() {
        errors.push(FieldError::required(path, "at least one validation action is required"));
    }
}
