//! The whole store at one revision: immutable, shared, and free to take.

use std::ops::Bound;
use std::sync::Arc;

use api::names::GroupResource;
use imbl::OrdMap;

use crate::storage::draft;
use crate::storage::engine::Change;
use crate::storage::event::{Event, EventKind};
use crate::storage::object::{Key, Object, Revision};
use crate::storage::text::Commons;

type Names = OrdMap<Arc<str>, Arc<Object>>;

/// Every object, in persistent maps: a copy shares all that did not change.
#[derive(Debug, Clone, Default)]
pub(super) struct Root {
    pub revision: Revision,
    resources: OrdMap<GroupResource, Collection>,
}

#[derive(Debug, Clone, Default)]
struct Collection {
    count: usize,
    namespaces: OrdMap<Arc<str>, Names>,
}

impl Root {
    pub fn get(&self, resource: GroupResource, namespace: &str, name: &str) -> Option<&Arc<Object>> {
        self.resources.get(&resource)?.namespaces.get(namespace)?.get(name)
    }

    pub fn insert(&mut self, object: Arc<Object>) {
        let key = &object.key;
        let collection = self.resources.entry(key.resource).or_default();
        let names = collection.namespaces.entry(key.namespace.clone()).or_default();
        let name = key.name.clone();
        if names.insert(name, object).is_none() {
            collection.count += 1;
        }
    }

    pub fn remove(&mut self, key: &Key) {
        let Some(collection) = self.resources.get_mut(&key.resource) else { return };
        let Some(names) = collection.namespaces.get_mut(&*key.namespace) else { return };
        if names.remove(&*key.name).is_none() {
            return;
        }
        collection.count -= 1;
        if names.is_empty() {
            collection.namespaces.remove(&*key.namespace);
        }
    }

    /// Carries a change out. None for the deletion of what is not there.
    pub fn apply(&mut self, change: Change, commons: &mut Commons) -> Option<Event> {
        let Change { key, revision, draft, volatile } = change;
        let previous = self.get(key.resource, &key.namespace, &key.name).cloned();
        self.revision = revision;
        let Some(draft) = draft else {
            let previous = previous?;
            self.remove(&previous.key);
            let object = Arc::new(draft::restamp(&previous, revision));
            return Some(Event { kind: EventKind::Deleted, object, previous: Some(previous), revision });
        };
        let durable = !volatile || previous.as_ref().is_some_and(|previous| previous.durable);
        let key = match &previous {
            Some(previous) => previous.key.clone(),
            None => self.shared_key(key),
        };
        let object = Arc::new(draft.stamp(key, revision, durable, commons));
        self.insert(object.clone());
        let kind = if previous.is_some() { EventKind::Modified } else { EventKind::Added };
        Some(Event { kind, object, previous, revision })
    }

    /// Goes back behind an event: the newest ones must be undone first.
    pub fn undo(&mut self, event: &Event) {
        match &event.previous {
            Some(previous) => self.insert(previous.clone()),
            None => self.remove(&event.object.key),
        }
    }

    /// How many objects each resource has.
    pub fn counts(&self) -> impl Iterator<Item = (GroupResource, usize)> {
        self.resources.iter().map(|(resource, collection)| (*resource, collection.count))
    }

    /// The same key, with the namespace's text shared by all objects in it.
    pub fn shared_key(&self, mut key: Key) -> Key {
        let collection = self.resources.get(&key.resource);
        let known = collection.and_then(|collection| collection.namespaces.get_key_value(&*key.namespace));
        if let Some((namespace, _)) = known {
            key.namespace = namespace.clone();
        }
        key
    }
}

/// A view of the store that never changes. Cheap to clone and to keep, though it keeps what it shows alive.
#[derive(Debug, Clone)]
pub struct Snapshot(pub(super) Arc<Root>);

impl Snapshot {
    /// The revision of the newest change that it shows.
    pub fn revision(&self) -> Revision {
        self.0.revision
    }

    pub fn get(&self, key: &Key) -> Option<&Arc<Object>> {
        self.0.get(key.resource, &key.namespace, &key.name)
    }

    /// As `get`, for those who have no key yet.
    pub fn find(&self, resource: GroupResource, namespace: &str, name: &str) -> Option<&Arc<Object>> {
        self.0.get(resource, namespace, name)
    }

