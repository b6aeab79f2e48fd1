//! A real `skiff up`, or an API server alone, in a folder of its own: started, stopped, killed and started again.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::account::Account;
use crate::alone::Alone;
use crate::eventually::{check, eventually};
use crate::processes::{self, Process};
use crate::terminal::{Client, Terminal};

const READY_WITHIN: Duration = Duration::from_secs(30);
const STOPPED_WITHIN: Duration = Duration::from_secs(40);
const STRAYS_GONE_WITHIN: Duration = Duration::from_secs(5);

/// A cluster of the built binary. No other whole one runs on the machine meanwhile.
pub struct Skiff {
    // Dropped in this order: the server first, its folder and the place after it.
    server: Option<Child>,
    /// Every process that was ever seen below the server: none may outlive its last stop.
    seen: BTreeSet<Process>,
    ready_after: Duration,
    account: Account,
    address: SocketAddr,
    verb: &'static str,
    options: Vec<String>,
    folder: TempDir,
    _alone: Option<Alone>,
}

impl Skiff {
    /// Starts `skiff up` with these options and waits until it is ready.
    #[track_caller]
    pub fn up(account: Account, options: &[&str]) -> Self {
        let mut skiff = Self::prepared(account, options);
        skiff.start();
        skiff
    }

    /// Starts `skiff apiserver`, which gets in nobody's way: it takes no address or port but its own.
    #[track_caller]
    pub fn api_server(account: Account, options: &[&str]) -> Self {
        let mut skiff = Self::of("apiserver", None, account, options);
        skiff.start();
        skiff
    }

    /// A folder, a port and the binary, with nothing running yet.
    pub fn prepared(account: Account, options: &[&str]) -> Self {
        Self::of("up", Some(Alone::wait()), account, options)
    }

    fn of(verb: &'static str, alone: Option<Alone>, account: Account, options: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("skiff-").tempdir().expect("make a folder for a cluster");
        let skiff = Self {
            server: None,
            seen: BTreeSet::new(),
            ready_after: Duration::ZERO,
            account,
            address: free_address(),
            verb,
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            folder,
            _alone: alone,
        };
        skiff.furnish();
        skiff
    }

    /// Puts into the folder what the account may not be able to reach elsewhere: the binary and the examples.
    fn furnish(&self) {
        let path = self.folder.path();
        self.account.own(path);
        for name in ["bin", "home", "data", "examples"] {
            std::fs::create_dir(path.join(name)).expect("make a folder in one's own");
            self.account.own(&path.join(name));
        }
        let built = built_binary();
        std::fs::hard_link(&built, self.binary())
            .or_else(|_| std::fs::copy(&built, self.binary()).map(drop))
            .unwrap_or_else(|error| panic!("put {} into the folder: {error}", built.display()));
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
        for entry in std::fs::read_dir(examples).expect("the repository has examples") {
            let entry = entry.expect("read a folder of the repository");
            if entry.file_type().is_ok_and(|sort| sort.is_file()) {
                let copy = path.join("examples").join(entry.file_name());
                std::fs::copy(entry.path(), &copy).expect("copy an example");
                self.account.own(&copy);
            }
        }
    }

    /// Starts the server again, on the same folder and port, and waits until it is ready.
    #[track_caller]
    pub fn start(&mut self) {
        let start = Instant::now();
        self.launch();
        eventually("a line `ready` on standard output", READY_WITHIN, || {
            if let Some(status) = self.exited() {
                panic!("skiff ended with {status} before it was ready\n{}", self.said());
            }
            check(self.standard_output().lines().any(|line| line == "ready"), || self.said())
        });
        self.ready_after = start.elapsed();
    }

    /// Starts the server without waiting for anything.
    pub fn launch(&mut self) {
        assert!(self.server.is_none(), "it runs already");
        let open = |name| File::create(self.path().join(name)).expect("make a file in one's own folder");
        let mut command = self.command();
        // A group of its own, as a terminal gives to what is started in it: Ctrl-C is for the group.
        command.process_group(0).stdin(Stdio::null()).stdout(open("stdout")).stderr(open("stderr"));
        self.server = Some(command.spawn().expect("start the built skiff"));
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.binary());
        command.arg(self.verb).arg("--data-dir").arg(self.data_dir()).arg("--listen").arg(self.address.to_string());
        command.arg("--kubeconfig").arg(self.kubeconfig()).args(&self.options);
        command.current_dir(self.path()).env_clear().env("HOME", self.path().join("home"));
        for name in ["PATH", "RUST_LOG", "RUST_BACKTRACE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        self.account.run(&mut command);
        command
    }

