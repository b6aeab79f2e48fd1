//! A range of numbers, some of them taken.

use std::collections::BTreeSet;

/// The numbers below `size`. Those who ask for any get one of the upper band as long as there is one, so that the lower
/// band stays free for those who ask by number. A number that came back is not given out again at once.
#[derive(Debug)]
pub struct Pool {
    size: u64,
    /// Where the upper band begins.
    band: u64,
    next: u64,
    taken: BTreeSet<u64>,
}

impl Pool {
    /// The lower band is a part of the range, `share`, within bounds.
    pub fn new(size: u64, share: u64, most: u64) -> Self {
        const LEAST: u64 = 16;
        let band = if size < LEAST { 0 } else { (size / share).max(LEAST).min(most).min(size) };
        Self { size, band, next: band, taken: BTreeSet::new() }
    }

    /// Whether the number is in the range.
    pub fn has(&self, number: u64) -> bool {
        number < self.size
    }

    /// False if it is taken already, or not in the range.
    pub fn take(&mut self, number: u64) -> bool {
        self.has(number) && self.taken.insert(number)
    }

    pub fn take_any(&mut self) -> Option<u64> {
        let free = |range: std::ops::Range<u64>, taken: &BTreeSet<u64>| {
            let mut expected = range.start;
            for number in taken.range(range.clone()) {
                if *number != expected {
                    break;
                }
                expected += 1;
            }
            (expected < range.end).then_some(expected)
        };
        let found = free(self.next..self.size, &self.taken)
            .or_else(|| free(self.band..self.next, &self.taken))
            .or_else(|| free(0..self.band, &self.taken))?;
        self.taken.insert(found);
        if found >= self.band {
            self.next = if found + 1 < self.size { found + 1 } else { self.band };
        }
        Some(found)
    }

    pub fn release(&mut self, number: u64) {
        self.taken.remove(&number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_band_is_used_first_and_numbers_rest_before_they_are_used_again() {
        let mut pool = Pool::new(64, 16, 256);
        assert_eq!((pool.take_any(), pool.take_any()), (Some(16), Some(17)));
        pool.release(16);
        assert_eq!(pool.take_any(), Some(18));
        assert!(pool.take(3) && !pool.take(3) && !pool.take(18) && !pool.take(64));
        let rest: Vec<u64> = std::iter::from_fn(|| pool.take_any()).collect();
        assert_eq!(rest.len(), 64 - 3);
        assert_eq!(rest[..2], [19, 20]);
        assert_eq!(rest[45..48], [16, 0, 1]);
        assert_eq!(pool.take_any(), None);
        pool.release(40);
        assert_eq!(pool.take_any(), Some(40));
    }

    #[test]
    fn a_tiny_range_has_no_lower_band() {
        let mut pool = Pool::new(2, 16, 256);
        assert_eq!((pool.take_any(), pool.take_any(), pool.take_any()), (Some(0), Some(1), None));
    }
}
