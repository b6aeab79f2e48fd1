//! The process beside a container: it holds the container's pipes, writes its log, and notes how it ended.
//! It runs on when the agent dies, has one thread, and does nothing else.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lifecycle::clock::Clock;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{SigHandler, SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

use crate::runtime::process::child;
use crate::runtime::process::launch::{Answer, EndRecord, Folder, Launch, RunRecord};
use crate::runtime::process::log_writer::{LogWriter, Stream};
use crate::runtime::process::procfs;

/// How long what was written to the pipes is still read after all processes have ended.
const DRAIN: Duration = Duration::from_secs(1);

/// Runs the shim of the container whose folder is the only argument.
pub fn main(mut arguments: impl Iterator<Item = OsString>) -> i32 {
    let Some(folder) = arguments.next() else { return 2 };
    let folder = Folder::new(folder);
    match start(&folder) {
        Ok(shim) => {
            let ended = shim.watch();
            i32::from(folder.set_end(&ended).is_err())
        }
        Err(error) => {
            answer(&Answer::Failed(format!("{error:#}")));
            1
        }
    }
}

struct Shim {
    /// Taken over from the agent as the standard input: it is locked until this process ends.
    _lock: OwnedFd,
    signals: SignalFd,
    main: Pid,
    pipes: Vec<Pipe>,
    log: LogWriter,
    memory_kills: Option<u64>,
    launch: Launch,
}

struct Pipe {
    file: File,
    stream: Stream,
}

fn start(folder: &Folder) -> anyhow::Result<Shim> {
    let lock = io::stdin().as_fd().try_clone_to_owned()?;
    nix::unistd::dup2_stdin(File::open("/dev/null")?)?;
    detach()?;
    let launch = folder.launch()?;
    // Kills are counted from here on: a control group may be older than the container.
    let memory_kills = memory_kills(&launch);
    let signals = SignalFd::with_flags(&signals(), SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    let log = LogWriter::open(&launch.log_file, Clock::system())?;
    let mut main = spawn(&launch)?;
    let mut pipes = Vec::new();
    if let Some(pipe) = main.stdout.take() {
        pipes.push(Pipe { file: File::from(OwnedFd::from(pipe)), stream: Stream::Stdout });
    }
    if let Some(pipe) = main.stderr.take() {
        pipes.push(Pipe { file: File::from(OwnedFd::from(pipe)), stream: Stream::Stderr });
    }
    let pid = i32::try_from(main.id())?;
    let own = i32::try_from(std::process::id())?;
    let record =
        RunRecord { shim: procfs::mark(own)?, main: procfs::mark(pid)?, started_at: Clock::system().now_seconds() };
    folder.set_run(&record)?;
    answer(&Answer::Running(record));
    Ok(Shim { _lock: lock, signals, main: Pid::from_raw(pid), pipes, log, memory_kills, launch })
}

/// Makes this process independent of the agent and its terminal, and the parent of all orphans of its container.
fn detach() -> nix::Result<()> {
    nix::sys::prctl::set_child_subreaper(true)?;
    for signal in child::RESET {
        // SAFETY: ignoring a signal installs no handler.
        unsafe { nix::sys::signal::signal(signal, SigHandler::SigIgn)? };
    }
    signals().thread_block()
}

fn signals() -> SigSet {
    SigSet::from_iter([Signal::SIGCHLD, Signal::SIGTERM])
}

fn spawn(launch: &Launch) -> anyhow::Result<Child> {
    let (program, arguments) = launch.arguments.split_first().ok_or_else(|| anyhow::anyhow!("no command specified"))?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(launch.environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    child::prepare(&mut command, launch, child::Namespace::New);
    command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            anyhow::anyhow!("exec: \"{program}\": executable file or working directory not found")
        }
        _ => anyhow::Error::new(error).context(format!("exec: \"{program}\"")),
    })
}

