//! What is measured of the work queues, under the names that dashboards know.

use std::time::Duration;

use lifecycle::metrics::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    name: &'static str,
}

/// The measurements of all queues.
pub struct Measurements {
    depth: Family<Labels, Gauge>,
    adds: Family<Labels, Counter>,
    retries: Family<Labels, Counter>,
    work: Family<Labels, Histogram>,
}

impl Measurements {
    pub fn register(metrics: &Metrics) -> Self {
        let measurements = Self {
            depth: Family::default(),
            adds: Family::default(),
            retries: Family::default(),
            work: Family::new_with_constructor(work_durations),
        };
        metrics.register(|registry| {
            registry.register("workqueue_depth", "Keys that wait for work", measurements.depth.clone());
            registry.register("workqueue_adds", "Keys added to the queue", measurements.adds.clone());
            registry.register("workqueue_retries", "Pieces of work that failed", measurements.retries.clone());
            let help = "Seconds that a piece of work took";
            registry.register("workqueue_work_duration_seconds", help, measurements.work.clone());
        });
        measurements
    }

    /// Those of one queue.
    pub fn of(&self, name: &'static str) -> QueueMetrics {
        let labels = Labels { name };
        QueueMetrics {
            depth: self.depth.get_or_create(&labels).clone(),
            adds: self.adds.get_or_create(&labels).clone(),
            retries: self.retries.get_or_create(&labels).clone(),
            work: self.work.get_or_create(&labels).clone(),
        }
    }
}

fn work_durations() -> Histogram {
    Histogram::new([0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0])
}

/// What one queue counts.
#[derive(Debug, Clone)]
pub struct QueueMetrics {
    depth: Gauge,
    adds: Counter,
    retries: Counter,
    work: Histogram,
}

impl Default for QueueMetrics {
    fn default() -> Self {
        Self { depth: Gauge::default(), adds: Counter::default(), retries: Counter::default(), work: work_durations() }
    }
}

impl QueueMetrics {
    pub fn added(&self) {
        self.added_many(1);
    }

    pub fn added_many(&self, count: u64) {
        self.adds.inc_by(count);
        self.depth.inc_by(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub fn taken(&self) {
        self.depth.dec();
    }

    pub fn retried(&self) {
        self.retries.inc();
    }

    pub fn worked(&self, duration: Duration) {
        self.work.observe(duration.as_secs_f64());
    }
}
