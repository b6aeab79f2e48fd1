//! The thread that owns the database, and the way to it.

use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::sync::oneshot;
use tracing::warn;

use crate::storage::engine::{Change, Feed};
use crate::storage::object::Revision;
use crate::storage::sled::codec;
use crate::storage::sled::database::{Barrier, Database, Put};
use crate::storage::sled::directory::Directory;
use crate::storage::sled::recovery;
use crate::storage::sled::watchdog::{Watchdog, give_up};

/// A commit that takes longer will never end.
const LATE: Duration = Duration::from_secs(30);

/// So few writes in a batch wait for little else than the disk. Larger ones share what a sync costs.
const SMALL: usize = 4;

/// The way to the thread. Dropped, the thread ends in its own time; closed, it has ended.
#[derive(Debug)]
pub struct Disk {
    jobs: mpsc::SyncSender<Job>,
    ended: oneshot::Receiver<()>,
}

/// A batch, to be given back when it lasts.
struct Job {
    changes: Vec<Change>,
    reserve: Option<u64>,
    done: oneshot::Sender<Vec<Change>>,
}

impl Disk {
    /// Opens the store in a directory, feeds what is in it, and reserves a block of revisions. Answers with the
    /// revision that the store is at, which was never given out before.
    pub async fn open(
        path: PathBuf,
        barrier: Barrier,
        feed: Feed,
        block: u64,
    ) -> Result<(Self, Revision), anyhow::Error> {
        // The writer has one batch under way, so that nobody ever waits to put one in.
        let (jobs, work) = mpsc::sync_channel(1);
        let (opened, is_open) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let watchdog = Watchdog::start(LATE, || give_up("a commit hangs"))?;
        let run = move || {
            match recovery::start(&path, barrier, &feed, block) {
                Err(error) => drop(opened.send(Err(error))),
                Ok((database, directory, revision)) => {
                    if opened.send(Ok(revision)).is_ok() {
                        Store { database, directory }.serve(&work, &watchdog);
                    }
                }
            }
            drop(end);
        };
        thread::Builder::new().name("storage disk".to_owned()).spawn(run).context("start the disk's thread")?;
        let revision = is_open.await.context("the disk's thread has ended")??;
        Ok((Self { jobs, ended }, revision))
    }

    /// Hands a batch to the thread, which gives it back when it lasts.
    pub fn write(
        &self,
        changes: Vec<Change>,
        reserve: Option<u64>,
    ) -> Result<oneshot::Receiver<Vec<Change>>, anyhow::Error> {
        let (done, written) = oneshot::channel();
        self.jobs.try_send(Job { changes, reserve, done }).map_err(|error| anyhow!("hand over a batch: {error}"))?;
        Ok(written)
    }

    /// Lets the database go, and waits until it is closed.
    pub async fn close(self) {
        drop(self.jobs);
        self.ended.await.ok();
    }
}

/// What the thread owns. The database is let go before the directory.
struct Store {
    database: Database,
    directory: Directory,
}

impl Store {
    fn serve(mut self, work: &mpsc::Receiver<Job>, watchdog: &Watchdog) {
        while let Ok(Job { changes, reserve, done }) = work.recv() {
            let puts: Vec<Put<'_>> = changes.iter().filter(|change| !change.volatile).map(put).collect();
            if let Err(error) = watchdog.step(|| self.database.write(&puts, reserve)) {
                give_up(&format!("writing to disk failed ({error:#})"));
            }
            let is_small = puts.len() <= SMALL;
            drop(puts);
            done.send(changes).ok();
            if is_small && let Err(error) = self.database.lay_out_ahead() {
                give_up(&format!("writing to disk failed ({error:#})"));
            }
        }
        let Self { database, directory } = self;
        if let Err(error) = recovery::close(database) {
            warn!(error = format!("{error:#}"), "the store was closed without its seal");
        }
        drop(directory);
    }
}

fn put(change: &Change) -> Put<'_> {
    let path = codec::path(&change.key);
    match &change.draft {
        Some(draft) => Put::Object { path, revision: change.revision.0, bytes: draft.bytes() },
        None => Put::Nothing { path },
    }
}
