//! What every controller is handed when it starts.

use std::hash::Hash;
use std::sync::Arc;

use futures::future::{BoxFuture, join_all};
use lifecycle::clock::Clock;
use lifecycle::tasks::Tasks;

use crate::caches::hub::Caches;
use crate::cluster::Cluster;
use crate::events::recorder::Recorder;
use crate::measure::Measurements;
use crate::options::Options;
use crate::queue::{Patience, Queue};
use crate::worker::{self, Synced};

/// Shared by all controllers of a process.
pub struct Context {
    pub cluster: Cluster,
    pub caches: Caches,
    pub recorder: Recorder,
    pub clock: Clock,
    pub tasks: Tasks,
    pub options: Arc<Options>,
    pub measurements: Measurements,
}

impl Context {
    /// A work queue, measured under `name`.
    pub fn queue<K: Clone + Eq + Ord + Hash>(&self, name: &'static str, patience: Patience) -> Queue<K> {
        Queue::new(patience, self.measurements.of(name))
    }

    /// Starts `count` workers on `queue` as soon as the caches that they read are filled.
    pub fn work<K, F>(
        &self,
        name: &'static str,
        count: usize,
        queue: &Queue<K>,
        caches: Vec<BoxFuture<'static, ()>>,
        sync: F,
    ) where
        K: Clone + Eq + Ord + Hash + std::fmt::Display + Send + Sync + 'static,
        F: Fn(K) -> BoxFuture<'static, Synced> + Send + Sync + 'static,
    {
        let ready = async { drop(join_all(caches).await) };
        worker::start(&self.tasks, name, count, queue, ready, Arc::new(sync));
    }
}
