//! Ends the process when a step on the disk takes too long: sled can hang, and a store that hangs is worse than one that
//! starts anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use tracing::error;

/// Sleeps without a timer while nothing is under way.
#[derive(Debug)]
pub struct Watchdog {
    watched: Arc<Watched>,
    thread: thread::Thread,
}

#[derive(Debug)]
struct Watched {
    limit: Duration,
    start: Instant,
    /// When the step under way began, in milliseconds behind `start`; 0 if there is none.
    began: AtomicU64,
    is_awake: AtomicBool,
    is_over: AtomicBool,
}

impl Watchdog {
    /// Calls `late` in a thread of its own once a step takes longer than `limit`.
    pub fn start(limit: Duration, late: impl Fn() + Send + 'static) -> Result<Self, anyhow::Error> {
        let watched = Arc::new(Watched {
            limit,
            start: Instant::now(),
            began: AtomicU64::new(0),
            is_awake: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        });
        let builder = thread::Builder::new().name("storage watchdog".to_owned()).stack_size(128 * 1024);
        let for_thread = watched.clone();
        let handle = builder.spawn(move || for_thread.watch(&late)).context("start the watchdog's thread")?;
        Ok(Self { thread: handle.thread().clone(), watched })
    }

    /// Does a step under watch.
    pub fn step<T>(&self, work: impl FnOnce() -> T) -> T {
        self.watched.began.store(self.watched.now(), SeqCst);
        if !self.watched.is_awake.swap(true, SeqCst) {
            self.thread.unpark();
        }
        let done = work();
        self.watched.began.store(0, SeqCst);
        done
    }
}

impl Watched {
    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    fn watch(&self, late: &dyn Fn()) {
        while !self.is_over.load(SeqCst) {
            if !self.is_awake.load(SeqCst) {
                thread::park();
                continue;
            }
            thread::park_timeout(self.limit / 4);
            match self.began.load(SeqCst) {
                0 => {
                    self.is_awake.store(false, SeqCst);
                    // A step that began meanwhile saw a watchdog that was awake.
                    if self.began.load(SeqCst) != 0 {
                        self.is_awake.store(true, SeqCst);
                    }
                }
                began if Duration::from_millis(self.now().saturating_sub(began)) > self.limit => late(),
                _ => {}
            }
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.watched.is_over.store(true, SeqCst);
        self.thread.unpark();
    }
}

/// Ends the process at once: what the disk holds is no longer known, and must be read anew.
pub fn give_up(what: &str) -> ! {
    error!("{what}: the process ends, so that nothing is acknowledged that may be lost. Start it again");
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_step_that_hangs_is_noticed_and_a_quick_one_is_not() {
        let (late, noticed) = mpsc::channel();
        let watchdog = Watchdog::start(Duration::from_millis(40), move || late.send(()).unwrap()).unwrap();
        for _ in 0..3 {
            watchdog.step(|| ());
        }
        assert!(noticed.try_recv().is_err());
        watchdog.step(|| noticed.recv_timeout(Duration::from_secs(10))).unwrap();
    }
}
