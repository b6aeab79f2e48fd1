//! Who owns whom: every object that is watched, by uid, and the dependents of each.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use api::well_known::finalizer;

use crate::kinds::meta::Meta;
use crate::kinds::resource::Resource;

/// A uid in half its size. Uids are random: two that are alike will not be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid(u128);

impl Uid {
    pub fn of(text: &str) -> Self {
        let half = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            (salt, text).hash(&mut hasher);
            u128::from(hasher.finish())
        };
        Self(half(0) << 64 | half(1))
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", self.0)
    }
}

/// Where an object is found.
#[derive(Debug, Clone)]
pub struct Place {
    pub resource: Arc<Resource>,
    pub namespace: Box<str>,
    pub name: Box<str>,
}

/// How many uids are remembered that are gone for good.
const REMEMBERED: usize = 8192;

#[derive(Default)]
pub struct Graph {
    places: HashMap<Uid, Place>,
    dependents: HashMap<Uid, BTreeSet<Uid>>,
    resources: HashSet<Arc<Resource>>,
    absent: HashSet<Uid>,
}

impl Graph {
    pub fn place(&self, uid: Uid) -> Option<&Place> {
        self.places.get(&uid)
    }

    pub fn dependents(&self, uid: Uid) -> Vec<Uid> {
        self.dependents.get(&uid).map_or_else(Vec::new, |found| found.iter().copied().collect())
    }

    pub fn has_dependents(&self, uid: Uid) -> bool {
        self.dependents.contains_key(&uid)
    }

    /// Whether it is known that no object has this uid any more.
    pub fn is_absent(&self, uid: Uid) -> bool {
        self.absent.contains(&uid)
    }

    pub fn remember_absent(&mut self, uid: Uid) {
        if self.absent.len() >= REMEMBERED {
            self.absent.clear();
        }
        self.absent.insert(uid);
    }

    /// Takes a change in; the answer is whose fate may differ by it.
    pub fn observe(&mut self, resource: &Resource, old: Option<&Meta>, new: Option<&Meta>) -> Vec<Uid> {
        match (old, new) {
            (old, Some(new)) => self.seen(resource, old, new),
            (Some(old), None) => self.gone(old),
            (None, None) => Vec::new(),
        }
    }

    fn seen(&mut self, resource: &Resource, old: Option<&Meta>, new: &Meta) -> Vec<Uid> {
        let uid = Uid::of(&new.uid);
        let mut affected = Vec::new();
        if old.is_none() {
            let resource = self.interned(resource);
            self.places.insert(uid, Place { resource, namespace: new.namespace.clone(), name: new.name.clone() });
        }
        let (before, after) = (old.map(owners).unwrap_or_default(), owners(new));
        for owner in before.difference(&after) {
            self.disown(*owner, uid);
        }
        for owner in after.difference(&before) {
            self.dependents.entry(*owner).or_default().insert(uid);
        }
        // An owner that waits for its dependents may have one less that blocks it.
        affected.extend(before.iter().copied());
        if !after.is_empty() || is_finalizing(new) {
            affected.push(uid);
        }
        if is_finalizing(new) && !old.is_some_and(is_finalizing) {
            affected.extend(self.dependents(uid));
        }
        affected
    }

    fn gone(&mut self, last: &Meta) -> Vec<Uid> {
        let uid = Uid::of(&last.uid);
        self.places.remove(&uid);
        self.remember_absent(uid);
        let mut affected = self.dependents(uid);
        for owner in owners(last) {
            self.disown(owner, uid);
            affected.push(owner);
        }
        affected
    }

    fn disown(&mut self, owner: Uid, dependent: Uid) {
        if let Some(dependents) = self.dependents.get_mut(&owner) {
            dependents.remove(&dependent);
            if dependents.is_empty() {
                self.dependents.remove(&owner);
            }
        }
    }

    fn interned(&mut self, resource: &Resource) -> Arc<Resource> {
        if let Some(known) = self.resources.get(resource) {
            return known.clone();
        }
        let new = Arc::new(resource.clone());
        self.resources.insert(new.clone());
        new
    }
}

