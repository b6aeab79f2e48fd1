//! Takes pods from a queue, decides, and binds. A pod that fits nowhere is tried again when there may be room.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::names::NamespacedName;
use futures::FutureExt;
use lifecycle::clock::Clock;
use serde_json::json;
use tokio::time::Instant;

use crate::caches::cache::{Cache, Change};
use crate::cluster::{Cluster, ErrorExt, Patch};
use crate::context::Context;
use crate::events::recorder::Recorder;
use crate::kinds::kind::Kind;
use crate::kinds::node::Node;
use crate::kinds::pod::Pod;
use crate::kinds::wire::in_seconds;
use crate::queue::{Patience, Queue};
use crate::scheduler::board::Board;
use crate::scheduler::decide;
use crate::worker::{Next, Synced};

const WORKERS: usize = 8;
/// How long a pod waits between tries, however much changes meanwhile.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

struct Scheduler {
    name: String,
    cluster: Cluster,
    clock: Clock,
    recorder: Recorder,
    pods: Cache<Pod>,
    nodes: Cache<Node>,
    queue: Queue<NamespacedName>,
    board: Mutex<Board>,
    /// Pods that fit nowhere.
    parked: Mutex<BTreeMap<NamespacedName, Parked>>,
}

#[derive(Debug, Clone, Copy)]
struct Parked {
    tries: u32,
    last_try: Instant,
    /// Whether it waits for room, or is being tried again.
    waits: bool,
}

pub fn start(context: &Context) {
    let this = Arc::new(Scheduler {
        name: context.options.scheduler_name.clone(),
        cluster: context.cluster.clone(),
        clock: context.clock.clone(),
        recorder: context.recorder.of("default-scheduler"),
        pods: context.caches.of(),
        nodes: context.caches.of(),
        queue: context.queue("scheduler", Patience::default()),
        board: Mutex::default(),
        parked: Mutex::default(),
    });
    let it = this.clone();
    this.nodes.on_change(move |change| it.node_changed(change));
    let it = this.clone();
    this.pods.on_change(move |change| it.pod_changed(change));
    let ready = vec![this.pods.clone().ready(), this.nodes.clone().ready()];
    let it = this.clone();
    context.work("scheduler", WORKERS, &this.queue, ready, move |key| {
        let it = it.clone();
        async move { it.schedule(key).await }.boxed()
    });
}

impl Scheduler {
    fn node_changed(&self, change: &Change<'_, Node>) {
        if self.board().node_changed(change.old, change.new) {
            self.try_parked();
        }
    }

    fn pod_changed(&self, change: &Change<'_, Pod>) {
        let makes_room = self.board().pod_changed(change.old, change.new);
        match change.new.filter(|pod| self.is_waiting(pod)) {
            Some(_) => self.queue.add(change.key()),
            None => drop(self.parked().remove(&change.key())),
        }
        if makes_room {
            self.try_parked();
        }
    }

    fn is_waiting(&self, pod: &Pod) -> bool {
        pod.spec.node_name.is_empty()
            && *pod.spec.scheduler_name == *self.name
            && !pod.spec.is_gated
            && !pod.meta.is_deleting()
            && !pod.status.phase.is_over()
    }

    /// Something changed: what waits for room is tried again, each after its pause.
    fn try_parked(&self) {
        for (key, parked) in self.parked().iter_mut().filter(|(_, parked)| parked.waits) {
            parked.waits = false;
            self.queue.add_after(key.clone(), parked.pause());
        }
    }

    async fn schedule(&self, key: NamespacedName) -> Synced {
        let Some(pod) = self.pods.get(&key).filter(|pod| self.is_waiting(pod)) else { return Ok(Next::Wait) };
        let (decision, epoch) = {
            let mut board = self.board();
            if board.is_assumed(&pod.meta.uid) {
                return Ok(Next::Wait);
            }
            let decision = decide::decide(&pod, &board);
            if let Ok(node) = &decision {
                board.assume(&pod, node);
            }
            (decision, board.epoch)
        };
        match decision {
            Ok(node) => self.bind(&pod, &node).await,
            Err(why) => {
                self.park(key, epoch);
                self.tell_unschedulable(&pod, &why).await
            }
        }
    }

    async fn bind(&self, pod: &Pod, node: &str) -> Synced {
        let (namespace, name) = (&pod.meta.namespace, &pod.meta.name);
        let path = Pod::RESOURCE.object(namespace, name, "binding");
        let binding = json!({
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name, "namespace": namespace, "uid": pod.meta.uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        });
        match self.cluster.post(&path, &binding).await {
            Ok(()) => {
                self.parked().remove(&pod.meta.key());
                let message = format!("Successfully assigned {namespace}/{name} to {node}");
                self.recorder.normal(pod, "Scheduled", message);
                Ok(Next::Wait)
            }
            Err(error) => {
                self.board().give_up(&pod.meta.uid);
                self.try_parked();
                if error.is_not_found() || error.is_conflict() {
                    // It is gone, or has a node already: the cache will tell.
                    return Ok(Next::After(Duration::from_secs(1)));
                }
                self.recorder.warning(pod, "FailedScheduling", format!("Binding rejected: {}", error.sentence()));
                Err(error.into())
            }
        }
    }

    fn park(&self, key: NamespacedName, epoch: u64) {
        let pause = {
            let mut parked = self.parked();
            let now = Instant::now();
            let entry = parked.entry(key.clone()).or_insert(Parked { tries: 0, last_try: now, waits: true });
            entry.tries = entry.tries.saturating_add(1);
            entry.last_try = now;
            entry.waits = true;
            entry.pause()
        };
        // What changed between the decision and now has found nobody waiting.
        if self.board().epoch != epoch {
            if let Some(parked) = self.parked().get_mut(&key) {
                parked.waits = false;
            }
            self.queue.add_after(key, pause);
        }
    }

