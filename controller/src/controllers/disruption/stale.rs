//! Takes back the condition DisruptionTarget of pods that were not deleted after all.

use std::sync::Arc;
use std::time::Duration;

use api::names::NamespacedName;
use futures::FutureExt;
use jiff::Timestamp;
use lifecycle::clock::Clock;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::caches::cache::Cache;
use crate::cluster::{self, Cluster, Patch};
use crate::context::Context;
use crate::kinds::kind::Kind;
use crate::kinds::pod::Pod;
use crate::kinds::wire::in_seconds;
use crate::queue::{Patience, Queue};
use crate::worker::{Next, Synced};

/// Who says that a pod is to make way deletes it within this time.
const PATIENCE: Duration = Duration::from_secs(2 * 60);

struct Stale {
    cluster: Cluster,
    clock: Clock,
    pods: Cache<Pod>,
    queue: Queue<NamespacedName>,
}

pub fn start(context: &Context) {
    let this = Arc::new(Stale {
        cluster: context.cluster.clone(),
        clock: context.clock.clone(),
        pods: context.caches.of(),
        queue: context.queue("stale_pod_disruption", Patience::default()),
    });
    let queue = this.queue.clone();
    this.pods.on_change(move |change| {
        if change.new.is_some_and(|pod| stale_at(pod).is_some()) {
            queue.add(change.key());
        }
    });
    let ready = vec![this.pods.clone().ready()];
    let it = this.clone();
    context.work("stale_pod_disruption", 1, &this.queue, ready, move |key| {
        let it = it.clone();
        async move { it.sync(key).await }.boxed()
    });
}

/// When nobody may be believed any more to delete the pod.
fn stale_at(pod: &Pod) -> Option<Timestamp> {
    let since = pod.status.disrupted_since.filter(|_| pod.is_active())?;
    Some(since.saturating_add(PATIENCE).unwrap_or(Timestamp::MAX))
}

impl Stale {
    async fn sync(&self, key: NamespacedName) -> Synced {
        let Some(pod) = self.pods.get(&key) else { return Ok(Next::Wait) };
        let Some(stale_at) = stale_at(&pod) else { return Ok(Next::Wait) };
        if stale_at > self.clock.now() {
            return Ok(Next::After(self.clock.until(stale_at)));
        }
        // Not if somebody is just deleting it.
        let change = json!({
            "metadata": {"uid": pod.meta.uid, "resourceVersion": pod.meta.resource_version},
            "status": {"conditions": [{
                "type": "DisruptionTarget", "status": "False", "reason": Value::Null, "message": Value::Null,
                "observedGeneration": Value::Null, "lastTransitionTime": in_seconds(self.clock.now()),
            }]},
        });
        let path = Pod::RESOURCE.object(&pod.meta.namespace, &pod.meta.name, "status");
        let written = self.cluster.patch::<IgnoredAny>(&path, Patch::Strategic, &change).await.map(drop);
        cluster::unless_absent(written)?;
        Ok(Next::Wait)
    }
}

#[cfg(test)]
mod tests {
    use crate::fake::world::World;
    use jiff::Timestamp;
    use serde_json::{Value, json};
    use std::time::Duration;

    const PODS: &str = "/api/v1/namespaces/default/pods";

    /// A running pod with this condition since now.
    fn create(world: &World, name: &str, reason: &str) {
        let condition = json!({"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "going",
            "lastTransitionTime": Timestamp::now().to_string()});
        world.create(
            PODS,
            json!({"kind": "Pod", "metadata": {"name": name}, "spec": {"nodeName": "n"},
                "status": {"phase": "Running", "conditions": [condition]}}),
        );
    }

    fn condition(world: &World, name: &str) -> Value {
        world.get(&format!("{PODS}/{name}")).unwrap()["status"]["conditions"][0].clone()
    }

    #[tokio::test(start_paused = true)]
    async fn a_pod_that_stays_is_no_longer_said_to_make_way() {
        let world = World::start().await;
        world.create_node("n");
        create(&world, "stays", "EvictionByEvictionAPI");
        create(&world, "killed", "TerminationByKubelet");
        create(&world, "leaves", "EvictionByEvictionAPI");
        world.delete(&format!("{PODS}/leaves"), json!({}));
        world.settle(Duration::from_secs(115)).await;
        assert_eq!(world.writes().iter().filter(|write| write.contains("/status")).count(), 0);
        world.eventually("taken back", |world| condition(world, "stays")["status"] == "False").await;
        assert_eq!(
            (&condition(&world, "stays")["reason"], &condition(&world, "stays")["message"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(condition(&world, "killed")["status"], "True");
        assert_eq!(condition(&world, "leaves")["status"], "True");
        world.writes();
        world.settle(Duration::from_secs(3600)).await;
        assert_eq!(world.writes(), Vec::<String>::new());
    }
}