    /// Ctrl-C: the server ends well and in time, and leaves no process behind.
    #[track_caller]
    pub fn stop(&mut self) {
        let id = self.id();
        self.look_around();
        killpg(id, Signal::SIGINT).expect("the server is there to be stopped");
        let status =
            eventually("the server ends after Ctrl-C", STOPPED_WITHIN, || self.exited().ok_or_else(|| self.said()));
        self.server = None;
        assert!(status.success(), "skiff ended with {status} after Ctrl-C\n{}", self.said());
        self.assert_no_strays();
    }

    /// `kill -9`: no chance to tidy up.
    #[track_caller]
    pub fn kill(&mut self) {
        self.look_around();
        kill(self.id(), Signal::SIGKILL).expect("the server is there to be killed");
        let mut server = self.server.take().expect("it was there a line ago");
        server.wait().expect("a killed child can be waited for");
    }

    #[track_caller]
    pub fn assert_no_strays(&self) {
        assert!(self.server.is_none(), "the server itself still runs");
        eventually("no process is left behind", STRAYS_GONE_WITHIN, || {
            let all = self.seen.union(&processes::at_work_in(self.path())).copied().collect();
            let living = processes::living(&all);
            check(living.is_empty(), || living.join("\n"))
        });
    }

    /// Notes which processes there are below the server.
    pub fn look_around(&mut self) {
        if let Some(server) = &self.server {
            self.seen.extend(processes::descendants(server.id()));
        }
    }

    /// How the server ended, if it has.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        let server = self.server.as_mut()?;
        server.try_wait().expect("ask after one's own child")
    }

    /// A terminal of the same account, with this cluster's kubeconfig.
    pub fn terminal(&self, client: Client) -> Terminal {
        Terminal::new(client, self.account, self.path(), &self.binary(), &self.kubeconfig())
    }

    /// How long the last start took.
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn data_dir(&self) -> PathBuf {
        self.path().join("data")
    }

    pub fn kubeconfig(&self) -> PathBuf {
        self.path().join("kubeconfig")
    }

    pub fn binary(&self) -> PathBuf {
        self.path().join("bin/skiff")
    }

    pub fn standard_output(&self) -> String {
        std::fs::read_to_string(self.path().join("stdout")).unwrap_or_default()
    }

    pub fn standard_error(&self) -> String {
        std::fs::read_to_string(self.path().join("stderr")).unwrap_or_default()
    }

    /// The id of the server's process.
    pub fn id(&self) -> Pid {
        let server = self.server.as_ref().expect("the server was started");
        Pid::from_raw(i32::try_from(server.id()).expect("process ids are small"))
    }

    /// All that the server said, for the message of a test that fails.
    fn said(&self) -> String {
        format!("--- standard output\n{}\n--- standard error\n{}", self.standard_output(), self.standard_error())
    }
}

impl Drop for Skiff {
    /// What a failed test leaves: everything is ended the hard way.
    fn drop(&mut self) {
        self.look_around();
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
        let left: BTreeSet<Process> = self.seen.union(&processes::at_work_in(self.path())).copied().collect();
        processes::end(&left);
        if std::thread::panicking() {
            println!("{}", self.said());
        }
    }
}

/// A port on this machine that nothing listens on.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("this machine has a free port");
    listener.local_addr().expect("a bound socket has an address")
}

/// The binary beside the tests' own: `target/debug/skiff`, or the one that `SKIFF` names.
fn built_binary() -> PathBuf {
    let beside = || {
        let this = std::env::current_exe().expect("a process knows its program");
        this.parent().and_then(Path::parent).expect("tests lie in a folder of the build").join("skiff")
    };
    let binary = std::env::var_os("SKIFF").map_or_else(beside, PathBuf::from);
    assert!(binary.is_file(), "{} is not built: run `cargo build --workspace`", binary.display());
    binary
}
