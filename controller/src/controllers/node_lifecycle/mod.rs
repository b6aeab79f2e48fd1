//! Watches over nodes: one that falls silent is unreachable, and its pods are not ready.

mod plan;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::names::NamespacedName;
use api::well_known::NODE_LEASE_NAMESPACE;
use futures::FutureExt;
use futures::future::join_all;
use jiff::Timestamp;
use lifecycle::clock::Clock;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::caches::cache::Cache;
use crate::cluster::{Cluster, ErrorExt, Patch};
use crate::context::Context;
use crate::events::recorder::Recorder;
use crate::kinds::kind::{IndexKey, Kind};
use crate::kinds::lease::Lease;
use crate::kinds::node::Node;
use crate::kinds::pod::Pod;
use crate::kinds::wire::in_seconds;
use crate::queue::{Patience, Queue};
use crate::worker::{Next, Synced};

const WORKERS: usize = 4;
const PODS_AT_ONCE: usize = 20;

struct NodeLifecycle {
    cluster: Cluster,
    clock: Clock,
    recorder: Recorder,
    nodes: Cache<Node>,
    leases: Cache<Lease>,
    pods: Cache<Pod>,
    queue: Queue<NamespacedName>,
    grace: Duration,
    /// The last words of each node.
    heard: Mutex<HashMap<NamespacedName, Heard>>,
}

/// What a node last said, and when we heard it: the clocks of nodes are not trusted.
#[derive(Debug, Clone, Copy)]
struct Heard {
    renewed: Option<Timestamp>,
    heartbeat: Option<Timestamp>,
    at: Instant,
}

pub fn start(context: &Context) {
    let this = Arc::new(NodeLifecycle {
        cluster: context.cluster.clone(),
        clock: context.clock.clone(),
        recorder: context.recorder.of("node-controller"),
        nodes: context.caches.of(),
        leases: context.caches.of(),
        pods: context.caches.of(),
        queue: context.queue("node_lifecycle", Patience::default()),
        grace: context.options.node_grace,
        heard: Mutex::default(),
    });
    let it = this.clone();
    this.nodes.on_change(move |change| {
        if change.new.is_some() {
            it.listen(&change.key());
        } else {
            it.heard.lock().unwrap_or_else(PoisonError::into_inner).remove(&change.key());
        }
        it.queue.add(change.key());
    });
    let it = this.clone();
    this.leases.on_change(move |change| {
        let lease = &change.object().meta;
        // A renewal only moves the moment at which the silence would be too long.
        if *lease.namespace == *NODE_LEASE_NAMESPACE {
            it.listen(&NamespacedName::new("", &*lease.name));
        }
    });
    let ready = vec![this.nodes.clone().ready(), this.leases.clone().ready(), this.pods.clone().ready()];
    let it = this.clone();
    context.work("node_lifecycle", WORKERS, &this.queue, ready, move |key| {
        let it = it.clone();
        async move { it.sync(key).await }.boxed()
    });
}

impl NodeLifecycle {
    /// Notes what the node says now, if that is new; how long ago its last word was.
    fn listen(&self, key: &NamespacedName) -> Duration {
        let Some(node) = self.nodes.get(key) else { return Duration::ZERO };
        let renewed = self.leases.find(NODE_LEASE_NAMESPACE, &key.name).and_then(|lease| lease.spec.renew_time);
        let heartbeat = node.condition("Ready").and_then(|ready| ready.last_heartbeat_time);
        let now = Instant::now();
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let last = heard.entry(key.clone()).or_insert(Heard { renewed, heartbeat, at: now });
        if (last.renewed, last.heartbeat) != (renewed, heartbeat) {
            *last = Heard { renewed, heartbeat, at: now };
        }
        now - last.at
    }

    async fn sync(&self, key: NamespacedName) -> Synced {
        let Some(node) = self.nodes.get(&key) else { return Ok(Next::Wait) };
        let silence = self.listen(&key);
        if silence >= self.grace {
            let unknown = plan::unknown_conditions(&node);
            if !unknown.is_empty() {
                self.write_unknown(&node, &unknown).await?;
                // The change of the node brings us back.
                return Ok(Next::Wait);
            }
        }
        if let Some(taints) = plan::taints(&node, self.clock.now()) {
            let meta = &node.meta;
            let taints = if taints.is_empty() { Value::Null } else { json!(taints) };
            let change = json!({
                "metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version}, "spec": {"taints": taints},
            });
            let path = Node::RESOURCE.object("", &meta.name, "");
            self.cluster.patch::<IgnoredAny>(&path, Patch::Merge, &change).await?;
        }
        if node.condition("Ready").is_some() && !node.is_ready() {
            self.write_pods_not_ready(&node).await?;
        }
        // A node that is known to be silent will speak for itself.
        Ok(if silence >= self.grace { Next::Wait } else { Next::After(self.grace - silence) })
    }

    async fn write_unknown(&self, node: &Node, unknown: &[plan::Unknown]) -> kube::Result<()> {
        let now = in_seconds(self.clock.now());
        let condition = |(kind, reason, message): &plan::Unknown| json!({"type": kind, "status": "Unknown", "reason": reason, "message": message, "lastTransitionTime": now});
        let conditions: Vec<Value> = unknown.iter().map(condition).collect();
        let meta = &node.meta;
        let change = json!({
            "metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version},
            "status": {"conditions": conditions},
        });
        let path = Node::RESOURCE.object("", &meta.name, "status");
        self.cluster.patch::<IgnoredAny>(&path, Patch::Strategic, &change).await?;
        let message = format!("Node {} status is now: NodeNotReady", meta.name);
        self.recorder.normal(node, "NodeNotReady", message);
        Ok(())
    }