/// Tells the agent how the start went. An agent that has died meanwhile reads the records instead.
fn answer(answer: &Answer) {
    let text = serde_json::to_vec(answer).unwrap_or_default();
    let _ = io::stdout().write_all(&text).and_then(|()| io::stdout().flush());
    if let Ok(null) = File::options().write(true).open("/dev/null") {
        let _ = nix::unistd::dup2_stdout(&null);
        let _ = nix::unistd::dup2_stderr(&null);
    }
}

impl Shim {
    /// Until all of the container has ended.
    fn watch(mut self) -> EndRecord {
        let status = loop {
            self.wait(PollTimeout::NONE);
            self.pump();
            if let Some(status) = self.read_signals() {
                break status;
            }
        };
        let finished_at = Clock::system().now_seconds();
        end_the_rest(self.main);
        let deadline = Instant::now() + DRAIN;
        while !self.pipes.is_empty() && Instant::now() < deadline {
            self.wait(PollTimeout::from(100_u8));
            self.pump();
        }
        self.log.finish();
        let lacked_memory = status != 0 && memory_kills(&self.launch) > self.memory_kills;
        EndRecord { code: status, lacked_memory, finished_at }
    }

    fn wait(&self, timeout: PollTimeout) {
        let mut all = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        all.extend(self.pipes.iter().map(|pipe| PollFd::new(pipe.file.as_fd(), PollFlags::POLLIN)));
        // Whatever the reason for waking, what is there is read next.
        let _ = nix::poll::poll(&mut all, timeout);
    }

    /// Reads once from each pipe that has something, and drops those that are at their end.
    fn pump(&mut self) {
        let mut buffer = [0; 16 * 1024];
        let mut kept = Vec::new();
        for mut pipe in std::mem::take(&mut self.pipes) {
            if !is_readable(&pipe.file) {
                kept.push(pipe);
                continue;
            }
            match pipe.file.read(&mut buffer) {
                Ok(0) => {}
                Ok(length) => {
                    self.log.write(pipe.stream, &buffer[..length]);
                    kept.push(pipe);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => kept.push(pipe),
                Err(_) => {}
            }
        }
        self.pipes = kept;
    }

    /// Answers the code of the main process if it has ended, and collects all others that have.
    fn read_signals(&mut self) -> Option<i32> {
        while let Ok(Some(info)) = self.signals.read_signal() {
            if info.ssi_signo == Signal::SIGTERM as u32 {
                // Whoever ends this process means the container.
                let _ = nix::sys::signal::kill(self.main, Signal::SIGTERM);
            }
        }
        // The main process is left uncollected, so that its group's number is not given to another group meanwhile.
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        if let Some(code) = waitid(Id::Pid(self.main), look).ok().and_then(|status| code(status, self.main)) {
            return Some(code);
        }
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => return None,
                Ok(status) => {
                    if let Some(code) = code(status, self.main) {
                        return Some(code);
                    }
                }
                Err(Errno::EINTR) => {}
                Err(_) => return None,
            }
        }
    }
}

fn code(status: WaitStatus, main: Pid) -> Option<i32> {
    match status {
        WaitStatus::Exited(pid, code) if pid == main => Some(code),
        WaitStatus::Signaled(pid, signal, _) if pid == main => Some(128 + signal as i32),
        _ => None,
    }
}

fn is_readable(file: &File) -> bool {
    let mut one = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
    nix::poll::poll(&mut one, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// Kills what the main process left behind: its group, and whoever of its descendants became ours.
fn end_the_rest(main: Pid) {
    let _ = nix::sys::signal::killpg(main, Signal::SIGKILL);
    loop {
        for pid in procfs::children() {
            let _ = nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        match waitpid(None, None) {
            Err(Errno::ECHILD) => return,
            Err(Errno::EINTR) | Ok(_) => {}
            Err(_) => return,
        }
    }
}

/// How often the kernel has killed in the container's control group for want of memory.
fn memory_kills(launch: &Launch) -> Option<u64> {
    let text = fs::read_to_string(launch.memory_events.as_ref()?).ok()?;
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    Some(count.and_then(|count| count.trim().parse().ok()).unwrap_or(0))
}
