//! ValidatingAdmissionPolicy: expressions that a write must satisfy.

use std::collections::BTreeSet;

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::admissionregistration::v1::{
    AuditAnnotation, ValidatingAdmissionPolicy, ValidatingAdmissionPolicySpec, Validation,
};

use crate::kinds::facts::{Flags, STATUS, Subresource};
use crate::kinds::kind::{Column, Kind};
use crate::kinds::match_rules::{self, FAILURE_POLICIES};
use crate::kinds::rules::{conditions, default_text, keep_metadata, shown, supported, text};
use crate::kinds::table::{age_column, name_column};

const MOST_ANNOTATIONS: usize = 20;
const LONGEST_ANNOTATION: usize = 5 << 10;
const REASONS: &[&str] = &["Forbidden", "Invalid", "RequestEntityTooLarge"];

impl Kind for ValidatingAdmissionPolicy {
    const CATEGORIES: &'static [&'static str] = &["api-extensions"];
    const SUBRESOURCES: &'static [Subresource] = &[STATUS];
    const FLAGS: Flags = Flags { unconditional_update: false, counts_generations: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Validations", "integer", "How many expressions it has.", |policy, _| {
            policy.spec.as_ref().and_then(|spec| spec.validations.as_ref()).map_or(0, Vec::len).into()
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
        self.status.get_or_insert_default();
    }

    fn before_create(&mut self) {
        self.status = Some(Default::default());
    }

    fn before_update(&mut self, old: &Self) {
        self.status = old.status.clone();
    }

    fn before_subresource_update(&mut self, _: &str, old: &Self) {
        self.spec = old.spec.clone();
        keep_metadata(&mut self.metadata, &old.metadata);
    }

    fn validate(&self, errors: &mut FieldErrors) {
        if let Some(spec) = &self.spec {
            validate_spec(text(&self.metadata.name), spec, &Path::new("spec"), errors);
        }
    }

    fn validate_subresource_update(&self, _: &str, _: &Self, errors: &mut FieldErrors) {
        let Some(status) = &self.status else { return };
        let path = Path::new("status");
        let warnings = status.type_checking.iter().flat_map(|checking| checking.expression_warnings.iter().flatten());
        for (index, warning) in warnings.enumerate() {
            let path = path.child("typeChecking").child("expressionWarnings").index(index);
            for (field, value) in [("warning", &*warning.warning), ("fieldRef", warning.field_ref.trim())] {
                if value.is_empty() {
                    errors.push(FieldError::required(&path.child(field), ""));
                }
            }
        }
        conditions(errors, &path.child("conditions"), status.conditions.as_deref().unwrap_or_default());
    }

    fn spec_differs(&self, old: &Self) -> bool {
        self.spec != old.spec
    }
}

fn validate_spec(name: &str, spec: &ValidatingAdmissionPolicySpec, path: &Path, errors: &mut FieldErrors) {
    supported(errors, &path.child("failurePolicy"), text(&spec.failure_policy), FAILURE_POLICIES);
    if let Some(kind) = &spec.param_kind {
        match_rules::validate_param_kind(kind, &path.child("paramKind"), errors);
    }
    match_rules::validate_constraints(spec.match_constraints.as_ref(), &path.child("matchConstraints"), errors);
    match_rules::validate_conditions(spec.match_conditions.as_deref(), &path.child("matchConditions"), errors);
    match_rules::validate_variables(spec.variables.as_deref(), &path.child("variables"), errors);
    let validations = spec.validations.as_deref().unwrap_or_default();
    let annotations = spec.audit_annotations.as_deref().unwrap_or_default();
    if validations.is_empty() && annotations.is_empty() {
        let why = "validations or auditAnnotations must contain at least one item";
        errors.push(FieldError::required(&path.child("validations"), why));
        errors.push(FieldError::required(&path.child("auditAnnotations"), why));
    }
    for (index, validation) in validations.iter().enumerate() {
        validate_validation(validation, &path.child("validations").index(index), errors);
    }
    validate_annotations(name, annotations, &path.child("auditAnnotations"), errors);
}

fn validate_validation(validation: &Validation, path: &Path, errors: &mut FieldErrors) {
    if validation.expression.trim().is_empty() {
        errors.push(FieldError::required(&path.child("expression"), "expression is not specified"));
    }
    let of_message = text(&validation.message_expression);
    if !of_message.is_empty() && of_message.trim().is_empty() {
        let why = "must be non-empty if specified";
        errors.push(FieldError::invalid(&path.child("messageExpression"), of_message, why));
    }
    let message = text(&validation.message);
    if !message.is_empty() && message.trim().is_empty() {
        let why = "must be non-empty if specified";
        errors.push(FieldError::invalid(&path.child("message"), message, why));
    } else if message.trim().contains(['\n', '\r']) {
        let why = "must not contain line breaks";
        errors.push(FieldError::invalid(&path.child("message"), message, why));
    }
    if let Some(reason) = &validation.reason {
        supported(errors, &path.child("reason"), reason, REASONS);
    }
}

fn validate_annotations(name: &str, annotations: &[AuditAnnotation], path: &Path, errors: &mut FieldErrors) {
    if annotations.len() > MOST_ANNOTATIONS {
        let why = format!("must not have more than {MOST_ANNOTATIONS} auditAnnotations");
        errors.push(FieldError::invalid(path, shown(&annotations), why));
    }
    let mut seen = BTreeSet::new();
    for (index, annotation) in annotations.iter().enumerate() {
        let path = path.index(index);
        if name.is_empty() {
            let why = "requires metadata.name be non-empty";
            errors.push(FieldError::invalid(&path.child("key"), annotation.key.as_str(), why));
        } else {
            errors.check(&path.child("key"), &format!("{name}/{}", annotation.key), names::qualified_name);
        }
        let expression = annotation.value_expression.trim();
        let expression_path = path.child("valueExpression");
        if expression.is_empty() {
            errors.push(FieldError::required(&expression_path, "valueExpression is not specified"));
        } else if expression.len() > LONGEST_ANNOTATION {
            let why = format!("must not exceed {LONGEST_ANNOTATION} bytes in length");
            errors.push(FieldError::required(&expression_path, &why));
        }
        if !seen.insert(&annotation.key) {
            errors.push(FieldError::duplicate(&path.child("key"), annotation.key.as_str()));
        }
    }
}
