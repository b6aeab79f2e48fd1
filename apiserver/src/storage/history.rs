//! The past, as far as it is kept: for the pages of a list, and for reads at an exact revision.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::storage::event::Event;
use crate::storage::limits::Limits;
use crate::storage::object::Revision;
use crate::storage::snapshot::Root;

/// The last batches, and the snapshots that somebody asked to keep.
#[derive(Debug, Default)]
pub(super) struct History {
    batches: VecDeque<Batch>,
    bytes: usize,
    kept: VecDeque<Kept>,
}

/// What one publication did.
#[derive(Debug)]
pub(super) struct Batch {
    pub seconds: i64,
    /// The revision before it.
    pub before: Revision,
    pub events: Arc<[Arc<Event>]>,
    pub after: Arc<Root>,
}

#[derive(Debug)]
struct Kept {
    seconds: i64,
    root: Arc<Root>,
}

impl Batch {
    /// Roughly what is alive only for this.
    fn weight(&self) -> usize {
        let replaced = self.events.iter().filter_map(|event| event.previous.as_ref());
        replaced.map(|previous| previous.size()).sum::<usize>() + self.events.len() * CHANGE_WEIGHT
    }
}

/// Roughly what a change weighs besides the bytes that it replaced: facts of the object, nodes of the maps.
const CHANGE_WEIGHT: usize = 2048;

impl History {
    pub fn push(&mut self, batch: Batch, limits: &Limits) {
        let (seconds, newest) = (batch.seconds, batch.after.revision);
        self.bytes += batch.weight();
        self.batches.push_back(batch);
        self.forget(seconds, limits);
        let oldest = newest.0.saturating_sub(limits.kept_changes);
        self.kept.retain(|kept| kept.root.revision.0 >= oldest);
    }

    /// Keeps a snapshot for as long as pages may be asked of it.
    pub fn keep(&mut self, seconds: i64, root: &Arc<Root>, limits: &Limits) {
        self.forget(seconds, limits);
        if self.kept.iter().any(|kept| kept.root.revision == root.revision) {
            return;
        }
        self.kept.push_back(Kept { seconds, root: root.clone() });
        if self.kept.len() > limits.kept_snapshots {
            self.kept.pop_front();
        }
    }

    /// The store as it was at `revision`, which lies before the newest.
    pub fn at(&mut self, seconds: i64, revision: Revision, limits: &Limits) -> Option<Arc<Root>> {
        self.forget(seconds, limits);
        if let Some(kept) = self.kept.iter().find(|kept| kept.root.revision == revision) {
            return Some(kept.root.clone());
        }
        let first = self.batches.partition_point(|batch| batch.after.revision < revision);
        let batch = self.batches.get(first)?;
        if revision < batch.before {
            return None;
        }
        if revision == batch.after.revision {
            return Some(batch.after.clone());
        }
        let mut root = (*batch.after).clone();
        for event in batch.events.iter().rev().take_while(|event| event.revision > revision) {
            root.undo(event);
        }
        root.revision = revision;
        Some(Arc::new(root))
    }

    fn forget(&mut self, seconds: i64, limits: &Limits) {
        let oldest = seconds.saturating_sub_unsigned(limits.history_age.as_secs());
        while let Some(first) = self.batches.front() {
            let too_many = self.batches.len() > limits.history_batches || self.bytes > limits.history_bytes;
            if !too_many && first.seconds >= oldest {
                break;
            }
            self.bytes -= first.weight();
            self.batches.pop_front();
        }
        while self.kept.front().is_some_and(|kept| kept.seconds < oldest) {
            self.kept.pop_front();
        }
    }
}
