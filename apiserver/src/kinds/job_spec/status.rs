//! Rules of a Job's status: it tells of one end only, and takes nothing back.

use std::collections::BTreeSet;

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::batch::v1::{Job, JobSpec, JobStatus};

use crate::kinds::job_spec::{INDEXED, indexes};
use crate::kinds::rules::{non_negative, shown, text};

const COMPLETE: &str = "Complete";
const FAILED: &str = "Failed";
const FAILURE_TARGET: &str = "FailureTarget";
const SUCCESS_CRITERIA_MET: &str = "SuccessCriteriaMet";

/// Whether a condition holds.
pub fn has(status: &JobStatus, condition: &str) -> bool {
    status.conditions.iter().flatten().any(|known| known.type_ == condition && known.status == "True")
}

fn is_finished(status: &JobStatus) -> bool {
    has(status, COMPLETE) || has(status, FAILED)
}

pub fn validate(new: &Job, old: &Job, errors: &mut FieldErrors) {
    let (none, path) = (JobStatus::default(), Path::new("status"));
    let (status, old_status) = (new.status.as_ref().unwrap_or(&none), old.status.as_ref().unwrap_or(&none));
    for (field, count) in [
        ("active", status.active),
        ("succeeded", status.succeeded),
        ("failed", status.failed),
        ("ready", status.ready),
        ("terminating", status.terminating),
    ] {
        non_negative(errors, &path.child(field), count.map(i64::from));
    }
    validate_uncounted(status, &path.child("uncountedTerminatedPods"), errors);
    // What an old status says wrongly may stay.
    let is_new = |condition: &str| !has(old_status, condition) && has(status, condition);
    let ends_now = is_finished(status) && !is_finished(old_status);
    let has_policy = new.spec.as_ref().is_some_and(|spec| spec.success_policy.is_some());
    validate_conditions(status, has_policy, &is_new, &path.child("conditions"), errors);
    validate_times(status, old_status, &path, errors);
    if ends_now {
        validate_end(status, &path, errors);
    }
    validate_indexes(new, status, old_status, &path, errors);
    validate_progress(new, status, old_status, &path, errors);
}

fn validate_uncounted(status: &JobStatus, path: &Path, errors: &mut FieldErrors) {
    let Some(uncounted) = &status.uncounted_terminated_pods else { return };
    let mut seen = BTreeSet::new();
    for (field, list) in [("succeeded", &uncounted.succeeded), ("failed", &uncounted.failed)] {
        for (index, uid) in list.iter().flatten().enumerate() {
            let path = path.child(field).index(index);
            if uid.is_empty() {
                errors.push(FieldError::invalid(&path, "", "must not be empty"));
            } else if !seen.insert(uid) {
                errors.push(FieldError::duplicate(&path, uid.as_str()));
            }
        }
    }
}

fn validate_conditions(
    status: &JobStatus,
    has_policy: bool,
    is_new: &dyn Fn(&str) -> bool,
    path: &Path,
    errors: &mut FieldErrors,
) {
    let mut refuse = |is_wrong: bool, why: &str| {
        if is_wrong {
            errors.push(FieldError::invalid_bare(path, why));
        }
    };
    let has = |condition: &str| has(status, condition);
    let complete = is_new(COMPLETE) && has(COMPLETE);
    refuse(has(COMPLETE) && has(FAILED), "cannot set Complete=True and Failed=true conditions");
    refuse(has(COMPLETE) && has(FAILURE_TARGET), "cannot set Complete=True and FailureTarget=true conditions");
    let why = "cannot set Failed=True condition without the FailureTarget=true condition";
    refuse(is_new(FAILED) && !has(FAILURE_TARGET), why);
    let why = "cannot set Complete=True condition without the SuccessCriteriaMet=true condition";
    refuse(complete && !has(SUCCESS_CRITERIA_MET), why);
    let why = "cannot set SuccessCriteriaMet=True and Failed=true conditions";
    refuse(has(SUCCESS_CRITERIA_MET) && has(FAILED), why);
    let why = "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions";
    refuse(has(SUCCESS_CRITERIA_MET) && has(FAILURE_TARGET), why);
    let why = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True";
    refuse(has_policy && has(COMPLETE) && !has(SUCCESS_CRITERIA_MET), why);
}

fn validate_times(status: &JobStatus, old: &JobStatus, path: &Path, errors: &mut FieldErrors) {
    let path = path.child("completionTime");
    let has_changed = status.completion_time != old.completion_time;
    let is_news = has_changed || has(status, COMPLETE) != has(old, COMPLETE);
    match (&status.completion_time, has(status, COMPLETE)) {
        (Some(time), false) if is_news => {
            let why = "cannot set completionTime when there is no Complete=True condition";
            errors.push(FieldError::invalid(&path, shown(time), why));
        }
        (None, true) if is_news => {
            errors.push(FieldError::required(&path, "completionTime is required for Complete jobs"));
        }
        _ => {}
    }
    if let (Some(start), Some(end)) = (&status.start_time, &status.completion_time)
        && (has_changed || status.start_time != old.start_time)
        && end.0 < start.0
    {
        let why = "must be equal to or after `startTime`";
        errors.push(FieldError::invalid(&path, shown(end), why));
    }
    if let (Some(new), Some(_)) = (&status.completion_time, &old.completion_time)
        && has_changed
    {
        errors.push(FieldError::invalid(&path, shown(new), "field is immutable"));
    }
}

