//! What the agents of a process measure, under the names that a kubelet has for it.

use lifecycle::metrics::Metrics;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

#[derive(Clone, Debug)]
pub struct Measures {
    running_pods: Gauge,
    running_containers: Gauge,
    pub started_containers: Counter,
    pub failed_starts: Counter,
    /// From the creation of a pod's object to when all of its containers run.
    pub pod_start: Histogram,
}

impl Measures {
    pub fn of(metrics: &Metrics) -> Self {
        metrics.shared(|all| {
            let new = Self {
                running_pods: Gauge::default(),
                running_containers: Gauge::default(),
                started_containers: Counter::default(),
                failed_starts: Counter::default(),
                pod_start: Histogram::new(exponential_buckets(0.01, 2.0, 16)),
            };
            all.register("kubelet_running_pods", "Pods of which a container runs", new.running_pods.clone());
            all.register("kubelet_running_containers", "Containers that run", new.running_containers.clone());
            all.register("kubelet_started_containers", "Containers started", new.started_containers.clone());
            all.register("kubelet_started_containers_errors", "Starts that failed", new.failed_starts.clone());
            let text = "Seconds from the creation of a pod to when all of its containers run";
            all.register("kubelet_pod_start_duration_seconds", text, new.pod_start.clone());
            new
        })
    }
}

/// What one pod adds to the totals; taken off again when it is dropped.
#[derive(Debug)]
pub struct PodShare {
    measures: Measures,
    containers: i64,
    has_run: bool,
}

impl PodShare {
    pub fn new(measures: Measures) -> Self {
        Self { measures, containers: 0, has_run: false }
    }

    /// Notes how many of the pod's containers run; answers whether all do for the first time.
    pub fn set(&mut self, running: usize, all: usize) -> bool {
        let running = i64::try_from(running).unwrap_or(i64::MAX);
        self.measures.running_containers.inc_by(running - self.containers);
        self.measures.running_pods.inc_by(i64::from(running > 0) - i64::from(self.containers > 0));
        self.containers = running;
        let is_first = !self.has_run && running > 0 && running == i64::try_from(all).unwrap_or(i64::MAX);
        self.has_run |= is_first;
        is_first
    }
}

impl Drop for PodShare {
    fn drop(&mut self) {
        self.set(0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pods_share_goes_with_it() {
        let measures = Measures::of(&Metrics::new());
        let mut share = PodShare::new(measures.clone());
        assert!(!share.set(1, 2));
        assert!(share.set(2, 2) && !share.set(2, 2));
        assert_eq!((measures.running_pods.get(), measures.running_containers.get()), (1, 2));
        drop(share);
        assert_eq!((measures.running_pods.get(), measures.running_containers.get()), (0, 0));
    }
}
