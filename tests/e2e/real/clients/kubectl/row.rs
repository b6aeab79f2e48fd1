//! Running a row: each in a folder and a namespace of its own, and with a kubeconfig that names it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::skiff::Skiff;

use super::transcript::{Age, Row, Step, compare};

/// How long a state may take to come, and how often it is looked at.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(200);

/// The longest that a command may take, in seconds.
const DEADLINE: &str = "90";

/// What all rows share.
pub struct Table {
    age: Age,
    kubectl: PathBuf,
    folder: PathBuf,
    kubeconfig: Value,
}

impl Table {
    pub fn new(skiff: &Skiff, age: Age, kubectl: PathBuf) -> Self {
        let text = std::fs::read_to_string(skiff.kubeconfig()).expect("read the kubeconfig");
        let kubeconfig = serde_yaml::from_str(&text).expect("the kubeconfig is YAML");
        Self { age, kubectl, folder: skiff.path().join("rows"), kubeconfig }
    }

    /// What the row found wrong, with the step at which it did.
    pub fn run(&self, row: &Row) -> Result<(), String> {
        let namespace = row.namespace();
        let folder = self.folder.join(&namespace);
        std::fs::create_dir_all(&folder).expect("make a folder for a row");
        let mut kubeconfig = self.kubeconfig.clone();
        kubeconfig["contexts"][0]["context"]["namespace"] = json!(namespace);
        let write = |name: &str, text: String| std::fs::write(folder.join(name), text).expect("write a file of a row");
        write("kubeconfig", kubeconfig.to_string());
        let named = |text: &str| text.replace("{namespace}", &namespace);
        for (name, text) in &row.files {
            write(name, named(text));
        }
        for step in row.steps.iter().filter(|step| step.is_for(self.age)) {
            self.take(step, &folder, named)?;
        }
        Ok(())
    }

    fn take(&self, step: &Step, folder: &Path, named: impl Fn(&str) -> String + Copy) -> Result<(), String> {
        let start = Instant::now();
        loop {
            let (code, output) = self.say(&named(&step.command), folder);
            let right = compare(step, &output, named).and_then(|()| match code {
                Some(code) if code == step.code => Ok(()),
                other => Err(format!("it ended with {other:?}, not with {}", step.code)),
            });
            match right {
                Err(_) if step.is_awaited && start.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
                Err(why) => return Err(format!("$ {}\n{output}-- {why}", step.command)),
                Ok(()) => return Ok(()),
            }
        }
    }

    /// Runs a command, and gives its exit code with all that it printed.
    fn say(&self, command: &str, folder: &Path) -> (Option<i32>, String) {
        let path = folder.join(".output");
        let open = || File::options().create(true).append(true).open(&path).expect("open a file of a row");
        let _ = std::fs::remove_file(&path);
        let script = format!("kubectl() {{ command \"$KUBECTL\" \"$@\"; }}\n{command}");
        let mut shell = Command::new("timeout");
        shell.args(["--kill-after=5", DEADLINE, "sh", "-c", &script]).current_dir(folder).stdin(Stdio::null());
        // One home for all rows, so that what is discovered is discovered once.
        shell.env("HOME", &self.folder).env("KUBECTL", &self.kubectl).env("KUBECONFIG", folder.join("kubeconfig"));
        let status = shell.stdout(open()).stderr(open()).status().expect("run a shell");
        (status.code(), std::fs::read_to_string(&path).unwrap_or_default())
    }
}
