//! From the database of the last process to that of this one.
//!
//! The old one is never touched: it is copied, the copy is opened, and what is in it goes into a new one. Until that
//! counts, a crash changes nothing. What a process closes it also seals, so that later damage does not go unseen; after a
//! crash, sled's own checksums tell where its log ends.
//!
//! To copy and open a long log takes its time, for it holds what came before too. So a process that closes a database also
//! writes out what is in it (`closed`), and the next one reads that. Should it be damaged, the log is still there.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::mpsc::{self, SyncSender};
use std::thread::{self, JoinHandle};

use anyhow::{Context, anyhow, ensure};
use sled::Error::Io;
use tracing::warn;

use crate::storage::archive::{self, Archive, Record, Summary};
use crate::storage::engine::{Feed, Stored};
use crate::storage::object::{Key, Revision};
use crate::storage::sled::database::{Barrier, Copy, Database, Put, check_blobs};
use crate::storage::sled::directory::{Directory, damaged};
use crate::storage::whole_file;

const SEAL: &str = "seal";
/// All objects as they were when the database was closed.
const CLOSED: &str = "closed";
/// An empty store is at a revision too: 0 means "any" to clients.
const FIRST: Revision = Revision(1);
/// How much is written at once.
const BATCH: usize = 1024 * 1024;
/// After so many batches they are made to last.
const SYNC: u32 = 8;
/// How many batches may wait to be written.
const WAITING: usize = 4;

/// Feeds what is in a directory, and leaves it with a new database that holds the same, and in which `block` revisions
/// are reserved above the one that the store is at. That one was never given out before.
pub fn start(
    path: &Path,
    barrier: Barrier,
    feed: &Feed,
    block: u64,
) -> Result<(Database, Directory, Revision), anyhow::Error> {
    let mut directory = Directory::claim(path)?;
    let mut next = Filling::new(Database::make(&directory.make_next()?, barrier)?)?;
    let revision = match directory.current() {
        None => feed.load(&mut std::iter::empty(), FIRST).map(|()| FIRST)?,
        Some(current) => {
            match load(&current, &directory.make_recovery()?, &mut next, feed) {
                Ok(revision) => revision,
                // If it was the writing that failed, its reason is the better one.
                Err(error) => return Err(advise(path, next.finish(0).err().unwrap_or(error))),
            }
        }
    };
    let database = next.finish(revision.0 + block)?;
    directory.switch()?;
    Ok((database, directory, revision))
}

fn load(current: &Path, recovery: &Path, next: &mut Filling, feed: &Feed) -> Result<Revision, anyhow::Error> {
    let closed = current.join(CLOSED);
    if closed.exists() {
        match archive::check(&closed) {
            Ok(()) => {
                let mut archive = Archive::open(&closed)?;
                let reserved = archive.summary.revision.0;
                return take(&mut archive, reserved, next, feed);
            }
            Err(error) => warn!(error = format!("{error:#}"), "what was closed is damaged; its log is read instead"),
        }
    }
    copy(current, recovery)?;
    let copy = Copy::open(recovery)?;
    take(&mut copy.objects(), copy.reserved()?, next, feed)
}

/// Feeds records, and hands them on to the next database.
fn take(
    records: &mut dyn Iterator<Item = Result<Record, anyhow::Error>>,
    reserved: u64,
    next: &mut Filling,
    feed: &Feed,
) -> Result<Revision, anyhow::Error> {
    // Whatever was given out before is at most what was reserved.
    let revision = Revision(reserved + 1);
    let mut stored = records.map(|record| {
        let record = record?;
        ensure!(record.revision <= reserved, "{}: its revision was never given out", record.path);
        let stored = known(&record, feed)?;
        next.add(record)?;
        Ok(stored)
    });
    feed.load(&mut stored, revision)?;
    Ok(revision)
}

fn known(record: &Record, feed: &Feed) -> Result<Stored, anyhow::Error> {
    let [group, resource, namespace, name] = record.names()?;
    let known = feed.resource(group, resource);
    let known = known.with_context(|| format!("there is no resource {resource:?} in the group {group:?}"))?;
    let key = Key::new(known, namespace, name);
    Ok(Stored { key, revision: Revision(record.revision), bytes: record.bytes.clone() })
}

/// Makes a store in an empty directory, out of objects from elsewhere. Its revisions go on above `revision`.
pub fn restore(
    path: &Path,
    revision: u64,
    records: &mut dyn Iterator<Item = Result<Record, anyhow::Error>>,
) -> Result<(), anyhow::Error> {
    let mut directory = Directory::claim(path)?;
    ensure!(directory.current().is_none(), "{} holds a store already: restore into an empty directory", path.display());
    let mut next = Filling::new(Database::make(&directory.make_next()?, Barrier::Sync)?)?;
    for record in records {
        let record = record?;
        record.names()?;
        ensure!(record.revision <= revision, "{}: its revision is above that of the store", record.path);
        next.add(record)?;
    }
    next.finish(revision)?;
    directory.switch()
}

