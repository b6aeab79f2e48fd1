//! One real cluster at a time on a machine: they would share addresses and ports.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Result};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};

/// Held while a cluster runs. Tests of the same binary and of others wait for each other here.
pub struct Alone(#[expect(dead_code, reason = "held, not read")] Flock<File>);

impl Alone {
    pub fn wait() -> Self {
        let path = std::env::temp_dir().join("skiff-end-to-end.lock");
        let file = open(&path).unwrap_or_else(|error| panic!("open {}: {error}", path.display()));
        match Flock::lock(file, FlockArg::LockExclusive) {
            Ok(held) => Self(held),
            Err((_, error)) => panic!("lock {}: {error}", path.display()),
        }
    }
}

/// Opens the file, or makes it for everybody. To open another user's with leave to make it is refused in such folders.
fn open(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o666);
    match options.open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let file = options.create(true).truncate(false).open(path)?;
            file.set_permissions(PermissionsExt::from_mode(0o666))?;
            Ok(file)
        }
        other => other,
    }
}
