//! What the tests need beside a Rust toolchain, and where it comes from on a machine that lacks it.

use std::io::IsTerminal;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::program;

/// A program that must be there, and Debian's packages that bring it.
#[derive(Debug, PartialEq)]
struct Need {
    program: &'static str,
    packages: &'static [&'static str],
    /// The variable that names another program in its place.
    variable: Option<&'static str>,
    /// Arguments with which it must end well, where it may be there and still lack a part.
    proof: &'static [&'static str],
    reason: &'static str,
}

const NEEDS: &[Need] = &[
    Need {
        program: "cc",
        packages: &["gcc", "libc6-dev"],
        variable: Some("CC"),
        proof: &[],
        reason: "mimalloc and ring hold some C and assembly",
    },
    Need {
        program: "curl",
        packages: &["curl"],
        variable: None,
        proof: &[],
        reason: "the end-to-end test calls Services with it",
    },
    Need {
        program: "kubectl",
        packages: &["kubernetes-client"],
        variable: Some("KUBECTL"),
        proof: &[],
        reason: "the end-to-end test drives the cluster with it",
    },
];

/// What the clients of other languages need: not for the fast run, which leaves them out.
const NEEDS_OF_CLIENTS: &[Need] = &[
    Need {
        program: "python3",
        packages: &["python3", "python3-venv"],
        variable: None,
        proof: &["-c", "import ensurepip, venv"],
        reason: "the Python client and schemathesis drive the server",
    },
    Need {
        program: "node",
        packages: &["nodejs"],
        variable: None,
        proof: &[],
        reason: "the JavaScript client drives the server",
    },
    Need { program: "npm", packages: &["npm"], variable: None, proof: &[], reason: "it fetches the JavaScript client" },
];

/// Installs what every run needs.
pub fn provide() -> Result<()> {
    provide_all(NEEDS)
}

/// Installs what the clients of other languages need.
pub fn provide_for_clients() -> Result<()> {
    provide_all(NEEDS_OF_CLIENTS)
}

/// Installs what is missing, and fails with what to do where that is not possible.
fn provide_all(needs: &[Need]) -> Result<()> {
    let missing = missing(needs, is_there);
    if missing.is_empty() {
        return Ok(());
    }
    for need in &missing {
        program::say(&format!("{} is missing: {}", need.program, need.reason));
    }
    let packages: Vec<&str> = missing.iter().flat_map(|need| need.packages).copied().collect();
    if let Err(error) = install(&packages) {
        bail!("{error:#}\n{}", advice(&missing));
    }
    let missing: Vec<&Need> = missing.into_iter().filter(|need| !is_there(need)).collect();
    if !missing.is_empty() {
        bail!("the packages are installed, and still something is missing\n{}", advice(&missing));
    }
    Ok(())
}

fn missing(needs: &[Need], is_there: impl Fn(&Need) -> bool) -> Vec<&Need> {
    needs.iter().filter(|need| !is_there(need)).collect()
}

fn is_there(need: &Need) -> bool {
    let is_named = need.variable.is_some_and(|variable| std::env::var_os(variable).is_some());
    is_named || program::find(need.program).is_some_and(|program| proves(need, &program))
}

fn proves(need: &Need, program: &Path) -> bool {
    need.proof.is_empty() || program::succeeds(Command::new(program).args(need.proof))
}

fn advice(missing: &[&Need]) -> String {
    let programs: Vec<&str> = missing.iter().map(|need| need.program).collect();
    let packages: Vec<&str> = missing.iter().flat_map(|need| need.packages).copied().collect();
    format!(
        "put {} on the PATH by hand (packages of Debian and Ubuntu: {}), then run this again",
        programs.join(", "),
        packages.join(" ")
    )
}

fn install(packages: &[&str]) -> Result<()> {
    if program::find("apt-get").is_none() {
        bail!("there is no apt-get on this machine to install {} with", packages.join(" "));
    }
    if !is_root() && program::find("sudo").is_none() {
        bail!("only root may install {}, and there is no sudo", packages.join(" "));
    }
    // The lists may be a mirror's old ones or none at all. Where they cannot be had, those that are there may do.
    let updated = refresh();
    let installed = program::run(apt_get(&["install", "-y", "--no-install-recommends"]).args(packages));
    if installed.is_err() { updated.and(installed) } else { installed }
}

/// Fetches the lists of packages.
pub fn refresh() -> Result<()> {
    program::run(&mut apt_get(&["update"]))
}

fn apt_get(arguments: &[&str]) -> Command {
    let mut command = if is_root() { Command::new("env") } else { Command::new("sudo") };
    if !is_root() {
        // Where nobody can type a password, sudo is to fail rather than to wait for one.
        if !std::io::stdin().is_terminal() {
            command.arg("-n");
        }
        command.arg("env");
    }
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(arguments);
    command
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|this| this.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_asked_for() {
        let found = missing(NEEDS, |need| need.program != "kubectl");
        assert_eq!(found.iter().map(|need| need.program).collect::<Vec<_>>(), ["kubectl"]);
        assert_eq!(missing(NEEDS, |_| true), Vec::<&Need>::new());
    }

    #[test]
    fn the_advice_names_programs_and_packages() {
        let all: Vec<&Need> = NEEDS.iter().chain(NEEDS_OF_CLIENTS).collect();
        let advice = advice(&all);
        for need in all {
            assert!(advice.contains(need.program), "{advice}");
            assert!(need.packages.iter().all(|package| advice.contains(package)), "{advice}");
        }
    }

    #[test]
    fn a_program_that_lacks_a_part_is_not_there() {
        let need = |proof| Need { program: "sh", packages: &[], variable: None, proof, reason: "a test" };
        assert!(is_there(&need(&["-c", "exit 0"])));
        assert!(!is_there(&need(&["-c", "exit 1"])));
    }
}
