//! How long to wait before a broken watch is tried again.

use std::time::Duration;

/// Short at first, since the API server is often in this very process.
#[derive(Debug)]
pub struct WatchBackoff(lifecycle::backoff::Backoff);

impl Default for WatchBackoff {
    fn default() -> Self {
        Self(lifecycle::backoff::Backoff::new(Duration::from_millis(100), Duration::from_secs(10)))
    }
}

impl Iterator for WatchBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(self.0.next_delay())
    }
}

impl kube::runtime::utils::Backoff for WatchBackoff {
    fn reset(&mut self) {
        self.0.reset();
    }
}
