//! sled itself, with what it lacks: guarded opening, chunked values, a barrier after every batch.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow, bail, ensure};
use sled::{Batch, Db};

use crate::storage::archive::Record;
use crate::storage::sled::codec::{self, Assembly};
use crate::storage::whole_file;

/// Large enough that chunks never leave the log for files of their own. Fixed when a database is made.
const SEGMENT: u64 = 2 * 1024 * 1024;
const CACHE: u64 = 8 * 1024 * 1024;

/// Whether a batch is synced before it counts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barrier {
    Sync,
    None,
}

/// An open database, made by this process.
///
/// sled frees parts of its log when it is opened, and finds the rest again only through an index beside the log, which
/// may not have reached the disk: opening a database twice is not safe against a power cut. So a database is written
/// by one process, from empty, and then only ever read from a copy (`recovery`).
pub struct Database {
    db: Db,
    /// sled's log, opened once more: what is synced through any descriptor is synced.
    log: File,
    path: PathBuf,
    barrier: Barrier,
    blobs_changed: SystemTime,
    /// The objects that lie in more than one chunk, by their path.
    large: HashMap<String, u16>,
    ahead: Ahead,
}

/// What has been laid out behind the end of the log.
enum Ahead {
    Nothing,
    /// As far as a whole segment that begins here.
    Segment(u64),
    /// There is no room on the disk. What little there is is left to those who need it.
    Impossible,
}

/// What a change does on disk.
pub enum Put<'a> {
    Object { path: String, revision: u64, bytes: &'a [u8] },
    Nothing { path: String },
}

impl Database {
    /// Makes a database in an empty directory.
    pub fn make(path: &Path, barrier: Barrier) -> Result<Self, anyhow::Error> {
        let db = open(path)?;
        let log = File::options().read(true).write(true).open(path.join("db")).context("open its log")?;
        let blobs_changed = modified(&path.join("blobs"))?;
        let path = path.to_owned();
        Ok(Self { db, log, path, barrier, blobs_changed, large: HashMap::new(), ahead: Ahead::Nothing })
    }

