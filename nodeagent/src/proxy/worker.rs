//! A task that holds a socket: once its end was awaited, the address is free again.

use std::future::Future;

use lifecycle::tasks::Tasks;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Ends when it is told to, when it is dropped, or with all tasks.
pub struct Worker {
    stop: DropGuard,
    /// Closed when the task is gone with all that it held.
    ended: oneshot::Receiver<()>,
}

impl Worker {
    /// The task may be cut at any of its awaits.
    pub fn spawn(tasks: &Tasks, name: String, task: impl Future<Output = ()> + Send + 'static) -> Self {
        let stop = CancellationToken::new();
        let (ending, ended) = oneshot::channel::<()>();
        let (stopped, stopping) = (stop.clone(), tasks.stopping());
        tasks.spawn(name, async move {
            tokio::select! {
                () = task => {}
                () = stopped.cancelled() => {}
                () = stopping => {}
            }
            drop(ending);
        });
        Self { stop: stop.drop_guard(), ended }
    }

    /// Tells it to end; what it held is free when the returned future is done.
    pub fn stop(self) -> impl Future<Output = ()> {
        drop(self.stop);
        async move { drop(self.ended.await) }
    }
}
