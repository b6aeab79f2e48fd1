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
    changes: usize,
    kept: VecDeque<(i64, Arc<Root>)>,
}

/// What one publication did.
#[derive(Debug)]
struct Batch {
    seconds: i64,
    /// The revision before it.
    before: Revision,
    events: Arc<[Arc<Event>]>,
    after: Arc<Root>,
}

impl History {
    pub fn push(
        &mut self,
        seconds: i64,
        before: Revision,
        events: Arc<[Arc<Event>]>,
        after: Arc<Root>,
        limits: &Limits,
    ) {
        self.changes += events.len();
        self.batches.push_back(Batch { seconds, before, events, after });
        self.forget(seconds, limits);
    }

    /// Keeps a snapshot for as long as pages may be asked of it.
    pub fn keep(&mut self, seconds: i64, root: &Arc<Root>, limits: &Limits) {
        self.forget(seconds, limits);
        if self.kept.back().is_some_and(|(_, kept)| kept.revision == root.revision) {
            return;
        }
        self.kept.push_back((seconds, root.clone()));
        if self.kept.len() > limits.kept_snapshots {
            self.kept.pop_front();
        }
    }

    /// The store as it was at `revision`, which lies before the newest.
    pub fn at(&mut self, seconds: i64, revision: Revision, limits: &Limits) -> Option<Arc<Root>> {
        self.forget(seconds, limits);
        if let Some((_, root)) = self.kept.iter().find(|(_, root)| root.revision == revision) {
            return Some(root.clone());
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
            let too_many = self.batches.len() > limits.history_batches || self.changes > limits.history_changes;
            if !too_many && first.seconds >= oldest {
                break;
            }
            self.changes -= first.events.len();
            self.batches.pop_front();
        }
        while self.kept.front().is_some_and(|(seconds, _)| *seconds < oldest) {
            self.kept.pop_front();
        }
    }
}
