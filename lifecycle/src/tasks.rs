//! The tasks of a process: each with a name, all with one stop and one grace period.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug, error, warn};

/// Starts tasks and stops them. Clones share the same tasks; children stop with their parent, or alone.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    stop: CancellationToken,
    tracker: TaskTracker,
    running: Arc<Mutex<BTreeMap<u64, (String, AbortHandle)>>>,
}

impl Tasks {
    pub fn new() -> Self {
        Self::default()
    }

    /// Tasks of a part: they are told to stop when this is, and can be stopped and awaited alone.
    pub fn child(&self) -> Self {
        Self { stop: self.stop.child_token(), ..Self::default() }
    }

    /// Runs `task` until it ends. It must watch `stopping()` itself, and end soon after.
    pub fn spawn<F>(&self, name: impl Into<String>, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let name = name.into();
        // In a box, since each future around it would hold it twice: as it was given, and as it runs.
        let task = Box::pin(task.instrument(tracing::debug_span!("task", name)));
        let running = self.running.clone();
        let mut held = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let key = held.last_key_value().map_or(0, |(key, _)| key + 1);
        let handle = self.tracker.spawn(async move {
            let _entry = Entry { key, running };
            task.await;
        });
        held.insert(key, (name, handle.abort_handle()));
    }

    /// Runs `task` until it ends or the stop is called, whichever is first: for tasks that may be cut anywhere.
    pub fn spawn_until_stop<F>(&self, name: impl Into<String>, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, task) = (self.stop.clone(), Box::pin(task));
        self.spawn(name, async move {
            stop.run_until_cancelled(task).await;
        });
    }

    /// Resolves when the stop is called.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        self.stop.clone().cancelled_owned()
    }

    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    pub fn token(&self) -> &CancellationToken {
        &self.stop
    }

    /// Tells all tasks to stop, waits for them, and ends those that need longer than `grace`.
    pub async fn stop(&self, grace: Duration) {
        self.stop.cancel();
        self.tracker.close();
        if tokio::time::timeout(grace, self.tracker.wait()).await.is_ok() {
            debug!("all tasks stopped");
            return;
        }
        for (name, handle) in self.take_running() {
            warn!(name, "task did not stop in time");
            handle.abort();
        }
    }

    /// Ends all tasks where they are, and tells them nothing: what is left is what a crash leaves.
    pub fn abort(&self) {
        for (_, handle) in self.take_running() {
            handle.abort();
        }
        // Only now, so that no task acts on it.
        self.stop.cancel();
        self.tracker.close();
    }

    fn take_running(&self) -> Vec<(String, AbortHandle)> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *running).into_values().collect()
    }
}

/// Takes the task off the list when it ends, also by a panic.
struct Entry {
    key: u64,
    running: Arc<Mutex<BTreeMap<u64, (String, AbortHandle)>>>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let ended = self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
        if std::thread::panicking() {
            error!(name = ended.map(|(name, _)| name), "task panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_for_tasks_and_ends_the_late_ones() {
        let tasks = Tasks::new();
        let tidy = Arc::new(AtomicBool::new(false));
        let done = tidy.clone();
        let stopping = tasks.stopping();
        tasks.spawn("tidy", async move {
            stopping.await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            done.store(true, Ordering::SeqCst);
        });
        tasks.spawn("late", std::future::pending());
        tasks.spawn_until_stop("cut", std::future::pending());
        let start = tokio::time::Instant::now();
        tasks.stop(Duration::from_secs(5)).await;
        assert!(tidy.load(Ordering::SeqCst));
        assert_eq!(start.elapsed(), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_is_cut_off_does_nothing_more() {
        let tasks = Tasks::new();
        let acted = Arc::new(AtomicBool::new(false));
        let act = acted.clone();
        let stopping = tasks.stopping();
        tasks.spawn("told", async move {
            stopping.await;
            act.store(true, Ordering::SeqCst);
        });
        tokio::task::yield_now().await;
        tasks.abort();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(tasks.is_stopping() && !acted.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn a_child_stops_alone_or_with_its_parent() {
        let parent = Tasks::new();
        let (one, two) = (parent.child(), parent.child());
        one.stop(Duration::from_secs(1)).await;
        assert!(one.is_stopping() && !two.is_stopping() && !parent.is_stopping());
        parent.stop(Duration::from_secs(1)).await;
        assert!(two.is_stopping());
    }
}
