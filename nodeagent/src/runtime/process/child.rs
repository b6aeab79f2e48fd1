//! What a process of a container does between its birth and its program: limits, mounts, identity.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};

use nix::mount::MsFlags;
use nix::sched::CloneFlags;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigHandler, SigSet, Signal};
use nix::unistd::{Gid, Uid};

use crate::runtime::process::launch::Launch;

/// Signals that the shim ignores, and that a container must find as usual.
pub const RESET: [Signal; 6] =
    [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU];

/// Which mounts the process sees.
#[derive(Debug, Clone)]
pub enum Namespace {
    /// Mounts of its own, if the container has any.
    New,
    /// Those of the process with this number.
    Of(i32),
}

/// A command that takes on all that makes a process one of the container. The caller has one thread, so that the new
/// process may allocate.
pub fn command(launch: &Launch, namespace: Namespace, program: &OsStr) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(launch.environment.iter().map(|(name, value)| (name, value)));
    let launch = launch.clone();
    // SAFETY: between fork and exec only this thread exists in the child, and it existed alone in the parent too.
    unsafe {
        command.pre_exec(move || become_container(&launch, &namespace));
    }
    command
}

/// Has the command make its standard input its terminal.
pub fn take_terminal(command: &mut Command) {
    let take = || {
        // SAFETY: the call takes two numbers and touches no memory of ours.
        match unsafe { libc::ioctl(libc::STDIN_FILENO, libc::TIOCSCTTY, 0) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: it is one system call.
    unsafe {
        command.pre_exec(take);
    }
}

/// Starts the command; a program that is not there is named as other runtimes do.
pub fn spawn(command: &mut Command) -> anyhow::Result<Child> {
    command.spawn().map_err(|error| {
        let program = command.get_program().display();
        match error.kind() {
            io::ErrorKind::NotFound => {
                anyhow::anyhow!("exec: \"{program}\": executable file or working directory not found")
            }
            _ => anyhow::Error::new(error).context(format!("exec: \"{program}\"")),
        }
    })
}

fn become_container(launch: &Launch, namespace: &Namespace) -> io::Result<()> {
    nix::unistd::setsid()?;
    for signal in RESET {
        // SAFETY: the default action installs no handler.
        unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl)? };
    }
    // What the small process reads as events would else be held back from the container for ever.
    SigSet::empty().thread_set_mask()?;
    for entry in &launch.group_entries {
        // The limit of this sort is lost when it fails, and the container is not.
        let _ = fs::write(entry, "0");
    }
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    // The agent does without huge pages for its own sake; containers inherit that unless told otherwise.
    nix::sys::prctl::set_thp_disable(false)?;
    if let Some(limit) = launch.data_limit {
        setrlimit(Resource::RLIMIT_DATA, limit, limit)?;
    }
    if !launch.mounts.is_empty() {
        match namespace {
            Namespace::New => mount_all(launch)?,
            Namespace::Of(pid) => {
                let other = fs::File::open(format!("/proc/{pid}/ns/mnt"))?;
                nix::sched::setns(other, CloneFlags::CLONE_NEWNS)?;
            }
        }
    }
    take_identity(launch)?;
    if launch.no_new_privileges {
        nix::sys::prctl::set_no_new_privs()?;
    }
    // After the change of identity, which clears it: the container ends if its shim is killed.
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    if let Some(folder) = &launch.working_dir {
        std::env::set_current_dir(folder)?;
    }
    Ok(())
}

fn take_identity(launch: &Launch) -> io::Result<()> {
    if launch.user.is_none() && launch.group.is_none() {
        return Ok(());
    }
    let groups: Vec<Gid> = launch.supplemental_groups.iter().map(|group| Gid::from_raw(*group)).collect();
    nix::unistd::setgroups(&groups)?;
    if let Some(group) = launch.group {
        nix::unistd::setgid(Gid::from_raw(group))?;
    }
    if let Some(user) = launch.user {
        nix::unistd::setuid(Uid::from_raw(user))?;
    }
    Ok(())
}

/// Mounts the volumes where the container wants them, seen by nobody else.
fn mount_all(launch: &Launch) -> io::Result<()> {
    nix::sched::unshare(CloneFlags::CLONE_NEWNS)?;
    let nothing: Option<&str> = None;
    nix::mount::mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)?;
    for bind in &launch.mounts {
        let bind_flags = MsFlags::MS_BIND | MsFlags::MS_REC;
        nix::mount::mount(Some(&bind.source), &bind.target, nothing, bind_flags, nothing)?;
        if bind.read_only {
            let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
            nix::mount::mount(nothing, &bind.target, nothing, flags, nothing)?;
        }
    }
    Ok(())
}

/// Whether this process may become another user.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Whether this process may give a container mounts of its own: root inside of a container often may not.
pub fn can_mount() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let held = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let held = held.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0);
    is_root() && held & (1 << CAP_SYS_ADMIN) != 0
}

const CAP_SYS_ADMIN: u32 = 21;

/// Whether something can be mounted there without leaving a trace on the host: the place exists, and is of the sort
/// of what goes there.
pub fn is_mountable(source: &Path, target: &Path) -> bool {
    let (Ok(source), Ok(place)) = (fs::metadata(source), fs::metadata(target)) else { return false };
    target.is_absolute() && target != "/" && source.is_dir() == place.is_dir()
}
