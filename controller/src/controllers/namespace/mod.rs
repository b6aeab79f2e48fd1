//! Empties namespaces that are being deleted: pods first, then all else that discovery knows, then the namespace itself.

mod plan;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::names::NamespacedName;
use api::well_known::finalizer;
use futures::FutureExt;
use lifecycle::clock::Clock;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::caches::cache::Cache;
use crate::cluster::{Cluster, ErrorExt};
use crate::context::Context;
use crate::controllers::namespace::plan::Pass;
use crate::discovery::{self, Served};
use crate::kinds::bare::Bare;
use crate::kinds::kind::Kind;
use crate::kinds::meta::Meta;
use crate::kinds::namespace::Namespace;
use crate::kinds::pod::Pod;
use crate::kinds::resource::Resource;
use crate::queue::{Patience, Queue};
use crate::worker::{Next, SyncError, Synced};

const WORKERS: usize = 5;
/// What is deleted shows itself by its absence; this is for what is not watched.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

struct Namespaces {
    cluster: Cluster,
    clock: Clock,
    namespaces: Cache<Namespace>,
    queue: Queue<NamespacedName>,
}

pub fn start(context: &Context) {
    let this = Arc::new(Namespaces {
        cluster: context.cluster.clone(),
        clock: context.clock.clone(),
        namespaces: context.caches.of(),
        queue: context.queue("namespace", Patience::default()),
    });
    let it = this.clone();
    this.namespaces.on_change(move |change| {
        if change.new.is_some_and(|namespace| namespace.meta.is_deleting()) {
            it.queue.add(change.key());
        }
    });
    let it = this.clone();
    context.caches.observe(Arc::new(move |_: &Resource, old: Option<&Meta>, new: Option<&Meta>| {
        if let (Some(gone), None) = (old, new) {
            it.content_gone(&gone.namespace);
        }
    }));
    let ready = vec![this.namespaces.clone().ready()];
    let it = this.clone();
    context.work("namespace", WORKERS, &this.queue, ready, move |key| {
        let it = it.clone();
        async move { it.sync(key).await }.boxed()
    });
}

impl Namespaces {
    /// The last object may have gone.
    fn content_gone(&self, namespace: &str) {
        if namespace.is_empty() {
            return;
        }
        if self.namespaces.find("", namespace).is_some_and(|namespace| namespace.meta.is_deleting()) {
            self.queue.add_after(NamespacedName::new("", namespace), Duration::from_millis(20));
        }
    }

    async fn sync(&self, key: NamespacedName) -> Synced {
        let Some(namespace) = self.namespaces.get(&key).filter(|namespace| namespace.meta.is_deleting()) else {
            return Ok(Next::Wait);
        };
        if namespace.spec.finalizers.is_empty() {
            return Ok(Next::Wait);
        }
        let pass = self.empty(&namespace).await?;
        let conditions = plan::conditions(&namespace.status.conditions, &pass, self.clock.now());
        let mut meta = namespace.meta.clone();
        if conditions != namespace.status.conditions || &*namespace.status.phase != "Terminating" {
            let status = json!({"phase": "Terminating", "conditions": conditions});
            meta = match self.write_status(&meta, &status).await {
                Err(error) if error.is_not_found() => return Ok(Next::Wait),
                written => written?,
            };
        }
        if let Some(failure) = pass.undiscovered.first().or(pass.failures.first()) {
            return Err(SyncError::Other(failure.clone()));
        }
        if !pass.is_done() {
            return Ok(Next::After(LOOK_AGAIN));
        }
        self.finalize(&namespace, &meta).await
    }

