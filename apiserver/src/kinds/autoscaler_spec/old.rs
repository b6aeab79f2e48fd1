//! The old form of an autoscaler, `autoscaling/v1`, and the new one. What the old form has no fields for it holds in
//! annotations, in the shapes of upstream's `pkg/apis/autoscaling/v1/conversion.go`.

use k8s_openapi::api::autoscaling::{v1, v2};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Error, Value};

use crate::kinds::autoscaler_spec::defaults::processor_load;
use crate::kinds::autoscaler_spec::old_metrics::{OldMetric, OldState};

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
/// What the old form aims at where nothing is said, in percent.
const USUAL_LOAD: i32 = 80;

/// Drops the annotations, which the new form has fields for.
pub fn forget(metadata: &mut ObjectMeta) {
    set(metadata, &[METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR], None);
}

/// What tells of the status becomes that of `old`.
pub fn take_status(metadata: &mut ObjectMeta, old: Option<&ObjectMeta>) {
    set(metadata, &[CURRENT_METRICS, CONDITIONS], old);
}

/// What tells of the spec becomes that of `old`.
pub fn take_spec(metadata: &mut ObjectMeta, old: &ObjectMeta) {
    set(metadata, &[METRICS, BEHAVIOR], Some(old));
}

fn set(metadata: &mut ObjectMeta, names: &[&str], from: Option<&ObjectMeta>) {
    let from = from.and_then(|from| from.annotations.as_ref());
    let mut annotations = metadata.annotations.take().unwrap_or_default();
    for name in names {
        match from.and_then(|from| from.get(*name)) {
            Some(value) => annotations.insert((*name).to_owned(), value.clone()),
            None => annotations.remove(*name),
        };
    }
    metadata.annotations = (!annotations.is_empty()).then_some(annotations);
}

fn take<T: DeserializeOwned>(metadata: &mut ObjectMeta, name: &str) -> Result<Option<T>, Error> {
    let Some(annotations) = &mut metadata.annotations else { return Ok(None) };
    let text = annotations.remove(name);
    if annotations.is_empty() {
        metadata.annotations = None;
    }
    text.map(|text| serde_json::from_str(&text)).transpose()
}

fn put<T: Serialize>(metadata: &mut ObjectMeta, name: &str, value: &T) -> Result<(), Error> {
    let text = serde_json::to_string(value)?;
    metadata.annotations.get_or_insert_default().insert(name.to_owned(), text);
    Ok(())
}

fn is_processor_load(metric: &v2::MetricSpec) -> bool {
    processor_percent(metric).is_some()
}

fn processor_percent(metric: &v2::MetricSpec) -> Option<i32> {
    let source = metric.resource.as_ref().filter(|source| metric.type_ == "Resource" && source.name == "cpu")?;
    source.target.average_utilization
}

pub fn to_new(old: &v1::HorizontalPodAutoscaler) -> Result<v2::HorizontalPodAutoscaler, Error> {
    let mut metadata = old.metadata.clone();
    let mut metrics: Vec<v2::MetricSpec> =
        take::<Vec<OldMetric>>(&mut metadata, METRICS)?.into_iter().flatten().map(OldMetric::into_new).collect();
    metrics.extend(old.spec.target_cpu_utilization_percentage.map(processor_load));
    if metrics.is_empty() {
        metrics.push(processor_load(USUAL_LOAD));
    }
    let behavior = take::<Value>(&mut metadata, BEHAVIOR)?;
    let behavior = behavior.map(|value| serde_json::from_value(renamed(value, char::to_ascii_lowercase)));
    let target = old.spec.scale_target_ref.clone();
    let spec = v2::HorizontalPodAutoscalerSpec {
        scale_target_ref: v2::CrossVersionObjectReference {
            api_version: target.api_version,
            kind: target.kind,
            name: target.name,
        },
        min_replicas: old.spec.min_replicas,
        max_replicas: old.spec.max_replicas,
        metrics: Some(metrics),
        behavior: behavior.transpose()?,
    };
    let status = status_to_new(old, &mut metadata)?;
    Ok(v2::HorizontalPodAutoscaler { metadata, spec, status })
}

