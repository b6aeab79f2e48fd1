//! Rules of an autoscaler.

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::autoscaling::v2::{
    ContainerResourceMetricSource, CrossVersionObjectReference, ExternalMetricSource, HPAScalingRules,
    HorizontalPodAutoscalerSpec, HorizontalPodAutoscalerStatus, MetricIdentifier, MetricSpec, MetricTarget,
    ObjectMetricSource, PodsMetricSource, ResourceMetricSource,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::kinds::resource_names;
use crate::kinds::rules::{non_negative, readable, supported};

const LONGEST_WINDOW: i32 = 3600;
const LONGEST_PERIOD: i32 = 1800;
const SOURCES: &[&str] = &["ContainerResource", "External", "Object", "Pods", "Resource"];

/// `least` is 0 where an autoscaler has been allowed to scale down to nothing before.
pub fn validate_least(spec: &HorizontalPodAutoscalerSpec, least: i32, errors: &mut FieldErrors) {
    if let Some(min) = spec.min_replicas.filter(|min| *min < least) {
        let why = format!("must be greater than or equal to {least}");
        errors.push(FieldError::invalid(&Path::new("spec").child("minReplicas"), min, why));
    }
}

pub fn validate(spec: &HorizontalPodAutoscalerSpec, path: &Path, errors: &mut FieldErrors) {
    let max_path = path.child("maxReplicas");
    if spec.max_replicas < 1 {
        errors.push(FieldError::invalid(&max_path, spec.max_replicas, "must be greater than 0"));
    }
    if spec.min_replicas.is_some_and(|min| spec.max_replicas < min) {
        let why = "must be greater than or equal to `minReplicas`";
        errors.push(FieldError::invalid(&max_path, spec.max_replicas, why));
    }
    validate_reference(&spec.scale_target_ref, &path.child("scaleTargetRef"), errors);
    let metrics_path = path.child("metrics");
    let metrics = spec.metrics.as_deref().unwrap_or_default();
    for (index, metric) in metrics.iter().enumerate() {
        validate_metric(metric, &metrics_path.index(index), errors);
    }
    let works_without_pods = |metric: &MetricSpec| matches!(metric.type_.as_str(), "Object" | "External");
    if spec.min_replicas == Some(0) && !metrics.iter().any(works_without_pods) {
        let why = "must specify at least one Object or External metric to support scaling to zero replicas";
        errors.push(FieldError::forbidden(&metrics_path, why));
    }
    let Some(behavior) = &spec.behavior else { return };
    for (field, rules) in [("scaleUp", &behavior.scale_up), ("scaleDown", &behavior.scale_down)] {
        if let Some(rules) = rules {
            validate_rules(rules, &path.child("behavior").child(field), errors);
        }
    }
}

pub fn validate_status(status: &HorizontalPodAutoscalerStatus, errors: &mut FieldErrors) {
    let path = Path::new("status");
    non_negative(errors, &path.child("currentReplicas"), status.current_replicas.map(i64::from));
    non_negative(errors, &path.child("desiredReplicas"), Some(i64::from(status.desired_replicas)));
}

fn validate_segment(name: &str, path: &Path, missing: &str, errors: &mut FieldErrors) {
    if name.is_empty() {
        errors.push(FieldError::required(path, missing));
    } else {
        errors.check(path, name, names::path_segment);
    }
}

fn validate_reference(reference: &CrossVersionObjectReference, path: &Path, errors: &mut FieldErrors) {
    validate_segment(&reference.kind, &path.child("kind"), "", errors);
    validate_segment(&reference.name, &path.child("name"), "", errors);
}

fn validate_rules(rules: &HPAScalingRules, path: &Path, errors: &mut FieldErrors) {
    let window_path = path.child("stabilizationWindowSeconds");
    match rules.stabilization_window_seconds {
        Some(window @ ..0) => {
            errors.push(FieldError::invalid(&window_path, window, "must be greater than or equal to zero"));
        }
        Some(window) if window > LONGEST_WINDOW => {
            let why = format!("must be less than or equal to {LONGEST_WINDOW}");
            errors.push(FieldError::invalid(&window_path, window, why));
        }
        _ => {}
    }
    if let Some(policy) = &rules.select_policy {
        supported(errors, &path.child("selectPolicy"), policy, &["Disabled", "Max", "Min"]);
    }
    if let Some(tolerance) = &rules.tolerance
        && readable(errors, &path.child("tolerance"), tolerance).is_some_and(|tolerance| tolerance.is_negative())
    {
        let why = "must be greater than or equal to 0";
        errors.push(FieldError::invalid(&path.child("tolerance"), tolerance.0.as_str(), why));
    }
    let path = path.child("policies");
    let policies = rules.policies.as_deref().unwrap_or_default();
    if policies.is_empty() {
        errors.push(FieldError::required(&path, "must specify at least one Policy"));
    }
    for (index, policy) in policies.iter().enumerate() {
        let path = path.index(index);
        supported(errors, &path.child("type"), &policy.type_, &["Percent", "Pods"]);
        for (field, value) in [("value", policy.value), ("periodSeconds", policy.period_seconds)] {
            if value <= 0 {
                errors.push(FieldError::invalid(&path.child(field), value, "must be greater than zero"));
            }
        }
        if policy.period_seconds > LONGEST_PERIOD {
            let why = format!("must be less than or equal to {LONGEST_PERIOD}");
            errors.push(FieldError::invalid(&path.child("periodSeconds"), policy.period_seconds, why));
        }
    }
}

/// One source, and the one that the type speaks of.
fn validate_metric(metric: &MetricSpec, path: &Path, errors: &mut FieldErrors) {
    if metric.type_.is_empty() {
        errors.push(FieldError::required(&path.child("type"), "must specify a metric source type"));
    }
    supported(errors, &path.child("type"), &metric.type_, SOURCES);
    let given = [
        ("object", "Object", metric.object.is_some()),
        ("external", "External", metric.external.is_some()),
        ("pods", "Pods", metric.pods.is_some()),
        ("resource", "Resource", metric.resource.is_some()),
        ("containerResource", "ContainerResource", metric.container_resource.is_some()),
    ];
    let count = given.iter().filter(|(_, _, is_there)| *is_there).count();
    match given.iter().find(|(_, _, is_there)| *is_there).map(|(field, _, _)| *field) {
        Some("object") => validate_object(metric.object.as_ref(), &path.child("object"), errors),
        Some("external") => validate_external(metric.external.as_ref(), &path.child("external"), errors),
        Some("pods") => validate_pods(metric.pods.as_ref(), &path.child("pods"), errors),
        Some("resource") => validate_resource(metric.resource.as_ref(), &path.child("resource"), errors),
        Some(field) => validate_container(metric.container_resource.as_ref(), &path.child(field), errors),
        None => {}
    }
    for (field, kind, is_there) in given {
        let is_meant = kind == metric.type_;
        if is_meant && !is_there {
            let why = "must populate information for the given metric source";
            errors.push(FieldError::required(&path.child(field), why));
        } else if !is_meant && is_there && count > 1 {
            let why = "must populate the given metric source only";
            errors.push(FieldError::forbidden(&path.child(field), why));
        }
    }
}

fn validate_object(source: Option<&ObjectMetricSource>, path: &Path, errors: &mut FieldErrors) {
    let Some(source) = source else { return };
    validate_reference(&source.described_object, &path.child("describedObject"), errors);
    validate_identifier(&source.metric, &path.child("metric"), errors);
    let path = path.child("target");
    validate_target(&source.target, &path, errors);
    if source.target.value.is_none() && source.target.average_value.is_none() {
        let why = "must set either a target value or averageValue";
        errors.push(FieldError::required(&path.child("averageValue"), why));
    }
}

fn validate_external(source: Option<&ExternalMetricSource>, path: &Path, errors: &mut FieldErrors) {
    let Some(source) = source else { return };
    validate_identifier(&source.metric, &path.child("metric"), errors);
    let path = path.child("target");
    validate_target(&source.target, &path, errors);
    match (&source.target.value, &source.target.average_value) {
        (None, None) => {
            let why = "must set either a target value for metric or a per-pod target";
            errors.push(FieldError::required(&path.child("averageValue"), why));
        }
        (Some(_), Some(_)) => {
            let why = "may not set both a target value for metric and a per-pod target";
            errors.push(FieldError::forbidden(&path.child("value"), why));
        }
        _ => {}
    }
}

fn validate_pods(source: Option<&PodsMetricSource>, path: &Path, errors: &mut FieldErrors) {
    let Some(source) = source else { return };
    validate_identifier(&source.metric, &path.child("metric"), errors);
    let path = path.child("target");
    validate_target(&source.target, &path, errors);
    if source.target.average_value.is_none() {
        let why = "must specify a positive target averageValue";
        errors.push(FieldError::required(&path.child("averageValue"), why));
    }
}

fn validate_resource(source: Option<&ResourceMetricSource>, path: &Path, errors: &mut FieldErrors) {
    let Some(source) = source else { return };
    if source.name.is_empty() {
        errors.push(FieldError::required(&path.child("name"), "must specify a resource name"));
    }
    validate_load(&source.target, &path.child("target"), errors);
}

fn validate_container(source: Option<&ContainerResourceMetricSource>, path: &Path, errors: &mut FieldErrors) {
    let Some(source) = source else { return };
    if source.name.is_empty() {
        errors.push(FieldError::required(&path.child("name"), "must specify a resource name"));
    } else {
        resource_names::of_container(errors, &path.child("name"), &source.name);
    }
    if source.container.is_empty() {
        errors.push(FieldError::required(&path.child("container"), "must specify a container"));
    } else {
        errors.check(&path.child("container"), &source.container, names::dns_label);
    }
    validate_load(&source.target, &path.child("target"), errors);
}

/// A share of what is requested, or an amount.
fn validate_load(target: &MetricTarget, path: &Path, errors: &mut FieldErrors) {
    validate_target(target, path, errors);
    match (target.average_utilization, &target.average_value) {
        (None, None) => {
            let why = "must set either a target raw value or a target utilization";
            errors.push(FieldError::required(&path.child("averageUtilization"), why));
        }
        (Some(_), Some(_)) => {
            let why = "may not set both a target raw value and a target utilization";
            errors.push(FieldError::forbidden(&path.child("averageValue"), why));
        }
        _ => {}
    }
}

fn validate_target(target: &MetricTarget, path: &Path, errors: &mut FieldErrors) {
    let type_path = path.child("type");
    if target.type_.is_empty() {
        errors.push(FieldError::required(&type_path, "must specify a metric target type"));
    }
    if !matches!(target.type_.as_str(), "Utilization" | "Value" | "AverageValue") {
        let why = "must be either Utilization, Value, or AverageValue";
        errors.push(FieldError::invalid(&type_path, target.type_.as_str(), why));
    }
    let mut positive = |amount: &Option<Quantity>, field: &str| {
        let path = path.child(field);
        let amount = amount.as_ref().and_then(|amount| readable(errors, &path, amount));
        if let Some(amount) = amount.filter(|amount| amount.is_zero() || amount.is_negative()) {
            errors.push(FieldError::invalid(&path, amount.to_string(), "must be positive"));
        }
    };
    positive(&target.value, "value");
    positive(&target.average_value, "averageValue");
    if let Some(percent) = target.average_utilization.filter(|percent| *percent < 1) {
        errors.push(FieldError::invalid(&path.child("averageUtilization"), percent, "must be greater than 0"));
    }
}

fn validate_identifier(metric: &MetricIdentifier, path: &Path, errors: &mut FieldErrors) {
    validate_segment(&metric.name, &path.child("name"), "must specify a metric name", errors);
}
