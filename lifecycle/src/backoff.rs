//! Waiting longer after each failure, with jitter, so that many who fail together do not return together.

use std::time::Duration;

/// Doubles from `base` to `cap`; each wait is between half of that and all of it.
#[derive(Debug, Clone)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    failures: u32,
    state: u64,
}

impl Backoff {
    pub fn new(base: Duration, cap: Duration) -> Self {
        // The hash keys of the standard library are random for each process and each map.
        let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0_u8);
        Self { base, cap, failures: 0, state: seed | 1 }
    }

    /// The wait after one more failure.
    pub fn next_delay(&mut self) -> Duration {
        let full = self.base.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX)).min(self.cap);
        self.failures = self.failures.saturating_add(1).min(31);
        // xorshift64: spread is all that is asked of it.
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let half = full / 2;
        half + half.mul_f64((self.state >> 11) as f64 / (1_u64 << 53) as f64)
    }

    pub fn failures(&self) -> u32 {
        self.failures
    }

    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_cap_and_start_over() {
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));
        let waits: Vec<Duration> = (0..40).map(|_| backoff.next_delay()).collect();
        assert!(waits[0] >= Duration::from_millis(5) && waits[0] <= Duration::from_millis(10));
        assert!(waits[3] >= Duration::from_millis(40) && waits[3] <= Duration::from_millis(80));
        assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(1)));
        assert!(waits[39] >= Duration::from_millis(500));
        backoff.reset();
        assert!(backoff.next_delay() <= Duration::from_millis(10));
    }
}