fn status_to_new(
    old: &v1::HorizontalPodAutoscaler,
    metadata: &mut ObjectMeta,
) -> Result<Option<v2::HorizontalPodAutoscalerStatus>, Error> {
    let states = take::<Vec<OldState>>(metadata, CURRENT_METRICS)?;
    let conditions = take(metadata, CONDITIONS)?;
    let Some(status) = &old.status else { return Ok(None) };
    let current_metrics = match states {
        Some(states) => Some(states.into_iter().map(OldState::into_new).collect()),
        None => status.current_cpu_utilization_percentage.map(|percent| vec![processor_state(percent)]),
    };
    Ok(Some(v2::HorizontalPodAutoscalerStatus {
        conditions,
        current_metrics,
        current_replicas: Some(status.current_replicas),
        desired_replicas: status.desired_replicas,
        last_scale_time: status.last_scale_time.clone(),
        observed_generation: status.observed_generation,
    }))
}

fn processor_state(percent: i32) -> v2::MetricStatus {
    let current = v2::MetricValueStatus { average_utilization: Some(percent), ..Default::default() };
    let resource = Some(v2::ResourceMetricStatus { name: "cpu".to_owned(), current });
    v2::MetricStatus { type_: "Resource".to_owned(), resource, ..Default::default() }
}

pub fn of_new(new: &v2::HorizontalPodAutoscaler) -> Result<v1::HorizontalPodAutoscaler, Error> {
    let mut metadata = ObjectMeta { resource_version: None, ..new.metadata.clone() };
    let metrics = new.spec.metrics.as_deref().unwrap_or_default();
    let others: Vec<OldMetric> =
        metrics.iter().filter(|metric| !is_processor_load(metric)).cloned().map(OldMetric::of_new).collect();
    if !others.is_empty() {
        put(&mut metadata, METRICS, &others)?;
    }
    if let Some(behavior) = &new.spec.behavior {
        let value = renamed(serde_json::to_value(behavior)?, char::to_ascii_uppercase);
        put(&mut metadata, BEHAVIOR, &value)?;
    }
    let target = new.spec.scale_target_ref.clone();
    let spec = v1::HorizontalPodAutoscalerSpec {
        scale_target_ref: v1::CrossVersionObjectReference {
            api_version: target.api_version,
            kind: target.kind,
            name: target.name,
        },
        min_replicas: new.spec.min_replicas,
        max_replicas: new.spec.max_replicas,
        target_cpu_utilization_percentage: metrics.iter().find_map(processor_percent),
    };
    let status = new.status.as_ref().map(|status| status_of_new(status, &mut metadata)).transpose()?;
    Ok(v1::HorizontalPodAutoscaler { metadata, spec, status })
}

fn status_of_new(
    status: &v2::HorizontalPodAutoscalerStatus,
    metadata: &mut ObjectMeta,
) -> Result<v1::HorizontalPodAutoscalerStatus, Error> {
    let states = status.current_metrics.as_deref().unwrap_or_default();
    if !states.is_empty() {
        let old: Vec<OldState> = states.iter().cloned().map(OldState::of_new).collect();
        put(metadata, CURRENT_METRICS, &old)?;
    }
    if let Some(conditions) = status.conditions.as_ref().filter(|conditions| !conditions.is_empty()) {
        put(metadata, CONDITIONS, conditions)?;
    }
    let percent = states.iter().rev().find_map(|state| {
        let source = state.resource.as_ref().filter(|source| state.type_ == "Resource" && source.name == "cpu")?;
        source.current.average_utilization
    });
    Ok(v1::HorizontalPodAutoscalerStatus {
        current_cpu_utilization_percentage: percent,
        current_replicas: status.current_replicas.unwrap_or_default(),
        desired_replicas: status.desired_replicas,
        last_scale_time: status.last_scale_time.clone(),
        observed_generation: status.observed_generation,
    })
}

