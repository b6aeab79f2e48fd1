//! Rules of a Job's spec.

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::batch::v1::JobSpec;

use crate::kinds::job_spec::{INDEXED, NON_INDEXED, policies};
use crate::kinds::pod_spec::rules::validate_any_template;
use crate::kinds::rules::{non_negative, supported, text};

/// Bounds of Jobs with indexes, so that what has failed and succeeded fits into the status.
const MOST_PARALLEL: i32 = 100_000;
const MOST_FAILED_INDEXES: i32 = 100_000;
const MANY_COMPLETIONS: i32 = 100_000;
const MOST_PARALLEL_OF_MANY: i32 = 10_000;
const MOST_FAILED_INDEXES_OF_MANY: i32 = 10_000;
const LONGEST_MANAGER: usize = 63;

pub fn validate(spec: &JobSpec, path: &Path, errors: &mut FieldErrors) {
    for (field, value) in [
        ("parallelism", spec.parallelism.map(i64::from)),
        ("completions", spec.completions.map(i64::from)),
        ("activeDeadlineSeconds", spec.active_deadline_seconds),
        ("backoffLimit", spec.backoff_limit.map(i64::from)),
        ("ttlSecondsAfterFinished", spec.ttl_seconds_after_finished.map(i64::from)),
        ("backoffLimitPerIndex", spec.backoff_limit_per_index.map(i64::from)),
        ("maxFailedIndexes", spec.max_failed_indexes.map(i64::from)),
    ] {
        non_negative(errors, &path.child(field), value);
    }
    if spec.max_failed_indexes.is_some() && spec.backoff_limit_per_index.is_none() {
        let why = "when maxFailedIndexes is specified";
        errors.push(FieldError::required(&path.child("backoffLimitPerIndex"), why));
    }
    if let Some(manager) = &spec.managed_by {
        validate_manager(manager, &path.child("managedBy"), errors);
    }
    match spec.completion_mode.as_deref() {
        Some(INDEXED) => validate_indexed(spec, path, errors),
        None | Some(NON_INDEXED) => {
            for (field, value) in
                [("backoffLimitPerIndex", spec.backoff_limit_per_index), ("maxFailedIndexes", spec.max_failed_indexes)]
            {
                if let Some(value) = value {
                    let why = "requires indexed completion mode";
                    errors.push(FieldError::invalid(&path.child(field), value, why));
                }
            }
        }
        Some(other) => supported(errors, &path.child("completionMode"), other, &[INDEXED, NON_INDEXED]),
    }
    policies::validate(spec, path, errors);
    validate_any_template(&spec.template, &path.child("template"), errors);
    validate_restarts(spec, &path.child("template").child("spec").child("restartPolicy"), errors);
}

/// `example.com/manager`.
fn validate_manager(manager: &str, path: &Path, errors: &mut FieldErrors) {
    match manager.split_once('/') {
        _ if manager.is_empty() => errors.push(FieldError::required(path, "")),
        Some((domain, rest)) if !domain.is_empty() && !rest.is_empty() => {
            errors.check(path, domain, names::dns_subdomain);
        }
        _ => {
            let why = "must be a domain-prefixed path (such as \"acme.io/foo\")";
            errors.push(FieldError::invalid(path, manager, why));
        }
    }
    if manager.len() > LONGEST_MANAGER {
        errors.push(FieldError::too_long(path, LONGEST_MANAGER));
    }
}

fn validate_indexed(spec: &JobSpec, path: &Path, errors: &mut FieldErrors) {
    let Some(completions) = spec.completions else {
        let why = format!("when completion mode is {INDEXED}");
        errors.push(FieldError::required(&path.child("completions"), &why));
        return;
    };
    let mut at_most = |field: &str, value: Option<i32>, most: i32, why: String| {
        if let Some(value) = value.filter(|value| *value > most) {
            errors.push(FieldError::invalid(&path.child(field), value, why));
        }
    };
    let why = format!("must be less than or equal to {MOST_PARALLEL} when completion mode is {INDEXED}");
    at_most("parallelism", spec.parallelism, MOST_PARALLEL, why);
    let failed = spec.max_failed_indexes;
    at_most("maxFailedIndexes", failed, completions, "must be less than or equal to completions".to_owned());
    let why = format!("must be less than or equal to {MOST_FAILED_INDEXES}");
    at_most("maxFailedIndexes", failed, MOST_FAILED_INDEXES, why);
    if completions <= MANY_COMPLETIONS || spec.backoff_limit_per_index.is_none() {
        return;
    }
    let bound = |most: i32| {
        format!(
            "must be less than or equal to {most} when completions are above {MANY_COMPLETIONS} and used with backoff \
             limit per index"
        )
    };
    at_most("parallelism", spec.parallelism, MOST_PARALLEL_OF_MANY, bound(MOST_PARALLEL_OF_MANY));
    at_most("maxFailedIndexes", failed, MOST_FAILED_INDEXES_OF_MANY, bound(MOST_FAILED_INDEXES_OF_MANY));
    if failed.is_none() {
        let why = format!("must be specified when completions is above {MANY_COMPLETIONS}");
        errors.push(FieldError::required(&path.child("maxFailedIndexes"), &why));
    }
}

/// Pods of a Job end; who says nothing has asked for the opposite.
fn validate_restarts(spec: &JobSpec, path: &Path, errors: &mut FieldErrors) {
    let policy = spec.template.spec.as_ref().map_or("", |spec| text(&spec.restart_policy));
    match policy {
        "" | "Always" => {
            errors.push(FieldError::required(path, "valid values: \"OnFailure\", \"Never\""));
        }
        "OnFailure" if spec.pod_failure_policy.is_some() => {
            let why = "only \"Never\" is supported when podFailurePolicy is specified";
            errors.push(FieldError::invalid(path, policy, why));
        }
        "OnFailure" | "Never" => {}
        other => errors.push(FieldError::not_supported(path, other, &["OnFailure", "Never"])),
    }
}
