//! Cuts the power under the embedded store a thousand times: nothing acknowledged may be lost, no batch torn, no
//! revision given out twice. Then once more without the barrier, where it must go wrong: the test can fail.
//!
//! The store runs on a disk that remembers every call (`disk`). Of each moment of such a recording it is known what had
//! been synced; of the rest, a power cut leaves some (`images`).

#![allow(clippy::unwrap_used, reason = "a test says where it failed by failing there")]

mod disk;
mod images;
mod recording;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use crate::recording::{State, Work, record};

/// One process after the other on the same directory, each cut so many times.
const WITH_BARRIER: &[(Work, usize)] = &[
    (Work { seed: 1, writers: 1, rounds: 250, largest: 30_000, has_barrier: true }, 200),
    (Work { seed: 2, writers: 16, rounds: 60, largest: 100_000, has_barrier: true }, 200),
    (Work { seed: 3, writers: 3, rounds: 150, largest: 300_000, has_barrier: true }, 200),
    (Work { seed: 4, writers: 40, rounds: 30, largest: 20_000, has_barrier: true }, 200),
    (Work { seed: 5, writers: 2, rounds: 200, largest: 60_000, has_barrier: true }, 200),
];
const WITHOUT_BARRIER: &[(Work, usize)] = &[
    (Work { seed: 6, writers: 1, rounds: 150, largest: 30_000, has_barrier: false }, 30),
    (Work { seed: 7, writers: 16, rounds: 25, largest: 60_000, has_barrier: false }, 30),
];

fn main() -> ExitCode {
    // As a test among others, it runs unless others are asked for.
    let mut filters = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).peekable();
    if filters.peek().is_some() && !filters.any(|filter| "power_cut".contains(&filter)) {
        return ExitCode::SUCCESS;
    }
    if std::env::args().any(|argument| argument == "--list") {
        println!("power_cut: test");
        return ExitCode::SUCCESS;
    }
    let start = Instant::now();
    let wrong = run(WITH_BARRIER);
    println!(
        "power_cut: with the barrier {} images, {} wrong, {:.1?}",
        total(WITH_BARRIER),
        wrong.len(),
        start.elapsed()
    );
    wrong.iter().take(10).for_each(|what| println!("  {what}"));
    std::panic::set_hook(Box::new(|_| {}));
    let unsafely = run(WITHOUT_BARRIER);
    let lost = unsafely.iter().filter(|what| what.contains("acknowledged objects are lost")).count();
    println!(
        "power_cut: without it {} images, {} wrong, {lost} of them with acknowledged writes lost, {:.1?}",
        total(WITHOUT_BARRIER),
        unsafely.len(),
        start.elapsed()
    );
    if !wrong.is_empty() {
        println!("power_cut: FAILED, acknowledged writes do not survive");
        return ExitCode::FAILURE;
    }
    if lost == 0 {
        println!("power_cut: FAILED, the simulated power cuts harm nobody");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// For those who want to cut at other moments.
fn other_seed() -> u64 {
    std::env::var("POWER_CUT_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0)
}

fn total(works: &[(Work, usize)]) -> usize {
    works.iter().map(|(_, times)| times).sum()
}

fn run(works: &[(Work, usize)]) -> Vec<String> {
    // In memory where there is such a place: the disk that counts is the simulated one.
    let memory = Path::new("/dev/shm");
    let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let scratch = tempfile::tempdir_in(base).unwrap();
    let (directory, image) = (scratch.path().join("store"), scratch.path().join("image"));
    let mut before = State::default();
    let mut wrong = Vec::new();
    for (work, times) in works {
        let work = Work { seed: work.seed + other_seed(), ..*work };
        let recording = record(&directory, work, before);
        wrong.extend(
            images::cut(&recording, *times, work.seed, &image).into_iter().map(|what| format!("{work:?}: {what}")),
        );
        before = recording.before;
        recording.batches.iter().for_each(|batch| batch.apply(&mut before));
    }
    wrong
}
