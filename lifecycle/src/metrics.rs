//! One registry of Prometheus metrics for a process; every part adds its own.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::registry::Registry;

/// Clones share one registry.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    registry: Registry,
    shared: HashMap<TypeId, Box<dyn Any + Send>>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Metrics")
    }
}

impl Metrics {
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets a part register what it measures.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.lock().registry);
    }

    /// The measurements of a part that may be there several times in one process, as node agents may: registered
    /// once, by the first of them. A metric registered twice would stand twice in the text.
    pub fn shared<T: Clone + Send + 'static>(&self, add: impl FnOnce(&mut Registry) -> T) -> T {
        let mut inner = self.lock();
        if let Some(known) = inner.shared.get(&TypeId::of::<T>()).and_then(|known| known.downcast_ref::<T>()) {
            return known.clone();
        }
        let added = add(&mut inner.registry);
        inner.shared.insert(TypeId::of::<T>(), Box::new(added.clone()));
        added
    }

    /// All metrics in the OpenMetrics text format.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.lock().registry).expect("a String takes any text");
        text
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::metrics::counter::Counter;

    #[derive(Clone)]
    struct Part(Counter);

    #[test]
    fn a_part_that_is_there_twice_counts_into_one_metric() {
        let metrics = Metrics::new();
        for _ in 0..2 {
            let part = metrics.shared(|registry| {
                let part = Part(Counter::default());
                registry.register("visits", "Visits", part.0.clone());
                part
            });
            part.0.inc();
        }
        assert_eq!(metrics.encode().matches("visits_total 2").count(), 1);
        assert_eq!(metrics.encode().matches("# TYPE visits").count(), 1);
    }
}