    /// The objects of a resource, in one namespace or in all, by namespace and name.
    pub fn list<'a>(
        &'a self,
        resource: GroupResource,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Arc<Object>> + 'a {
        self.list_after(resource, namespace, None)
    }

    /// As `list`, from behind the object with this namespace and name, which need not exist.
    pub fn list_after<'a>(
        &'a self,
        resource: GroupResource,
        namespace: Option<&'a str>,
        after: Option<(&'a str, &'a str)>,
    ) -> impl Iterator<Item = &'a Arc<Object>> + 'a {
        let range: (Bound<&str>, Bound<&str>) = match (namespace, after) {
            (Some(namespace), _) => (Bound::Included(namespace), Bound::Included(namespace)),
            (None, Some((namespace, _))) => (Bound::Included(namespace), Bound::Unbounded),
            (None, None) => (Bound::Unbounded, Bound::Unbounded),
        };
        let collection = self.0.resources.get(&resource).into_iter();
        let namespaces = collection.flat_map(move |collection| collection.namespaces.range::<_, str>(range));
        namespaces.flat_map(move |(namespace, names)| {
            let start = match after {
                Some((after, name)) if after == &**namespace => Bound::Excluded(name),
                _ => Bound::Unbounded,
            };
            names.range::<_, str>((start, Bound::Unbounded)).map(|(_, object)| object)
        })
    }

    /// How many objects a resource has, in one namespace or in all.
    pub fn count(&self, resource: GroupResource, namespace: Option<&str>) -> usize {
        let Some(collection) = self.0.resources.get(&resource) else { return 0 };
        match namespace {
            Some(namespace) => collection.namespaces.get(namespace).map_or(0, OrdMap::len),
            None => collection.count,
        }
    }

    /// Every object there is.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Object>> {
        let namespaces = self.0.resources.values().flat_map(|collection| collection.namespaces.values());
        namespaces.flat_map(OrdMap::values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::fixtures::{PODS, pod_change, pod_key};

    fn names(snapshot: &Snapshot, namespace: Option<&str>, after: Option<(&str, &str)>) -> Vec<String> {
        let objects = snapshot.list_after(PODS, namespace, after);
        objects.map(|object| format!("{}/{}", object.key.namespace, object.key.name)).collect()
    }

    fn snapshot() -> Snapshot {
        let mut root = Root::default();
        for (revision, (namespace, name)) in
            [("b", "x"), ("a", "y"), ("a", "x"), ("c", "w"), ("c", "z")].into_iter().enumerate()
        {
            root.apply(pod_change(revision as u64 + 1, namespace, name, "n1"), &mut Commons::default()).unwrap();
        }
        Snapshot(Arc::new(root))
    }

    #[test]
    fn lists_come_by_namespace_and_name_and_go_on_anywhere() {
        let snapshot = snapshot();
        assert_eq!(names(&snapshot, None, None), ["a/x", "a/y", "b/x", "c/w", "c/z"]);
        assert_eq!(names(&snapshot, None, Some(("a", "x"))), ["a/y", "b/x", "c/w", "c/z"]);
        assert_eq!(names(&snapshot, None, Some(("bb", ""))), ["c/w", "c/z"]);
        assert_eq!(names(&snapshot, Some("c"), Some(("c", "w"))), ["c/z"]);
        assert_eq!(names(&snapshot, Some("d"), None), [""; 0]);
        assert_eq!(snapshot.count(PODS, None), 5);
        assert_eq!(snapshot.count(PODS, Some("c")), 2);
        assert_eq!(snapshot.all().count(), 5);
    }

    #[test]
    fn a_snapshot_does_not_see_later_changes_and_a_change_can_be_undone() {
        let before = snapshot();
        let mut root = (*before.0).clone();
        let commons = &mut Commons::default();
        let deleted = Change { key: pod_key("b", "x"), revision: Revision(6), draft: None, volatile: false };
        let deleted = root.apply(deleted, commons).unwrap();
        let changed = root.apply(pod_change(7, "a", "x", "n2"), commons).unwrap();
        let added = root.apply(pod_change(8, "d", "x", "n2"), commons).unwrap();
        let after = Snapshot(Arc::new(root.clone()));
        assert_eq!(names(&after, None, None), ["a/x", "a/y", "c/w", "c/z", "d/x"]);
        assert_eq!(names(&before, None, None), ["a/x", "a/y", "b/x", "c/w", "c/z"]);
        assert_eq!(&*after.find(PODS, "a", "x").unwrap().fields[0], "n2");
        for event in [added, changed, deleted] {
            root.undo(&event);
        }
        let undone = Snapshot(Arc::new(root));
        assert!(undone.all().map(Arc::as_ptr).eq(before.all().map(Arc::as_ptr)));
        assert_eq!(undone.count(PODS, None), 5);
    }
}
