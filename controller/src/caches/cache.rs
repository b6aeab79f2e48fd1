//! The objects of one kind as last seen, with indexes, and word of every change.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use api::names::NamespacedName;
use futures::future::BoxFuture;
use tokio::sync::watch;

use crate::kinds::kind::{IndexKey, IndexKeys, Kind};
use crate::kinds::meta::Meta;
use crate::kinds::resource::Resource;

/// What happened to one object. A change of uid is told as a deletion and a creation.
#[derive(Debug)]
pub struct Change<'a, K> {
    pub old: Option<&'a Arc<K>>,
    pub new: Option<&'a Arc<K>>,
}

impl<'a, K: Kind> Change<'a, K> {
    /// The newest known form of what changed.
    pub fn object(&self) -> &'a Arc<K> {
        self.new.or(self.old).expect("a change is of an object that is or was")
    }

    pub fn key(&self) -> NamespacedName {
        self.object().meta().key()
    }
}

type Handler<K> = Arc<dyn Fn(&Change<'_, K>) + Send + Sync>;
/// Told of a change by its metadata, old and new.
pub type MetaHandler = Arc<dyn Fn(&Resource, Option<&Meta>, Option<&Meta>) + Send + Sync>;

/// Clones share one cache.
pub struct Cache<K>(Arc<Shared<K>>);

struct Shared<K> {
    resource: Resource,
    objects: RwLock<Objects<K>>,
    /// Called in order, after the cache has changed, by the one task that watches. They must not block.
    handlers: RwLock<Vec<Handler<K>>>,
    synced: watch::Sender<bool>,
}

struct Objects<K> {
    by_name: BTreeSet<Entry<K>>,
    by_key: HashMap<IndexKey, BTreeSet<Entry<K>>>,
    /// The names seen since a list began; what is missing from them at its end is gone.
    listed: Option<HashSet<NamespacedName>>,
}

impl<K> Clone for Cache<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Kind> Cache<K> {
    pub fn new(resource: Resource) -> Self {
        let objects = Objects { by_name: BTreeSet::new(), by_key: HashMap::new(), listed: None };
        Self(Arc::new(Shared {
            resource,
            objects: RwLock::new(objects),
            handlers: RwLock::default(),
            synced: watch::Sender::new(false),
        }))
    }

    pub fn resource(&self) -> &Resource {
        &self.0.resource
    }

    pub fn get(&self, key: &NamespacedName) -> Option<Arc<K>> {
        self.find(&key.namespace, &key.name)
    }

    pub fn find(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        self.read(|objects| objects.by_name.get(&(namespace, name) as &dyn Named).map(|entry| entry.0.clone()))
    }

    /// All objects, or those of one namespace, sorted by name.
    pub fn list(&self, namespace: Option<&str>) -> Vec<Arc<K>> {
        self.read(|objects| match namespace {
            None => objects.by_name.iter().map(|entry| entry.0.clone()).collect(),
            Some(namespace) => {
                let from: &dyn Named = &(namespace, "");
                let range = objects.by_name.range::<dyn Named, _>((Bound::Included(from), Bound::Unbounded));
                let inside = range.take_while(|entry| *entry.0.meta().namespace == *namespace);
                inside.map(|entry| entry.0.clone()).collect()
            }
        })
    }

    /// The objects under a key of the index, sorted by name; a few others may be among them.
    pub fn indexed(&self, key: IndexKey) -> Vec<Arc<K>> {
        self.read(|objects| {
            objects.by_key.get(&key).map_or_else(Vec::new, |found| found.iter().map(|entry| entry.0.clone()).collect())
        })
    }

    pub fn len(&self) -> usize {
        self.read(|objects| objects.by_name.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `handler` for every change from now on. It must be quick: it holds up the watch of the kind.
    pub fn on_change(&self, handler: impl Fn(&Change<'_, K>) + Send + Sync + 'static) {
        self.0.handlers.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(handler));
    }

    pub fn is_synced(&self) -> bool {
        *self.0.synced.borrow()
    }

    /// As `synced`, to be kept.
    pub fn ready(self) -> BoxFuture<'static, ()> {
        Box::pin(async move { self.synced().await })
    }

    /// Resolves when the first list has been read to its end.
    pub async fn synced(&self) {
        let mut synced = self.0.synced.subscribe();
        // The sender lives as long as the cache.
        let _ = synced.wait_for(|synced| *synced).await;
    }

    /// An object was seen in the watch or in a list.
    pub fn apply(&self, mut object: K) {
        if let Some(relative) = self.relative(object.meta()) {
            object.share(&relative);
        }
        let new = Arc::new(object);
        let old = self.write(|objects| objects.insert(&new));
        match old {
            None => self.tell(&Change { old: None, new: Some(&new) }),
            Some(old) if old.meta().uid != new.meta().uid => {
                self.tell(&Change { old: Some(&old), new: None });
                self.tell(&Change { old: None, new: Some(&new) });
            }
            Some(old) if old.meta().resource_version == new.meta().resource_version => {}
            Some(old) => self.tell(&Change { old: Some(&old), new: Some(&new) }),
        }
    }

    /// An object is gone; `last` is its last form.
    pub fn remove(&self, last: K) {
        let last = Arc::new(last);
        if self.write(|objects| objects.remove(&last.meta().namespace, &last.meta().name)).is_some() {
            self.tell(&Change { old: Some(&last), new: None });
        }
    }

    /// A list begins.
    pub fn begin_list(&self) {
        self.write(|objects| objects.listed = Some(HashSet::new()));
    }

    /// The list is complete.
    pub fn end_list(&self) {
        let gone = self.write(Objects::take_unlisted);
        for old in gone {
            self.tell(&Change { old: Some(&old), new: None });
        }
        self.0.synced.send_if_modified(|synced| !std::mem::replace(synced, true));
    }

    /// An object that probably says much the same: the former form of this one, else one of the same controller.
    fn relative(&self, meta: &Meta) -> Option<Arc<K>> {
        self.find(&meta.namespace, &meta.name).or_else(|| {
            let siblings = IndexKey::controller(&meta.controller()?.uid);
            self.read(|objects| objects.by_key.get(&siblings)?.first().map(|entry| entry.0.clone()))
        })
    }

    fn tell(&self, change: &Change<'_, K>) {
        let handlers = self.0.handlers.read().unwrap_or_else(PoisonError::into_inner).clone();
        for handler in &handlers {
            handler(change);
        }
    }

    fn read<T>(&self, read: impl FnOnce(&Objects<K>) -> T) -> T {
        read(&self.0.objects.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, write: impl FnOnce(&mut Objects<K>) -> T) -> T {
        write(&mut self.0.objects.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<K: Kind> Objects<K> {
    fn insert(&mut self, new: &Arc<K>) -> Option<Arc<K>> {
        if let Some(listed) = &mut self.listed {
            listed.insert(new.meta().key());
        }
        let old = self.by_name.replace(Entry(new.clone())).map(|entry| entry.0);
        let keys = IndexKeys::of(new.as_ref());
        if let Some(old) = &old {
            let gone = IndexKeys::of(old.as_ref());
            if gone != keys {
                self.remove_keys(&gone, old);
            }
        }
        for key in keys.iter() {
            self.by_key.entry(key).or_default().replace(Entry(new.clone()));
        }
        old
    }

    fn remove(&mut self, namespace: &str, name: &str) -> Option<Arc<K>> {
        let old = self.by_name.take(&(namespace, name) as &dyn Named)?.0;
        self.remove_keys(&IndexKeys::of(old.as_ref()), &old);
        Some(old)
    }

    fn remove_keys(&mut self, keys: &IndexKeys, object: &Arc<K>) {
        let name: &dyn Named = &(&*object.meta().namespace, &*object.meta().name);
        for key in keys.iter() {
            if let Some(found) = self.by_key.get_mut(&key) {
                found.remove(name);
                if found.is_empty() {
                    self.by_key.remove(&key);
                }
            }
        }
    }

    fn take_unlisted(&mut self) -> Vec<Arc<K>> {
        let Some(listed) = self.listed.take() else { return Vec::new() };
        if listed.len() == self.by_name.len() {
            return Vec::new();
        }
        let gone: Vec<Arc<K>> = self
            .by_name
            .iter()
            .map(|entry| &entry.0)
            .filter(|it| !listed.contains(&it.meta().key()))
            .cloned()
            .collect();
        for old in &gone {
            self.remove(&old.meta().namespace, &old.meta().name);
        }
        gone
    }
}

/// A cache of which only metadata is asked, whatever its kind.
pub trait MetaCache: Send + Sync {
    fn resource(&self) -> &Resource;

    fn is_synced(&self) -> bool;

    fn synced(&self) -> BoxFuture<'static, ()>;

    fn on_meta_change(&self, handler: MetaHandler);

    /// The metadata of one object.
    fn meta(&self, namespace: &str, name: &str) -> Option<Meta>;
}

impl<K: Kind> MetaCache for Cache<K> {
    fn resource(&self) -> &Resource {
        self.resource()
    }

    fn is_synced(&self) -> bool {
        self.is_synced()
    }

    fn synced(&self) -> BoxFuture<'static, ()> {
        self.clone().ready()
    }

    fn on_meta_change(&self, handler: MetaHandler) {
        let resource = self.resource().clone();
        self.on_change(move |change| {
            handler(&resource, change.old.map(|old| old.meta()), change.new.map(|new| new.meta()));
        });
    }

    fn meta(&self, namespace: &str, name: &str) -> Option<Meta> {
        self.find(namespace, name).map(|object| object.meta().clone())
    }
}

/// An object in a set that is sorted by name.
struct Entry<K>(Arc<K>);

/// What entries are sorted and looked up by: namespace, then name.
trait Named {
    fn name(&self) -> (&str, &str);
}

impl<K: Kind> Named for Entry<K> {
    fn name(&self) -> (&str, &str) {
        let meta = self.0.meta();
        (&meta.namespace, &meta.name)
    }
}

impl Named for (&str, &str) {
    fn name(&self) -> (&str, &str) {
        *self
    }
}

impl<'a, K: Kind> Borrow<dyn Named + 'a> for Entry<K> {
    fn borrow(&self) -> &(dyn Named + 'a) {
        self
    }
}

impl PartialEq for dyn Named + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for dyn Named + '_ {}

impl PartialOrd for dyn Named + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for dyn Named + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name().cmp(&other.name())
    }
}

impl<K: Kind> PartialEq for Entry<K> {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl<K: Kind> Eq for Entry<K> {}

impl<K: Kind> PartialOrd for Entry<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Kind> Ord for Entry<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name().cmp(&other.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Debug, Clone, serde::Deserialize)]
    struct Thing {
        metadata: Meta,
    }

    impl Kind for Thing {
        const RESOURCE: Resource = Resource::namespaced("", "v1", "Thing", "things");

        fn meta(&self) -> &Meta {
            &self.metadata
        }

        fn index(&self, keys: &mut IndexKeys) {
            keys.add_labels(&self.metadata);
        }
    }

    fn object(namespace: &str, name: &str, revision: &str, label: &str) -> Thing {
        Thing {
            metadata: Meta {
                namespace: namespace.into(),
                name: name.into(),
                uid: format!("{name}-uid").into(),
                resource_version: revision.into(),
                labels: [("app", label)].into_iter().collect(),
                ..Meta::default()
            },
        }
    }

    fn names(objects: &[Arc<Thing>]) -> Vec<String> {
        objects.iter().map(|object| object.meta().key().to_string()).collect()
    }

    fn cache() -> (Cache<Thing>, Arc<Mutex<Vec<String>>>) {
        let cache = Cache::new(Thing::RESOURCE);
        let told = Arc::new(Mutex::new(Vec::new()));
        let changes = told.clone();
        cache.on_change(move |change: &Change<'_, Thing>| {
            let sign = match (change.old, change.new) {
                (None, _) => "+",
                (_, None) => "-",
                _ => "~",
            };
            changes.lock().unwrap().push(format!("{sign}{}", change.key()));
        });
        (cache, told)
    }

    #[test]
    fn objects_are_found_by_name_namespace_and_label() {
        let (cache, _) = cache();
        cache.apply(object("b", "x", "1", "web"));
        cache.apply(object("a", "y", "2", "web"));
        cache.apply(object("a", "x", "3", "db"));
        assert_eq!(names(&cache.list(None)), ["a/x", "a/y", "b/x"]);
        assert_eq!(names(&cache.list(Some("a"))), ["a/x", "a/y"]);
        assert_eq!(names(&cache.indexed(IndexKey::label("a", "app", "web"))), ["a/y"]);
        cache.apply(object("a", "y", "4", "db"));
        assert!(cache.indexed(IndexKey::label("a", "app", "web")).is_empty());
        assert_eq!(names(&cache.indexed(IndexKey::label("a", "app", "db"))), ["a/x", "a/y"]);
        assert_eq!(*cache.find("a", "y").unwrap().meta().resource_version, *"4");
        cache.remove(object("a", "y", "5", "db"));
        assert!(cache.find("a", "y").is_none());
        assert_eq!(names(&cache.indexed(IndexKey::label("a", "app", "db"))), ["a/x"]);
    }

    #[test]
    fn a_new_list_tells_only_what_changed() {
        let (cache, told) = cache();
        for list in [vec![object("a", "x", "1", ""), object("a", "y", "2", "")], vec![object("a", "y", "3", "")]] {
            cache.begin_list();
            list.into_iter().for_each(|object| cache.apply(object));
            cache.end_list();
        }
        cache.apply(object("a", "y", "3", ""));
        assert_eq!(*told.lock().unwrap(), ["+a/x", "+a/y", "~a/y", "-a/x"]);
        assert!(cache.is_synced());
    }

    #[test]
    fn a_successor_of_the_same_name_is_told_as_another_object() {
        let (cache, told) = cache();
        cache.apply(object("a", "x", "1", ""));
        let mut successor = object("a", "x", "2", "");
        successor.metadata.uid = "other".into();
        cache.apply(successor);
        assert_eq!(*told.lock().unwrap(), ["+a/x", "-a/x", "+a/x"]);
    }
}