    /// Writes a batch, all of it or nothing, and returns when a power cut cannot undo it. After an error nobody knows
    /// what is on disk: the process must not go on.
    pub fn write(&mut self, puts: &[Put<'_>], reserve: Option<u64>) -> Result<(), anyhow::Error> {
        self.write_unsynced(puts, reserve)?;
        self.sync()
    }

    /// As `write`, but a power cut may undo it until `sync` has returned.
    pub fn write_unsynced(&mut self, puts: &[Put<'_>], reserve: Option<u64>) -> Result<(), anyhow::Error> {
        let mut pairs = Vec::with_capacity(puts.len() + 1);
        for put in puts {
            self.add(&mut pairs, put)?;
        }
        if let Some(reserve) = reserve {
            pairs.push((codec::RESERVED.to_vec(), Some(reserve.to_be_bytes().to_vec())));
        }
        guarded(|| {
            apply(&self.db, pairs).context("write a batch")?;
            self.db.flush().context("flush a batch")?;
            Ok(())
        })?;
        // Files there change the directory's time when they come, and it is quicker to ask for that.
        if modified(&self.path.join("blobs"))? != self.blobs_changed {
            check_blobs(&self.path)?;
        }
        Ok(())
    }

    pub fn sync(&self) -> Result<(), anyhow::Error> {
        match self.barrier {
            Barrier::Sync => self.log.sync_data().context("sync a batch"),
            Barrier::None => Ok(()),
        }
    }

    /// Makes the database as a whole last, with its names.
    pub fn sync_all(&self) -> Result<(), anyhow::Error> {
        ["db", "conf", "blobs", ""].into_iter().try_for_each(|part| whole_file::sync(&self.path.join(part)))
    }

    /// Lays out room behind the end of the log, when little is left of it: a file that grows with every write takes
    /// twice as long to sync. (So does one whose times are asked for after every write, which is why they are not.) To
    /// be called between writes, when sled itself has nothing under way.
    pub fn lay_out_ahead(&mut self) -> Result<(), anyhow::Error> {
        match self.ahead {
            Ahead::Nothing => {}
            Ahead::Impossible => return Ok(()),
            Ahead::Segment(begin) => {
                let mut head = [0; 16];
                // It fails if the log has been cut shorter since.
                if self.log.read_exact_at(&mut head, begin).is_ok() && head == [0; 16] {
                    return Ok(());
                }
            }
        }
        let length = self.log.metadata().context("look at the log")?.len();
        let begin = length.next_multiple_of(SEGMENT);
        let end = begin + SEGMENT;
        let zeros = vec![0; usize::try_from(end - length).context("count the room")?];
        self.ahead = match self.log.write_all_at(&zeros, length) {
            Ok(()) => Ahead::Segment(begin),
            Err(_) => Ahead::Impossible,
        };
        self.log.sync_data().context("sync the log")
    }

    /// All that is in it, and up to where revisions are reserved. For its end: sled keeps what it has read.
    pub fn everything(&self) -> Result<(Vec<Record>, u64), anyhow::Error> {
        Ok((objects(&self.db).collect::<Result<_, _>>()?, reserved(&self.db)?))
    }

    /// Closes it, and answers where it lies.
    pub fn close(self) -> Result<PathBuf, anyhow::Error> {
        let Self { db, log, path, .. } = self;
        guarded(|| {
            db.flush().context("flush")?;
            drop(db);
            Ok(())
        })?;
        // sled holds a lock of its own on the log, for as long as one of its threads could still write.
        for _ in 0..100 {
            if log.try_lock().is_ok() {
                return Ok(path);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("sled does not let its log go")
    }

    fn add(&mut self, pairs: &mut Vec<Pair>, put: &Put<'_>) -> Result<(), anyhow::Error> {
        let (path, chunks) = match put {
            Put::Object { path, revision, bytes } => (path, codec::chunks(*revision, bytes)?),
            Put::Nothing { path } => (path, Vec::new()),
        };
        let count = u16::try_from(chunks.len()).context("count chunks")?;
        pairs.extend((0..).zip(chunks).map(|(number, chunk)| (codec::chunk_key(path, number), Some(chunk))));
        let before = self.large.get(path).copied().unwrap_or(1);
        pairs.extend((count..before).map(|stale| (codec::chunk_key(path, stale), None)));
        if count > 1 {
            self.large.insert(path.clone(), count);
        } else {
            self.large.remove(path);
        }
        Ok(())
    }
}

/// A key, and the value that it gets, or none to remove it.
type Pair = (Vec<u8>, Option<Vec<u8>>);

/// All or nothing. A single pair is that by itself, and quicker without sled's batch around it.
fn apply(db: &Db, mut pairs: Vec<Pair>) -> sled::Result<()> {
    if pairs.len() > 1 {
        let mut batch = Batch::default();
        for (key, value) in pairs {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        return db.apply_batch(batch);
    }
    match pairs.pop() {
        Some((key, Some(value))) => db.insert(key, value).map(drop),
        Some((key, None)) => db.remove(key).map(drop),
        None => Ok(()),
    }
}

/// A database that is only read, and then thrown away.
pub struct Copy {
    db: Db,
}

impl Copy {
    pub fn open(path: &Path) -> Result<Self, anyhow::Error> {
        Ok(Self { db: open(path)? })
    }

    pub fn reserved(&self) -> Result<u64, anyhow::Error> {
        reserved(&self.db)
    }

    pub fn objects(&self) -> impl Iterator<Item = Result<Record, anyhow::Error>> {
        objects(&self.db)
    }
}

/// Up to which revision all may have been given out.
fn reserved(db: &Db) -> Result<u64, anyhow::Error> {
    let value = guarded(|| db.get(codec::RESERVED).context("read the reserved revisions"))?;
    let value = value.context("the reserved revisions are missing")?;
    let value = <[u8; 8]>::try_from(&*value).map_err(|_| anyhow!("the reserved revisions make no sense"))?;
    Ok(u64::from_be_bytes(value))
}

/// Every object, by path.
fn objects(db: &Db) -> impl Iterator<Item = Result<Record, anyhow::Error>> {
    let mut pairs = db.iter();
    let mut assembly = Some(Assembly::default());
    std::iter::from_fn(move || {
        loop {
            match guarded(|| pairs.next().transpose().context("read it")) {
                Err(error) => return Some(Err(error)),
                Ok(None) => return assembly.take()?.end().err().map(Err),
                Ok(Some((key, _))) if key == codec::RESERVED => {}
                Ok(Some((key, value))) => match assembly.as_mut()?.add(&key, &value).transpose() {
                    None => {}
                    Some(record) => return Some(record),
                },
            }
        }
    })
}

/// Opens a database, or makes one. A panic of sled's is an error like any other.
fn open(path: &Path) -> Result<Db, anyhow::Error> {
    let segment = usize::try_from(SEGMENT).context("count a segment")?;
    let config = sled::Config::new().path(path).segment_size(segment).cache_capacity(CACHE).flush_every_ms(None);
    guarded(|| config.open().context("open it"))
}

/// Values are cut into chunks so that none gets there.
pub fn check_blobs(path: &Path) -> Result<(), anyhow::Error> {
    let blob = fs::read_dir(path.join("blobs")).context("read the blobs")?.next();
    ensure!(blob.is_none(), "a value has left the log for a file that is never synced");
    Ok(())
}

fn modified(path: &Path) -> Result<SystemTime, anyhow::Error> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).with_context(|| format!("look at {}", path.display()))
}

/// Turns a panic inside sled into an error.
fn guarded<T>(work: impl FnOnce() -> Result<T, anyhow::Error>) -> Result<T, anyhow::Error> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
            bail!("sled panicked: {}", text.lines().next().unwrap_or_default())
        }
    }
}
