//! The directory that an engine keeps for itself: whose it is, and which database in it counts.
//!
//! `format` says that it is ours and names the database, `lock` is held by the process that uses it, `sled-N/` is the
//! database, `recovery/` is there while a process starts.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use anyhow::{Context, bail, ensure};
use tracing::warn;

use crate::storage::whole_file;

const FORMAT: &str = "format";
const FORMAT_NEW: &str = "format.new";
const LOCK: &str = "lock";
const RECOVERY: &str = "recovery";
const DATABASE: &str = "sled-";

/// The first word of `format`. Behind it stand the version and the number of the database that counts.
const MARK: &str = "skiff-storage";
const VERSION: u32 = 1;

/// A directory that this process has to itself until it is dropped.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// Grows with every start; 0 before the first database is complete.
    generation: u64,
    /// Removes what does not count any more.
    tidying: Option<JoinHandle<()>>,
    _lock: File,
}

impl Directory {
    /// Takes a directory that is ours, or is empty, or is not there yet.
    pub fn claim(path: &Path) -> Result<Self, anyhow::Error> {
        make(path)?;
        // Looked at before the lock is made, so that nothing is left in somebody else's directory.
        read_generation(path)?;
        let lock = lock(path)?;
        let generation = read_generation(path)?;
        let directory = Self { path: path.to_owned(), generation: generation.unwrap_or(0), tidying: None, _lock: lock };
        if generation.is_none() {
            directory.mark(0)?;
        }
        directory.tidy()?;
        Ok(directory)
    }

    /// The database that counts; none in a new store.
    pub fn current(&self) -> Option<PathBuf> {
        (self.generation > 0).then(|| self.database(self.generation))
    }

    /// Makes an empty directory for the database that is to come next.
    pub fn make_next(&self) -> Result<PathBuf, anyhow::Error> {
        let next = self.database(self.generation + 1);
        make(&next)?;
        Ok(next)
    }

    /// Makes an empty directory for what is thrown away once the process has started.
    pub fn make_recovery(&self) -> Result<PathBuf, anyhow::Error> {
        let recovery = self.path.join(RECOVERY);
        make(&recovery)?;
        Ok(recovery)
    }

    /// From now on the next database counts, and no other is left soon. It must be complete, and last.
    pub fn switch(&mut self) -> Result<(), anyhow::Error> {
        whole_file::sync(&self.path)?;
        self.mark(self.generation + 1)?;
        self.generation += 1;
        if let Some(parent) = self.path.canonicalize()?.parent() {
            whole_file::sync(parent)?;
        }
        self.tidy_aside()
    }

    /// Large files take their time to go. What is not gone when the process ends goes at the next start.
    fn tidy_aside(&mut self) -> Result<(), anyhow::Error> {
        let left = self.left()?;
        let remove = move || {
            if let Err(error) = remove(&left) {
                warn!(error = format!("{error:#}"), "an old database is still there");
            }
        };
        let tidying = thread::Builder::new().name("storage tidy".to_owned()).spawn(remove);
        self.tidying = Some(tidying.context("start a thread")?);
        Ok(())
    }

    fn database(&self, generation: u64) -> PathBuf {
        self.path.join(format!("{DATABASE}{generation}"))
    }

    fn mark(&self, generation: u64) -> Result<(), anyhow::Error> {
        whole_file::write(&self.path.join(FORMAT), &self.path.join(FORMAT_NEW), |file| {
            writeln!(file, "{MARK} {VERSION} {generation}")
        })
    }

    /// Removes what an interrupted start, or the last process, left.
    fn tidy(&self) -> Result<(), anyhow::Error> {
        remove(&self.left()?)
    }

    /// What is there and does not count.
    fn left(&self) -> Result<Vec<PathBuf>, anyhow::Error> {
        let (current, mut left) = (self.current(), Vec::new());
        for entry in fs::read_dir(&self.path).with_context(|| format!("read {}", self.path.display()))? {
            let entry = entry.with_context(|| format!("read {}", self.path.display()))?;
            let name = entry.file_name();
            let is_left = name == RECOVERY || name.to_string_lossy().starts_with(DATABASE);
            if is_left && Some(entry.path()) != current {
                left.push(entry.path());
            }
        }
        Ok(left)
    }
}

fn remove(directories: &[PathBuf]) -> Result<(), anyhow::Error> {
    let mut directories = directories.iter();
    directories.try_for_each(|path| fs::remove_dir_all(path).with_context(|| format!("remove {}", path.display())))
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Nobody else may begin here before.
        if let Some(tidying) = self.tidying.take() {
            tidying.join().ok();
        }
    }
}

