//! The moment of the change that a write of endpoints answers: people measure the delay by it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use api::names::NamespacedName;
use jiff::Timestamp;

use crate::kinds::pod::Pod;
use crate::kinds::service::Service;

/// What was known of each Service when it was last looked at.
#[derive(Debug, Default)]
pub struct TriggerTimes(Mutex<HashMap<NamespacedName, State>>);

#[derive(Debug)]
struct State {
    service: Option<Timestamp>,
    /// By hash of the name: a clash costs one annotation its accuracy.
    pods: HashMap<u64, Timestamp>,
}

impl TriggerTimes {
    /// The earliest of the changes since the last look; nothing if there was none. The first look at a Service counts
    /// from its creation.
    pub fn compute(&self, service: &Service, pods: &[Arc<Pod>]) -> Option<Timestamp> {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let times = pods.iter().filter_map(|pod| Some((hash(&pod.meta.name), pod.status.ready_since?)));
        let new = State { service: service.meta.creation_timestamp, pods: times.collect() };
        let key = service.meta.key();
        let Some(old) = states.get(&key) else {
            states.insert(key, new);
            return service.meta.creation_timestamp;
        };
        let is_new = |(name, time): &(&u64, &Timestamp)| old.pods.get(*name).is_none_or(|old| *time > old);
        let changed = new.pods.iter().filter(is_new).map(|(_, time)| *time);
        let earliest = changed.chain(new.service.filter(|_| new.service > old.service)).min();
        states.insert(key, new);
        earliest
    }

    pub fn forget(&self, service: &NamespacedName) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(service);
    }
}

fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Option<Timestamp> {
        Timestamp::from_second(second).ok()
    }

    fn service(created: i64) -> Service {
        let mut service = Service::default();
        service.meta.creation_timestamp = at(created);
        service
    }

    fn pod(name: &str, ready: i64) -> Arc<Pod> {
        let mut pod = Pod::default();
        pod.meta.name = name.into();
        pod.status.ready_since = at(ready);
        Arc::new(pod)
    }

    #[test]
    fn the_first_look_counts_from_the_service() {
        assert_eq!(TriggerTimes::default().compute(&service(10), &[pod("a", 5), pod("b", 20)]), at(10));
    }

    #[test]
    fn later_looks_count_from_the_earliest_change() {
        let times = TriggerTimes::default();
        times.compute(&service(10), &[pod("a", 5)]);
        assert_eq!(times.compute(&service(10), &[pod("a", 5)]), None);
        assert_eq!(times.compute(&service(10), &[pod("a", 30), pod("b", 20)]), at(20));
        assert_eq!(times.compute(&service(10), &[pod("b", 20)]), None);
        assert_eq!(times.compute(&service(40), &[pod("b", 50)]), at(40));
        times.forget(&service(40).meta.key());
        assert_eq!(times.compute(&service(40), &[]), at(40));
    }
}
