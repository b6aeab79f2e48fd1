//! What is stored: a key, a revision, and the canonical bytes with the facts that reads are decided by.

use std::fmt;
use std::sync::Arc;

use api::meta::Meta;
use api::names::GroupResource;
use bytes::Bytes;

/// The one counter of the whole store. Decimal on the wire, strictly growing, never given out twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// Which object. Ordered by namespace, then name: the order of lists.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub resource: GroupResource,
    /// Empty for cluster-scoped objects.
    pub namespace: Arc<str>,
    pub name: Arc<str>,
}

/// An object at one revision. Immutable, and shared by every snapshot, event and reader that holds it.
#[derive(Debug)]
pub struct Object {
    pub key: Key,
    pub revision: Revision,
    /// Canonical JSON: `{"apiVersion":…,"kind":…,"metadata":{"resourceVersion":"N",…},…}`, ready to be sent.
    pub bytes: Bytes,
    pub meta: Meta,
    /// The kind's selectable fields, in the order of its field labels.
    pub fields: Box<[Box<str>]>,
}
