//! An engine's way to the readers: everything there is at the start, then every change.

use std::sync::Arc;

use api::names::GroupResource;
use bytes::Bytes;

use crate::storage::draft::Draft;
use crate::storage::engine::{Change, Stored};
use crate::storage::event::Event;
use crate::storage::object::{Key, Revision};
use crate::storage::published::Published;

/// Handed to an engine when it opens. Clones feed the same store.
#[derive(Clone, Debug)]
pub struct Feed(pub(super) Arc<Published>);

impl Feed {
    /// Everything that is stored, and the revision of the store as a whole, which is above 0. Called once, first.
    pub fn load(
        &self,
        stored: &mut dyn Iterator<Item = Result<Stored, anyhow::Error>>,
        revision: Revision,
    ) -> Result<(), anyhow::Error> {
        self.0.load(stored, revision)
    }

    /// Changes in the order of their revisions, all above those of the calls before. They are visible when this returns,
    /// and are given back as the events that watchers see. The deletion of what is not there is none.
    pub fn publish(&self, changes: Vec<Change>) -> Vec<Arc<Event>> {
        self.0.publish(changes)
    }

    /// Reads canonical bytes that an engine did not get from a write.
    pub fn draft(&self, key: &Key, bytes: Bytes) -> Result<Draft, anyhow::Error> {
        Draft::new(key, bytes, None, &*self.0.layout)
    }

    /// The resource with these names.
    pub fn resource(&self, group: &str, resource: &str) -> Option<GroupResource> {
        self.0.layout.resource(group, resource)
    }
}
