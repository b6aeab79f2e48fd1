//! cargo-deny, of one version, kept under `target/tools` so that nothing on the machine changes.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::program;

const VERSION: &str = "0.20.2";

/// `cargo-deny check` of some parts of `deny.toml`.
pub fn check(parts: &[&str]) -> Result<()> {
    let deny = provide()?;
    // Errors only: doubled versions are warnings by the dozen. `cargo deny check bans` shows them.
    program::run(Command::new(deny).args(["--locked", "--log-level", "error", "check"]).args(parts))
}

fn provide() -> Result<PathBuf> {
    let tools = program::target()?.join("tools");
    let ours = tools.join("bin").join("cargo-deny");
    for candidate in program::find("cargo-deny").into_iter().chain([ours.clone()]) {
        if version_of(&candidate).as_deref() == Some(VERSION) {
            return Ok(candidate);
        }
    }
    program::say("cargo-deny is missing: it is built once, which takes some minutes");
    let mut install = program::cargo();
    install.args(["install", "--locked", "--debug", "--version", VERSION, "cargo-deny", "--root"]).arg(tools);
    // Half a release build's time, and fast enough to run.
    install.env("CARGO_PROFILE_DEV_OPT_LEVEL", "1").env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_INCREMENTAL", "0");
    program::run(&mut install)?;
    Ok(ours)
}

fn version_of(program: &PathBuf) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

fn parse_version(text: &str) -> Option<String> {
    Some(text.trim().strip_prefix("cargo-deny ")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_out_of_what_the_program_says() {
        assert_eq!(parse_version("cargo-deny 0.20.2\n").as_deref(), Some("0.20.2"));
        assert_eq!(parse_version("something else"), None);
    }
}