    async fn write_status(&self, meta: &Meta, status: &serde_json::Value) -> kube::Result<Meta> {
        let path = Namespace::RESOURCE.object("", &meta.name, "status");
        let change = json!({"metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version}, "status": status});
        let written: Bare = self.cluster.patch(&path, crate::cluster::Patch::Merge, &change).await?;
        Ok(written.metadata)
    }

    async fn finalize(&self, namespace: &Namespace, meta: &Meta) -> Synced {
        let rest = namespace.spec.finalizers.iter().filter(|name| ***name != *finalizer::KUBERNETES);
        let rest: Vec<&str> = rest.map(|name| &**name).collect();
        let body = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": meta.name, "uid": meta.uid, "resourceVersion": meta.resource_version, "labels": meta.labels,
                "annotations": meta.annotations, "finalizers": meta.finalizers,
            },
            "spec": {"finalizers": rest},
        });
        let path = Namespace::RESOURCE.object("", &meta.name, "finalize");
        match self.cluster.put::<IgnoredAny>(&path, &body).await {
            Err(error) if error.is_not_found() => Ok(Next::Wait),
            result => Ok(result.map(|_| Next::Wait)?),
        }
    }

    /// Deletes what can be deleted now, and tells what is left.
    async fn empty(&self, namespace: &Namespace) -> kube::Result<Pass> {
        let found = discovery::discover(&self.cluster).await?;
        let mut pass = Pass { undiscovered: found.failures, ..Pass::default() };
        let deletable = |served: &&Served| served.resource.namespaced && served.allows(&["delete", "list"]);
        let (pods, rest): (Vec<&Served>, Vec<&Served>) =
            found.served.iter().filter(deletable).partition(|served| served.resource == Pod::RESOURCE);
        for served in &pods {
            self.empty_of(served, &namespace.meta.name, &mut pass).await;
        }
        // What pods need while they end must be there until they have.
        if pass.remaining.is_empty() && pass.failures.is_empty() {
            for served in &rest {
                self.empty_of(served, &namespace.meta.name, &mut pass).await;
            }
        }
        Ok(pass)
    }

    async fn empty_of(&self, served: &Served, namespace: &str, pass: &mut Pass) {
        match self.delete_all(served, namespace).await {
            Ok(left) if left.is_empty() => {}
            Ok(left) => {
                let resource = &served.resource;
                pass.remaining.insert(format!("{}.{}", resource.plural, resource.group), left.len());
                let mut finalizers: BTreeMap<String, usize> = BTreeMap::new();
                for name in left.iter().flat_map(|meta| meta.finalizers.iter()) {
                    *finalizers.entry(name.to_string()).or_default() += 1;
                }
                for (name, count) in finalizers {
                    *pass.finalizers.entry(name).or_default() += count;
                }
            }
            Err(error) if error.is_not_found() => {}
            Err(error) => pass.failures.push(format!("{}: {}", served.resource, error.sentence())),
        }
    }

    /// What is left of a resource after its deletion was asked for.
    async fn delete_all(&self, served: &Served, namespace: &str) -> kube::Result<Vec<Meta>> {
        let left = self.cluster.list_meta(&served.resource, namespace).await?;
        if left.iter().all(Meta::is_deleting) {
            return Ok(left);
        }
        let path = served.resource.collection(namespace);
        if served.allows(&["deletecollection"]) {
            let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"});
            self.cluster.send_text("DELETE", &path, "application/json", options.to_string().as_bytes()).await?;
        } else {
            for meta in left.iter().filter(|meta| !meta.is_deleting()) {
                let deleted = self.cluster.delete(&served.resource, meta, None, None).await;
                if let Err(error) = deleted
                    && !error.is_not_found()
                {
                    return Err(error);
                }
            }
        }
        self.cluster.list_meta(&served.resource, namespace).await
    }
}

#[cfg(test)]
mod tests {
    use crate::fake::world::World;
    use serde_json::json;
    use std::time::Duration;

    const NAMESPACE: &str = "/api/v1/namespaces/a";

    #[tokio::test(start_paused = true)]
    async fn a_namespace_is_emptied_pods_first_and_then_goes() {
        let world = World::start().await;
        world.create_node("n");
        world.create("/api/v1/namespaces", json!({"kind": "Namespace", "metadata": {"name": "a"}}));
        let pod = json!({"kind": "Pod", "metadata": {"name": "p"}, "spec": {"nodeName": "n"}, "status": {"phase": "Running"}});
        world.create(&format!("{NAMESPACE}/pods"), pod);
        world.create(&format!("{NAMESPACE}/secrets"), json!({"kind": "Secret", "metadata": {"name": "s"}}));
        world.settle(Duration::from_secs(1)).await;
        world.delete(NAMESPACE, json!({}));
        world.settle(Duration::from_secs(5)).await;
        let namespace = world.get(NAMESPACE).unwrap();
        let conditions = namespace["status"]["conditions"].as_array().unwrap();
        let remaining = conditions.iter().find(|it| it["type"] == "NamespaceContentRemaining").unwrap();
        assert_eq!(remaining["message"], "Some resources are remaining: pods. has 1 resource instances");
        assert!(world.get(&format!("{NAMESPACE}/secrets/s")).is_some());
        world.delete(&format!("{NAMESPACE}/pods/p"), json!({"gracePeriodSeconds": 0}));
        world.eventually("the namespace is gone", |world| world.get(NAMESPACE).is_none()).await;
        world.settle(Duration::from_secs(60)).await;
        assert!(world.list(&format!("{NAMESPACE}/secrets")).is_empty());
        assert!(world.list(&format!("{NAMESPACE}/configmaps")).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_finalizer_holds_the_namespace_and_is_told() {
        let world = World::start().await;
        world.create("/api/v1/namespaces", json!({"kind": "Namespace", "metadata": {"name": "a"}}));
        let held = json!({"kind": "Secret", "metadata": {"name": "s", "finalizers": ["x.io/y"]}});
        world.create(&format!("{NAMESPACE}/secrets"), held);
        world.delete(NAMESPACE, json!({}));
        world.settle(Duration::from_secs(60)).await;
        let namespace = world.get(NAMESPACE).unwrap();
        let conditions = namespace["status"]["conditions"].as_array().unwrap();
        let finalizers = conditions.iter().find(|it| it["type"] == "NamespaceFinalizersRemaining").unwrap();
        assert_eq!(finalizers["reason"], "SomeFinalizersRemain");
        world.patch(&format!("{NAMESPACE}/secrets/s"), json!({"metadata": {"finalizers": null}}));
        world.eventually("the namespace is gone", |world| world.get(NAMESPACE).is_none()).await;
    }
}
