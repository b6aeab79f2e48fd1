//! Deletes what has lost its owners, holds back owners that go after their dependents, and sets orphans free.

mod graph;
mod plan;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::well_known::finalizer;
use futures::FutureExt;
use lifecycle::backoff::Backoff;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tracing::{debug, warn};

use crate::caches::hub::Caches;
use crate::cluster::{self, Cluster, ErrorExt, Patch, Propagation};
use crate::context::Context;
use crate::controllers::garbage::graph::{Graph, Place, Uid};
use crate::controllers::garbage::plan::{Observed, OwnerState, Verdict};
use crate::discovery::{self, Discovered};
use crate::events::correlator::Subject;
use crate::events::recorder::Recorder;
use crate::kinds::meta::{Meta, OwnerReference};
use crate::kinds::resource::Resource;
use crate::queue::{Patience, Queue};
use crate::worker::{Next, Synced};

const WORKERS: usize = 10;
/// Kinds that cannot be read must not keep the collector from all others.
const FILL_TIME: Duration = Duration::from_secs(30);
/// A definition needs a moment until its kind is served.
const SETTLE_TIME: Duration = Duration::from_secs(1);
/// Objects whose changes change what is served.
const DEFINITIONS: [(&str, &str); 2] =
    [("apiextensions.k8s.io", "customresourcedefinitions"), ("apiregistration.k8s.io", "apiservices")];
const EVENTS: &str = "events";

struct Garbage {
    cluster: Cluster,
    caches: Caches,
    recorder: Recorder,
    queue: Queue<Uid>,
    graph: Mutex<Graph>,
    /// By group and kind.
    served: Mutex<BTreeMap<(String, String), Resource>>,
    watched: Mutex<BTreeSet<Resource>>,
    /// Objects with owners of kinds that nobody serves.
    puzzled: Mutex<BTreeSet<Uid>>,
    served_differs: Notify,
    filled: watch::Sender<bool>,
}

pub fn start(context: &Context) {
    let this = Arc::new(Garbage {
        cluster: context.cluster.clone(),
        caches: context.caches.clone(),
        recorder: context.recorder.of("garbage-collector-controller"),
        queue: context.queue("garbage_collector", Patience::default()),
        graph: Mutex::default(),
        served: Mutex::default(),
        watched: Mutex::default(),
        puzzled: Mutex::default(),
        served_differs: Notify::new(),
        filled: watch::Sender::new(false),
    });
    let it = this.clone();
    context.caches.observe(Arc::new(move |resource: &Resource, old: Option<&Meta>, new: Option<&Meta>| {
        it.changed(resource, old, new);
    }));
    let it = this.clone();
    context.tasks.spawn_until_stop("garbage collector's discovery", async move { it.follow_discovery().await });
    let mut filled = this.filled.subscribe();
    let ready = async move { drop(filled.wait_for(|filled| *filled).await) };
    let it = this.clone();
    context.work("garbage_collector", WORKERS, &this.queue, vec![ready.boxed()], move |uid| {
        let it = it.clone();
        async move { it.sync(uid).await }.boxed()
    });
}

impl Garbage {
    fn changed(&self, resource: &Resource, old: Option<&Meta>, new: Option<&Meta>) {
        if DEFINITIONS.contains(&(&*resource.group, &*resource.plural)) {
            self.served_differs.notify_one();
        }
        if !graph::matters(old, new) {
            return;
        }
        for uid in self.graph().observe(resource, old, new) {
            self.queue.add(uid);
        }
    }

