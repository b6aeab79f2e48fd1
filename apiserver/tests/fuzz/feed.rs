//! Feeds a parser for a while, and keeps what it likes.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use crate::mutate::Mutator;

/// What a parser may take for one input, on a busy machine and without optimisation.
const LONGEST: Duration = Duration::from_secs(10);
/// How many inputs are kept to be changed further.
const KEPT: usize = 2000;

/// Calls `parse` with changed seeds. It says whether it accepts them: such inputs are the seeds of later ones.
pub fn feed(name: &str, seeds: &[Vec<u8>], parse: impl Fn(&[u8]) -> bool) {
    let seconds = variable("SKIFF_FUZZ_SECONDS").unwrap_or(1);
    let seed = variable("SKIFF_FUZZ_SEED").unwrap_or_else(random);
    let mut mutator = Mutator::new(seed);
    let mut pool = seeds.to_vec();
    let accepted = pool.iter().filter(|input| parse(input)).count();
    assert!(accepted > 0, "{name}: no seed is accepted");
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut count = 0_u64;
    while Instant::now() < end {
        let input = mutator.change(&pool);
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| parse(&input)));
        let taken = start.elapsed();
        let told = || format!("{name}, SKIFF_FUZZ_SEED={seed}: b\"{}\"", input.escape_ascii());
        match outcome {
            Ok(true) if pool.len() < KEPT => pool.push(input.clone()),
            Ok(true) => mutator.replace(&mut pool, seeds.len(), input.clone()),
            Ok(false) => {}
            Err(panic) => {
                println!("{}", told());
                resume_unwind(panic);
            }
        }
        assert!(taken < LONGEST, "{taken:?} for {}", told());
        count += 1;
    }
    println!("{name}: {count} inputs in {seconds} s, {} kept, SKIFF_FUZZ_SEED={seed}", pool.len());
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn random() -> u64 {
    std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0_u8)
}