/// The generation that `format` names; none if the directory is still empty.
fn read_generation(path: &Path) -> Result<Option<u64>, anyhow::Error> {
    let shown = path.display();
    let text = match fs::read_to_string(path.join(FORMAT)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            ensure!(
                is_empty(path)?,
                "{shown} is not a data directory of Skiff, and not empty: choose an empty one, or the one used before"
            );
            return Ok(None);
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => String::new(),
        Err(error) => return Err(error).with_context(|| format!("read {shown}/{FORMAT}")),
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let [MARK, version, rest @ ..] = words.as_slice() else {
        bail!("{shown}/{FORMAT} was not written by Skiff: choose another data directory");
    };
    match (version.parse::<u32>(), rest) {
        (Ok(version), _) if version > VERSION => bail!(
            "{shown} was written by a newer Skiff (format {version}; this one knows {VERSION}): start that version, \
             or choose another data directory"
        ),
        (Ok(VERSION), [generation]) if generation.parse::<u64>().is_ok() => Ok(generation.parse().ok()),
        _ => bail!("{}", damaged(path, "its `format` file makes no sense")),
    }
}

/// What to tell, and to advise, when a data directory cannot be used.
pub fn damaged(path: &Path, what: &str) -> String {
    format!(
        "the data directory {} is damaged ({what}): move it aside, and restore the newest export into a new one, \
         or start with an empty one",
        path.display()
    )
}

/// Whether nothing is in it but what an interrupted start may have left.
fn is_empty(path: &Path) -> Result<bool, anyhow::Error> {
    for entry in fs::read_dir(path).with_context(|| format!("read {}", path.display()))? {
        let name = entry.with_context(|| format!("read {}", path.display()))?.file_name();
        if name != LOCK && name != FORMAT_NEW {
            return Ok(false);
        }
    }
    Ok(true)
}

fn lock(path: &Path) -> Result<File, anyhow::Error> {
    let name = path.join(LOCK);
    let opened = File::options().create(true).truncate(false).read(true).write(true).open(&name);
    let mut file = opened.with_context(|| format!("open {}", name.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            let mut holder = String::new();
            file.take(20).read_to_string(&mut holder).ok();
            let holder = holder.trim();
            let process = if holder.is_empty() { String::new() } else { format!(", number {holder}") };
            bail!(
                "{} is in use by another process{process}: stop it, or choose another data directory",
                path.display()
            );
        }
        Err(fs::TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("lock {}", name.display()));
        }
    }
    // For the sentence above, in another process. Best effort: the lock is what counts.
    file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id())).ok();
    Ok(file)
}

/// Makes a directory that only its owner can read: Secrets are in it.
fn make(path: &Path) -> Result<(), anyhow::Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(|| format!("create {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &Path) -> String {
        format!("{:#}", Directory::claim(path).unwrap_err())
    }

    #[test]
    fn a_database_counts_once_it_is_complete_and_then_alone() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("deep/inside");
        let interrupted = Directory::claim(&path).unwrap();
        fs::write(interrupted.make_next().unwrap().join("db"), "half").unwrap();
        drop(interrupted);
        let mut directory = Directory::claim(&path).unwrap();
        assert_eq!(directory.current(), None);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 2, "an interrupted start is started over");
        for _ in 0..3 {
            let next = directory.make_next().unwrap();
            directory.make_recovery().unwrap();
            directory.switch().unwrap();
            assert_eq!(directory.current(), Some(next));
            drop(directory);
            directory = Directory::claim(&path).unwrap();
            assert_eq!(fs::read_dir(&path).unwrap().count(), 3);
        }
    }

    #[test]
    fn only_its_owner_can_look_into_it() {
        use std::os::unix::fs::PermissionsExt;
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("store");
        let next = Directory::claim(&path).unwrap().make_next().unwrap();
        for part in [path, next] {
            assert_eq!(fs::metadata(part).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }

    #[test]
    fn a_foreign_directory_is_refused_and_left_alone() {
        let scratch = tempfile::tempdir().unwrap();
        fs::write(scratch.path().join("thesis.txt"), "years of work").unwrap();
        assert!(refusal(scratch.path()).contains("is not a data directory of Skiff, and not empty"));
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1);
        for foreign in ["PNG".as_bytes(), &[0xff, 0xfe]] {
            fs::write(scratch.path().join(FORMAT), foreign).unwrap();
            assert!(refusal(scratch.path()).contains("was not written by Skiff"));
        }
    }

    #[test]
    fn a_directory_in_use_is_refused_with_the_process_that_uses_it() {
        let scratch = tempfile::tempdir().unwrap();
        let first = Directory::claim(scratch.path()).unwrap();
        let sentence = refusal(scratch.path());
        assert!(sentence.contains(&format!("in use by another process, number {}:", std::process::id())), "{sentence}");
        drop(first);
        Directory::claim(scratch.path()).unwrap();
    }

    #[test]
    fn a_newer_format_and_a_damaged_one_are_refused() {
        let scratch = tempfile::tempdir().unwrap();
        drop(Directory::claim(scratch.path()).unwrap());
        let format = scratch.path().join(FORMAT);
        fs::write(&format, "skiff-storage 2 17 more\n").unwrap();
        assert!(refusal(scratch.path()).contains("written by a newer Skiff (format 2; this one knows 1)"));
        for damage in ["skiff-storage 1", "skiff-storage x 1", "skiff-storage 1 one", "skiff-storage 1 1 1"] {
            fs::write(&format, damage).unwrap();
            assert!(refusal(scratch.path()).contains("makes no sense"), "{damage}");
        }
    }
}