    /// Watches the metadata of all that can be deleted, and of what comes to be served later.
    async fn follow_discovery(&self) {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(30));
        self.caches.started().await;
        loop {
            match discovery::discover(&self.cluster).await {
                Ok(found) => {
                    let is_complete = found.failures.is_empty();
                    self.watch_all(found);
                    if tokio::time::timeout(FILL_TIME, self.caches.synced()).await.is_err() {
                        warn!("not all kinds could be read yet: their objects are not collected");
                    }
                    self.filled.send_replace(true);
                    let puzzled = std::mem::take(&mut *self.puzzled.lock().unwrap_or_else(PoisonError::into_inner));
                    puzzled.into_iter().for_each(|uid| self.queue.add(uid));
                    if is_complete {
                        backoff.reset();
                        self.served_differs.notified().await;
                        tokio::time::sleep(SETTLE_TIME).await;
                        continue;
                    }
                }
                Err(error) => debug!(error = error.sentence(), "discovery failed"),
            }
            tokio::time::sleep(backoff.next_delay()).await;
        }
    }

    fn watch_all(&self, found: Discovered) {
        let is_complete = found.failures.is_empty();
        let collectable = found
            .served
            .iter()
            .filter(|served| served.allows(&["delete", "list", "watch"]) && served.resource.plural != EVENTS);
        let wanted: BTreeSet<Resource> = collectable.map(|served| served.resource.clone()).collect();
        for resource in &wanted {
            self.caches.metadata_of(resource);
        }
        self.caches.start();
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if is_complete {
            watched.difference(&wanted).for_each(|resource| self.caches.forget(resource));
            *watched = wanted;
        } else {
            watched.extend(wanted);
        }
        *self.served.lock().unwrap_or_else(PoisonError::into_inner) = found.by_kind();
    }

    async fn sync(&self, uid: Uid) -> Synced {
        self.puzzled.lock().unwrap_or_else(PoisonError::into_inner).remove(&uid);
        let Some(place) = self.graph().place(uid).cloned() else { return Ok(Next::Wait) };
        let Some(meta) = self.meta_at(&place, uid) else { return Ok(Next::Wait) };
        if meta.is_deleting() {
            return self.finalize(&place, uid, &meta).await;
        }
        if meta.owner_references.is_empty() {
            return Ok(Next::Wait);
        }
        let mut owners = Vec::with_capacity(meta.owner_references.len());
        for owner in meta.owner_references.iter() {
            owners.push(self.state_of(owner, &place, &meta).await?);
        }
        if owners.contains(&OwnerState::Unknown) {
            self.puzzled.lock().unwrap_or_else(PoisonError::into_inner).insert(uid);
        }
        let has_dependents = self.graph().has_dependents(uid);
        let a_dependent_waits = self.dependents(uid).iter().any(|(_, dependent)| is_waiting(dependent));
        let observed = Observed { meta: &meta, owners: &owners, has_dependents, a_dependent_waits };
        let resource = &place.resource;
        match plan::plan(&observed) {
            Verdict::Keep => {}
            Verdict::Reown(owners) => self.set_owners(&place, &meta, &owners).await?,
            Verdict::Delete(propagation) => {
                debug!(%resource, object = %meta.key(), ?propagation, "collected");
                cluster::unless_absent(self.cluster.delete_unchanged(resource, &meta, propagation).await)?;
            }
            Verdict::UnblockAndDelete(owners) => {
                self.set_owners(&place, &meta, &owners).await?;
                cluster::unless_absent(
                    self.cluster.delete(resource, &meta, Some(Propagation::Foreground), None).await,
                )?;
            }
        }
        Ok(Next::Wait)
    }

    /// The metadata of an object as its cache has it, if it is still the one of this uid.
    fn meta_at(&self, place: &Place, uid: Uid) -> Option<Meta> {
        let cache = self.caches.metadata_of(&place.resource);
        cache.meta(&place.namespace, &place.name).filter(|meta| Uid::of(&meta.uid) == uid)
    }

    fn dependents(&self, uid: Uid) -> Vec<(Place, Meta)> {
        let places: Vec<(Uid, Place)> = {
            let graph = self.graph();
            let found = graph.dependents(uid).into_iter();
            found.filter_map(|uid| Some((uid, graph.place(uid)?.clone()))).collect()
        };
        places.into_iter().filter_map(|(uid, place)| Some((place.clone(), self.meta_at(&place, uid)?))).collect()
    }

    async fn state_of(&self, owner: &OwnerReference, place: &Place, meta: &Meta) -> kube::Result<OwnerState> {
        let uid = Uid::of(&owner.uid);
        let known = self.graph().place(uid).cloned();
        if let Some(known) = &known {
            let is_in_reach = known.namespace.is_empty() || known.namespace == meta.namespace;
            let is_named = known.name == owner.name && *known.resource.kind == *owner.kind;
            if is_in_reach
                && is_named
                && let Some(found) = self.meta_at(known, uid)
            {
                return Ok(state(&found));
            }
            if !is_in_reach {
                self.tell_out_of_reach(owner, place, meta);
            }
        }
        if known.is_none() && self.graph().is_absent(uid) {
            return Ok(OwnerState::Absent);
        }
        let (group, _) = api::names::split_api_version(&owner.api_version);
        let kind = (group.to_owned(), owner.kind.to_string());
        let resource = self.served.lock().unwrap_or_else(PoisonError::into_inner).get(&kind).cloned();
        let Some(resource) = resource else { return Ok(OwnerState::Unknown) };
        if resource.namespaced && meta.namespace.is_empty() {
            // What has no namespace cannot belong to what has one; nor can it be known to have lost it.
            self.tell_out_of_reach(owner, place, meta);
            return Ok(OwnerState::Present);
        }
        let namespace = if resource.namespaced { &*meta.namespace } else { "" };
        match self.cluster.get_meta(&resource, namespace, &owner.name).await? {
            Some(found) if found.uid == owner.uid => Ok(state(&found)),
            _ => {
                if known.is_none() {
                    self.graph().remember_absent(uid);
                }
                Ok(OwnerState::Absent)
            }
        }
    }

    fn tell_out_of_reach(&self, owner: &OwnerReference, place: &Place, meta: &Meta) {
        let told = format!(
            "[{}/{}, namespace: {}, name: {}, uid: {}]",
            owner.api_version, owner.kind, meta.namespace, owner.name, owner.uid
        );
        let message = format!("ownerRef {told} does not exist in namespace {:?}", meta.namespace);
        let subject = Subject {
            kind: place.resource.kind.to_string(),
            namespace: meta.namespace.to_string(),
            name: meta.name.to_string(),
            uid: meta.uid.to_string(),
            api_version: place.resource.api_version(),
        };
        self.recorder.record(subject, "Warning", "OwnerRefInvalidNamespace", message);
    }

    /// The object is being deleted: what must happen before it can go.
    async fn finalize(&self, place: &Place, uid: Uid, meta: &Meta) -> Synced {
        if meta.has_finalizer(finalizer::ORPHAN) {
            for (place, dependent) in self.dependents(uid) {
                let rest = dependent.owner_references.iter().filter(|owner| owner.uid != meta.uid);
                self.set_owners(&place, &dependent, &rest.cloned().collect::<Vec<_>>()).await?;
            }
            self.remove_finalizer(place, meta, finalizer::ORPHAN).await?;
        } else if meta.has_finalizer(finalizer::FOREGROUND) {
            let mut blocking = self.dependents(uid);
            blocking.retain(|(_, dependent)| plan::blocks(dependent, &meta.uid));
            if blocking.is_empty() {
                self.remove_finalizer(place, meta, finalizer::FOREGROUND).await?;
            }
            for (_, dependent) in blocking.iter().filter(|(_, dependent)| !dependent.is_deleting()) {
                self.queue.add(Uid::of(&dependent.uid));
            }
        }
        Ok(Next::Wait)
    }

    async fn set_owners(&self, place: &Place, meta: &Meta, owners: &[OwnerReference]) -> kube::Result<()> {
        self.patch_meta(place, meta, "ownerReferences", json!(owners)).await
    }

    async fn remove_finalizer(&self, place: &Place, meta: &Meta, name: &str) -> kube::Result<()> {
        let rest: Vec<&str> = meta.finalizers.iter().map(|it| &**it).filter(|it| *it != name).collect();
        self.patch_meta(place, meta, "finalizers", json!(rest)).await
    }

    async fn patch_meta(&self, place: &Place, meta: &Meta, field: &str, value: Value) -> kube::Result<()> {
        let path = place.resource.object(&place.namespace, &place.name, "");
        let value = if value.as_array().is_some_and(Vec::is_empty) { Value::Null } else { value };
        let change = json!({"metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version, field: value}});
        cluster::unless_absent(self.cluster.patch::<IgnoredAny>(&path, Patch::Merge, &change).await.map(drop))
    }

    fn graph(&self) -> MutexGuard<'_, Graph> {
        self.graph.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an object is being deleted, after its dependents.
fn is_waiting(meta: &Meta) -> bool {
    meta.is_deleting() && meta.has_finalizer(finalizer::FOREGROUND)
}

fn state(owner: &Meta) -> OwnerState {
    if is_waiting(owner) { OwnerState::WaitsForDependents } else { OwnerState::Present }
}

#[cfg(test)]
mod tests {
    use crate::fake::world::World;
    use serde_json::{Value, json};
    use std::time::Duration;

    const MAPS: &str = "/api/v1/namespaces/default/configmaps";
    const SECRETS: &str = "/api/v1/namespaces/default/secrets";

    fn map(name: &str, owners: &[(&Value, bool)]) -> Value {
        object("ConfigMap", name, owners)
    }

    fn object(kind: &str, name: &str, owners: &[(&Value, bool)]) -> Value {
        let owner = |(owner, blocks): &(&Value, bool)| {
            json!({"apiVersion": "v1", "kind": owner["kind"], "name": owner["metadata"]["name"],
                "uid": owner["metadata"]["uid"], "blockOwnerDeletion": blocks})
        };
        let owners: Vec<Value> = owners.iter().map(owner).collect();
        json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "ownerReferences": owners}})
    }

    fn names(world: &World) -> Vec<String> {
        let all = [world.list(MAPS), world.list(SECRETS)].concat();
        let mut names: Vec<String> =
            all.iter().map(|object| object["metadata"]["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    /// A map `owner`, a secret `child` of it, and a map `grandchild` of that.
    fn family(world: &World) {
        let owner = world.create(MAPS, map("owner", &[]));
        let child = world.create(SECRETS, object("Secret", "child", &[(&owner, true)]));
        world.create(MAPS, map("grandchild", &[(&child, true)]));
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_lost_its_owner_goes_down_to_the_last() {
        let world = World::start().await;
        family(&world);
        world.settle(Duration::from_secs(5)).await;
        assert_eq!(names(&world), ["child", "grandchild", "owner"]);
        world.writes();
        world.settle(Duration::from_secs(3600)).await;
        assert_eq!(world.writes(), Vec::<String>::new());
        world.delete(&format!("{MAPS}/owner"), json!({"propagationPolicy": "Background"}));
        world.eventually("all are gone", |world| names(world).is_empty()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn in_the_foreground_the_owner_goes_last() {
        let world = World::start().await;
        family(&world);
        world.patch(&format!("{MAPS}/grandchild"), json!({"metadata": {"finalizers": ["x.io/y"]}}));
        world.settle(Duration::from_secs(5)).await;
        world.delete(&format!("{MAPS}/owner"), json!({"propagationPolicy": "Foreground"}));
        world.settle(Duration::from_secs(60)).await;
        assert_eq!(names(&world), ["child", "grandchild", "owner"]);
        let deleting = |path: String| !world.get(&path).unwrap()["metadata"]["deletionTimestamp"].is_null();
        assert!(deleting(format!("{SECRETS}/child")) && deleting(format!("{MAPS}/grandchild")));
        world.patch(&format!("{MAPS}/grandchild"), json!({"metadata": {"finalizers": null}}));
        world.eventually("all are gone", |world| names(world).is_empty()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn orphans_are_set_free() {
        let world = World::start().await;
        family(&world);
        world.settle(Duration::from_secs(5)).await;
        world.delete(&format!("{MAPS}/owner"), json!({"propagationPolicy": "Orphan"}));
        world.eventually("the owner is gone", |world| names(world) == ["child", "grandchild"]).await;
        world.settle(Duration::from_secs(60)).await;
        assert_eq!(names(&world), ["child", "grandchild"]);
        assert_eq!(world.get(&format!("{SECRETS}/child")).unwrap()["metadata"]["ownerReferences"], Value::Null);
    }

    #[tokio::test(start_paused = true)]
    async fn an_owner_that_never_was_is_found_out() {
        let world = World::start().await;
        let nobody = json!({"kind": "Secret", "metadata": {"name": "nobody", "uid": "none"}});
        let present = world.create(MAPS, map("present", &[]));
        world.create(MAPS, map("lost", &[(&nobody, false)]));
        world.create(MAPS, map("kept", &[(&nobody, false), (&present, false)]));
        let mut stranger = nobody.clone();
        stranger["kind"] = json!("Unheard");
        world.create(MAPS, map("puzzling", &[(&stranger, false)]));
        world.eventually("lost is gone", |world| names(world) == ["kept", "present", "puzzling"]).await;
        world.settle(Duration::from_secs(60)).await;
        assert_eq!(names(&world), ["kept", "present", "puzzling"]);
        let owners = world.get(&format!("{MAPS}/kept")).unwrap()["metadata"]["ownerReferences"].clone();
        assert_eq!(owners.as_array().unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_owner_in_another_namespace_does_not_count() {
        let world = World::start().await;
        let owner = world.create("/api/v1/namespaces/other/configmaps", map("owner", &[]));
        world.create(MAPS, map("child", &[(&owner, false)]));
        world.eventually("the child is gone", |world| names(world).is_empty()).await;
        let events = world.list("/api/v1/events");
        assert!(events.iter().any(|event| event["reason"] == "OwnerRefInvalidNamespace"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_goes_with_its_node() {
        let world = World::start().await;
        let node = world.create("/api/v1/nodes", json!({"kind": "Node", "metadata": {"name": "n"}}));
        let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
        world.create(leases, object("Lease", "n", &[(&node, false)]));
        world.settle(Duration::from_secs(5)).await;
        assert_eq!(world.list(leases).len(), 1);
        world.delete("/api/v1/nodes/n", json!({}));
        world.eventually("the lease is gone", |world| world.list(leases).is_empty()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn two_that_own_each_other_go_together() {
        let world = World::start().await;
        let one = world.create(MAPS, map("one", &[]));
        let two = world.create(MAPS, map("two", &[(&one, true)]));
        let owners = map("one", &[(&two, true)])["metadata"]["ownerReferences"].clone();
        world.patch(&format!("{MAPS}/one"), json!({"metadata": {"ownerReferences": owners}}));
        world.settle(Duration::from_secs(5)).await;
        world.delete(&format!("{MAPS}/one"), json!({"propagationPolicy": "Foreground"}));
        world.eventually("both are gone", |world| names(world).is_empty()).await;
    }
}
