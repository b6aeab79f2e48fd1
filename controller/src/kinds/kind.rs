//! What the caches ask of a slim type.

use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::de::DeserializeOwned;

use crate::kinds::meta::Meta;
use crate::kinds::resource::Resource;

/// A kind as the controllers read it.
pub trait Kind: DeserializeOwned + Clone + Debug + Send + Sync + 'static {
    const RESOURCE: Resource;
    /// Whether the server is asked for metadata alone.
    const METADATA_ONLY: bool = false;

    fn meta(&self) -> &Meta;

    /// Adds the keys under which a cache finds this object besides its name.
    fn index(&self, _keys: &mut IndexKeys) {}

    /// Makes what is equal in this object and another one copy.
    fn share(&mut self, _other: &Self) {}
}

/// A key of an index: a hash, so that a lookup may also find what only looks alike. Those who look things up
/// test what they find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IndexKey(u64);

impl IndexKey {
    /// The objects in a namespace that carry a label.
    pub fn label(namespace: &str, key: &str, value: &str) -> Self {
        Self::of(("label", namespace, key, value))
    }

    /// The objects whose controller has this uid.
    pub fn controller(uid: &str) -> Self {
        Self::of(("controller", uid))
    }

    /// The objects in a namespace that no controller manages.
    pub fn orphans(namespace: &str) -> Self {
        Self::of(("orphan", namespace))
    }

    /// The Services in a namespace that ask for a label, by one of those that they ask for.
    pub fn selector(namespace: &str, key: &str, value: &str) -> Self {
        Self::of(("selector", namespace, key, value))
    }

    /// The pods on a node; with an empty name, those on none.
    pub fn node(name: &str) -> Self {
        Self::of(("node", name))
    }

    fn of(parts: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        parts.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// The keys of one object, sorted.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct IndexKeys(Vec<IndexKey>);

impl IndexKeys {
    pub fn of(object: &impl Kind) -> Self {
        let mut keys = Self::default();
        object.index(&mut keys);
        keys.0.sort_unstable();
        keys.0.dedup();
        keys
    }

    pub fn add(&mut self, key: IndexKey) {
        self.0.push(key);
    }

    pub fn add_labels(&mut self, meta: &Meta) {
        for (key, value) in meta.labels.iter() {
            self.add(IndexKey::label(&meta.namespace, key, value));
        }
    }

    pub fn add_controller(&mut self, meta: &Meta) {
        match meta.controller() {
            Some(owner) => self.add(IndexKey::controller(&owner.uid)),
            None => self.add(IndexKey::orphans(&meta.namespace)),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = IndexKey> + '_ {
        self.0.iter().copied()
    }
}
