//! What is measured of the store.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::storage::published::Published;

/// Counted as it happens.
#[derive(Debug, Clone)]
pub(super) struct Measures {
    /// Its count is that of the batches.
    pub batch_seconds: Histogram,
    pub writes: Counter,
    pub conflicts: Counter,
}

/// Seconds: from memory to a slow disk.
const BUCKETS: [f64; 10] = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.05, 0.25, 1.0];

impl Default for Measures {
    fn default() -> Self {
        Self { batch_seconds: Histogram::new(BUCKETS), writes: Counter::default(), conflicts: Counter::default() }
    }
}

impl Measures {
    pub fn register(&self, registry: &mut Registry, published: Arc<Published>) {
        let Self { batch_seconds, writes, conflicts } = self.clone();
        registry.register("skiff_storage_batch_seconds", "Time until a batch of writes lasts", batch_seconds);
        registry.register("skiff_storage_writes", "Writes that were done", writes);
        registry.register("skiff_storage_conflicts", "Writes that expected another revision", conflicts);
        registry.register_collector(Box::new(Counted(published)));
    }
}

/// Counted when somebody asks.
#[derive(Debug)]
struct Counted(Arc<Published>);

impl Collector for Counted {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let root = self.0.root();
        let help = "Objects that are stored";
        let mut objects = encoder.encode_descriptor("apiserver_storage_objects", help, None, MetricType::Gauge)?;
        for (resource, count) in root.counts() {
            let label = [("resource", resource.to_string())];
            ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX)).encode(objects.encode_family(&label)?)?;
        }
        let help = "The revision of the newest change";
        let revision = encoder.encode_descriptor("skiff_storage_revision", help, None, MetricType::Gauge)?;
        ConstGauge::new(i64::try_from(root.revision.0).unwrap_or(i64::MAX)).encode(revision)
    }
}