/// Whether a change can matter here at all; most, such as heartbeats, cannot.
pub fn matters(old: Option<&Meta>, new: Option<&Meta>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => {
            old.owner_references != new.owner_references
                || old.finalizers != new.finalizers
                || old.deletion_timestamp.is_some() != new.deletion_timestamp.is_some()
        }
        _ => true,
    }
}

fn owners(meta: &Meta) -> BTreeSet<Uid> {
    meta.owner_references.iter().map(|owner| Uid::of(&owner.uid)).collect()
}

/// Whether the collector has something to do before the object can go.
fn is_finalizing(meta: &Meta) -> bool {
    meta.is_deleting() && (meta.has_finalizer(finalizer::FOREGROUND) || meta.has_finalizer(finalizer::ORPHAN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::meta::OwnerReference;
    use jiff::Timestamp;

    const THINGS: Resource = Resource::namespaced("", "v1", "Thing", "things");

    fn meta(uid: &str, owners: &[&str]) -> Meta {
        let owner = |uid: &&str| OwnerReference { uid: (*uid).into(), ..OwnerReference::default() };
        Meta {
            uid: uid.into(),
            name: uid.into(),
            owner_references: owners.iter().map(owner).collect(),
            ..Meta::default()
        }
    }

    fn uids(names: &[&str]) -> Vec<Uid> {
        let mut uids: Vec<Uid> = names.iter().map(|name| Uid::of(name)).collect();
        uids.sort();
        uids
    }

    fn sorted(mut found: Vec<Uid>) -> Vec<Uid> {
        found.sort();
        found
    }

    #[test]
    fn dependents_are_looked_at_when_their_owner_goes() {
        let mut graph = Graph::default();
        assert!(graph.observe(&THINGS, None, Some(&meta("owner", &[]))).is_empty());
        assert_eq!(graph.observe(&THINGS, None, Some(&meta("child", &["owner"]))), uids(&["child"]));
        assert_eq!(graph.dependents(Uid::of("owner")), uids(&["child"]));
        assert_eq!(graph.observe(&THINGS, Some(&meta("owner", &[])), None), uids(&["child"]));
        assert!(graph.is_absent(Uid::of("owner")) && graph.place(Uid::of("owner")).is_none());
    }

    #[test]
    fn an_owner_is_looked_at_when_a_dependent_goes_or_is_let_go() {
        let mut graph = Graph::default();
        graph.observe(&THINGS, None, Some(&meta("a", &["owner"])));
        graph.observe(&THINGS, None, Some(&meta("b", &["owner"])));
        assert_eq!(graph.observe(&THINGS, Some(&meta("a", &["owner"])), None), uids(&["owner"]));
        let freed = graph.observe(&THINGS, Some(&meta("b", &["owner"])), Some(&meta("b", &["other"])));
        assert_eq!(sorted(freed), uids(&["b", "owner"]));
        assert!(!graph.has_dependents(Uid::of("owner")) && graph.has_dependents(Uid::of("other")));
    }

    #[test]
    fn a_foreground_deletion_concerns_the_dependents() {
        let mut graph = Graph::default();
        let before = meta("owner", &[]);
        graph.observe(&THINGS, None, Some(&before));
        graph.observe(&THINGS, None, Some(&meta("child", &["owner"])));
        let mut after = before.clone();
        after.deletion_timestamp = Some(Timestamp::UNIX_EPOCH);
        after.finalizers = Box::new([finalizer::FOREGROUND.into()]);
        assert!(matters(Some(&before), Some(&after)));
        let affected = graph.observe(&THINGS, Some(&before), Some(&after));
        assert_eq!(sorted(affected), uids(&["child", "owner"]));
    }

    #[test]
    fn heartbeats_do_not_matter() {
        let (old, mut new) = (meta("a", &["b"]), meta("a", &["b"]));
        new.resource_version = "2".into();
        assert!(!matters(Some(&old), Some(&new)));
        assert!(matters(None, Some(&new)) && matters(Some(&old), None));
    }
}
