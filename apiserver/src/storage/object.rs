//! What is stored: a key, a revision, and the canonical bytes with the facts that reads are decided by.

use std::fmt;
use std::sync::Arc;

use api::meta::Meta;
use api::names::GroupResource;
use bytes::Bytes;

use crate::storage::draft;
use crate::storage::text::Text;

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

impl Key {
    pub fn new(resource: GroupResource, namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { resource, namespace: namespace.into(), name: name.into() }
    }
}

/// `pods default/web`: how errors and logs speak of a key.
impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ", self.resource)?;
        if !self.namespace.is_empty() {
            write!(out, "{}/", self.namespace)?;
        }
        write!(out, "{}", self.name)
    }
}

/// An object at one revision. Immutable, and shared by every snapshot, event and reader that holds it.
#[derive(Debug)]
pub struct Object {
    pub key: Key,
    pub revision: Revision,
    pub(super) text: Text,
    pub meta: Meta,
    /// The kind's selectable fields, in the order of its field labels.
    pub fields: Box<[Box<str>]>,
    /// Where `"metadata"` starts in its bytes.
    pub(super) metadata_at: u32,
    /// Whether the engine's disk holds a version of it, perhaps an older one: its deletion must reach the disk too.
    pub(super) durable: bool,
}

impl Object {
    /// Something in an object's form that is sent, not stored: a bookmark, what a dry run made. `bytes` are complete.
    pub fn unstored(key: Key, revision: Revision, bytes: Bytes) -> Result<Self, serde_json::Error> {
        let meta = Meta::of_json(&bytes)?;
        let metadata_at = draft::find_metadata(&bytes).unwrap_or_default() as u32;
        Ok(Self { key, revision, text: bytes.into(), meta, fields: Box::default(), metadata_at, durable: false })
    }

    /// A view of this object: another canonical form, without a revision, of the same thing.
    pub fn view(&self, canonical: &[u8]) -> Result<Self, serde_json::Error> {
        let at = draft::find_metadata(canonical).unwrap_or_default() as u32;
        let mut view =
            Self::unstored(self.key.clone(), self.revision, draft::with_revision(canonical, at, self.revision))?;
        view.fields = self.fields.clone();
        Ok(view)
    }

    /// The same object at another revision: how it looked to a watcher for whom it is gone since.
    pub fn at(&self, revision: Revision) -> Self {
        draft::restamp(self, revision)
    }

    /// Canonical JSON: `{"apiVersion":…,"kind":…,"metadata":{"resourceVersion":"N",…},…}`, ready to be sent.
    pub fn bytes(&self) -> Bytes {
        self.text.whole()
    }

    /// How many bytes it has.
    pub fn size(&self) -> usize {
        self.text.len()
    }

    /// Appends its bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.text.write(0, out);
    }

    /// Appends the object from `"metadata":` to its last `}`. With a `{` before it, an item of a typed list, which
    /// leaves out `apiVersion` and `kind`.
    pub fn write_from_metadata(&self, out: &mut Vec<u8>) {
        self.text.write(self.metadata_at as usize, out);
    }

    /// How many bytes `write_from_metadata` appends.
    pub fn size_from_metadata(&self) -> usize {
        self.size() - self.metadata_at as usize
    }

    /// The canonical bytes as they were written, without the revision: what comes before it and what comes after.
    pub fn content(&self) -> (Bytes, Bytes) {
        let bytes = self.bytes();
        let revision = draft::revision_place(self.metadata_at, self.revision);
        (bytes.slice(..revision.start), bytes.slice(revision.end..))
    }

    /// Whether a write of these canonical bytes would change nothing.
    pub fn has_content(&self, canonical: &[u8]) -> bool {
        let (head, tail) = self.content();
        canonical.len() == head.len() + tail.len() && canonical.starts_with(&head) && canonical.ends_with(&tail)
    }
}
