//! Removes pods that nobody will ever remove: those of nodes that are gone, and those that are being deleted and were
//! never given a node.

use std::sync::Arc;
use std::time::Duration;

use api::names::NamespacedName;
use futures::FutureExt;
use lifecycle::clock::Clock;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::caches::cache::{Cache, Change};
use crate::cluster::{self, Cluster, Patch};
use crate::context::Context;
use crate::kinds::kind::{IndexKey, Kind};
use crate::kinds::node::Node;
use crate::kinds::pod::Pod;
use crate::kinds::wire::in_seconds;
use crate::queue::{Patience, Queue};
use crate::worker::{Next, Synced};

/// A node that registers anew within this time keeps its pods.
const QUARANTINE: Duration = Duration::from_secs(40);

struct PodGc {
    cluster: Cluster,
    clock: Clock,
    pods: Cache<Pod>,
    nodes: Cache<Node>,
    /// Nodes that are missing, as names without a namespace, and pods.
    queue: Queue<NamespacedName>,
}

pub fn start(context: &Context) {
    let this = Arc::new(PodGc {
        cluster: context.cluster.clone(),
        clock: context.clock.clone(),
        pods: context.caches.of(),
        nodes: context.caches.of(),
        queue: context.queue("pod_gc", Patience::default()),
    });
    let it = this.clone();
    this.nodes.on_change(move |change| {
        if change.new.is_none() {
            it.queue.add_after(change.key(), QUARANTINE);
        }
    });
    let it = this.clone();
    this.pods.on_change(move |change| it.pod_changed(change));
    let ready = vec![this.pods.clone().ready(), this.nodes.clone().ready()];
    let it = this.clone();
    context.work("pod_gc", 1, &this.queue, ready, move |key| {
        let it = it.clone();
        async move { it.sync(key).await }.boxed()
    });
}

impl PodGc {
    fn pod_changed(&self, change: &Change<'_, Pod>) {
        let Some(pod) = change.new else { return };
        let node = &pod.spec.node_name;
        if node.is_empty() {
            if pod.meta.is_deleting() {
                self.queue.add(change.key());
            }
        } else if change.old.is_none_or(|old| old.spec.node_name.is_empty()) && self.nodes.find("", node).is_none() {
            // While the caches are being filled, this is only a suspicion.
            self.queue.add_after(NamespacedName::new("", &**node), QUARANTINE);
        }
    }

    async fn sync(&self, key: NamespacedName) -> Synced {
        if !key.namespace.is_empty() {
            let pod = self.pods.get(&key).filter(|pod| pod.spec.node_name.is_empty() && pod.meta.is_deleting());
            if let Some(pod) = pod {
                self.remove(&pod).await?;
            }
            return Ok(Next::Wait);
        }
        let pods = self.pods.indexed(IndexKey::node(&key.name));
        let is_there = || self.nodes.find("", &key.name).is_some();
        if pods.is_empty() || is_there() || self.cluster.get_meta(&Node::RESOURCE, "", &key.name).await?.is_some() {
            return Ok(Next::Wait);
        }
        for pod in pods.iter().filter(|pod| *pod.spec.node_name == *key.name) {
            self.fail(pod).await?;
            self.remove(pod).await?;
        }
        Ok(Next::Wait)
    }

    /// What counts pods must not take one that is lost for one that runs.
    async fn fail(&self, pod: &Pod) -> kube::Result<()> {
        if pod.status.phase.is_over() {
            return Ok(());
        }
        let condition = json!({
            "type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC",
            "message": "PodGC: node no longer exists", "lastTransitionTime": in_seconds(self.clock.now()),
        });
        let change =
            json!({"metadata": {"uid": pod.meta.uid}, "status": {"phase": "Failed", "conditions": [condition]}});
        let path = Pod::RESOURCE.object(&pod.meta.namespace, &pod.meta.name, "status");
        cluster::unless_replaced(self.cluster.patch::<IgnoredAny>(&path, Patch::Strategic, &change).await.map(drop))
    }

    async fn remove(&self, pod: &Pod) -> kube::Result<()> {
        cluster::unless_replaced(self.cluster.delete(&Pod::RESOURCE, &pod.meta, None, Some(0)).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::world::World;
    use serde_json::Value;

    const PODS: &str = "/api/v1/namespaces/default/pods";

    fn pod(name: &str, node: &str) -> Value {
        json!({"kind": "Pod", "metadata": {"name": name}, "spec": {"nodeName": node}, "status": {"phase": "Running"}})
    }

    #[tokio::test(start_paused = true)]
    async fn pods_go_with_their_node() {
        let world = World::start().await;
        world.create("/api/v1/nodes", json!({"kind": "Node", "metadata": {"name": "a"}}));
        world.create(PODS, pod("x", "a"));
        world.create(PODS, pod("lost", "never-was"));
        world.settle(Duration::from_secs(30)).await;
        assert_eq!(world.list(PODS).len(), 2);
        world.eventually("lost is gone", |world| world.get(&format!("{PODS}/lost")).is_none()).await;
        world.delete("/api/v1/nodes/a", json!({}));
        world.settle(Duration::from_secs(30)).await;
        assert_eq!(world.list(PODS).len(), 1);
        world.eventually("x is gone", |world| world.list(PODS).is_empty()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_comes_back_keeps_its_pods() {
        let world = World::start().await;
        world.create("/api/v1/nodes", json!({"kind": "Node", "metadata": {"name": "a"}}));
        world.create(PODS, pod("x", "a"));
        world.settle(Duration::from_secs(1)).await;
        world.delete("/api/v1/nodes/a", json!({}));
        world.settle(Duration::from_secs(20)).await;
        world.create("/api/v1/nodes", json!({"kind": "Node", "metadata": {"name": "a"}}));
        world.settle(Duration::from_secs(100)).await;
        assert_eq!(world.list(PODS).len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pod_that_never_had_a_node_does_not_hang() {
        let world = World::start().await;
        let mut object = pod("x", "");
        object["metadata"]["finalizers"] = json!(["x.io/y"]);
        object["spec"] = json!({});
        world.create(PODS, object);
        world.delete(&format!("{PODS}/x"), json!({}));
        world.patch(&format!("{PODS}/x"), json!({"metadata": {"finalizers": null}}));
        world.eventually("gone", |world| world.list(PODS).is_empty()).await;
    }
}
