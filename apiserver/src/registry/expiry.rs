//! Events live for an hour after their last change, and no more than so many of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::names::GroupResource;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::debug;

use crate::storage::object::{Key, Object, Revision};
use crate::storage::{CommitError, Storage, Write};

const EVENTS: GroupResource = GroupResource { group: "", resource: "events" };
const LIFETIME: Duration = Duration::from_secs(60 * 60);
/// Beyond this the oldest go early: what is happening now matters more than what happened an hour ago.
const MOST: usize = 10_000;

/// What is to be deleted, and when. Clones share one list.
#[derive(Clone, Default)]
pub struct Expiry(Arc<Shared>);

#[derive(Default)]
struct Shared {
    due: Mutex<VecDeque<Due>>,
    changed: Notify,
}

struct Due {
    at: Instant,
    key: Key,
    /// If the object has changed since, a later entry speaks of it.
    revision: Revision,
}

impl Expiry {
    /// Takes note of what has been written, if it expires.
    pub fn note(&self, object: &Object) {
        if object.key.resource != EVENTS {
            return;
        }
        let due = Due { at: Instant::now() + LIFETIME, key: object.key.clone(), revision: object.revision };
        let mut list = self.0.due.lock().unwrap_or_else(PoisonError::into_inner);
        list.push_back(due);
        if list.len() == 1 || list.len() > MOST {
            self.0.changed.notify_one();
        }
    }

    /// Deletes what is due, for ever. Sleeps until then; an empty list costs nothing.
    pub async fn run(self, storage: Storage) {
        for object in storage.snapshot().list(EVENTS, None) {
            self.note(object);
        }
        loop {
            match self.next() {
                Next::Due(due) => remove(&storage, due).await,
                Next::At(at) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(at) => {}
                        () = self.0.changed.notified() => {}
                    }
                }
                Next::Nothing => self.0.changed.notified().await,
            }
        }
    }

    fn next(&self) -> Next {
        let mut list = self.0.due.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = list.front() else { return Next::Nothing };
        if first.at > Instant::now() && list.len() <= MOST {
            return Next::At(first.at);
        }
        list.pop_front().map_or(Next::Nothing, Next::Due)
    }
}

enum Next {
    Nothing,
    At(Instant),
    Due(Due),
}

async fn remove(storage: &Storage, due: Due) {
    let is_unchanged = storage.snapshot().get(&due.key).is_some_and(|object| object.revision == due.revision);
    if !is_unchanged {
        return;
    }
    match storage.commit(Write::delete(due.key, due.revision)).await {
        // Changed meanwhile: its later entry is in the list.
        Ok(_) | Err(CommitError::Conflict { .. }) => {}
        Err(error) => debug!(%error, "an event could not be expired"),
    }
}
