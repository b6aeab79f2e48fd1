//! Metrics in the shapes that the annotations of the old form hold.

use k8s_openapi::api::autoscaling::v2::{
    ContainerResourceMetricSource, ContainerResourceMetricStatus, CrossVersionObjectReference, ExternalMetricSource,
    ExternalMetricStatus, MetricIdentifier, MetricSpec, MetricStatus, MetricTarget, MetricValueStatus,
    ObjectMetricSource, ObjectMetricStatus, PodsMetricSource, PodsMetricStatus, ResourceMetricSource,
    ResourceMetricStatus,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::{Deserialize, Serialize};

/// A metric and what is aimed at.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OldMetric {
    #[serde(rename = "type")]
    kind: String,
    #[serde(flatten)]
    parts: Parts<Source>,
}

/// A metric and where it stands.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OldState {
    #[serde(rename = "type")]
    kind: String,
    #[serde(flatten)]
    parts: Parts<State>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parts<T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pods: Option<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_resource: Option<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external: Option<T>,
}

impl<T> Default for Parts<T> {
    fn default() -> Self {
        Self { object: None, pods: None, resource: None, container_resource: None, external: None }
    }
}

/// The fields of all sorts of sources; each sort has some of them.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Source {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<CrossVersionObjectReference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metric_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metric_selector: Option<LabelSelector>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_value: Option<Quantity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_average_utilization: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_average_value: Option<Quantity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    selector: Option<LabelSelector>,
    #[serde(skip_serializing_if = "Option::is_none")]
    average_value: Option<Quantity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<String>,
}

/// The fields of all sorts of states.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct State {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<CrossVersionObjectReference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metric_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metric_selector: Option<LabelSelector>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_value: Option<Quantity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_average_utilization: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_average_value: Option<Quantity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    selector: Option<LabelSelector>,
    #[serde(skip_serializing_if = "Option::is_none")]
    average_value: Option<Quantity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<String>,
}

fn zero() -> Quantity {
    Quantity("0".to_owned())
}

fn metric(name: Option<String>, selector: Option<LabelSelector>) -> MetricIdentifier {
    MetricIdentifier { name: name.unwrap_or_default(), selector }
}

fn target(kind: &str) -> MetricTarget {
    MetricTarget { type_: kind.to_owned(), ..MetricTarget::default() }
}

impl OldMetric {
    pub fn of_new(new: MetricSpec) -> Self {
        let parts = Parts {
            object: new.object.map(|source| Source {
                target: Some(source.described_object),
                metric_name: Some(source.metric.name),
                selector: source.metric.selector,
                target_value: Some(source.target.value.unwrap_or_else(zero)),
                average_value: source.target.average_value,
                ..Source::default()
            }),
            pods: new.pods.map(|source| Source {
                metric_name: Some(source.metric.name),
                selector: source.metric.selector,
                target_average_value: Some(source.target.average_value.unwrap_or_else(zero)),
                ..Source::default()
            }),
            resource: new.resource.map(|source| Source {
                name: Some(source.name),
                target_average_utilization: source.target.average_utilization,
                target_average_value: source.target.average_value,
                ..Source::default()
            }),
            container_resource: new.container_resource.map(|source| Source {
                name: Some(source.name),
                container: Some(source.container),
                target_average_utilization: source.target.average_utilization,
                target_average_value: source.target.average_value,
                ..Source::default()
            }),
            external: new.external.map(|source| Source {
                metric_name: Some(source.metric.name),
                metric_selector: source.metric.selector,
                target_value: source.target.value,
                target_average_value: source.target.average_value,
                ..Source::default()
            }),
        };
        Self { kind: new.type_, parts }
    }

    pub fn into_new(self) -> MetricSpec {
        let Parts { object, pods, resource, container_resource, external } = self.parts;
        MetricSpec {
            type_: self.kind,
            object: object.map(Source::into_object),
            pods: pods.map(|source| PodsMetricSource {
                metric: metric(source.metric_name, source.selector),
                target: MetricTarget { average_value: source.target_average_value, ..target("AverageValue") },
            }),
            resource: resource
                .map(|source| ResourceMetricSource { target: source.load(), name: source.name.unwrap_or_default() }),
            container_resource: container_resource.map(|source| ContainerResourceMetricSource {
                target: source.load(),
                name: source.name.unwrap_or_default(),
                container: source.container.unwrap_or_default(),
            }),
            external: external.map(|source| ExternalMetricSource {
                metric: metric(source.metric_name, source.metric_selector),
                target: MetricTarget {
                    average_value: source.target_average_value,
                    ..match source.target_value {
                        Some(value) => MetricTarget { value: Some(value), ..target("Value") },
                        None => target("AverageValue"),
                    }
                },
            }),
        }
    }
}