/// The value with its keys in the other spelling: upstream writes this one annotation with the names of its own structs.
fn renamed(value: Value, first: fn(&char) -> char) -> Value {
    match value {
        Value::Object(object) => {
            let rename = |key: String| {
                let mut letters = key.chars();
                let first = letters.next().map(|letter| first(&letter));
                first.into_iter().chain(letters).collect::<String>()
            };
            object.into_iter().map(|(key, value)| (rename(key), renamed(value, first))).collect()
        }
        Value::Array(list) => list.into_iter().map(|value| renamed(value, first)).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn autoscaler() -> Value {
        let metric = |name: &str| json!({"name": name, "selector": {"matchLabels": {"a": "b"}}});
        let object = json!({"kind": "Service", "name": "s", "apiVersion": "v1"});
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "a"}, "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 2, "maxReplicas": 5,
            "metrics": [
                {"type": "Object", "object": {"describedObject": object, "metric": metric("m"),
                    "target": {"type": "Value", "value": "3"}}},
                {"type": "Pods", "pods": {"metric": metric("p"), "target": {"type": "AverageValue", "averageValue": "1k"}}},
                {"type": "External", "external": {"metric": metric("e"), "target": {"type": "Value", "value": "7"}}},
                {"type": "Resource", "resource": {"name": "memory",
                    "target": {"type": "AverageValue", "averageValue": "1Gi"}}},
                {"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "c",
                    "target": {"type": "Utilization", "averageUtilization": 60}}},
                {"type": "Resource", "resource": {"name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 70}}}],
            "behavior": {"scaleUp": {"stabilizationWindowSeconds": 0, "selectPolicy": "Max",
                "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}]}}},
            "status": {"currentReplicas": 3, "desiredReplicas": 4,
                "currentMetrics": [
                    {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 50, "averageValue": "10m"}}},
                    {"type": "Pods", "pods": {"metric": metric("p"), "current": {"averageValue": "2"}}}],
                "conditions": [{"type": "AbleToScale", "status": "True", "reason": "Ready"}]}})
    }

    #[test]
    fn what_the_old_form_lacks_is_kept_in_annotations() {
        let new: v2::HorizontalPodAutoscaler = serde_json::from_value(autoscaler()).unwrap();
        let old = of_new(&new).unwrap();
        assert_eq!(old.spec.target_cpu_utilization_percentage, Some(70));
        assert_eq!(old.status.as_ref().unwrap().current_cpu_utilization_percentage, Some(50));
        let annotations = old.metadata.annotations.clone().unwrap();
        let value = |name: &str| -> Value { serde_json::from_str(&annotations[name]).unwrap() };
        assert_eq!(
            value(METRICS)[0],
            json!({"type": "Object", "object": {"target": {"kind": "Service", "name": "s", "apiVersion": "v1"},
                "metricName": "m", "targetValue": "3", "selector": {"matchLabels": {"a": "b"}}}})
        );
        assert_eq!(
            value(METRICS)[4],
            json!({"type": "ContainerResource", "containerResource": {"name": "cpu", "targetAverageUtilization": 60,
                "container": "c"}})
        );
        assert_eq!(
            value(CURRENT_METRICS)[0],
            json!({"type": "Resource", "resource": {"name": "cpu", "currentAverageUtilization": 50,
                "currentAverageValue": "10m"}})
        );
        assert_eq!(value(BEHAVIOR)["ScaleUp"]["Policies"][0], json!({"Type": "Pods", "Value": 4, "PeriodSeconds": 15}));
        assert_eq!(value(CONDITIONS)[0]["reason"], "Ready");
        assert_eq!(to_new(&old).unwrap(), new);
    }

    #[test]
    fn an_old_autoscaler_that_says_nothing_aims_at_the_usual_load() {
        let old: v1::HorizontalPodAutoscaler = serde_json::from_value(json!({"metadata": {"name": "a"},
            "spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "web"}}}))
        .unwrap();
        assert_eq!(to_new(&old).unwrap().spec.metrics, Some(vec![processor_load(80)]));
        let mut broken = old;
        put(&mut broken.metadata, METRICS, &1).unwrap();
        assert!(to_new(&broken).is_err());
    }
}
