//! MutatingAdmissionPolicy: expressions that change a write.

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::admissionregistration::v1::{MutatingAdmissionPolicy, MutatingAdmissionPolicySpec, Mutation};

use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::match_rules::{self, FAILURE_POLICIES, REINVOCATION_POLICIES};
use crate::kinds::rules::{default_text, required_and_supported, supported, text};
use crate::kinds::table::{age_column, name_column};

impl Kind for MutatingAdmissionPolicy {
    const CATEGORIES: &'static [&'static str] = &["api-extensions"];
    const FLAGS: Flags = Flags { unconditional_update: false, counts_generations: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Mutations", "integer", "How many changes it makes.", |policy, _| {
            policy.spec.as_ref().and_then(|spec| spec.mutations.as_ref()).map_or(0, Vec::len).into()
        }),
        Column::new("ParamKind", "string", "The kind of its parameters.", |policy, _| {
            match_rules::param_kind_cell(policy.spec.as_ref().and_then(|spec| spec.param_kind.as_ref())).into()
        }),
        age_column(),
    ];

    fn fill_defaults(&mut self) {
        let spec = self.spec.get_or_insert_default();
        default_text(&mut spec.failure_policy, "Fail");
        spec.match_constraints.iter_mut().for_each(match_rules::fill_resources);
    }

    fn validate(&self, errors: &mut FieldErrors) {
        if let Some(spec) = &self.spec {
            validate_spec(spec, &Path::new("spec"), errors);
        }
    }

    fn spec_differs(&self, old: &Self) -> bool {
        self.spec != old.spec
    }
}

fn validate_spec(spec: &MutatingAdmissionPolicySpec, path: &Path, errors: &mut FieldErrors) {
    supported(errors, &path.child("failurePolicy"), text(&spec.failure_policy), FAILURE_POLICIES);
    if let Some(kind) = &spec.param_kind {
        match_rules::validate_param_kind(kind, &path.child("paramKind"), errors);
    }
    match_rules::validate_constraints(spec.match_constraints.as_ref(), &path.child("matchConstraints"), errors);
    let constraints = spec.match_constraints.as_ref();
    match_rules::validate_changing_operations(constraints, &path.child("matchConstraints"), errors);
    match_rules::validate_conditions(spec.match_conditions.as_deref(), &path.child("matchConditions"), errors);
    match_rules::validate_variables(spec.variables.as_deref(), &path.child("variables"), errors);
    let mutations = spec.mutations.as_deref().unwrap_or_default();
    if mutations.is_empty() {
        errors.push(FieldError::required(&path.child("mutations"), "mutations must contain at least one item"));
    }
    for (index, mutation) in mutations.iter().enumerate() {
        validate_mutation(mutation, &path.child("mutations").index(index), errors);
    }
    let policy_path = path.child("reinvocationPolicy");
    required_and_supported(errors, &policy_path, text(&spec.reinvocation_policy), REINVOCATION_POLICIES);
}

/// A mutation has the form that its type says, and no other.
fn validate_mutation(mutation: &Mutation, path: &Path, errors: &mut FieldErrors) {
    let apply = mutation.apply_configuration.as_ref().map(|apply| text(&apply.expression));
    let patch = mutation.json_patch.as_ref().map(|patch| text(&patch.expression));
    let forms = [("ApplyConfiguration", "applyConfiguration", apply), ("JSONPatch", "jsonPatch", patch)];
    let wanted = &*mutation.patch_type;
    required_and_supported(errors, &path.child("patchType"), wanted, &["ApplyConfiguration", "JSONPatch"]);
    if !forms.iter().any(|(name, ..)| *name == wanted) {
        return;
    }
    for (name, field, expression) in forms {
        let path = path.child(field);
        match expression {
            None if name == wanted => {
                let why = format!("must be specified when patchType is {wanted}");
                errors.push(FieldError::required(&path, &why));
            }
            Some(expression) if name == wanted && expression.trim().is_empty() => {
                errors.push(FieldError::required(&path.child("expression"), ""));
            }
            Some(_) if name != wanted => {
                let why = format!("must not be specified when patchType is {wanted}");
                errors.push(FieldError::invalid(&path, format!("{{{field}}}"), why));
            }
            _ => {}
        }
    }
}
