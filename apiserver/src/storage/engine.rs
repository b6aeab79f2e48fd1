//! The seam below the store: what an engine must do. Its implementations stand in the list of `mod.rs`.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::storage::event::Event;
use crate::storage::object::{Key, Revision};

pub use crate::storage::draft::Draft;
pub use crate::storage::feed::Feed;

/// Keeps objects. Called by one writer, with one batch at a time.
///
/// An engine gives out the revisions: each above all earlier ones, none twice, not even after a crash.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    fn name(&self) -> &'static str;

    /// Whether others write to it as well. Then a snapshot may be behind, and the engine itself must compare each
    /// write's `expected`. The writes given to any other engine have been decided already.
    fn is_shared(&self) -> bool {
        false
    }

    /// Hands everything there is to `Feed::load`, once, and from then on every change to `Feed::publish`, in the order
    /// of revisions: those of `commit` and those of others.
    async fn open(&self, feed: Feed) -> Result<(), anyhow::Error>;

    /// Makes a batch last, all of it or nothing, and answers when its changes have been published: an outcome for each
    /// write, in their order. No two writes of a batch have the same key.
    async fn commit(&self, batch: Vec<DecidedWrite>) -> Result<Vec<Outcome>, anyhow::Error>;

    /// Lets go of everything held. There are no calls after this one.
    async fn close(&self);
}

/// A write on its way into an engine.
#[derive(Debug)]
pub struct DecidedWrite {
    pub key: Key,
    /// The revision that is replaced; none if the object must not be there.
    pub expected: Option<Revision>,
    /// The new state, or none to delete.
    pub draft: Option<Draft>,
    /// Need not outlive the process. Engines on a disk of their own leave it out there.
    pub volatile: bool,
}

/// What became of a write.
#[derive(Debug)]
pub enum Outcome {
    Committed(Arc<Event>),
    /// Only from shared engines. The state that the write lost against has been published.
    Conflict,
}

/// A change on its way out of an engine.
#[derive(Debug)]
pub struct Change {
    pub key: Key,
    pub revision: Revision,
    /// The new state, or none if the object was deleted.
    pub draft: Option<Draft>,
    pub volatile: bool,
}

/// An object as it is found when an engine opens.
#[derive(Debug)]
pub struct Stored {
    pub key: Key,
    pub revision: Revision,
    /// Canonical bytes, without a revision.
    pub bytes: Bytes,
}