    async fn tell_unschedulable(&self, pod: &Pod, why: &str) -> Synced {
        if pod.status.unschedulable.as_deref() == Some(why) {
            return Ok(Next::Wait);
        }
        self.recorder.warning(pod, "FailedScheduling", why);
        let path = Pod::RESOURCE.object(&pod.meta.namespace, &pod.meta.name, "status");
        let condition = json!({
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why,
            "lastTransitionTime": in_seconds(self.clock.now()),
        });
        let change = json!({"metadata": {"uid": pod.meta.uid}, "status": {"conditions": [condition]}});
        match self.cluster.patch::<serde::de::IgnoredAny>(&path, Patch::Strategic, &change).await {
            Err(error) if error.is_not_found() || error.is_conflict() => Ok(Next::Wait),
            result => Ok(result.map(|_| Next::Wait)?),
        }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn parked(&self) -> MutexGuard<'_, BTreeMap<NamespacedName, Parked>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Parked {
    /// What is left of the pause after the last try.
    fn pause(&self) -> Duration {
        let doublings = self.tries.saturating_sub(1).min(16);
        let pause = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
        pause.saturating_sub(self.last_try.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use crate::fake::world::World;
    use serde_json::{Value, json};
    use std::collections::BTreeMap;
    use std::time::Duration;

    const PODS: &str = "/api/v1/namespaces/default/pods";
    const NODES: &str = "/api/v1/nodes";

    fn pod(name: &str, cpu: &str) -> Value {
        json!({
            "kind": "Pod", "metadata": {"name": name},
            "spec": {"schedulerName": "default-scheduler", "containers": [
                {"name": "c", "resources": {"requests": {"cpu": cpu}}}]},
        })
    }

    fn node(name: &str, cpu: &str) -> Value {
        let amounts = json!({"cpu": cpu, "memory": "8Gi", "pods": "110"});
        json!({"kind": "Node", "metadata": {"name": name}, "status": {"allocatable": amounts, "conditions": [
            {"type": "Ready", "status": "True"}]}})
    }

    fn on_nodes(world: &World) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for pod in world.list(PODS) {
            *counts.entry(pod["spec"]["nodeName"].as_str().unwrap_or("").to_owned()).or_default() += 1;
        }
        counts
    }

    #[tokio::test(start_paused = true)]
    async fn pods_are_spread_and_never_overcommit_a_node() {
        let world = World::start().await;
        world.create(NODES, node("a", "2"));
        world.create(NODES, node("b", "2"));
        for index in 0..10 {
            world.create(PODS, pod(&index.to_string(), "500m"));
        }
        world.settle(Duration::from_secs(5)).await;
        let expected = [(String::new(), 2), ("a".to_owned(), 4), ("b".to_owned(), 4)];
        assert_eq!(on_nodes(&world), BTreeMap::from(expected));
        let waiting = world.list(PODS).into_iter().find(|pod| pod["spec"]["nodeName"].is_null()).unwrap();
        let condition = &waiting["status"]["conditions"][0];
        assert_eq!((&condition["type"], &condition["reason"]), (&json!("PodScheduled"), &json!("Unschedulable")));
        assert_eq!(condition["message"], "0/2 nodes are available: 2 Insufficient cpu.");
        let events = world.list("/api/v1/events");
        assert!(events.iter().any(|event| event["reason"] == "FailedScheduling"));
        assert!(events.iter().any(|event| event["message"] == "Successfully assigned default/0 to a"));
        world.writes();
        world.settle(Duration::from_secs(3600)).await;
        assert_eq!(world.writes(), Vec::<String>::new());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pod_without_room_is_tried_again_when_there_is_some() {
        let world = World::start().await;
        world.create(PODS, pod("early", "500m"));
        world.settle(Duration::from_secs(1)).await;
        world.create(NODES, node("a", "1"));
        world.eventually("early has a node", |world| on_nodes(world).contains_key("a")).await;
        world.create(PODS, pod("large", "800m"));
        world.settle(Duration::from_secs(60)).await;
        assert_eq!(on_nodes(&world)[""], 1);
        world.delete(&format!("{PODS}/early"), json!({"gracePeriodSeconds": 0}));
        world.eventually("large has a node", |world| on_nodes(world).get("a") == Some(&1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn pods_of_other_schedulers_and_gated_pods_wait() {
        let world = World::start().await;
        world.create(NODES, node("a", "1"));
        let mut other = pod("other", "1m");
        other["spec"]["schedulerName"] = json!("mine");
        world.create(PODS, other);
        let mut gated = pod("gated", "1m");
        gated["spec"]["schedulingGates"] = json!([{"name": "x"}]);
        world.create(PODS, gated);
        world.settle(Duration::from_secs(5)).await;
        assert_eq!(on_nodes(&world), BTreeMap::from([(String::new(), 2)]));
        world.patch(&format!("{PODS}/gated"), json!({"spec": {"schedulingGates": null}}));
        world.eventually("gated has a node", |world| on_nodes(world).contains_key("a")).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_uncordoned_node_takes_pods_again() {
        let world = World::start().await;
        let mut cordoned = node("a", "1");
        cordoned["spec"] = json!({"unschedulable": true});
        world.create(NODES, cordoned);
        world.create(PODS, pod("x", "1m"));
        world.settle(Duration::from_secs(5)).await;
        assert_eq!(on_nodes(&world), BTreeMap::from([(String::new(), 1)]));
        world.patch(&format!("{NODES}/a"), json!({"spec": {"unschedulable": null}}));
        world.eventually("x has a node", |world| on_nodes(world).contains_key("a")).await;
    }
}