impl Source {
    fn load(&self) -> MetricTarget {
        let kind = if self.target_average_utilization.is_some() { "Utilization" } else { "AverageValue" };
        MetricTarget {
            average_utilization: self.target_average_utilization,
            average_value: self.target_average_value.clone(),
            ..target(kind)
        }
    }

    fn into_object(self) -> ObjectMetricSource {
        let kind = if self.average_value.is_some() { "AverageValue" } else { "Value" };
        ObjectMetricSource {
            described_object: self.target.unwrap_or_default(),
            metric: metric(self.metric_name, self.selector),
            target: MetricTarget { value: self.target_value, average_value: self.average_value, ..target(kind) },
        }
    }
}

impl OldState {
    pub fn of_new(new: MetricStatus) -> Self {
        let parts = Parts {
            object: new.object.map(|state| State {
                target: Some(state.described_object),
                metric_name: Some(state.metric.name),
                selector: state.metric.selector,
                current_value: Some(state.current.value.unwrap_or_else(zero)),
                average_value: state.current.average_value,
                ..State::default()
            }),
            pods: new.pods.map(|state| State {
                metric_name: Some(state.metric.name),
                selector: state.metric.selector,
                current_average_value: Some(state.current.average_value.unwrap_or_else(zero)),
                ..State::default()
            }),
            resource: new.resource.map(|state| State {
                name: Some(state.name),
                current_average_utilization: state.current.average_utilization,
                current_average_value: Some(state.current.average_value.unwrap_or_else(zero)),
                ..State::default()
            }),
            container_resource: new.container_resource.map(|state| State {
                name: Some(state.name),
                container: Some(state.container),
                current_average_utilization: state.current.average_utilization,
                current_average_value: Some(state.current.average_value.unwrap_or_else(zero)),
                ..State::default()
            }),
            external: new.external.map(|state| State {
                metric_name: Some(state.metric.name),
                metric_selector: state.metric.selector,
                current_value: Some(state.current.value.unwrap_or_else(zero)),
                current_average_value: state.current.average_value,
                ..State::default()
            }),
        };
        Self { kind: new.type_, parts }
    }

    pub fn into_new(self) -> MetricStatus {
        let Parts { object, pods, resource, container_resource, external } = self.parts;
        MetricStatus {
            type_: self.kind,
            object: object.map(|state| ObjectMetricStatus {
                current: MetricValueStatus {
                    value: state.current_value,
                    average_value: state.average_value,
                    ..MetricValueStatus::default()
                },
                described_object: state.target.unwrap_or_default(),
                metric: metric(state.metric_name, state.selector),
            }),
            pods: pods.map(|state| PodsMetricStatus {
                current: MetricValueStatus {
                    average_value: state.current_average_value,
                    ..MetricValueStatus::default()
                },
                metric: metric(state.metric_name, state.selector),
            }),
            resource: resource
                .map(|state| ResourceMetricStatus { current: state.load(), name: state.name.unwrap_or_default() }),
            container_resource: container_resource.map(|state| ContainerResourceMetricStatus {
                current: state.load(),
                name: state.name.unwrap_or_default(),
                container: state.container.unwrap_or_default(),
            }),
            external: external.map(|state| ExternalMetricStatus {
                current: MetricValueStatus {
                    value: state.current_value,
                    average_value: state.current_average_value,
                    ..MetricValueStatus::default()
                },
                metric: metric(state.metric_name, state.metric_selector),
            }),
        }
    }
}

impl State {
    fn load(&self) -> MetricValueStatus {
        MetricValueStatus {
            average_utilization: self.current_average_utilization,
            average_value: self.current_average_value.clone(),
            value: None,
        }
    }
}