    async fn write_pods_not_ready(&self, node: &Node) -> kube::Result<()> {
        let mut pods = self.pods.indexed(IndexKey::node(&node.meta.name));
        pods.retain(|pod| pod.spec.node_name == node.meta.name && pod.status.is_ready);
        for some in pods.chunks(PODS_AT_ONCE) {
            let written: Vec<_> = some.iter().map(|pod| self.write_pod_not_ready(pod)).collect();
            for result in join_all(written).await {
                result?;
            }
        }
        Ok(())
    }

    async fn write_pod_not_ready(&self, pod: &Pod) -> kube::Result<()> {
        let now = in_seconds(self.clock.now());
        let condition = json!({"type": "Ready", "status": "False", "lastTransitionTime": now});
        let change = json!({"metadata": {"uid": pod.meta.uid}, "status": {"conditions": [condition]}});
        let path = Pod::RESOURCE.object(&pod.meta.namespace, &pod.meta.name, "status");
        match self.cluster.patch::<IgnoredAny>(&path, Patch::Strategic, &change).await {
            Err(error) if error.is_not_found() || error.is_conflict() => Ok(()),
            result => {
                result?;
                self.recorder.warning(pod, "NodeNotReady", "Node is not ready");
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::fake::world::World;
    use serde_json::{Value, json};
    use std::time::Duration;

    const NODE: &str = "/api/v1/nodes/n";
    const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
    const PODS: &str = "/api/v1/namespaces/default/pods";

    async fn world() -> World {
        let world = World::start_with(|options| options.node_grace = Duration::from_secs(50)).await;
        world.create(
            LEASES,
            json!({"kind": "Lease", "metadata": {"name": "n"}, "spec": {"renewTime": "2026-01-01T00:00:00Z"}}),
        );
        world.create_node("n");
        world.settle(Duration::from_secs(1)).await;
        world
    }

    fn ready(world: &World) -> String {
        let conditions = world.get(NODE).unwrap()["status"]["conditions"].as_array().unwrap().clone();
        let ready = conditions.iter().find(|condition| condition["type"] == "Ready").unwrap();
        ready["status"].as_str().unwrap().to_owned()
    }

    fn taints(world: &World) -> Vec<String> {
        let taints = world.get(NODE).unwrap()["spec"]["taints"].as_array().cloned().unwrap_or_default();
        taints.iter().map(|taint| format!("{}:{}", taint["key"], taint["effect"]).replace('"', "")).collect()
    }

    fn running_pod(tolerations: Value) -> Value {
        json!({"kind": "Pod", "metadata": {"name": "p"}, "spec": {"nodeName": "n", "tolerations": tolerations},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}})
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_renews_its_lease_stays_ready() {
        let world = world().await;
        for minute in 1..20 {
            world.settle(Duration::from_secs(40)).await;
            let renewed = format!("2026-01-01T00:{minute:02}:00Z");
            world.patch(&format!("{LEASES}/n"), json!({"spec": {"renewTime": renewed}}));
        }
        assert_eq!(ready(&world), "True");
        let writes = world.writes();
        assert!(writes.iter().all(|write| write.contains("leases") || write.starts_with("POST")), "{writes:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_node_becomes_unreachable_and_comes_back() {
        let world = world().await;
        world.create(PODS, running_pod(json!([{"operator": "Exists"}])));
        let begun = tokio::time::Instant::now();
        world.eventually("unknown", |world| ready(world) == "Unknown").await;
        assert!((45..55).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
        let expected = ["node.kubernetes.io/unreachable:NoSchedule", "node.kubernetes.io/unreachable:NoExecute"];
        world.eventually("tainted", |world| taints(world) == expected).await;
        let pod_is_ready =
            |world: &World| world.get(&format!("{PODS}/p")).unwrap()["status"]["conditions"][0]["status"].clone();
        world.eventually("the pod is not ready", |world| pod_is_ready(world) == "False").await;
        world.writes();
        world.settle(Duration::from_secs(3600)).await;
        assert_eq!(world.writes(), Vec::<String>::new());
        let told = json!({"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-02T00:00:00Z"});
        world.patch(&format!("{NODE}/status"), json!({"status": {"conditions": [told]}}));
        world.eventually("no taints", |world| taints(world).is_empty()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn pods_leave_an_unreachable_node_when_they_tolerate_it_no_longer() {
        let world = world().await;
        let patient = json!([{"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}]);
        world.create(PODS, running_pod(patient));
        let begun = tokio::time::Instant::now();
        let is_deleting =
            |world: &World| !world.get(&format!("{PODS}/p")).unwrap()["metadata"]["deletionTimestamp"].is_null();
        world.eventually("the pod is being deleted", is_deleting).await;
        assert!((345..365).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
        let events = world.list("/api/v1/events");
        assert!(events.iter().any(|event| event["reason"] == "TaintManagerEviction"));
    }
}
