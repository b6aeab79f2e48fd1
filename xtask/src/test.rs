//! `cargo xtask test`: installs what the tests need, builds the binary for the end-to-end test, and runs every test.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::{clients, needs, program};

pub const ARGUMENTS: &str = "[--fast] [FILTER] [-- TEST-OPTIONS]";

/// Tests that start real processes, or that go on for long: left out by `--fast`.
const SLOW: &[&str] = &["real::", "soak"];

/// How many tests of a binary run at a time.
const THREADS: &str = "RUST_TEST_THREADS";
/// More than a small machine has cores: many tests wait for each other, or for time to pass.
const FEWEST: usize = 4;

fn threads() -> String {
    let cores = std::thread::available_parallelism().map_or(FEWEST, usize::from);
    std::env::var(THREADS).unwrap_or_else(|_| cores.max(FEWEST).to_string())
}

#[derive(Debug, Default, PartialEq)]
struct Options {
    fast: bool,
    filter: Option<String>,
    rest: Vec<String>,
}

pub fn run(arguments: Vec<String>) -> Result<()> {
    let options = parse(arguments)?;
    let start = Instant::now();
    needs::provide()?;
    if !options.fast {
        clients::provide()?;
        // The whole workspace, so that it is built with the features that the tests are built with.
        program::run(program::cargo().args(["build", "--workspace"]))?;
    }
    // Documentation's first, so that the output ends with what the tests proper have to say.
    let documentation = program::run(program::cargo().args(test_arguments("--doc", &options)));
    let tests = program::run(program::cargo().args(test_arguments("--tests", &options)).env(THREADS, threads()));
    let outcome = tests.and(documentation);
    program::say(&format!("{} after {}", if outcome.is_ok() { "done" } else { "failed" }, told(start.elapsed())));
    outcome
}

fn parse(arguments: Vec<String>) -> Result<Options> {
    let mut options = Options::default();
    let mut arguments = arguments.into_iter();
    while let Some(word) = arguments.next() {
        match word.as_str() {
            "--fast" => options.fast = true,
            "--" => options.rest = arguments.by_ref().collect(),
            _ if word.starts_with('-') => bail!("`{word}` is not understood: cargo xtask test {ARGUMENTS}"),
            _ if options.filter.is_some() => bail!("one filter is enough: `{word}` is too much"),
            _ => options.filter = Some(word),
        }
    }
    Ok(options)
}

fn test_arguments(which: &str, options: &Options) -> Vec<String> {
    let mut words = ["test", "--workspace", "--no-fail-fast", which].map(str::to_owned).to_vec();
    words.extend(options.filter.clone());
    words.push("--".to_owned());
    words.extend(options.rest.clone());
    if options.fast {
        words.extend(SLOW.iter().flat_map(|name| ["--skip".to_owned(), (*name).to_owned()]));
    }
    words
}

fn told(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} min {} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_filter_and_options_are_handed_on() {
        let options = parse(words("storage::sled -- --nocapture --test-threads 1")).unwrap();
        assert_eq!(
            test_arguments("--tests", &options),
            words("test --workspace --no-fail-fast --tests storage::sled -- --nocapture --test-threads 1")
        );
    }

    #[test]
    fn the_fast_run_leaves_out_real_processes() {
        let options = parse(words("--fast")).unwrap();
        assert_eq!(
            test_arguments("--doc", &options),
            words("test --workspace --no-fail-fast --doc -- --skip real:: --skip soak")
        );
    }

    #[test]
    fn an_unknown_option_and_a_second_filter_are_refused() {
        assert!(parse(words("--quick")).is_err());
        assert!(parse(words("one two")).is_err());
    }

    #[test]
    fn times_are_told_in_words() {
        assert_eq!(told(Duration::from_millis(1_240)), "1.2 s");
        assert_eq!(told(Duration::from_secs(187)), "3 min 7 s");
    }
}
