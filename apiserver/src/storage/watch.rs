//! A watcher: a cursor into a log, and nothing else.

use std::sync::Arc;

use crate::storage::event::Event;
use crate::storage::log::{FallenOut, Log};
use crate::storage::object::Revision;
use crate::storage::published::Published;

pub use crate::storage::log::Scope;

/// Changes later than a revision are asked for, but some of them are no longer kept: list again. Upstairs a 410.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("changes are kept from revision {oldest} on")]
pub struct TooOld {
    pub oldest: Revision,
}

/// Why a watch goes on no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WatchEnd {
    #[error(transparent)]
    TooOld(#[from] TooOld),
    #[error("the store has stopped")]
    Closed,
}

/// Follows the changes of a resource. Every change is seen once, in the order of revisions, or the watch ends.
#[derive(Debug)]
pub struct Watch {
    published: Arc<Published>,
    log: Arc<Log>,
    cursor: u64,
    /// Everything up to here has been seen, or was not wanted.
    position: Revision,
}

impl Watch {
    pub(super) fn start(published: Arc<Published>, log: Arc<Log>, after: Revision) -> Result<Self, TooOld> {
        let cursor = log.cursor_after(after).map_err(TooOld::from)?;
        Ok(Self { published, log, cursor, position: after })
    }

    /// Waits for changes. Safe to drop at any point: nothing is lost.
    pub async fn next(&mut self) -> Result<Vec<Arc<Event>>, WatchEnd> {
        let log = self.log.clone();
        loop {
            let changed = log.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let events = self.try_next()?;
            if !events.is_empty() {
                return Ok(events);
            }
            changed.await;
        }
    }

    /// The changes there are now, perhaps none.
    pub fn try_next(&mut self) -> Result<Vec<Arc<Event>>, WatchEnd> {
        let progress = self.published.progress();
        let mut read = self.log.read(self.cursor).map_err(TooOld::from)?;
        if read.events.is_empty() && self.published.is_closed() {
            return Err(WatchEnd::Closed);
        }
        self.cursor = read.cursor;
        let position = self.position;
        // A watch may start at a revision that is still to come.
        read.events.retain(|event| event.revision > position);
        if let Some(last) = read.events.last() {
            self.position = last.revision;
        }
        if read.is_end {
            self.position = self.position.max(progress);
        }
        Ok(read.events)
    }

    /// Up to which revision every change has been seen. Moves with the store, also while nothing watched changes: what
    /// a bookmark says.
    pub fn position(&mut self) -> Revision {
        let progress = self.published.progress();
        if self.log.is_at_end(self.cursor) {
            self.position = self.position.max(progress);
        }
        self.position
    }
}

impl From<FallenOut> for TooOld {
    fn from(fallen: FallenOut) -> Self {
        Self { oldest: fallen.oldest }
    }
}
