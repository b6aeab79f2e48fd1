//! Keeps as many pods as each ReplicaSet wants.

mod plan;
mod ranking;

use std::sync::Arc;

use api::names::NamespacedName;
use futures::FutureExt;
use futures::future::join_all;
use lifecycle::clock::Clock;
use serde_json::{Value, json};

use crate::caches::cache::{Cache, Change};
use crate::cluster::{Cluster, ErrorExt};
use crate::context::Context;
use crate::controllers::replica_set::plan::{Scale, Trouble};
use crate::events::recorder::Recorder;
use crate::expectations::Expectations;
use crate::kinds::kind::{IndexKey, Kind};
use crate::kinds::meta::{Meta, OwnerReference};
use crate::kinds::pod::Pod;
use crate::kinds::replica_set::ReplicaSet;
use crate::ownership;
use crate::queue::{Patience, Queue};
use crate::worker::{Next, Synced};

const WORKERS: usize = 5;

struct ReplicaSets {
    cluster: Cluster,
    clock: Clock,
    recorder: Recorder,
    sets: Cache<ReplicaSet>,
    pods: Cache<Pod>,
    queue: Queue<NamespacedName>,
    expectations: Expectations,
}

pub fn start(context: &Context) {
    let this = Arc::new(ReplicaSets {
        cluster: context.cluster.clone(),
        clock: context.clock.clone(),
        recorder: context.recorder.of("replicaset-controller"),
        sets: context.caches.of(),
        pods: context.caches.of(),
        queue: context.queue("replicaset", Patience::default()),
        expectations: Expectations::default(),
    });
    let it = this.clone();
    this.sets.on_change(move |change| it.set_changed(change));
    let it = this.clone();
    this.pods.on_change(move |change| it.pod_changed(change));
    let ready = vec![this.sets.clone().ready(), this.pods.clone().ready()];
    let it = this.clone();
    context.work("replicaset", WORKERS, &this.queue, ready, move |key| {
        let it = it.clone();
        async move { it.sync(key).await }.boxed()
    });
}

impl ReplicaSets {
    fn set_changed(&self, change: &Change<'_, ReplicaSet>) {
        if change.new.is_none() {
            self.expectations.forget(&change.key());
        }
        self.queue.add(change.key());
    }

    fn pod_changed(&self, change: &Change<'_, Pod>) {
        let old_owner = change.old.and_then(|pod| self.owner_of(pod));
        let new_owner = change.new.and_then(|pod| self.owner_of(pod));
        match change.new {
            Some(pod) if !pod.meta.is_deleting() => {
                if change.old.is_none()
                    && let Some(owner) = &new_owner
                {
                    self.expectations.creation_seen(owner);
                }
            }
            _ => {
                if let Some(owner) = new_owner.as_ref().or(old_owner.as_ref()) {
                    self.expectations.deletion_seen(owner, &change.object().meta.uid);
                }
            }
        }
        if let Some(pod) = change.new.filter(|pod| pod.meta.controller().is_none()) {
            let same = |old: &&Arc<Pod>| old.meta.labels == pod.meta.labels && old.meta.controller().is_none();
            if change.old.is_none_or(|old| !same(&old)) && !pod.meta.is_deleting() {
                self.queue_matching(pod);
            }
        }
        if old_owner != new_owner {
            old_owner.into_iter().for_each(|owner| self.queue.add(owner));
        }
        new_owner.into_iter().for_each(|owner| self.queue.add(owner));
    }

    /// The set that manages this pod, by the name and uid that the pod tells.
    fn owner_of(&self, pod: &Pod) -> Option<NamespacedName> {
        let owner = pod.meta.controller().filter(|owner| *owner.kind == *ReplicaSet::RESOURCE.kind)?;
        let set = self.sets.find(&pod.meta.namespace, &owner.name)?;
        (set.meta.uid == owner.uid).then(|| set.meta.key())
    }

    fn queue_matching(&self, pod: &Pod) {
        for set in self.sets.list(Some(&pod.meta.namespace)) {
            if set.spec.selector.matches(&pod.meta) {
                self.queue.add(set.meta.key());
            }
        }
    }

