//! Defaults of an autoscaler, as upstream's `pkg/apis/autoscaling/v2/defaults.go` fills them.

use k8s_openapi::api::autoscaling::v2::{
    HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscalerSpec, MetricSpec, MetricTarget, ResourceMetricSource,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::kinds::rules::canonical_amount;

/// The load of the processors that is aimed at where nothing is said, in percent.
const USUAL_LOAD: i32 = 80;

pub fn fill(spec: &mut HorizontalPodAutoscalerSpec) {
    spec.min_replicas.get_or_insert(1);
    if spec.metrics.as_ref().is_none_or(Vec::is_empty) {
        spec.metrics = Some(vec![processor_load(USUAL_LOAD)]);
    }
    spec.metrics.iter_mut().flatten().flat_map(targets).for_each(canonical_target);
    if let Some(behavior) = &mut spec.behavior {
        fill_rules(behavior.scale_up.get_or_insert_default(), Some(0), &[("Pods", 4), ("Percent", 100)]);
        fill_rules(behavior.scale_down.get_or_insert_default(), None, &[("Percent", 100)]);
    }
}

pub fn processor_load(percent: i32) -> MetricSpec {
    let target =
        MetricTarget { type_: "Utilization".to_owned(), average_utilization: Some(percent), ..MetricTarget::default() };
    MetricSpec {
        type_: "Resource".to_owned(),
        resource: Some(ResourceMetricSource { name: "cpu".to_owned(), target }),
        ..MetricSpec::default()
    }
}

fn targets(metric: &mut MetricSpec) -> impl Iterator<Item = &mut MetricTarget> {
    let MetricSpec { container_resource, external, object, pods, resource, .. } = metric;
    let targets = [
        container_resource.as_mut().map(|source| &mut source.target),
        external.as_mut().map(|source| &mut source.target),
        object.as_mut().map(|source| &mut source.target),
        pods.as_mut().map(|source| &mut source.target),
        resource.as_mut().map(|source| &mut source.target),
    ];
    targets.into_iter().flatten()
}

fn canonical_target(target: &mut MetricTarget) {
    let amounts: [&mut Option<Quantity>; 2] = [&mut target.value, &mut target.average_value];
    amounts.into_iter().flatten().for_each(canonical_amount);
}

/// By these steps in every quarter of a minute, by the largest of them.
fn fill_rules(rules: &mut HPAScalingRules, window: Option<i32>, steps: &[(&str, i32)]) {
    const PERIOD: i32 = 15;
    if rules.stabilization_window_seconds.is_none() {
        rules.stabilization_window_seconds = window;
    }
    rules.select_policy.get_or_insert_with(|| "Max".to_owned());
    let policy = |(kind, value): &(&str, i32)| HPAScalingPolicy {
        type_: (*kind).to_owned(),
        value: *value,
        period_seconds: PERIOD,
    };
    rules.policies.get_or_insert_with(|| steps.iter().map(policy).collect());
    if let Some(tolerance) = &mut rules.tolerance {
        canonical_amount(tolerance);
    }
}
