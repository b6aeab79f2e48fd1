//! Rules of what a Job makes of its pods' ends: when it fails, when it has succeeded, when a pod is replaced.

use std::collections::BTreeSet;

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::batch::v1::{
    JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule, SuccessPolicy, SuccessPolicyRule,
};

use crate::kinds::job_spec::{INDEXED, indexes};
use crate::kinds::rules::{non_negative, shown, supported, text};

const ACTIONS: &[&str] = &["Count", "FailIndex", "FailJob", "Ignore"];
const OPERATORS: &[&str] = &["In", "NotIn"];
const STATUSES: &[&str] = &["False", "True", "Unknown"];
const MOST_RULES: usize = 20;
const MOST_CONDITIONS: usize = 20;
const MOST_EXIT_CODES: usize = 255;
const LONGEST_INDEXES: usize = 64 * 1024;

pub fn validate(spec: &JobSpec, path: &Path, errors: &mut FieldErrors) {
    if let Some(policy) = &spec.pod_failure_policy {
        validate_failures(spec, policy, &path.child("podFailurePolicy").child("rules"), errors);
    }
    if let Some(policy) = &spec.success_policy {
        let path = path.child("successPolicy");
        if text(&spec.completion_mode) == INDEXED {
            validate_success(spec, policy, &path.child("rules"), errors);
        } else {
            errors.push(FieldError::invalid(&path, shown(policy), "requires indexed completion mode"));
        }
    }
    let Some(replacement) = &spec.pod_replacement_policy else { return };
    let allowed: &[&str] =
        if spec.pod_failure_policy.is_some() { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] };
    supported(errors, &path.child("podReplacementPolicy"), replacement, allowed);
}

/// What a list of values looks like in a sentence of upstream's: `["a" "b"]`.
fn in_brackets(values: &[&str]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| format!("\"{value}\"")).collect();
    format!("valid values: [{}]", quoted.join(" "))
}

fn one_of(errors: &mut FieldErrors, path: &Path, value: &str, values: &[&str]) {
    if value.is_empty() {
        errors.push(FieldError::required(path, &in_brackets(values)));
    } else {
        supported(errors, path, value, values);
    }
}

fn validate_failures(spec: &JobSpec, policy: &PodFailurePolicy, path: &Path, errors: &mut FieldErrors) {
    if policy.rules.len() > MOST_RULES {
        errors.push(FieldError::too_many(path, policy.rules.len(), MOST_RULES));
    }
    let containers = spec.template.spec.iter().flat_map(|spec| {
        spec.containers.iter().chain(spec.init_containers.iter().flatten()).map(|container| container.name.as_str())
    });
    let containers: BTreeSet<&str> = containers.collect();
    for (index, rule) in policy.rules.iter().enumerate() {
        validate_failure(spec, rule, &containers, &path.index(index), errors);
    }
}

fn validate_failure(
    spec: &JobSpec,
    rule: &PodFailurePolicyRule,
    containers: &BTreeSet<&str>,
    path: &Path,
    errors: &mut FieldErrors,
) {
    one_of(errors, &path.child("action"), &rule.action, ACTIONS);
    if rule.action == "FailIndex" && spec.backoff_limit_per_index.is_none() {
        let why = "requires the backoffLimitPerIndex to be set";
        errors.push(FieldError::invalid(&path.child("action"), rule.action.as_str(), why));
    }
    let conditions = rule.on_pod_conditions.as_deref().unwrap_or_default();
    if let Some(codes) = &rule.on_exit_codes {
        validate_exit_codes(codes, containers, &path.child("onExitCodes"), errors);
    }
    validate_conditions(conditions, &path.child("onPodConditions"), errors);
    match (rule.on_exit_codes.is_some(), conditions.is_empty()) {
        (true, false) => {
            let why = "specifying both OnExitCodes and OnPodConditions is not supported";
            errors.push(FieldError::invalid_bare(path, why));
        }
        (false, true) => {
            let why = "specifying one of OnExitCodes and OnPodConditions is required";
            errors.push(FieldError::invalid_bare(path, why));
        }
        _ => {}
    }
}