    async fn sync(&self, key: NamespacedName) -> Synced {
        let Some(set) = self.sets.get(&key) else {
            self.expectations.forget(&key);
            return Ok(Next::Wait);
        };
        let may_scale = self.expectations.are_met(&key) && !set.meta.is_deleting();
        let mut candidates = self.pods.indexed(IndexKey::controller(&set.meta.uid));
        candidates.extend(self.pods.indexed(IndexKey::orphans(&set.meta.namespace)));
        let claims = ownership::claims(&set.meta, |meta| set.spec.selector.matches(meta), candidates);
        let pods = ownership::claim::<ReplicaSet, Pod>(&self.cluster, &set.meta, claims).await?;
        let active: Vec<Arc<Pod>> = pods.iter().filter(|pod| pod.is_active()).cloned().collect();
        let scaled = match plan::scale(&set, active.len()) {
            Scale::Create(count) if may_scale => self.create(&set, &key, count).await,
            Scale::Delete(count) if may_scale => self.delete(&set, &key, &active, count).await,
            _ => Ok(()),
        };
        let now = self.clock.now();
        let trouble = scaled.as_ref().err().map(|(trouble, _)| trouble);
        let status = plan::status(&set, &pods, trouble, now);
        if status != set.status {
            self.cluster.merge_status(&ReplicaSet::RESOURCE, &set.meta, &status).await?;
        }
        scaled.map_err(|(_, error)| error)?;
        Ok(plan::next_look(&set, &pods, now).map_or(Next::Wait, Next::After))
    }

    /// Creates pods in batches that double while all goes well, so that a quota that is used up costs few requests.
    async fn create(&self, set: &ReplicaSet, key: &NamespacedName, count: usize) -> Result<(), (Trouble, kube::Error)> {
        let pod = pod_of(set);
        self.expectations.expect_creations(key, count);
        let (mut left, mut batch) = (count, 1);
        while left > 0 {
            let size = batch.min(left);
            let results = join_all((0..size).map(|_| self.create_one(set, &pod))).await;
            left -= size;
            batch *= 2;
            let mut failure = None;
            for error in results.into_iter().filter_map(Result::err) {
                self.expectations.creation_seen(key);
                failure = failure.or(Some(error));
            }
            if let Some(error) = failure {
                (0..left).for_each(|_| self.expectations.creation_seen(key));
                if error.is_namespace_terminating() {
                    return Ok(());
                }
                self.recorder.warning(set, "FailedCreate", format!("Error creating: {}", error.sentence()));
                return Err((("FailedCreate", error.sentence()), error));
            }
        }
        Ok(())
    }

    async fn create_one(&self, set: &ReplicaSet, pod: &Value) -> kube::Result<()> {
        #[derive(serde::Deserialize)]
        struct Created {
            metadata: Meta,
        }
        let created: Created = self.cluster.create(&Pod::RESOURCE, &set.meta.namespace, pod).await?;
        self.recorder.normal(set, "SuccessfulCreate", format!("Created pod: {}", created.metadata.name));
        Ok(())
    }

    async fn delete(
        &self,
        set: &ReplicaSet,
        key: &NamespacedName,
        active: &[Arc<Pod>],
        count: usize,
    ) -> Result<(), (Trouble, kube::Error)> {
        let doomed = ranking::to_delete(active, &self.related(set), count, self.clock.now());
        self.expectations.expect_deletions(key, doomed.iter().map(|pod| &*pod.meta.uid));
        let results = join_all(doomed.iter().map(|pod| self.delete_one(set, pod))).await;
        let mut failure = None;
        for (pod, result) in doomed.iter().zip(results) {
            if let Err(error) = result {
                self.expectations.deletion_seen(key, &pod.meta.uid);
                failure = failure.or(Some(error));
            }
        }
        match failure {
            None => Ok(()),
            Some(error) => Err((("FailedDelete", error.sentence()), error)),
        }
    }

    async fn delete_one(&self, set: &ReplicaSet, pod: &Pod) -> kube::Result<()> {
        match self.cluster.delete(&Pod::RESOURCE, &pod.meta, None, None).await {
            Err(error) if error.is_not_found() => {
                self.expectations.deletion_seen(&set.meta.key(), &pod.meta.uid);
                Ok(())
            }
            Err(error) => {
                self.recorder.warning(set, "FailedDelete", format!("Error deleting: {}", error.sentence()));
                Err(error)
            }
            Ok(()) => {
                self.recorder.normal(set, "SuccessfulDelete", format!("Deleted pod: {}", pod.meta.name));
                Ok(())
            }
        }
    }

    /// The active pods of all sets that the same owner manages.
    fn related(&self, set: &ReplicaSet) -> Vec<Arc<Pod>> {
        let siblings = match set.meta.controller() {
            Some(owner) => self.sets.indexed(IndexKey::controller(&owner.uid)),
            None => self.sets.get(&set.meta.key()).into_iter().collect(),
        };
        let pods = siblings.iter().flat_map(|sibling| self.pods.indexed(IndexKey::controller(&sibling.meta.uid)));
        pods.filter(|pod| pod.is_active()).collect()
    }
}

/// The pod that a set creates.
fn pod_of(set: &ReplicaSet) -> Value {
    let mut pod = set.spec.template.to_value();
    let meta = &mut pod["metadata"];
    let mut new = json!({
        "generateName": format!("{}-", set.meta.name),
        "ownerReferences": [OwnerReference::controlling(&ReplicaSet::RESOURCE, &set.meta)],
    });
    for field in ["labels", "annotations", "finalizers"] {
        if !meta[field].is_null() {
            new[field] = meta[field].take();
        }
    }
    pod["metadata"] = new;
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod
}

