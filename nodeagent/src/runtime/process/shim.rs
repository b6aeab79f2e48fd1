//! The process beside a container: it holds the container's pipes, writes its log, and notes how it ended.
//! It runs on when the agent dies, has one thread, and does nothing else.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use lifecycle::clock::Clock;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{SigHandler, SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::Mode;
use nix::unistd::Pid;

use crate::runtime::interface::Stdin;
use crate::runtime::process::child;
use crate::runtime::process::launch::{Answer, EndRecord, Folder, Launch, RunRecord};
use crate::runtime::process::log_writer::{LogWriter, Stream};
use crate::runtime::process::{procfs, reaping};

/// How long what was written to the pipes is still read after all processes have ended.
const DRAIN: Duration = Duration::from_secs(1);
/// By this the agent says that the main process is told nothing more.
pub const CLOSE_STDIN: Signal = Signal::SIGUSR1;

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
    /// Keeps the main process from seeing an end of its input between two clients.
    stdin: Option<File>,
    folder: Folder,
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
    let stdin = if launch.stdin == Stdin::Empty { None } else { Some(make_stdin(folder)?) };
    let mut main = spawn(folder, &launch)?;
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
    Ok(Shim {
        _lock: lock,
        signals,
        main: Pid::from_raw(pid),
        pipes,
        stdin,
        folder: folder.clone(),
        log,
        memory_kills,
        launch,
    })
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
    SigSet::from_iter([Signal::SIGCHLD, Signal::SIGTERM, CLOSE_STDIN])
}

/// Makes the pipe that leads to the main process. It is open in both directions, so that nobody waits for the other.
fn make_stdin(folder: &Folder) -> io::Result<File> {
    nix::unistd::mkfifo(&folder.stdin(), Mode::S_IRUSR | Mode::S_IWUSR)?;
    File::options().read(true).write(true).open(folder.stdin())
}

fn spawn(folder: &Folder, launch: &Launch) -> anyhow::Result<Child> {
    let (program, arguments) = launch.arguments.split_first().ok_or_else(|| anyhow::anyhow!("no command specified"))?;
    let mut command = child::command(launch, child::Namespace::New, OsStr::new(program));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.stdin(match launch.stdin {
        Stdin::Empty => Stdio::null(),
        Stdin::Open | Stdin::Once => File::open(folder.stdin())?.into(),
    });
    child::spawn(&mut command)
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
        reaping::end_the_rest(self.main);
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
                    if self.launch.stdin != Stdin::Empty {
                        // It may be a question, which a client that is attached has to see.
                        self.log.finish();
                    }
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
            if info.ssi_signo == CLOSE_STDIN as u32 && self.stdin.take().is_some() {
                // What is in the pipe is still read; nobody finds it any more.
                let _ = fs::remove_file(self.folder.stdin());
            }
        }
        reaping::collect(self.main)
    }
}

fn is_readable(file: &File) -> bool {
    let mut one = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
    nix::poll::poll(&mut one, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// How often the kernel has killed in the container's control group for want of memory.
fn memory_kills(launch: &Launch) -> Option<u64> {
    let text = fs::read_to_string(launch.memory_events.as_ref()?).ok()?;
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    Some(count.and_then(|count| count.trim().parse().ok()).unwrap_or(0))
}
