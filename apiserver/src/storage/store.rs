//! The store as the registry sees it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use api::names::GroupResource;
use bytes::Bytes;
use lifecycle::clock::Clock;
use lifecycle::metrics::Metrics;
use lifecycle::tasks::Tasks;
use tokio::sync::{mpsc, oneshot};

use crate::storage::draft::Draft;
use crate::storage::engine::{DecidedWrite, Engine};
use crate::storage::event::Event;
use crate::storage::feed::Feed;
use crate::storage::layout::Layout;
use crate::storage::limits::Limits;
use crate::storage::object::{Key, Object, Revision};
use crate::storage::published::Published;
use crate::storage::snapshot::Snapshot;
use crate::storage::watch::{Scope, TooOld, Watch};
use crate::storage::writer::{Request, Writer};

/// Objects with revisions. Clones share one store.
#[derive(Clone, Debug)]
pub struct Storage {
    published: Arc<Published>,
    writes: mpsc::Sender<Request>,
}

/// A compare-and-swap of one object.
#[derive(Debug)]
pub struct Write {
    pub key: Key,
    /// The revision that is replaced; none if the object must not be there.
    pub expected: Option<Revision>,
    /// The new state in canonical form without a revision, or none to delete.
    pub value: Option<Bytes>,
    /// The new state's selectable fields, for those who have them at hand.
    pub fields: Option<Box<[Box<str>]>>,
    /// Does not change what the object means, and need not outlive the process.
    pub volatile: bool,
}

impl Write {
    pub fn create(key: Key, value: Bytes) -> Self {
        Self { key, expected: None, value: Some(value), fields: None, volatile: false }
    }

    pub fn update(key: Key, expected: Revision, value: Bytes) -> Self {
        Self { key, expected: Some(expected), value: Some(value), fields: None, volatile: false }
    }

    pub fn delete(key: Key, expected: Revision) -> Self {
        Self { key, expected: Some(expected), value: None, fields: None, volatile: false }
    }

    pub fn volatile(mut self, volatile: bool) -> Self {
        self.volatile = volatile;
        self
    }
}

/// Why a write was not done. Only after `Stopped` may it have been.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// The object is not at the revision expected. `current` is what it is now; none if it is not there.
    #[error("the object has been changed")]
    Conflict { current: Option<Arc<Object>> },
    #[error("{0}")]
    Failed(String),
    #[error("the store has stopped")]
    Stopped,
}

impl Storage {
    /// Loads everything and starts the writer, which ends with `tasks`.
    pub async fn open(
        engine: Arc<dyn Engine>,
        layout: Arc<dyn Layout>,
        clock: Clock,
        tasks: &Tasks,
        limits: Limits,
    ) -> Result<Self, anyhow::Error> {
        let (writes, queue) = mpsc::channel(limits.queue);
        let published = Arc::new(Published::new(layout, clock, limits));
        let opened = engine.open(Feed(published.clone())).await;
        opened.with_context(|| format!("open the {} store", engine.name()))?;
        let writer = Writer::new(engine, published.clone(), queue);
        tasks.spawn("storage writer", writer.run(tasks.token().clone()));
        Ok(Self { published, writes })
    }

    /// Shows what is measured of this store.
    pub fn measure(&self, metrics: &Metrics) {
        metrics.register(|registry| self.published.measures.register(registry, self.published.clone()));
    }

    /// The newest state. Takes no lock.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.published.root())
    }

    /// The state at a revision of the near past, or at one whose snapshot was given to `keep`; none if it is gone, or
    /// still to come.
    pub fn snapshot_at(&self, revision: Revision) -> Option<Snapshot> {
        self.published.root_at(revision).map(Snapshot)
    }

    /// Keeps a snapshot for some minutes, so that the later pages of a list find it under its revision.
    pub fn keep(&self, snapshot: &Snapshot) {
        self.published.keep(&snapshot.0);
    }

    /// The revision of the newest change.
    pub fn revision(&self) -> Revision {
        self.published.root().revision
    }

    /// Waits until a snapshot is at `revision` or later; false if that does not come in time.
    pub async fn wait_for(&self, revision: Revision, within: Duration) -> bool {
        self.revision() >= revision || self.published.reaches(revision, within).await
    }

    /// Follows all changes of a resource after a revision.
    pub fn watch(&self, resource: GroupResource, after: Revision) -> Result<Watch, TooOld> {
        self.watch_scope(resource, Scope::All, after)
    }

    /// Follows the changes that concern a scope, at the cost of those changes only.
    pub fn watch_scope(&self, resource: GroupResource, scope: Scope, after: Revision) -> Result<Watch, TooOld> {
        Watch::start(self.published.clone(), self.published.log(resource, scope), after)
    }

    /// Carries a write out, and answers when it lasts and every reader can see it. A caller that goes away does not
    /// stop it.
    pub async fn commit(&self, write: Write) -> Result<Arc<Event>, CommitError> {
        let write = self.read(write).map_err(|error| CommitError::Failed(format!("{error:#}")))?;
        let (answer, answered) = oneshot::channel();
        self.writes.send(Request { write, answer }).await.map_err(|_| CommitError::Stopped)?;
        answered.await.unwrap_or(Err(CommitError::Stopped))
    }

    /// Reads what is needed out of the new state: here, where writers are many, and not in the one that serves all.
    fn read(&self, write: Write) -> Result<DecidedWrite, anyhow::Error> {
        let Write { key, expected, value, fields, volatile } = write;
        anyhow::ensure!(!key.name.is_empty(), "an object needs a name");
        anyhow::ensure!(value.is_some() || expected.is_some(), "a deletion needs the revision that it deletes");
        for part in [&key.namespace, &key.name] {
            anyhow::ensure!(!part.contains(['/', '\0']), "{key}: a name may hold neither '/' nor a zero byte");
        }
        let bytes = value.as_ref().map_or(0, Bytes::len);
        anyhow::ensure!(bytes <= self.published.limits.object_bytes, "{key}: an object of {bytes} bytes is too large");
        let draft = value.map(|value| Draft::new(&key, value, fields, &*self.published.layout)).transpose()?;
        Ok(DecidedWrite { key, expected, draft, volatile })
    }
}
