//! The ends of processes whose parent this one is, by birth or since it took them in.

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

use crate::runtime::process::procfs;

/// Answers the code of the main process if it has ended, and collects all others that have.
pub fn collect(main: Pid) -> Option<i32> {
    // The main process is left uncollected, so that its group's number is not given to another group meanwhile.
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    if let Some(code) = waitid(Id::Pid(main), look).ok().and_then(|status| code(status, main)) {
        return Some(code);
    }
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => return None,
            Ok(status) => {
                if let Some(code) = code(status, main) {
                    return Some(code);
                }
            }
            Err(Errno::EINTR) => {}
            Err(_) => return None,
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

/// Kills what the main process left behind: its group, and whoever of its descendants became ours.
pub fn end_the_rest(main: Pid) {
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