/// Nothing is under way any more when a Job ends.
fn validate_end(status: &JobStatus, path: &Path, errors: &mut FieldErrors) {
    for (field, count) in [("active", status.active), ("terminating", status.terminating)] {
        if let Some(count) = count.filter(|count| *count > 0) {
            let why = format!("{field}>0 is invalid for finished job");
            errors.push(FieldError::invalid(&path.child(field), count, why));
        }
    }
    if status.start_time.is_none() {
        errors.push(FieldError::required(&path.child("startTime"), "startTime is required for finished job"));
    }
    let Some(uncounted) = &status.uncounted_terminated_pods else { return };
    if uncounted.failed.iter().chain(&uncounted.succeeded).any(|list| !list.is_empty()) {
        let why = "must be empty for finished job";
        errors.push(FieldError::invalid(&path.child("uncountedTerminatedPods"), shown(uncounted), why));
    }
}

fn validate_indexes(job: &Job, status: &JobStatus, old: &JobStatus, path: &Path, errors: &mut FieldErrors) {
    let Some(spec) = &job.spec else { return };
    let (completed, failed) = (text(&status.completed_indexes), text(&status.failed_indexes));
    let is_completed_new = status.completed_indexes != old.completed_indexes;
    let is_failed_new = status.failed_indexes != old.failed_indexes;
    let parse = |text: &str| spec.completions.map_or(Ok(Vec::new()), |completions| indexes::parse(text, completions));
    let (known, lost) = (parse(completed), parse(failed));
    let (path, failed_path) = (path.child("completedIndexes"), path.child("failedIndexes"));
    if let (true, Err(why)) = (is_completed_new, &known) {
        errors.push(FieldError::invalid(&path, completed, format!("error parsing completedIndexes: {why}")));
    }
    if let (true, Err(why)) = (is_failed_new && spec.backoff_limit_per_index.is_some(), &lost) {
        errors.push(FieldError::invalid(&failed_path, failed, format!("error parsing failedIndexes: {why}")));
    }
    if is_completed_new && !completed.is_empty() && text(&spec.completion_mode) != INDEXED {
        let why = "cannot set non-empty completedIndexes when non-indexed completion mode";
        errors.push(FieldError::invalid(&path, completed, why));
    }
    if is_failed_new && status.failed_indexes.is_some() && spec.backoff_limit_per_index.is_none() {
        let why = "cannot set non-null failedIndexes when backoffLimitPerIndex is null";
        errors.push(FieldError::invalid(&failed_path, failed, why));
    }
    let overlap = indexes::overlap(&known.unwrap_or_default(), &lost.unwrap_or_default());
    if let Some(index) = overlap.filter(|_| is_completed_new || is_failed_new) {
        let why = format!("failedIndexes and completedIndexes overlap at index: {index}");
        errors.push(FieldError::invalid(&failed_path, failed, why));
    }
}

/// What has been counted and decided stays so.
fn validate_progress(job: &Job, status: &JobStatus, old: &JobStatus, path: &Path, errors: &mut FieldErrors) {
    let (ready, active) = (status.ready.unwrap_or_default(), status.active.unwrap_or_default());
    if ready > active && (status.ready, status.active) != (old.ready, old.active) {
        errors.push(FieldError::invalid(&path.child("ready"), ready, "cannot set more ready pods than active"));
    }
    for condition in [FAILED, COMPLETE, FAILURE_TARGET] {
        if has(old, condition) && !has(status, condition) {
            let why = format!("cannot disable the terminal {condition}=True condition");
            errors.push(FieldError::invalid_bare(&path.child("conditions"), &why));
        }
    }
    if has(old, SUCCESS_CRITERIA_MET) && !has(status, SUCCESS_CRITERIA_MET) {
        let why = "cannot disable the SuccessCriteriaMet=True condition";
        errors.push(FieldError::invalid_bare(&path.child("conditions"), why));
    }
    if has(old, COMPLETE) && !has(old, SUCCESS_CRITERIA_MET) && has(status, SUCCESS_CRITERIA_MET) {
        let why = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions";
        errors.push(FieldError::invalid_bare(&path.child("conditions"), why));
    }
    for (field, new, old) in [("failed", status.failed, old.failed), ("succeeded", status.succeeded, old.succeeded)] {
        let new = new.unwrap_or_default();
        // Of a Job with indexes that may shrink, successes beyond its new end are forgotten.
        let can_shrink =
            |spec: &JobSpec| text(&spec.completion_mode) == INDEXED && spec.completions == spec.parallelism;
        let may_sink = field == "succeeded" && job.spec.as_ref().is_some_and(can_shrink);
        if new < old.unwrap_or_default() && !may_sink {
            let why = format!("cannot decrease the {field} counter");
            errors.push(FieldError::invalid(&path.child(field), new, why));
        }
    }
    let is_suspended = job.spec.as_ref().is_some_and(|spec| spec.suspend == Some(true));
    if old.start_time.is_some() && old.start_time != status.start_time && !is_suspended {
        let why = "startTime cannot be removed for unsuspended job";
        errors.push(FieldError::required(&path.child("startTime"), why));
    }
}
