//! Files that are there as a whole or not at all, also after a power cut.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;

/// Writes a file, for its owner only, under another name, makes it last, and then puts it in its place.
pub fn write(path: &Path, new: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), anyhow::Error> {
    let options = File::options().create(true).write(true).truncate(true).mode(0o600).open(new);
    let mut file = options.with_context(|| format!("create {}", new.display()))?;
    write(&mut file).and_then(|()| file.sync_all()).with_context(|| format!("write {}", new.display()))?;
    fs::rename(new, path).with_context(|| format!("put {} in its place", path.display()))?;
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync(parent),
        _ => sync(Path::new(".")),
    }
}

/// Makes what is in a file, or the names in a directory, last.
pub fn sync(path: &Path) -> Result<(), anyhow::Error> {
    File::open(path).and_then(|file| file.sync_all()).with_context(|| format!("sync {}", path.display()))
}
