//! A work queue: the same key is never worked on twice at once, and repeated requests merge.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lifecycle::backoff::Backoff;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::measure::QueueMetrics;

/// How long failures wait.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    pub first: Duration,
    pub longest: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { first: Duration::from_millis(5), longest: Duration::from_secs(60) }
    }
}

/// Clones share one queue. It is bounded by the number of keys there are: a key waits in it once.
#[derive(Clone)]
pub struct Queue<K>(Arc<Shared<K>>);

struct Shared<K> {
    state: Mutex<State<K>>,
    wake: Notify,
    patience: Patience,
    metrics: QueueMetrics,
}

struct State<K> {
    ready: VecDeque<K>,
    /// What is in `ready`.
    queued: HashSet<K>,
    working: HashSet<K>,
    /// Asked for again while being worked on.
    again: HashSet<K>,
    later: BTreeSet<(Instant, K)>,
    due: BTreeMap<K, Instant>,
    failures: HashMap<K, Backoff>,
}

impl<K: Clone + Eq + Ord + Hash> Queue<K> {
    pub fn new(patience: Patience, metrics: QueueMetrics) -> Self {
        let state = State {
            ready: VecDeque::new(),
            queued: HashSet::new(),
            working: HashSet::new(),
            again: HashSet::new(),
            later: BTreeSet::new(),
            due: BTreeMap::new(),
            failures: HashMap::new(),
        };
        Self(Arc::new(Shared { state: Mutex::new(state), wake: Notify::new(), patience, metrics }))
    }

    /// Asks for work on `key`, now, or when the work in progress on it is done.
    pub fn add(&self, key: K) {
        let added = self.state().add(key);
        if added {
            self.0.metrics.added();
            self.0.wake.notify_one();
        }
    }

    /// Asks for work on `key` after `delay`, unless it is asked for earlier anyway.
    pub fn add_after(&self, key: K, delay: Duration) {
        if delay.is_zero() {
            return self.add(key);
        }
        let is_first = self.state().add_at(key, Instant::now() + delay);
        if is_first {
            // A worker must wake to wait for less long.
            self.0.wake.notify_one();
        }
    }

    /// The next key to work on; `done` must follow.
    pub async fn next(&self) -> K {
        loop {
            let (key, more, until) = {
                let mut state = self.state();
                let due = state.take_due(Instant::now());
                self.0.metrics.added_many(due);
                let key = state.take();
                (key, !state.ready.is_empty(), state.later.first().map(|(at, _)| *at))
            };
            if let Some(key) = key {
                self.0.metrics.taken();
                // One notice may stand for several keys.
                if more || until.is_some() {
                    self.0.wake.notify_one();
                }
                return key;
            }
            match until {
                None => self.0.wake.notified().await,
                Some(at) => {
                    tokio::select! {
                        () = self.0.wake.notified() => {}
                        () = tokio::time::sleep_until(at) => {}
                    }
                }
            }
        }
    }

    /// The work on `key` has ended. What was asked for meanwhile is queued.
    pub fn done(&self, key: &K) {
        let again = {
            let mut state = self.state();
            state.working.remove(key);
            state.again.remove(key) && state.add(key.clone())
        };
        if again {
            self.0.metrics.added();
            self.0.wake.notify_one();
        }
    }

    /// The work on `key` failed: it is due again after a while that grows with each failure.
    pub fn retry(&self, key: K) {
        self.0.metrics.retried();
        let patience = self.0.patience;
        let delay = {
            let mut state = self.state();
            let new = || Backoff::new(patience.first, patience.longest);
            state.failures.entry(key.clone()).or_insert_with(new).next_delay()
        };
        self.add_after(key, delay);
    }

    /// The work on `key` succeeded: its next failure is a first one.
    pub fn forget(&self, key: &K) {
        self.state().failures.remove(key);
    }

    /// How often the work on `key` has failed in a row.
    pub fn failures(&self, key: &K) -> u32 {
        self.state().failures.get(key).map_or(0, Backoff::failures)
    }

