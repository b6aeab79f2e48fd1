//! What an autoscaler aims at and where it stands, as `kubectl get hpa` shows it: `cpu: 40%/80%`.

use k8s_openapi::api::autoscaling::v2::{
    HorizontalPodAutoscaler, MetricSpec, MetricStatus, MetricTarget, MetricValueStatus,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::kinds::table::{NONE, UNKNOWN};

/// How many metrics a cell names.
const SHOWN: usize = 2;

pub fn of(autoscaler: &HorizontalPodAutoscaler) -> String {
    let metrics = autoscaler.spec.metrics.as_deref().unwrap_or_default();
    if metrics.is_empty() {
        return NONE.to_owned();
    }
    let states = autoscaler.status.as_ref().and_then(|status| status.current_metrics.as_deref()).unwrap_or_default();
    let cells = metrics.iter().enumerate().take(SHOWN).map(|(index, metric)| cell(metric, states.get(index)));
    let text = cells.collect::<Vec<_>>().join(", ");
    match metrics.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => format!("{text} + {more} more..."),
        _ => text,
    }
}

fn cell(metric: &MetricSpec, state: Option<&MetricStatus>) -> String {
    let MetricSpec { container_resource, external, object, pods, resource, .. } = metric;
    match metric.type_.as_str() {
        "External" => {
            let current = state.and_then(|state| state.external.as_ref()).map(|state| &state.current);
            external.as_ref().map(|source| amount(&source.target, current))
        }
        "Object" => {
            let current = state.and_then(|state| state.object.as_ref()).map(|state| &state.current);
            object.as_ref().map(|source| amount(&source.target, current))
        }
        "Pods" => {
            let current = state.and_then(|state| state.pods.as_ref()).map(|state| &state.current);
            pods.as_ref().map(|source| format!("{}/{}", average(current), shown(source.target.average_value.as_ref())))
        }
        "Resource" => {
            let current = state.and_then(|state| state.resource.as_ref()).map(|state| &state.current);
            resource.as_ref().map(|source| load(&source.name, &source.target, current))
        }
        "ContainerResource" => {
            let current = state.and_then(|state| state.container_resource.as_ref()).map(|state| &state.current);
            container_resource.as_ref().map(|source| load(&source.name, &source.target, current))
        }
        _ => None,
    }
    .unwrap_or_else(|| "<unknown type>".to_owned())
}

fn shown(amount: Option<&Quantity>) -> &str {
    amount.map_or(UNKNOWN, |amount| &amount.0)
}

fn average(current: Option<&MetricValueStatus>) -> &str {
    shown(current.and_then(|current| current.average_value.as_ref()))
}

fn amount(target: &MetricTarget, current: Option<&MetricValueStatus>) -> String {
    match &target.average_value {
        Some(aim) => format!("{}/{} (avg)", average(current), aim.0),
        None => {
            let current = shown(current.and_then(|current| current.value.as_ref()));
            format!("{current}/{}", shown(target.value.as_ref()))
        }
    }
}

fn load(name: &str, target: &MetricTarget, current: Option<&MetricValueStatus>) -> String {
    if let Some(aim) = &target.average_value {
        return format!("{name}: {}/{}", average(current), aim.0);
    }
    let percent = |percent: Option<i32>, none: &str| percent.map_or(none.to_owned(), |percent| format!("{percent}%"));
    let now = percent(current.and_then(|current| current.average_utilization), UNKNOWN);
    format!("{name}: {now}/{}", percent(target.average_utilization, "<auto>"))
}
