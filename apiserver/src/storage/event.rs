//! A change as watchers see it.

use std::sync::Arc;

use crate::storage::object::{Object, Revision};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    Added,
    Modified,
    Deleted,
}

/// One change of one object, shared by the log, the answer to its writer, and every watcher.
#[derive(Debug)]
pub struct Event {
    pub kind: EventKind,
    /// The new state. For a deletion the last state, with the deletion's revision.
    pub object: Arc<Object>,
    /// The state before; none for an object that was not there.
    pub previous: Option<Arc<Object>>,
    pub revision: Revision,
}
