//! One registry of Prometheus metrics for a process; every part adds its own.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::registry::Registry;

/// Clones share one registry.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Mutex<Registry>>);

impl Metrics {
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets a part register what it measures.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// All metrics in the OpenMetrics text format.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        let registry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("a String takes any text");
        text
    }
}
