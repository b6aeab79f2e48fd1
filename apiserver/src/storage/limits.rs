//! How much of the past is kept, and how much may wait.

use std::time::Duration;

/// Everything that could grow is bounded here. Ages are enforced when something changes, never by a timer: an idle
/// store keeps what it has, which then costs nothing more.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The bytes of one object. Upstairs there is a smaller limit; this one keeps the disk's form in its bounds.
    pub object_bytes: usize,
    /// Writes that may wait for the writer; the next ones wait to be let in.
    pub queue: usize,
    /// Writes in one batch, and the bytes of their values. A single larger value makes a batch of its own.
    pub batch_writes: usize,
    pub batch_bytes: usize,
    /// The watch log of one resource.
    pub log: LogLimits,
    /// The watch log of one scope of a resource: a namespace, an object, the value of a field.
    pub scope_log: LogLimits,
    /// Batches that can be gone back behind, the bytes that they replaced, and how long ago they may have been.
    pub history_batches: usize,
    pub history_bytes: usize,
    pub history_age: Duration,
    /// Snapshots kept for the pages of lists, and how many changes later they are let go: every object that has changed
    /// since is there twice. They live as long as the history.
    pub kept_snapshots: usize,
    pub kept_changes: u64,
}

/// How much of a log is kept for watchers that are behind.
#[derive(Debug, Clone)]
pub struct LogLimits {
    pub events: usize,
    pub bytes: usize,
    pub age: Duration,
}

const FIVE_MINUTES: Duration = Duration::from_secs(300);

impl Default for Limits {
    fn default() -> Self {
        Self {
            object_bytes: 64 * 1024 * 1024,
            queue: 1024,
            batch_writes: 256,
            batch_bytes: 1024 * 1024,
            log: LogLimits { events: 8192, bytes: 16 * 1024 * 1024, age: FIVE_MINUTES },
            scope_log: LogLimits { events: 1024, bytes: 2 * 1024 * 1024, age: FIVE_MINUTES },
            history_batches: 1024,
            history_bytes: 16 * 1024 * 1024,
            history_age: FIVE_MINUTES,
            kept_snapshots: 64,
            kept_changes: 50_000,
        }
    }
}
