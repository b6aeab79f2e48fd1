//! A command that runs inside a container: the small process that the agent starts for it.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::runtime::process::child::{self, Namespace};
use crate::runtime::process::launch::Folder;
use crate::runtime::process::pidfd::PidFd;

/// What is answered when the command could not be started.
const NOT_STARTED: i32 = 126;

/// Runs the command that follows the container's folder, until it ends or the standard input is closed.
pub fn main(mut arguments: impl Iterator<Item = OsString>) -> i32 {
    let (Some(folder), Some(program)) = (arguments.next(), arguments.next()) else { return 2 };
    match run(&Folder::new(folder), program, arguments) {
        Ok(code) => code,
        Err(error) => {
            let text = format!("{error:#}\n");
            let _ = io::Write::write_all(&mut io::stdout(), text.as_bytes());
            NOT_STARTED
        }
    }
}

fn run(folder: &Folder, program: OsString, arguments: impl Iterator<Item = OsString>) -> anyhow::Result<i32> {
    let launch = folder.launch()?;
    let main = folder.run()?.main;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(launch.environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null());
    child::prepare(&mut command, &launch, Namespace::Of(main.pid));
    let mut child = command.spawn()?;
    let pid = i32::try_from(child.id())?;
    let ended = PidFd::open(pid)?;
    let input = io::stdin();
    loop {
        let mut both = [PollFd::new(ended.as_fd(), PollFlags::POLLIN), PollFd::new(input.as_fd(), PollFlags::POLLHUP)];
        let _ = nix::poll::poll(&mut both, PollTimeout::NONE);
        if both[0].any() == Some(true) {
            break;
        }
        if both[1].any() == Some(true) {
            // The agent gave up, or died.
            let _ = nix::sys::signal::killpg(Pid::from_raw(pid), Signal::SIGKILL);
            break;
        }
    }
    let status = child.wait()?;
    Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)))
}
