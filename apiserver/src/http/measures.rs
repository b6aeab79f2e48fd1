//! What is counted about requests, under the names that dashboards for Kubernetes know.

use std::sync::atomic::AtomicU64;

use lifecycle::metrics::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use crate::http::exchange::Exchange;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    verb: &'static str,
    group: &'static str,
    version: &'static str,
    resource: &'static str,
    subresource: &'static str,
    scope: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AnswerLabels {
    verb: &'static str,
    group: &'static str,
    version: &'static str,
    resource: &'static str,
    subresource: &'static str,
    scope: &'static str,
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SortLabels {
    pub request_kind: &'static str,
}

/// All measures of the HTTP side.
#[derive(Clone)]
pub struct Measures {
    requests: Family<AnswerLabels, Counter>,
    durations: Family<RequestLabels, Histogram, fn() -> Histogram>,
    pub in_flight: Family<SortLabels, Gauge>,
    pub long_running: Family<RequestLabels, Gauge>,
    pub watch_events: Counter,
    pub connections: Gauge,
    pub tls_failures: Counter<u64, AtomicU64>,
}

/// Seconds. Few, as every request adds to one of them.
const BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

impl Measures {
    pub fn new(metrics: &Metrics) -> Self {
        let measures = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            in_flight: Family::default(),
            long_running: Family::default(),
            watch_events: Counter::default(),
            connections: Gauge::default(),
            tls_failures: Counter::default(),
        };
        let own = measures.clone();
        metrics.register(|registry| {
            registry.register("apiserver_request", "Requests by verb, resource and code", own.requests);
            registry.register("apiserver_request_duration_seconds", "Time until the answer begins", own.durations);
            registry.register("apiserver_current_inflight_requests", "Requests being worked on", own.in_flight);
            registry.register("apiserver_longrunning_requests", "Watches and followed logs", own.long_running);
            registry.register("apiserver_watch_events", "Events sent to watchers", own.watch_events);
            registry.register("apiserver_open_connections", "Connections to the server", own.connections);
            registry.register("apiserver_tls_handshake_errors", "Connections that failed early", own.tls_failures);
        });
        measures
    }

    pub fn request_labels(exchange: &Exchange) -> RequestLabels {
        let (group, version, resource) = exchange.kind.map_or(("", "", ""), |kind| {
            let facts = kind.facts();
            (facts.group, facts.version, facts.plural)
        });
        let target = exchange.attributes.target.as_ref();
        let subresource =
            exchange.kind.zip(target).and_then(|(kind, target)| kind.facts().subresource(&target.subresource));
        let scope = match target {
            None => "",
            Some(target) if !target.name.is_empty() => "resource",
            Some(target) if !target.namespace.is_empty() => "namespace",
            Some(_) => "cluster",
        };
        let verb = exchange.attributes.verb.metric_name();
        RequestLabels { verb, group, version, resource, subresource: subresource.map_or("", |s| s.name), scope }
    }

    /// Counts an answer whose head is ready.
    pub fn answered(&self, exchange: &Exchange, code: u16) {
        let labels = Self::request_labels(exchange);
        if !exchange.is_long_running() {
            self.durations.get_or_create(&labels).observe(exchange.started.elapsed().as_secs_f64());
        }
        let RequestLabels { verb, group, version, resource, subresource, scope } = labels;
        let labels = AnswerLabels { verb, group, version, resource, subresource, scope, code };
        self.requests.get_or_create(&labels).inc();
    }
}
