//! Waiting for a state instead of for a while.

use std::time::{Duration, Instant};

/// How often a state is looked at that nobody announces.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until the state is there, and gives what was seen. The error of the last look is told when time is up.
#[track_caller]
pub fn eventually<T>(what: &str, deadline: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(last) if start.elapsed() > deadline => panic!("not within {deadline:?}: {what}. At last: {last}"),
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

/// For states that are a matter of yes or no: `check(pods == 3, || format!("{pods} pods"))`.
pub fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
