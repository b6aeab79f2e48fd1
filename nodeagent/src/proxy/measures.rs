//! What the proxy measures, of all nodes in a process together.

use lifecycle::metrics::Metrics;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

#[derive(Clone, Debug)]
pub struct Measures {
    /// From a change of the cluster to the table that is applied.
    pub programming: Histogram,
    pub applying: Histogram,
    pub entries: Gauge,
    pub problems: Gauge,
    pub connections: Counter,
    pub failed_connections: Counter,
    pub open_connections: Gauge,
    pub bytes: Counter,
    pub datagram_flows: Gauge,
    pub dropped_datagrams: Counter,
}

impl Measures {
    pub fn of(metrics: &Metrics) -> Self {
        metrics.shared(|registry| {
            let new = Self::new();
            let all = registry;
            let text = "Seconds from a change of the cluster to traffic that follows it";
            all.register("kubeproxy_network_programming_duration_seconds", text, new.programming.clone());
            let text = "Seconds to carry the wanted table out";
            all.register("kubeproxy_sync_proxy_rules_duration_seconds", text, new.applying.clone());
            all.register("skiff_proxy_entries", "Addresses that are forwarded or refused", new.entries.clone());
            all.register("skiff_proxy_problems", "Addresses that cannot be served", new.problems.clone());
            all.register("skiff_proxy_connections", "TCP connections taken", new.connections.clone());
            let text = "TCP connections that found no endpoint";
            all.register("skiff_proxy_failed_connections", text, new.failed_connections.clone());
            all.register("skiff_proxy_open_connections", "TCP connections now", new.open_connections.clone());
            all.register("skiff_proxy_bytes", "Bytes carried over TCP, both ways", new.bytes.clone());
            all.register("skiff_proxy_datagram_flows", "UDP clients now", new.datagram_flows.clone());
            all.register("skiff_proxy_dropped_datagrams", "UDP datagrams lost here", new.dropped_datagrams.clone());
            new
        })
    }

    fn new() -> Self {
        Self {
            programming: Histogram::new(exponential_buckets(0.000_25, 2.0, 20)),
            applying: Histogram::new(exponential_buckets(0.000_05, 2.0, 20)),
            entries: Gauge::default(),
            problems: Gauge::default(),
            connections: Counter::default(),
            failed_connections: Counter::default(),
            open_connections: Gauge::default(),
            bytes: Counter::default(),
            datagram_flows: Gauge::default(),
            dropped_datagrams: Counter::default(),
        }
    }
}
