//! Whose processes they are: an ordinary user's, or root's.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::unistd::{Gid, Uid, chown};

/// `nobody`, who owns nothing.
const NOBODY: u32 = 65534;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// The one that the tests run as; `nobody` where they run as root.
    Ordinary,
    /// Only where the tests run as root.
    Root,
}

impl Account {
    /// Whether the tests can act for it. Tells so where they cannot, since a test is then skipped.
    pub fn is_available(self) -> bool {
        let available = self == Self::Ordinary || Uid::effective().is_root();
        if !available {
            println!("skipped: only root can run this as root");
        }
        available
    }

    /// Has the command run as this account.
    pub fn run(self, command: &mut Command) {
        if self.is_other() {
            command.uid(NOBODY).gid(NOBODY);
        }
    }

    /// Gives a file or folder to this account.
    pub fn own(self, path: &Path) {
        if self.is_other() {
            chown(path, Some(Uid::from_raw(NOBODY)), Some(Gid::from_raw(NOBODY))).expect("root may give files away");
        }
    }

    fn is_other(self) -> bool {
        self == Self::Ordinary && Uid::effective().is_root()
    }
}
