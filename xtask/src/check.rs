//! `cargo xtask check`: formatting, lints, and what may come into the build.

use anyhow::{Context, Result, bail};

use crate::{deny, program};

pub fn run(arguments: Vec<String>) -> Result<()> {
    if let Some(word) = arguments.first() {
        bail!("`{word}` is not understood: this command takes no arguments");
    }
    provide_components()?;
    program::run(program::cargo().args(["fmt", "--all", "--check"]))?;
    program::run(program::cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    deny::check(&["bans", "licenses", "sources"])
}

/// A toolchain of rustup's minimal profile lacks both.
fn provide_components() -> Result<()> {
    for component in ["rustfmt", "clippy"] {
        let subcommand = if component == "rustfmt" { "fmt" } else { component };
        if !program::succeeds(program::cargo().args([subcommand, "--version"])) {
            let mut rustup = std::process::Command::new("rustup");
            program::run(rustup.args(["component", "add", component]))
                .with_context(|| format!("{component} is missing: add it to the Rust toolchain"))?;
        }
    }
    Ok(())
}
