//! Deletes pods from nodes whose taints they do not tolerate, or no longer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use api::names::NamespacedName;
use futures::FutureExt;
use jiff::Timestamp;
use lifecycle::clock::Clock;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::caches::cache::{Cache, Change};
use crate::cluster::{self, Cluster, Patch};
use crate::context::Context;
use crate::events::recorder::Recorder;
use crate::kinds::kind::{IndexKey, Kind};
use crate::kinds::node::{Node, Taint};
use crate::kinds::pod::Pod;
use crate::kinds::wire::in_seconds;
use crate::queue::{Patience, Queue};
use crate::worker::{Next, Synced};

const WORKERS: usize = 4;

struct TaintEviction {
    cluster: Cluster,
    clock: Clock,
    recorder: Recorder,
    nodes: Cache<Node>,
    pods: Cache<Pod>,
    queue: Queue<NamespacedName>,
    /// When a taint that does not tell its time was first seen: by node and key.
    seen: Mutex<HashMap<NodeAndKey, Timestamp>>,
}

type NodeAndKey = (Box<str>, Box<str>);

pub fn start(context: &Context) {
    let this = Arc::new(TaintEviction {
        cluster: context.cluster.clone(),
        clock: context.clock.clone(),
        recorder: context.recorder.of("taint-eviction-controller"),
        nodes: context.caches.of(),
        pods: context.caches.of(),
        queue: context.queue("taint_eviction", Patience::default()),
        seen: Mutex::default(),
    });
    let it = this.clone();
    this.nodes.on_change(move |change| it.node_changed(change));
    let it = this.clone();
    this.pods.on_change(move |change| it.pod_changed(change));
    let ready = vec![this.nodes.clone().ready(), this.pods.clone().ready()];
    let it = this.clone();
    context.work("taint_eviction", WORKERS, &this.queue, ready, move |key| {
        let it = it.clone();
        async move { it.sync(key).await }.boxed()
    });
}

/// The taints that drive pods away.
fn driving(node: &Node) -> impl Iterator<Item = &Taint> {
    node.spec.taints.iter().filter(|taint| &*taint.effect == "NoExecute")
}

/// When the pod must go, if it must. `since` tells when a taint came.
fn plan(pod: &Pod, taints: &[Taint], since: impl Fn(&Taint) -> Timestamp) -> Option<Timestamp> {
    let leaves_at = |taint: &Taint| {
        let tolerated = pod.spec.tolerations.iter().find(|toleration| toleration.tolerates(taint));
        let Some(toleration) = tolerated else { return Some(Timestamp::UNIX_EPOCH) };
        let seconds = toleration.toleration_seconds?.max(0);
        Timestamp::from_second(since(taint).as_second().saturating_add(seconds)).ok()
    };
    taints.iter().filter_map(leaves_at).min()
}

impl TaintEviction {
    fn node_changed(&self, change: &Change<'_, Node>) {
        let taints = |node: Option<&Arc<Node>>| -> Vec<Taint> {
            node.map(|node| driving(node).cloned().collect()).unwrap_or_default()
        };
        let (old, new) = (taints(change.old), taints(change.new));
        if old == new {
            return;
        }
        let name = &change.object().meta.name;
        {
            let now = self.clock.now();
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.retain(|(node, key), _| node != name || new.iter().any(|taint| taint.key == *key));
            for taint in &new {
                seen.entry((name.clone(), taint.key.clone())).or_insert(now);
            }
        }
        for pod in self.pods.indexed(IndexKey::node(name)) {
            self.queue.add(pod.meta.key());
        }
    }

    fn pod_changed(&self, change: &Change<'_, Pod>) {
        let Some(pod) = change.new.filter(|pod| !pod.spec.node_name.is_empty()) else { return };
        let is_same =
            |old: &Arc<Pod>| old.spec.node_name == pod.spec.node_name && old.spec.tolerations == pod.spec.tolerations;
        if change.old.is_some_and(is_same) {
            return;
        }
        if self.nodes.find("", &pod.spec.node_name).is_some_and(|node| driving(&node).next().is_some()) {
            self.queue.add(change.key());
        }
    }

    async fn sync(&self, key: NamespacedName) -> Synced {
        let Some(pod) = self.pods.get(&key).filter(|pod| pod.is_active()) else { return Ok(Next::Wait) };
        let Some(node) = self.nodes.find("", &pod.spec.node_name) else { return Ok(Next::Wait) };
        let taints: Vec<Taint> = driving(&node).cloned().collect();
        let since = |taint: &Taint| {
            let first = || {
                let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.get(&(node.meta.name.clone(), taint.key.clone())).copied()
            };
            taint.time_added.or_else(first).unwrap_or_else(|| self.clock.now())
        };
        let Some(leaves_at) = plan(&pod, &taints, since) else { return Ok(Next::Wait) };
        if leaves_at > self.clock.now() {
            return Ok(Next::After(self.clock.until(leaves_at)));
        }
        self.evict(&pod).await?;
        Ok(Next::Wait)
    }

    async fn evict(&self, pod: &Pod) -> kube::Result<()> {
        self.recorder.normal(pod, "TaintManagerEviction", format!("Marking for deletion Pod {}", pod.meta.key()));
        let condition = json!({
            "type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager",
            "message": "Taint manager: deleting due to NoExecute taint",
            "lastTransitionTime": in_seconds(self.clock.now()),
        });
        let change = json!({"metadata": {"uid": pod.meta.uid}, "status": {"conditions": [condition]}});
        let path = Pod::RESOURCE.object(&pod.meta.namespace, &pod.meta.name, "status");
        let marked = self.cluster.patch::<IgnoredAny>(&path, Patch::Strategic, &change).await.map(drop);
        cluster::unless_replaced(marked)?;
        cluster::unless_replaced(self.cluster.delete(&Pod::RESOURCE, &pod.meta, None, None).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::pod::Toleration;

    fn taint(key: &str) -> Taint {
        Taint { key: key.into(), effect: "NoExecute".into(), ..Taint::default() }
    }

    fn pod(tolerations: &[(&str, Option<i64>)]) -> Pod {
        let toleration = |(key, seconds): &(&str, Option<i64>)| Toleration {
            key: (*key).into(),
            operator: "Exists".into(),
            toleration_seconds: *seconds,
            ..Toleration::default()
        };
        let mut pod = Pod::default();
        pod.spec.tolerations = tolerations.iter().map(toleration).collect();
        pod
    }

    fn leaves_at(pod: &Pod, taints: &[Taint]) -> Option<i64> {
        plan(pod, taints, |_| Timestamp::from_second(100).unwrap()).map(Timestamp::as_second)
    }

    #[test]
    fn a_pod_leaves_at_the_first_taint_that_drives_it_away() {
        let both = [taint("a"), taint("b")];
        assert_eq!(leaves_at(&pod(&[]), &[]), None);
        assert_eq!(leaves_at(&pod(&[]), &both), Some(0));
        assert_eq!(leaves_at(&pod(&[("a", None)]), &both), Some(0));
        assert_eq!(leaves_at(&pod(&[("a", None), ("b", None)]), &both), None);
        assert_eq!(leaves_at(&pod(&[("a", Some(300)), ("b", Some(60))]), &both), Some(160));
        assert_eq!(leaves_at(&pod(&[("a", Some(-1)), ("b", None)]), &both), Some(100));
        assert_eq!(leaves_at(&pod(&[("", None)]), &both), None);
    }
}
