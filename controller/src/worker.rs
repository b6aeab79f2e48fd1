//! Workers: they take keys from a queue, see to each, and queue again what failed.

use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use lifecycle::tasks::Tasks;
use tracing::{debug, error, warn};

use crate::cluster::ErrorExt;
use crate::queue::Queue;

/// What is to follow a piece of work that succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing, until something changes.
    Wait,
    /// A look after this while, since time alone may change something.
    After(Duration),
}

/// Why a piece of work is to be done again.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    #[error("{}", .0.sentence())]
    Api(#[from] kube::Error),
    /// What was read is older than what was written; it will be there in a moment.
    #[error("the cache does not hold the last write to {0} yet")]
    Stale(&'static str),
    #[error("{0}")]
    Other(String),
}

impl SyncError {
    /// Whether this happens in an ordinary life: another was faster, or the cache is a moment behind.
    fn is_ordinary(&self) -> bool {
        match self {
            Self::Api(error) => error.is_conflict() || error.is_not_found() || error.is_already_exists(),
            Self::Stale(_) => true,
            Self::Other(_) => false,
        }
    }
}

pub type Synced = Result<Next, SyncError>;

/// Sees to one key.
pub type Sync<K> = Arc<dyn Fn(K) -> BoxFuture<'static, Synced> + Send + std::marker::Sync>;

/// Starts `count` workers on `queue`, once `ready` has resolved.
pub fn start<K>(
    tasks: &Tasks,
    name: &'static str,
    count: usize,
    queue: &Queue<K>,
    ready: impl Future<Output = ()> + Send + 'static,
    sync: Sync<K>,
) where
    K: Clone + Eq + Ord + Hash + std::fmt::Display + Send + std::marker::Sync + 'static,
{
    let ready = ready.shared();
    for _ in 0..count {
        let (queue, sync, ready) = (queue.clone(), sync.clone(), ready.clone());
        tasks.spawn_until_stop(name, async move {
            ready.await;
            loop {
                work(name, &queue, &sync).await;
            }
        });
    }
}

async fn work<K>(name: &'static str, queue: &Queue<K>, sync: &Sync<K>)
where
    K: Clone + Eq + Ord + Hash + std::fmt::Display,
{
    let key = queue.next().await;
    let begun = tokio::time::Instant::now();
    // A panic must cost one piece of work, not the worker.
    let result = AssertUnwindSafe(sync(key.clone())).catch_unwind().await;
    queue.measure(begun.elapsed());
    match result {
        Ok(Ok(next)) => {
            queue.forget(&key);
            if let Next::After(delay) = next {
                queue.add_after(key.clone(), delay);
            }
        }
        Ok(Err(error)) => {
            if error.is_ordinary() || queue.failures(&key) == 0 {
                debug!(controller = name, %key, %error, "will try again");
            } else {
                warn!(controller = name, %key, %error, "sync failed");
            }
            queue.retry(key.clone());
        }
        Err(_) => {
            error!(controller = name, %key, "sync panicked");
            queue.retry(key.clone());
        }
    }
    queue.done(&key);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::QueueMetrics;
    use crate::queue::Patience;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test(start_paused = true)]
    async fn failures_and_panics_are_tried_again() {
        let tasks = Tasks::new();
        let queue = Queue::new(Patience::default(), QueueMetrics::default());
        let (done, mut finished) = tokio::sync::mpsc::channel(1);
        let tries = Arc::new(AtomicU32::new(0));
        let sync: Sync<String> = Arc::new(move |_| {
            let (tries, done) = (tries.clone(), done.clone());
            Box::pin(async move {
                match tries.fetch_add(1, Ordering::SeqCst) {
                    0 => Err(SyncError::Other("first".to_owned())),
                    1 => panic!("second"),
                    2 => Ok(Next::After(Duration::from_secs(7))),
                    _ => {
                        done.send(()).await.unwrap();
                        Ok(Next::Wait)
                    }
                }
            })
        });
        start(&tasks, "test", 1, &queue, async {}, sync);
        let begun = tokio::time::Instant::now();
        queue.add("a".to_owned());
        finished.recv().await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), 7);
        tasks.stop(Duration::from_secs(1)).await;
    }
}