fn validate_conditions(conditions: &[PodFailurePolicyOnPodConditionsPattern], path: &Path, errors: &mut FieldErrors) {
    if conditions.len() > MOST_CONDITIONS {
        errors.push(FieldError::too_many(path, conditions.len(), MOST_CONDITIONS));
    }
    for (index, condition) in conditions.iter().enumerate() {
        let path = path.index(index);
        errors.check(&path.child("type"), &condition.type_, names::qualified_name);
        one_of(errors, &path.child("status"), text(&condition.status), STATUSES);
    }
}

fn validate_exit_codes(
    codes: &PodFailurePolicyOnExitCodesRequirement,
    containers: &BTreeSet<&str>,
    path: &Path,
    errors: &mut FieldErrors,
) {
    one_of(errors, &path.child("operator"), &codes.operator, OPERATORS);
    if let Some(name) = codes.container_name.as_deref().filter(|name| !containers.contains(name)) {
        let why = "must be one of the container or initContainer names in the pod template";
        errors.push(FieldError::invalid(&path.child("containerName"), name, why));
    }
    let path = path.child("values");
    if codes.values.is_empty() {
        errors.push(FieldError::invalid(&path, shown(&codes.values), "at least one value is required"));
    } else if codes.values.len() > MOST_EXIT_CODES {
        errors.push(FieldError::too_many(&path, codes.values.len(), MOST_EXIT_CODES));
    }
    let mut seen = BTreeSet::new();
    for (index, code) in codes.values.iter().enumerate() {
        let path = path.index(index);
        if *code == 0 && codes.operator == "In" {
            errors.push(FieldError::invalid(&path, 0, "must not be 0 for the In operator"));
        }
        if !seen.insert(code) {
            errors.push(FieldError::duplicate(&path, *code));
        }
    }
    if !codes.values.is_sorted() {
        errors.push(FieldError::invalid(&path, shown(&codes.values), "must be ordered"));
    }
}

fn validate_success(spec: &JobSpec, policy: &SuccessPolicy, path: &Path, errors: &mut FieldErrors) {
    if policy.rules.is_empty() {
        let why = "at least one rules must be specified when the successPolicy is specified";
        errors.push(FieldError::required(path, why));
    }
    if policy.rules.len() > MOST_RULES {
        errors.push(FieldError::too_many(path, policy.rules.len(), MOST_RULES));
    }
    let completions = spec.completions.unwrap_or_default();
    for (index, rule) in policy.rules.iter().enumerate() {
        validate_success_rule(rule, completions, &path.index(index), errors);
    }
}

fn validate_success_rule(rule: &SuccessPolicyRule, completions: i32, path: &Path, errors: &mut FieldErrors) {
    if rule.succeeded_count.is_none() && rule.succeeded_indexes.is_none() {
        let why = "at least one of succeededCount or succeededIndexes must be specified";
        errors.push(FieldError::required(path, why));
    }
    let mut named = None;
    if let Some(text) = &rule.succeeded_indexes {
        let path = path.child("succeededIndexes");
        if text.len() > LONGEST_INDEXES {
            errors.push(FieldError::too_long(&path, LONGEST_INDEXES));
        }
        match indexes::parse(text, completions) {
            Ok(list) => named = Some(indexes::count(&list)),
            Err(why) => {
                let why = format!("error parsing succeededIndexes: {why}");
                errors.push(FieldError::invalid(&path, text.as_str(), why));
                named = Some(0);
            }
        }
    }
    let Some(wanted) = rule.succeeded_count else { return };
    let path = path.child("succeededCount");
    non_negative(errors, &path, Some(i64::from(wanted)));
    if wanted > completions {
        let why = format!("must be less than or equal to {completions} (the number of specified completions)");
        errors.push(FieldError::invalid(&path, wanted, why));
    }
    if let Some(count) = named.filter(|count| wanted > *count) {
        let why = format!(
            "must be less than or equal to {count} (the number of indexes in the specified succeededIndexes field)"
        );
        errors.push(FieldError::invalid(&path, wanted, why));
    }
}
