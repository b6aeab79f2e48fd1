//! The clock that is handed to everything that asks for the time, so that a test can move it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

/// Tells the wall-clock time. Waiting is tokio's business.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System,
    /// Moves with tokio's clock, which a test pauses and advances.
    Tokio {
        start: Timestamp,
        since: tokio::time::Instant,
    },
    Given(Arc<dyn Fn() -> Timestamp + Send + Sync>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// Starts at the machine's time and then moves with tokio's clock, paused or not. Needs a runtime.
    pub fn tokio() -> Self {
        Self(Source::Tokio { start: Timestamp::now(), since: tokio::time::Instant::now() })
    }

    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Source::Given(Arc::new(now)))
    }

    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH),
            Source::Tokio { start, since } => start.checked_add(since.elapsed()).unwrap_or(Timestamp::MAX),
            Source::Given(now) => now(),
        }
    }

    /// The time as objects carry it: whole seconds.
    pub fn now_seconds(&self) -> Timestamp {
        Timestamp::from_second(self.now().as_second()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// How long ago this was; zero for the future.
    pub fn since(&self, then: Timestamp) -> Duration {
        Duration::try_from(self.now().duration_since(then)).unwrap_or_default()
    }

    /// How long until then; zero for the past.
    pub fn until(&self, then: Timestamp) -> Duration {
        Duration::try_from(then.duration_since(self.now())).unwrap_or_default()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Clock({})", self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_clock_of_a_test_moves_with_the_test() {
        let clock = Clock::tokio();
        let before = clock.now();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(clock.since(before), Duration::from_secs(3600));
        assert_eq!(clock.until(before), Duration::ZERO);
    }
}
