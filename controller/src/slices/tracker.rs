//! Which generation of each slice was written last: older ones in the cache mean that it is behind.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::names::NamespacedName;
use tokio::time::Instant;

use crate::kinds::endpoint_slice::EndpointSlice;
use crate::kinds::meta::Meta;

/// After this long, what was written has been seen, or is gone already.
const PATIENCE: Duration = Duration::from_secs(60);

/// By Service.
#[derive(Debug, Default)]
pub struct Tracker(Mutex<HashMap<NamespacedName, Tracked>>);

#[derive(Debug, Default)]
struct Tracked {
    service_uid: Box<str>,
    slices: HashMap<Box<str>, (Expected, Instant)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Generation(i64),
    Deletion,
}

impl Tracker {
    /// Whether these slices are not yet what was written: one is older, missing, or still there.
    pub fn is_stale(&self, service: &Meta, slices: &[Arc<EndpointSlice>]) -> bool {
        let mut all = self.all();
        let Some(tracked) = all.get_mut(&service.key()) else { return false };
        if tracked.service_uid != service.uid {
            // What was written for a predecessor of the same name says nothing.
            all.remove(&service.key());
            return false;
        }
        let generation = |uid: &str| slices.iter().find(|slice| *slice.meta.uid == *uid).map(|it| it.meta.generation);
        tracked.slices.iter().any(|(uid, (expected, since))| {
            let is_missing = match (expected, generation(uid)) {
                (Expected::Deletion, present) => present.is_some(),
                (Expected::Generation(_), None) => true,
                (Expected::Generation(expected), Some(present)) => present < *expected,
            };
            is_missing && since.elapsed() < PATIENCE
        })
    }

    /// Whether this form of a slice was written by somebody else.
    pub fn is_news(&self, service: &NamespacedName, slice: &Meta) -> bool {
        let all = self.all();
        match all.get(service).and_then(|tracked| tracked.slices.get(&slice.uid)) {
            Some((Expected::Generation(expected), _)) => slice.generation > *expected,
            Some((Expected::Deletion, _)) => false,
            None => true,
        }
    }

    pub fn written(&self, service: &Meta, slice: &Meta) {
        self.expect(service, slice, Expected::Generation(slice.generation));
    }

    pub fn deleted(&self, service: &Meta, slice: &Meta) {
        self.expect(service, slice, Expected::Deletion);
    }

    /// A slice is gone. Whether that was not our doing, though it was our slice.
    pub fn is_lost(&self, service: &NamespacedName, slice: &Meta) -> bool {
        let mut all = self.all();
        let Some(tracked) = all.get_mut(service) else { return false };
        matches!(tracked.slices.remove(&slice.uid), Some((Expected::Generation(_), _)))
    }

    pub fn forget(&self, service: &NamespacedName) {
        self.all().remove(service);
    }

    fn expect(&self, service: &Meta, slice: &Meta, expected: Expected) {
        let mut all = self.all();
        let tracked = all.entry(service.key()).or_default();
        tracked.service_uid = service.uid.clone();
        tracked.slices.insert(slice.uid.clone(), (expected, Instant::now()));
    }

    fn all(&self) -> MutexGuard<'_, HashMap<NamespacedName, Tracked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(uid: &str, generation: i64) -> Meta {
        Meta { uid: uid.into(), generation, ..Meta::default() }
    }

    fn slice(uid: &str, generation: i64) -> Arc<EndpointSlice> {
        Arc::new(EndpointSlice { meta: meta(uid, generation), ..EndpointSlice::default() })
    }

    #[test]
    fn a_cache_that_is_behind_is_noticed() {
        let (tracker, service) = (Tracker::default(), meta("service", 0));
        assert!(!tracker.is_stale(&service, &[]));
        tracker.written(&service, &meta("a", 2));
        assert!(tracker.is_stale(&service, &[]));
        assert!(tracker.is_stale(&service, &[slice("a", 1)]));
        assert!(!tracker.is_stale(&service, &[slice("a", 2), slice("b", 1)]));
        tracker.deleted(&service, &meta("a", 2));
        assert!(tracker.is_stale(&service, &[slice("a", 2)]));
        assert!(!tracker.is_stale(&service, &[]));
    }

    #[test]
    fn only_what_others_did_is_news() {
        let (tracker, service) = (Tracker::default(), meta("service", 0));
        assert!(tracker.is_news(&service.key(), &meta("a", 1)));
        tracker.written(&service, &meta("a", 2));
        assert!(!tracker.is_news(&service.key(), &meta("a", 2)));
        assert!(tracker.is_news(&service.key(), &meta("a", 3)));
        assert!(tracker.is_lost(&service.key(), &meta("a", 2)));
        tracker.deleted(&service, &meta("b", 1));
        assert!(!tracker.is_lost(&service.key(), &meta("b", 1)));
    }

    #[test]
    fn a_successor_of_the_service_starts_anew() {
        let tracker = Tracker::default();
        tracker.written(&meta("old", 0), &meta("a", 2));
        assert!(!tracker.is_stale(&meta("new", 0), &[]));
    }
}
