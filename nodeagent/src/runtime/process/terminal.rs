//! A terminal that is no device: a command runs at one end, and the agent holds the other.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use tokio::net::unix::pipe;

use crate::runtime::interface::{Input, Output, Resize, Size};

/// The agent's end.
pub struct Terminal(OwnedFd);

impl Terminal {
    /// The terminal, and the end that is the command's. Neither is ever seen by another process that is just starting.
    pub fn open() -> io::Result<(Self, File)> {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let ours = posix_openpt(flags)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let theirs = File::options().read(true).write(true).custom_flags(libc::O_NOCTTY).open(ptsname_r(&ours)?)?;
        Ok((Self(ours.as_fd().try_clone_to_owned()?), theirs))
    }

    /// A terminal can be read, written and waited for as a pipe can.
    pub fn input(&self) -> io::Result<Input> {
        Ok(Box::new(pipe::Sender::from_owned_fd_unchecked(self.0.try_clone()?)?))
    }

    pub fn output(&self) -> io::Result<Output> {
        Ok(Box::new(pipe::Receiver::from_owned_fd_unchecked(self.0.try_clone()?)?))
    }

    pub fn resize(self) -> Resize {
        Box::new(move |size| self.set_size(size))
    }

    /// A terminal that has just been closed has no size, and needs none.
    fn set_size(&self, size: Size) {
        let size = libc::winsize { ws_row: size.height, ws_col: size.width, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the descriptor is open, and the size lives until the call is over.
        let _ = unsafe { libc::ioctl(self.0.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
    }
}
