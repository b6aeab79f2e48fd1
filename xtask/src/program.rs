//! Running other programs: shown before they run, with their output passed through.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};

/// A program ended with a failure; it has told the reason itself.
#[derive(Debug)]
pub struct Failed {
    program: String,
    code: u8,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` failed", self.program)
    }
}

impl std::error::Error for Failed {}

/// The exit code to end with: that of the program which failed, so that scripts can tell failures apart.
pub fn exit_code_of(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(error.downcast_ref::<Failed>().map_or(1, |failed| failed.code))
}

/// Tells the user where we are. Standard output belongs to the programs that are run.
#[expect(clippy::print_stderr, reason = "the one place where these commands speak")]
pub fn say(text: &str) {
    eprintln!("{text}");
}

/// Runs a program to its end, in the workspace's root.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    say(&format!("==> {shown}"));
    let status = command.current_dir(root()?).status().with_context(|| format!("run `{shown}`"))?;
    if status.success() {
        return Ok(());
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Err(Failed { program: shown, code }.into())
}

/// Whether a program can be run and ends well; its output is dropped.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The cargo that runs this command, without what it told this command about its own package:
/// build scripts that look at these variables would run anew, time and again.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_about_this_package(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command
}

fn is_about_this_package(variable: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"].iter().any(|prefix| variable.starts_with(prefix))
}

/// Where a program lies on the PATH.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The workspace's root: the folder above this package.
pub fn root() -> Result<PathBuf> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
    let root = Path::new(&package).parent().context("find the workspace above its package")?;
    Ok(root.to_path_buf())
}

/// Where builds go.
pub fn target() -> Result<PathBuf> {
    // A relative folder is meant from the workspace's root, as cargo means it there.
    Ok(root()?.join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into())))
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_fails_gives_its_exit_code() {
        let error = run(Command::new("sh").args(["-c", "exit 7"])).unwrap_err();
        assert_eq!(format!("{error:#}"), "`sh -c exit 7` failed");
        assert_eq!(format!("{:?}", exit_code_of(&error)), format!("{:?}", ExitCode::from(7)));
        assert_eq!(format!("{:?}", exit_code_of(&anyhow::anyhow!("else"))), format!("{:?}", ExitCode::from(1)));
    }

    #[test]
    fn a_program_that_is_not_there_is_told_by_name() {
        let error = run(&mut Command::new("no-such-program-here")).unwrap_err();
        assert!(format!("{error:#}").starts_with("run `no-such-program-here`"), "{error:#}");
    }

    #[test]
    fn only_what_can_be_run_is_found() {
        assert!(find("sh").is_some());
        assert!(find("no-such-program-here").is_none());
        assert!(!is_executable(Path::new("Cargo.toml")));
    }
}
