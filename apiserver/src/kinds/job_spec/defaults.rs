//! Defaults of a Job, as upstream's `pkg/apis/batch/v1/defaults.go` fills them.

use k8s_openapi::api::batch::v1::JobSpec;

use crate::kinds::job_spec::NON_INDEXED;
use crate::kinds::rules::default_text;

pub fn fill(spec: &mut JobSpec) {
    if spec.completions.is_none() && spec.parallelism.is_none() {
        spec.completions = Some(1);
    }
    spec.parallelism.get_or_insert(1);
    // What fails is counted by index where there are bounds by index.
    let usual = if spec.backoff_limit_per_index.is_some() { i32::MAX } else { 6 };
    spec.backoff_limit.get_or_insert(usual);
    default_text(&mut spec.completion_mode, NON_INDEXED);
    spec.suspend.get_or_insert(false);
    spec.manual_selector.get_or_insert(false);
    let replacement = if spec.pod_failure_policy.is_some() { "Failed" } else { "TerminatingOrFailed" };
    default_text(&mut spec.pod_replacement_policy, replacement);
    fill_policies(spec);
}

/// What is filled in the Jobs of a CronJob, too.
pub fn fill_policies(spec: &mut JobSpec) {
    let rules = spec.pod_failure_policy.iter_mut().flat_map(|policy| &mut policy.rules);
    for pattern in rules.flat_map(|rule| rule.on_pod_conditions.iter_mut().flatten()) {
        default_text(&mut pattern.status, "True");
    }
}