/// A database on its way to being complete. A thread of its own writes to it, while what comes next is read.
struct Filling {
    batch: Vec<Record>,
    bytes: usize,
    batches: SyncSender<Vec<Record>>,
    writer: JoinHandle<Result<Database, anyhow::Error>>,
}

impl Filling {
    fn new(mut database: Database) -> Result<Self, anyhow::Error> {
        let (batches, to_write) = mpsc::sync_channel::<Vec<Record>>(WAITING);
        let write = move || {
            for (batch, number) in to_write.into_iter().zip(1_u32..) {
                write(&mut database, &batch, None)?;
                // What lasts already need not be waited for at the end.
                if number % SYNC == 0 {
                    database.sync()?;
                }
            }
            Ok(database)
        };
        let writer = thread::Builder::new().name("storage fill".to_owned()).spawn(write).context("start a thread")?;
        Ok(Self { batch: Vec::new(), bytes: 0, batches, writer })
    }

    fn add(&mut self, record: Record) -> Result<(), anyhow::Error> {
        self.bytes += record.bytes.len();
        self.batch.push(record);
        if self.bytes >= BATCH { self.hand_over() } else { Ok(()) }
    }

    fn hand_over(&mut self) -> Result<(), anyhow::Error> {
        self.bytes = 0;
        // What keeps the thread from writing on is found when it is waited for.
        self.batches.send(std::mem::take(&mut self.batch)).context("the next database cannot be written")
    }

    /// Writes the reservation last: a log without it has lost some of what it began with.
    fn finish(mut self, reserve: u64) -> Result<Database, anyhow::Error> {
        let handed_over = self.hand_over();
        drop(self.batches);
        let mut database = self.writer.join().map_err(|_| anyhow!("writing the next database panicked"))??;
        handed_over?;
        write(&mut database, &[], Some(reserve))?;
        database.sync_all()?;
        Ok(database)
    }
}

fn write(database: &mut Database, batch: &[Record], reserve: Option<u64>) -> Result<(), anyhow::Error> {
    let puts = batch.iter().map(|record| Put::Object {
        path: record.path.clone(),
        revision: record.revision,
        bytes: &record.bytes,
    });
    database.write_unsynced(&puts.collect::<Vec<_>>(), reserve)
}

/// Adds what to do, unless it was the machine that failed, which says so itself.
fn advise(path: &Path, error: anyhow::Error) -> anyhow::Error {
    let is_of_machine = error.chain().any(|cause| {
        let error = match cause.downcast_ref::<sled::Error>() {
            Some(Io(error)) => Some(error),
            _ => cause.downcast_ref::<std::io::Error>(),
        };
        error.is_some_and(|error| error.raw_os_error().is_some())
    });
    let is_missing = error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound)
    });
    if is_of_machine && !is_missing {
        error.context(format!("read the data directory {}", path.display()))
    } else {
        anyhow!(damaged(path, &format!("{error:#}")))
    }
}

/// Copies a database to where it may be opened, and compares it with its seal if it has one.
fn copy(from: &Path, to: &Path) -> Result<(), anyhow::Error> {
    check_blobs(from)?;
    fs::create_dir(to.join("blobs")).with_context(|| format!("create {}", to.display()))?;
    fs::copy(from.join("conf"), to.join("conf")).context("copy its settings")?;
    let log = File::open(from.join("db")).context("open its log")?;
    let copy = File::create(to.join("db")).context("create a copy of its log")?;
    let print = Print::take(log, Some(copy))?;
    match fs::read_to_string(from.join(SEAL)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).context("read its seal"),
        Ok(seal) => {
            ensure!(seal == print.text(), "its log has changed since it was closed");
            Ok(())
        }
    }
}

/// Closes a database for good. Without a seal, which it then simply lacks, it is as good as after a crash.
pub fn close(database: Database) -> Result<(), anyhow::Error> {
    let (records, reserved) = database.everything()?;
    let path = database.close()?;
    let summary = Summary { objects: records.len() as u64, revision: Revision(reserved) };
    archive::write(&path.join(CLOSED), &path.join("closed.new"), summary, records.iter().map(Into::into))?;
    let print = Print::take(File::open(path.join("db")).context("open its log")?, None)?;
    whole_file::write(&path.join(SEAL), &path.join("seal.new"), |file| file.write_all(print.text().as_bytes()))
}

/// Tells whether a file is still the same.
#[derive(Default)]
struct Print {
    length: u64,
    hasher: crc32fast::Hasher,
}

impl Print {
    /// Reads a file through, and copies it meanwhile if it is told where to.
    fn take(mut file: File, mut copy: Option<File>) -> Result<Self, anyhow::Error> {
        let mut print = Self::default();
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let count = file.read(&mut buffer).context("read its log")?;
            if count == 0 {
                return Ok(print);
            }
            print.length += count as u64;
            print.hasher.update(&buffer[..count]);
            if let Some(copy) = &mut copy {
                copy.write_all(&buffer[..count]).context("copy its log")?;
            }
        }
    }

    fn text(&self) -> String {
        format!("{} {:08x}\n", self.length, self.hasher.clone().finalize())
    }
}
