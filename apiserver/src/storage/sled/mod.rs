//! The embedded engine: objects in a sled database, made to last with a barrier of our own.
//!
//! What sled does not promise by itself is added around it, for exactly the version that is pinned:
//! - Its `flush` writes but does not sync. After it comes an `fdatasync` of `db`, and only then is a write acknowledged.
//! - Values above some size would go to files that nobody syncs. Objects are cut into chunks (`codec`).
//! - It can hang when many writes are under way. There is one writer, which flushes after every batch, and a watchdog.
//! - It may panic on a damaged file. It is opened under guard, and such a panic becomes an error (`database`).
//! - Opening a database anew is where it can lose everything. Each process makes its own, out of the last (`recovery`).
//! - Its cache is not bounded by what has been read. Nothing is read from it: readers have the snapshots.
//!
//! What is volatile never gets here. Revisions are reserved on disk in blocks, so that one given out to a volatile
//! change is not given out again after a crash.

mod codec;
mod database;
mod directory;
mod disk;
mod recovery;
#[cfg(test)]
mod tests;
mod watchdog;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::{Context, ensure};
use async_trait::async_trait;

use crate::storage::engine::{Change, DecidedWrite, Engine, Feed, Outcome};
use crate::storage::object::Revision;
use crate::storage::sled::database::Barrier;
use crate::storage::sled::disk::Disk;

pub(super) use self::codec::path;
pub(super) use self::recovery::restore;

/// How many revisions are reserved at once. A write to disk is spent on so many volatile changes.
const BLOCK: u64 = 100_000;

/// An engine in one directory, which it keeps for itself.
pub struct Sled {
    directory: PathBuf,
    barrier: Barrier,
    opened: OnceLock<Opened>,
}

struct Opened {
    feed: Feed,
    revisions: Mutex<Revisions>,
    disk: Mutex<Option<Disk>>,
}

/// The counter, and up to where the disk knows that it may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Revisions {
    last: u64,
    reserved: u64,
}

impl Sled {
    pub fn new(directory: impl AsRef<Path>) -> Self {
        Self { directory: directory.as_ref().to_owned(), barrier: Barrier::Sync, opened: OnceLock::new() }
    }

    /// Acknowledges writes that a power cut may lose: for the test that proves that the barrier is needed.
    #[doc(hidden)]
    pub fn without_barrier(mut self) -> Self {
        self.barrier = Barrier::None;
        self
    }
}

#[async_trait]
impl Engine for Sled {
    fn name(&self) -> &'static str {
        "sled"
    }

    async fn open(&self, feed: Feed) -> Result<(), anyhow::Error> {
        let (disk, first) = Disk::open(self.directory.clone(), self.barrier, feed.clone(), BLOCK).await?;
        let revisions = Mutex::new(Revisions { last: first.0, reserved: first.0 + BLOCK });
        let opened = Opened { feed, revisions, disk: Mutex::new(Some(disk)) };
        ensure!(self.opened.set(opened).is_ok(), "the engine is open already");
        Ok(())
    }

    async fn commit(&self, batch: Vec<DecidedWrite>) -> Result<Vec<Outcome>, anyhow::Error> {
        let opened = self.opened.get().context("the engine is not open")?;
        let needs_disk = batch.iter().any(|write| !write.volatile);
        let (first, reserve) = opened.revisions().take(batch.len() as u64, needs_disk);
        let numbered = batch.into_iter().zip(first..).map(|(write, revision)| Change {
            key: write.key,
            revision: Revision(revision),
            draft: write.draft,
            volatile: write.volatile,
        });
        let mut changes: Vec<Change> = numbered.collect();
        if needs_disk || reserve.is_some() {
            let written = opened.disk().as_ref().context("the engine is closed")?.write(changes, reserve)?;
            changes = written.await.context("the disk's thread has ended")?;
        }
        Ok(opened.feed.publish(changes).into_iter().map(Outcome::Committed).collect())
    }

    async fn close(&self) {
        let Some(disk) = self.opened.get().and_then(|opened| opened.disk().take()) else { return };
        disk.close().await;
    }
}

impl Opened {
    fn revisions(&self) -> MutexGuard<'_, Revisions> {
        self.revisions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn disk(&self) -> MutexGuard<'_, Option<Disk>> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Revisions {
    /// Takes so many revisions. Answers with the first, and with a new reservation if one must be on disk before they
    /// may be used, or is to be had for nothing because the disk is written anyway.
    fn take(&mut self, count: u64, disk_is_written: bool) -> (u64, Option<u64>) {
        let first = self.last + 1;
        self.last += count;
        let left = self.reserved.checked_sub(self.last);
        let is_short = left.is_none_or(|left| disk_is_written && left < BLOCK / 2);
        if is_short {
            self.reserved = self.last + BLOCK;
        }
        (first, is_short.then_some(self.reserved))
    }
}
