//! Word from the system when something in a folder changes, so that nobody has to look again and again.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Watches one folder.
pub struct FolderWatch(AsyncFd<Held>);

struct Held(Inotify);

impl AsRawFd for Held {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// What happened to files of the folder since the last time.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Changes {
    /// A file that was open for writing was closed.
    pub is_closed: bool,
    /// The folder itself is gone.
    pub is_gone: bool,
}

impl FolderWatch {
    /// Of files that come, go, or are complete; with `writes` also of each write.
    pub fn new(folder: &Path, writes: bool) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let mut flags = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF;
        if writes {
            flags |= AddWatchFlags::IN_MODIFY;
        }
        inotify.add_watch(folder, flags)?;
        // SAFETY: the descriptor is owned by what is registered, so it stays open and the same until that is dropped.
        let held = unsafe { AsyncFd::register_with_interest(Held(inotify), Interest::READABLE)? };
        Ok(Self(held))
    }

    /// Resolves when something has changed; all that has is taken together.
    pub async fn changed(&mut self) -> io::Result<Changes> {
        loop {
            let mut ready = self.0.readable().await?;
            let mut changes = Changes::default();
            let mut any = false;
            loop {
                match ready.get_inner().0.read_events() {
                    Ok(events) => {
                        any = true;
                        for event in events {
                            let mask = event.mask;
                            changes.is_closed |= mask.contains(AddWatchFlags::IN_CLOSE_WRITE);
                            let ends =
                                AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_IGNORED;
                            changes.is_gone |= mask.intersects(ends);
                        }
                    }
                    Err(Errno::EAGAIN) => break,
                    Err(Errno::EINTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            ready.clear_ready();
            if any {
                return Ok(changes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn changes_in_a_folder_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = FolderWatch::new(folder.path(), false).unwrap();
        std::fs::write(folder.path().join("a"), "x").unwrap();
        assert!(watch.changed().await.unwrap().is_closed);
        std::fs::rename(folder.path().join("a"), folder.path().join("b")).unwrap();
        assert_eq!(watch.changed().await.unwrap(), Changes::default());
        std::fs::remove_dir_all(folder.path()).unwrap();
        while !watch.changed().await.unwrap().is_gone {}
    }
}
