//! Where the clients lie that `cargo xtask test` fetched, and how one of their scripts is run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The sources of the tests in other languages.
pub fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// `target/clients/NAME`, or a panic that says how to get it.
pub fn fetched(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("a process knows its program");
    let target = this.ancestors().find(|folder| folder.join("clients").is_dir());
    let place = target.unwrap_or(&this).join("clients").join(name);
    assert!(place.exists(), "{name} is missing: `cargo xtask test` fetches it into target/clients");
    place
}

/// Runs a script to its end, which must be a good one; what it said is shown otherwise.
#[track_caller]
pub fn run(deadline: &str, program: &Path, prepare: impl FnOnce(&mut Command)) {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", deadline]).arg(program).stdin(Stdio::null());
    prepare(&mut command);
    let output = command.output().unwrap_or_else(|error| panic!("run {}: {error}", program.display()));
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{} ended with {}\n{said}", program.display(), output.status);
}