    pub fn len(&self) -> usize {
        self.state().ready.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Records how long a piece of work took.
    pub fn measure(&self, work: Duration) {
        self.0.metrics.worked(work);
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Ord + Hash> State<K> {
    fn add(&mut self, key: K) -> bool {
        if self.working.contains(&key) {
            self.again.insert(key);
            return false;
        }
        if !self.queued.insert(key.clone()) {
            return false;
        }
        self.ready.push_back(key);
        true
    }

    /// Whether this is now the first of all that wait.
    fn add_at(&mut self, key: K, at: Instant) -> bool {
        match self.due.get(&key).map(|due| due.cmp(&at)) {
            Some(Ordering::Less | Ordering::Equal) => return false,
            Some(Ordering::Greater) => {
                let old = self.due[&key];
                self.later.remove(&(old, key.clone()));
            }
            None => {}
        }
        self.due.insert(key.clone(), at);
        self.later.insert((at, key));
        self.later.first().is_some_and(|(first, _)| *first == at)
    }

    /// Moves what is due to the ready; how many were added by that.
    fn take_due(&mut self, now: Instant) -> u64 {
        let mut added = 0;
        while self.later.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, key)) = self.later.pop_first() else { break };
            self.due.remove(&key);
            added += u64::from(self.add(key));
        }
        added
    }

    fn take(&mut self) -> Option<K> {
        let key = self.ready.pop_front()?;
        self.queued.remove(&key);
        self.working.insert(key.clone());
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Queue<&'static str> {
        Queue::new(Patience::default(), QueueMetrics::default())
    }

    async fn is_empty(queue: &Queue<&'static str>) -> bool {
        tokio::time::timeout(Duration::from_nanos(1), queue.next()).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn repeated_requests_merge() {
        let queue = queue();
        queue.add("a");
        queue.add("b");
        queue.add("a");
        assert_eq!((queue.next().await, queue.next().await), ("a", "b"));
        assert!(is_empty(&queue).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_not_worked_on_twice_at_once() {
        let queue = queue();
        queue.add("a");
        assert_eq!(queue.next().await, "a");
        queue.add("a");
        assert!(is_empty(&queue).await);
        queue.done(&"a");
        assert_eq!(queue.next().await, "a");
        queue.done(&"a");
        assert!(is_empty(&queue).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_is_kept_and_the_earliest_counts() {
        let queue = queue();
        let start = Instant::now();
        queue.add_after("a", Duration::from_secs(10));
        queue.add_after("a", Duration::from_secs(5));
        queue.add_after("a", Duration::from_secs(20));
        assert_eq!(queue.next().await, "a");
        assert_eq!(start.elapsed().as_secs(), 5);
        queue.done(&"a");
        assert!(tokio::time::timeout(Duration::from_secs(60), queue.next()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn failures_wait_longer_each_time() {
        let queue = queue();
        let mut waits = Vec::new();
        queue.add("a");
        for _ in 0..12 {
            let start = Instant::now();
            let key = queue.next().await;
            waits.push(start.elapsed());
            queue.retry(key);
            queue.done(&key);
        }
        assert!(waits[1] <= Duration::from_millis(6) && waits[11] >= Duration::from_secs(2), "{waits:?}");
        assert_eq!(queue.failures(&"a"), 12);
        queue.forget(&"a");
        assert_eq!(queue.failures(&"a"), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_worker_wakes_for_what_is_due_first() {
        let queue = queue();
        let start = Instant::now();
        let waiting = tokio::spawn({
            let queue = queue.clone();
            async move { (queue.next().await, queue.next().await) }
        });
        tokio::task::yield_now().await;
        queue.add_after("late", Duration::from_secs(100));
        tokio::task::yield_now().await;
        queue.add_after("early", Duration::from_secs(1));
        assert_eq!(waiting.await.unwrap(), ("early", "late"));
        assert_eq!(start.elapsed().as_secs(), 100);
    }

    #[tokio::test]
    async fn every_key_reaches_one_of_many_workers() {
        let queue = Queue::new(Patience::default(), QueueMetrics::default());
        let (send, mut receive) = tokio::sync::mpsc::channel(1000);
        for _ in 0..4 {
            let (queue, send): (Queue<u32>, _) = (queue.clone(), send.clone());
            tokio::spawn(async move {
                loop {
                    let key = queue.next().await;
                    queue.done(&key);
                    send.send(key).await.unwrap();
                }
            });
        }
        (0..500).for_each(|key| queue.add(key));
        let mut seen = BTreeSet::new();
        while seen.len() < 500 {
            seen.insert(receive.recv().await.unwrap());
        }
    }
}
