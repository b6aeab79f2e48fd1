//! What readers see: the newest snapshot, the past, and the logs of changes. One publishes, any number read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::names::GroupResource;
use arc_swap::ArcSwap;
use lifecycle::clock::Clock;
use tokio::sync::watch as latest;

use crate::storage::draft::Draft;
use crate::storage::engine::{Change, Stored};
use crate::storage::event::Event;
use crate::storage::history::{Batch, History};
use crate::storage::layout::Layout;
use crate::storage::limits::Limits;
use crate::storage::log::{Log, Logs, Scope};
use crate::storage::measures::Measures;
use crate::storage::object::Revision;
use crate::storage::snapshot::Root;
use crate::storage::text::Commons;

pub(super) struct Published {
    pub layout: Arc<dyn Layout>,
    pub limits: Limits,
    pub measures: Measures,
    clock: Clock,
    root: ArcSwap<Root>,
    history: Mutex<History>,
    logs: Logs,
    /// The revision that the store was opened at: there are no changes to watch up to it.
    opened_at: Mutex<Revision>,
    /// Up to here, every change is in the logs. Behind the newest snapshot by moments.
    progress: latest::Sender<Revision>,
    /// Held by who publishes.
    commons: Mutex<Commons>,
    is_closed: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Published {
    pub fn new(layout: Arc<dyn Layout>, clock: Clock, limits: Limits) -> Self {
        Self {
            layout,
            limits,
            measures: Measures::default(),
            clock,
            root: ArcSwap::default(),
            history: Mutex::default(),
            logs: Logs::default(),
            opened_at: Mutex::default(),
            progress: latest::Sender::default(),
            commons: Mutex::default(),
            is_closed: AtomicBool::new(false),
        }
    }

    pub fn root(&self) -> Arc<Root> {
        self.root.load_full()
    }

    pub fn progress(&self) -> Revision {
        *self.progress.borrow()
    }

    /// Waits until the logs and the newest snapshot have reached a revision; false if they do not in time.
    pub async fn reaches(&self, revision: Revision, within: Duration) -> bool {
        let mut progress = self.progress.subscribe();
        let reached = progress.wait_for(|progress| *progress >= revision);
        tokio::time::timeout(within, reached).await.is_ok_and(|reached| reached.is_ok())
    }

    pub fn log(&self, resource: GroupResource, scope: Scope) -> Arc<Log> {
        self.logs.log(resource, scope, *lock(&self.opened_at), &self.limits)
    }

    /// The store as it was at a revision, if that is still known.
    pub fn root_at(&self, revision: Revision) -> Option<Arc<Root>> {
        let newest = self.root();
        if newest.revision == revision {
            return Some(newest);
        }
        lock(&self.history).at(self.seconds(), revision, &self.limits)
    }

    pub fn keep(&self, root: &Arc<Root>) {
        lock(&self.history).keep(self.seconds(), root, &self.limits);
    }

    /// Starts with what an engine found.
    pub fn load(
        &self,
        stored: &mut dyn Iterator<Item = Result<Stored, anyhow::Error>>,
        revision: Revision,
    ) -> Result<(), anyhow::Error> {
        let mut root = Root::default();
        let mut commons = lock(&self.commons);
        for stored in stored {
            let Stored { key, revision, bytes } = stored?;
            let draft = Draft::new(&key, bytes, None, &*self.layout)?;
            let key = root.shared_key(key);
            root.insert(Arc::new(draft.stamp(key, revision, true, &mut commons)));
        }
        root.revision = revision;
        *lock(&self.opened_at) = revision;
        self.root.store(Arc::new(root));
        self.progress.send_replace(revision);
        Ok(())
    }

    /// Makes changes visible: to readers first, then to watchers, so that who sees an event finds its state.
    pub fn publish(&self, changes: Vec<Change>) -> Vec<Arc<Event>> {
        if changes.is_empty() {
            return Vec::new();
        }
        let mut commons = lock(&self.commons);
        let before = self.root();
        let mut root = Root::clone(&before);
        let events: Vec<Arc<Event>> =
            changes.into_iter().filter_map(|change| root.apply(change, &mut commons)).map(Arc::new).collect();
        debug_assert!(root.revision > before.revision, "revisions grow");
        let root = Arc::new(root);
        let revision = root.revision;
        let seconds = self.seconds();
        let batch = Batch { seconds, before: before.revision, events: events.as_slice().into(), after: root.clone() };
        lock(&self.history).push(batch, &self.limits);
        self.root.store(root);
        let fresh = self.logs.push(&events, seconds, *lock(&self.opened_at), &self.limits);
        self.progress.send_replace(revision);
        Logs::wake(&fresh);
        events
    }

    /// Ends all watches. What was published can still be read.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        self.logs.wake_all();
    }

    pub fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }

    fn seconds(&self) -> i64 {
        self.clock.now().as_second()
    }
}

impl std::fmt::Debug for Published {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Published({})", self.progress())
    }
}
