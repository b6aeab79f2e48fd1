//! A process held by a descriptor: signals reach it and no later process with its number, and its end can be awaited.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::runtime::process::launch::ProcessMark;
use crate::runtime::process::procfs;

#[derive(Debug)]
pub struct PidFd(OwnedFd);

impl PidFd {
    pub fn open(pid: i32) -> io::Result<Self> {
        // SAFETY: the call takes two numbers and touches no memory of ours.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let fd = i32::try_from(fd).map_err(io::Error::other)?;
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just opened this descriptor for us; nobody else holds it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// The process that was marked, and not another that has its number now.
    pub fn of(wanted: &ProcessMark) -> io::Result<Self> {
        let held = Self::open(wanted.pid)?;
        if procfs::exists(wanted) { Ok(held) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    pub fn send(&self, signal: i32) -> io::Result<()> {
        // SAFETY: the descriptor is open, and no information is passed along.
        let sent = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.0.as_raw_fd(),
                signal,
                std::ptr::null::<libc::siginfo_t>(),
                0,
            )
        };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Resolves when the process has ended.
    pub async fn ended(self) -> io::Result<()> {
        // SAFETY: the descriptor is owned by what is registered, so it stays open and the same until that is dropped.
        let held = unsafe { AsyncFd::register_with_interest(self.0, Interest::READABLE)? };
        held.readable().await.map(drop)
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