#[cfg(test)]
mod tests {
    use crate::fake::world::{World, path_of};
    use serde_json::{Value, json};
    use std::time::Duration;

    const SETS: &str = "/apis/apps/v1/namespaces/default/replicasets";
    const PODS: &str = "/api/v1/namespaces/default/pods";

    fn set(name: &str, replicas: u32) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": {
                "metadata": {"labels": {"app": name}, "annotations": {"x": "y"}},
                "spec": {"containers": [{"name": "c", "image": "i"}]}}},
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_set_gets_its_pods_and_loses_them() {
        let world = World::start().await;
        world.create(SETS, set("web", 3));
        world.eventually("three pods", |world| world.list(PODS).len() == 3).await;
        let pod = world.list(PODS).remove(0);
        assert_eq!(pod["metadata"]["generateName"], "web-");
        assert_eq!(pod["metadata"]["annotations"]["x"], "y");
        assert_eq!(pod["metadata"]["ownerReferences"][0]["blockOwnerDeletion"], true);
        assert_eq!(pod["spec"]["containers"][0]["image"], "i");
        world.eventually("status", |world| world.get(&format!("{SETS}/web")).unwrap()["status"]["replicas"] == 3).await;
        world.patch(&format!("{SETS}/web"), json!({"spec": {"replicas": 1}}));
        world.eventually("one pod", |world| world.list(PODS).len() == 1).await;
        world.delete(&path_of("pods", &world.list(PODS)[0]), json!({}));
        world.settle(Duration::from_secs(1)).await;
        assert_eq!(world.list(PODS).len(), 1);
        let events = world.list("/api/v1/events");
        let reasons: Vec<&str> = events.iter().map(|event| event["reason"].as_str().unwrap()).collect();
        assert_eq!(reasons.iter().filter(|reason| **reason == "SuccessfulCreate").count(), 4, "{reasons:?}");
        assert_eq!(reasons.iter().filter(|reason| **reason == "SuccessfulDelete").count(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn pods_are_created_once_however_often_the_set_is_looked_at() {
        let world = World::start().await;
        world.create(SETS, set("web", 20));
        for index in 0..50 {
            world.patch(&format!("{SETS}/web"), json!({"metadata": {"labels": {"look": index.to_string()}}}));
            tokio::task::yield_now().await;
        }
        world.settle(Duration::from_secs(5)).await;
        assert_eq!(world.list(PODS).len(), 20);
        let created =
            world.writes().iter().filter(|write| write.starts_with("POST") && write.contains("/pods")).count();
        assert_eq!(created, 20);
    }

    #[tokio::test(start_paused = true)]
    async fn an_orphan_is_adopted_and_a_relabelled_pod_is_let_go() {
        let world = World::start().await;
        let orphan = json!({"kind": "Pod", "metadata": {"name": "orphan", "labels": {"app": "web"}}, "spec": {}});
        world.create(PODS, orphan);
        world.create(SETS, set("web", 2));
        world.eventually("one more pod", |world| world.list(PODS).len() == 2).await;
        world.settle(Duration::from_secs(1)).await;
        let owner = |world: &World, name: &str| {
            world.get(&format!("{PODS}/{name}")).unwrap()["metadata"]["ownerReferences"][0]["name"].clone()
        };
        assert_eq!(owner(&world, "orphan"), "web");
        world.patch(&format!("{PODS}/orphan"), json!({"metadata": {"labels": {"app": "else"}}}));
        world.eventually("a replacement", |world| world.list(PODS).len() == 3).await;
        assert_eq!(owner(&world, "orphan"), Value::Null);
    }

    #[tokio::test(start_paused = true)]
    async fn a_ready_pod_becomes_available_with_time() {
        let world = World::start().await;
        world.create_node("n");
        let mut patient = set("web", 1);
        patient["spec"]["minReadySeconds"] = json!(30);
        world.create(SETS, patient);
        world.eventually("a pod", |world| world.list(PODS).len() == 1).await;
        world.patch(&path_of("pods", &world.list(PODS)[0]), json!({"spec": {"nodeName": "n"}}));
        let now = jiff::Timestamp::now();
        world.run_pods(now);
        let status = |world: &World| world.get(&format!("{SETS}/web")).unwrap()["status"].clone();
        world.eventually("ready", |world| status(world)["readyReplicas"] == 1).await;
        assert_eq!(status(&world)["availableReplicas"], Value::Null);
        world.eventually("available", |world| status(world)["availableReplicas"] == 1).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_set_writes_nothing() {
        let world = World::start().await;
        world.create(SETS, set("web", 2));
        world.settle(Duration::from_secs(5)).await;
        world.writes();
        world.settle(Duration::from_secs(3600)).await;
        assert_eq!(world.writes(), Vec::<String>::new());
    }
}
