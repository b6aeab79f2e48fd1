//! A command that runs inside a container: the small process that the agent starts for it.
//!
//! Its own input and output are the command's. It ends the command when the agent tells it to, or is gone; and what the
//! command leaves behind ends with the command, since nobody would look after it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, Uid, getppid};

use crate::runtime::process::child::{self, Namespace};
use crate::runtime::process::launch::{Folder, Launch};
use crate::runtime::process::pidfd::PidFd;
use crate::runtime::process::reaping;

/// What is answered when the command could not be started.
const NOT_STARTED: i32 = 126;
/// What is answered when the command was ended.
const ENDED: i32 = 128 + libc::SIGKILL;

/// What the input and output of a command are, as the small process is told.
pub const PIPES: &str = "pipes";
pub const TERMINAL: &str = "terminal";

/// Runs a command. The arguments are the container's folder, the number of the agent, the sort of the streams, and the
/// command with its own arguments.
pub fn main(mut arguments: impl Iterator<Item = OsString>) -> i32 {
    let mut next = || arguments.next();
    let (Some(folder), Some(agent), Some(streams), Some(program)) = (next(), next(), next(), next()) else { return 2 };
    let Some(agent) = agent.to_str().and_then(|number| number.parse().ok()) else { return 2 };
    match run(&Folder::new(folder), agent, streams == TERMINAL, &program, arguments) {
        Ok(code) => code,
        Err(error) => {
            let text = format!("{error:#}\n");
            let _ = io::Write::write_all(&mut io::stderr(), text.as_bytes());
            NOT_STARTED
        }
    }
}

fn run(
    folder: &Folder,
    agent: i32,
    has_terminal: bool,
    program: &OsStr,
    arguments: impl Iterator<Item = OsString>,
) -> anyhow::Result<i32> {
    let wanted = SigSet::from_iter([Signal::SIGCHLD, Signal::SIGTERM]);
    wanted.thread_block()?;
    let signals = SignalFd::with_flags(&wanted, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    nix::sys::prctl::set_child_subreaper(true)?;
    let held = PidFd::open(agent)?;
    if getppid() != Pid::from_raw(agent) {
        return Ok(ENDED);
    }
    let launch = folder.launch()?;
    let namespace = Namespace::Of(folder.run()?.main.pid);
    let mut command = child::command(&launch, namespace, program);
    command.args(arguments);
    if has_terminal {
        own_terminal(&launch)?;
        child::take_terminal(&mut command);
        if launch.environment.iter().all(|(name, _)| name != "TERM") {
            command.env("TERM", "xterm");
        }
    }
    let main = Pid::from_raw(i32::try_from(child::spawn(&mut command)?.id())?);
    // The command is the only one that reads its input, so that it is known when nobody does.
    nix::unistd::dup2_stdin(File::open("/dev/null")?)?;
    let code = watch(&signals, &held, main);
    reaping::end_the_rest(main);
    Ok(code)
}

/// Gives the terminal to the user that the command runs as, who may open it by its name.
fn own_terminal(launch: &Launch) -> nix::Result<()> {
    match launch.user {
        Some(user) => nix::unistd::fchown(io::stdin(), Some(Uid::from_raw(user)), None),
        None => Ok(()),
    }
}

/// Until the command has ended, or has to end.
fn watch(signals: &SignalFd, agent: &PidFd, main: Pid) -> i32 {
    loop {
        let mut both = [PollFd::new(signals.as_fd(), PollFlags::POLLIN), PollFd::new(agent.as_fd(), PollFlags::POLLIN)];
        // Whatever the reason for waking, what is there is looked at next.
        let _ = nix::poll::poll(&mut both, PollTimeout::NONE);
        let mut must_end = both[1].any() == Some(true);
        while let Ok(Some(signal)) = signals.read_signal() {
            must_end |= signal.ssi_signo == Signal::SIGTERM as u32;
        }
        if let Some(code) = reaping::collect(main) {
            return code;
        }
        if must_end {
            return ENDED;
        }
    }
}
