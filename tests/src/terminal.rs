//! A terminal with `kubectl` in it, in which lines run as a reader of the README types them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::account::Account;

/// The longest that a line may take, in seconds.
const DEADLINE: &str = "90";

/// From this minor version on, kubectl checks fields with what the server offers today.
pub const VALIDATES_SINCE: u32 = 27;

/// What the word `kubectl` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    Kubectl,
    /// `skiff` itself, with the same verbs.
    Skiff,
}

pub struct Terminal {
    client: Client,
    account: Account,
    folder: PathBuf,
    skiff: PathBuf,
    kubeconfig: PathBuf,
}

/// What a line did.
#[derive(Debug)]
pub struct Answer {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Terminal {
    pub fn new(client: Client, account: Account, folder: &Path, skiff: &Path, kubeconfig: &Path) -> Self {
        let (folder, skiff, kubeconfig) = (folder.to_path_buf(), skiff.to_path_buf(), kubeconfig.to_path_buf());
        Self { client, account, folder, skiff, kubeconfig }
    }

    /// Runs a line of the shell, such as `kubectl get pods`, to its end.
    #[track_caller]
    pub fn run(&self, line: &str) -> Answer {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", DEADLINE, "sh", "-c"]);
        command.arg(format!("{}\n{line}", self.meaning_of_kubectl()));
        command.current_dir(&self.folder).stdin(Stdio::null()).env("HOME", self.folder.join("home"));
        command.env("KUBECONFIG", &self.kubeconfig).env("SKIFF", &self.skiff).env("KUBECTL", kubectl());
        self.account.run(&mut command);
        let output = command.output().expect("run a line in a shell");
        Answer {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a line that must succeed, and gives what it printed.
    #[track_caller]
    pub fn ok(&self, line: &str) -> String {
        let answer = self.run(line);
        assert_eq!(answer.code, Some(0), "`{line}` with {:?}: {answer:#?}", self.client);
        answer.stdout
    }

    /// Runs a line that must fail with exit code 1 as clients do, and gives what it complained of.
    #[track_caller]
    pub fn fails(&self, line: &str) -> String {
        let answer = self.run(line);
        assert_eq!(answer.code, Some(1), "`{line}` with {:?}: {answer:#?}", self.client);
        answer.stderr
    }

    /// What `kubectl get WHAT -o json` gives.
    #[track_caller]
    pub fn json(&self, what: &str) -> Value {
        let line = format!("kubectl get {what} -o json");
        serde_json::from_str(&self.ok(&line)).unwrap_or_else(|error| panic!("`{line}` is not JSON: {error}"))
    }

    fn meaning_of_kubectl(&self) -> &'static str {
        match self.client {
            Client::Skiff => r#"kubectl() { "$SKIFF" "$@"; }"#,
            Client::Kubectl if minor_version() >= VALIDATES_SINCE => r#"kubectl() { command "$KUBECTL" "$@"; }"#,
            Client::Kubectl => {
                r#"kubectl() {
                    case "$1" in
                        apply|create) command "$KUBECTL" "$@" --validate=false ;;
                        *) command "$KUBECTL" "$@" ;;
                    esac
                }"#
            }
        }
    }
}

/// The one that `KUBECTL` names, else that of the PATH.
pub fn kubectl() -> String {
    std::env::var("KUBECTL").unwrap_or_else(|_| "kubectl".to_owned())
}

/// Which kubectl it is: 20 for 1.20.
pub fn minor_version() -> u32 {
    static MINOR: OnceLock<u32> = OnceLock::new();
    *MINOR.get_or_init(|| {
        let output = Command::new(kubectl()).args(["version", "--client", "-o", "json"]).stderr(Stdio::null()).output();
        let output = output.expect("kubectl is missing: `cargo xtask test` installs it");
        let version: Value = serde_json::from_slice(&output.stdout).expect("kubectl tells its version as JSON");
        let minor = version["clientVersion"]["minor"].as_str().unwrap_or_default();
        let digits: String = minor.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().expect("kubectl's minor version is a number")
    })
}
