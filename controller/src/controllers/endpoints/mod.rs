//! Keeps the Endpoints of Services that select pods.

mod plan;
mod subsets;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::names::NamespacedName;
use api::well_known::{annotation, manager};
use futures::FutureExt;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::backends::membership;
use crate::backends::trigger_time::TriggerTimes;
use crate::caches::cache::Cache;
use crate::cluster::{Cluster, ErrorExt, Patch};
use crate::context::Context;
use crate::controllers::endpoints::plan::{Draft, TRUNCATED};
use crate::events::recorder::Recorder;
use crate::kinds::endpoints::Endpoints;
use crate::kinds::kind::Kind;
use crate::kinds::meta::Meta;
use crate::kinds::pod::Pod;
use crate::kinds::service::Service;
use crate::queue::{Patience, Queue};
use crate::worker::{Next, SyncError, Synced};

const WORKERS: usize = 5;

struct EndpointsController {
    cluster: Cluster,
    recorder: Recorder,
    services: Cache<Service>,
    pods: Cache<Pod>,
    endpoints: Cache<Endpoints>,
    queue: Queue<NamespacedName>,
    batch: Duration,
    triggers: TriggerTimes,
    /// Revisions that were replaced: a cache that still holds one is behind.
    replaced: Mutex<HashMap<NamespacedName, Replaced>>,
}

/// A uid and a revision.
type Replaced = (Box<str>, Box<str>);

pub fn start(context: &Context) {
    let this = Arc::new(EndpointsController {
        cluster: context.cluster.clone(),
        recorder: context.recorder.of(manager::ENDPOINTS),
        services: context.caches.of(),
        pods: context.caches.of(),
        endpoints: context.caches.of(),
        queue: context.queue("endpoint", Patience::default()),
        batch: context.options.endpoints_batch,
        triggers: TriggerTimes::default(),
        replaced: Mutex::default(),
    });
    let it = this.clone();
    this.services.on_change(move |change| it.queue.add(change.key()));
    let it = this.clone();
    this.pods.on_change(move |change| {
        for service in membership::concerned(&it.services, change) {
            it.queue.add_after(service, it.batch);
        }
    });
    let it = this.clone();
    this.endpoints.on_change(move |change| {
        // Those that are there from the start may have lost their Service; later on only a loss is news.
        if change.new.is_none() || (change.old.is_none() && !it.endpoints.is_synced()) {
            it.queue.add(change.key());
        }
    });
    let ready = vec![this.services.clone().ready(), this.pods.clone().ready(), this.endpoints.clone().ready()];
    let it = this.clone();
    context.work("endpoint", WORKERS, &this.queue, ready, move |key| {
        let it = it.clone();
        async move { it.sync(key).await }.boxed()
    });
}

impl EndpointsController {
    async fn sync(&self, key: NamespacedName) -> Synced {
        let current = self.endpoints.get(&key);
        let Some(service) = self.services.get(&key) else {
            self.triggers.forget(&key);
            self.replaced.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            return self.delete(current).await;
        };
        let Some(selector) = service.endpoint_selector() else { return Ok(Next::Wait) };
        let pods = membership::selected(&self.pods, &key.namespace, selector);
        let trigger = self.triggers.compute(&service, &pods);
        if current.as_ref().is_some_and(|current| self.is_stale(&key, &current.meta)) {
            return Err(SyncError::Stale("the Endpoints"));
        }
        let Some(draft) = plan::plan(&service, &pods, current.as_deref(), trigger) else { return Ok(Next::Wait) };
        match &current {
            Some(current) => self.update(&service, current, draft).await?,
            None => self.create(&service, draft).await?,
        }
        Ok(Next::Wait)
    }

    fn is_stale(&self, key: &NamespacedName, present: &Meta) -> bool {
        let replaced = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        replaced.get(key).is_some_and(|(uid, revision)| *uid == present.uid && *revision == present.resource_version)
    }

    async fn delete(&self, current: Option<Arc<Endpoints>>) -> Synced {
        let Some(current) = current else { return Ok(Next::Wait) };
        if current.meta.annotations.contains(annotation::LEADER) {
            return Ok(Next::Wait);
        }
        match self.cluster.delete(&Endpoints::RESOURCE, &current.meta, None, None).await {
            Err(error) if error.is_not_found() => Ok(Next::Wait),
            result => Ok(result.map(|()| Next::Wait)?),
        }
    }

    async fn create(&self, service: &Service, draft: Draft) -> kube::Result<()> {
        let place = service.meta.key();
        let body = json!({
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {
                "name": place.name, "namespace": place.namespace, "labels": draft.labels,
                "annotations": annotations(&draft, None),
            },
            "subsets": draft.subsets,
        });
        match self.cluster.create::<serde::de::IgnoredAny>(&Endpoints::RESOURCE, &place.namespace, &body).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_namespace_terminating() => Ok(()),
            Err(error) => {
                if !error.is_already_exists() {
                    let message = format!("Failed to create endpoint for service {place}: {}", error.sentence());
                    self.recorder.warning(service, "FailedToCreateEndpoint", message);
                }
                Err(error)
            }
        }
    }

    async fn update(&self, service: &Service, current: &Endpoints, draft: Draft) -> kube::Result<()> {
        #[derive(Deserialize)]
        struct Written {
            metadata: Meta,
        }
        let meta = &current.meta;
        let gone = meta.labels.iter().filter(|(key, _)| !draft.labels.contains(key));
        let gone = gone.map(|(key, _)| (key.to_owned(), Value::Null));
        let labels: Map<String, Value> =
            draft.labels.iter().map(|(key, value)| (key.to_owned(), json!(value))).chain(gone).collect();
        let change = json!({
            "metadata": {
                "uid": meta.uid, "resourceVersion": meta.resource_version, "labels": labels,
                "annotations": annotations(&draft, Some(meta)),
            },
            "subsets": draft.subsets,
        });
        let path = Endpoints::RESOURCE.object(&meta.namespace, &meta.name, "");
        match self.cluster.patch::<Written>(&path, Patch::Merge, &change).await {
            Ok(written) => {
                if written.metadata.resource_version != meta.resource_version {
                    let replaced = (meta.uid.clone(), meta.resource_version.clone());
                    self.replaced.lock().unwrap_or_else(PoisonError::into_inner).insert(meta.key(), replaced);
                }
                Ok(())
            }
            Err(error) => {
                if !error.is_conflict() {
                    let message = format!("Failed to update endpoint {}: {}", meta.key(), error.sentence());
                    self.recorder.warning(service, "FailedToUpdateEndpoint", message);
                }
                Err(error)
            }
        }
    }
}

/// The annotations to write: those of the draft, and the removal of old ones.
fn annotations(draft: &Draft, current: Option<&Meta>) -> Value {
    let values = [
        (annotation::ENDPOINTS_TRIGGER_TIME, draft.trigger_time.map(|time| time.to_string())),
        (annotation::ENDPOINTS_OVER_CAPACITY, draft.is_truncated.then(|| TRUNCATED.to_owned())),
    ];
    let is_needed = |(key, value): &(&str, Option<String>)| {
        value.is_some() || current.is_some_and(|current| current.annotations.contains(key))
    };
    let needed = values.into_iter().filter(is_needed).map(|(key, value)| (key.to_owned(), json!(value)));
    Value::Object(needed.collect())
}

#[cfg(test)]
mod tests {
    use crate::fake::world::World;
    use serde_json::{Value, json};
    use std::time::Duration;

    const PODS: &str = "/api/v1/namespaces/default/pods";
    const SERVICES: &str = "/api/v1/namespaces/default/services";
    const ENDPOINTS: &str = "/api/v1/namespaces/default/endpoints";

    fn service() -> Value {
        json!({
            "kind": "Service", "metadata": {"name": "web", "labels": {"team": "x"}},
            "spec": {"selector": {"app": "web"}, "clusterIP": "127.96.0.9", "ipFamilies": ["IPv4"],
                "ports": [{"port": 80, "targetPort": 8080, "protocol": "TCP"}]},
        })
    }

    fn pod(name: &str, ip: &str, ready: &str) -> Value {
        json!({
            "kind": "Pod", "metadata": {"name": name, "labels": {"app": "web"}}, "spec": {"nodeName": "n"},
            "status": {"phase": "Running", "podIP": ip, "conditions": [
                {"type": "Ready", "status": ready, "lastTransitionTime": "2026-05-01T00:00:00Z"}]},
        })
    }

    fn addresses(world: &World) -> Vec<String> {
        let Some(endpoints) = world.get(&format!("{ENDPOINTS}/web")) else { return Vec::new() };
        let subsets = endpoints["subsets"].as_array().cloned().unwrap_or_default();
        let ips = |list: &Value| -> Vec<String> {
            let list = list.as_array().cloned().unwrap_or_default();
            list.iter().map(|address| address["ip"].as_str().unwrap().to_owned()).collect()
        };
        subsets.iter().flat_map(|subset| ips(&subset["addresses"])).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn endpoints_follow_pods_and_go_with_the_service() {
        let world = World::start().await;
        world.create_node("n");
        world.create(SERVICES, service());
        world.eventually("empty endpoints", |world| world.get(&format!("{ENDPOINTS}/web")).is_some()).await;
        world.create(PODS, pod("a", "127.64.1.1", "True"));
        world.create(PODS, pod("b", "127.64.1.2", "False"));
        world.eventually("a", |world| addresses(world) == ["127.64.1.1"]).await;
        let endpoints = world.get(&format!("{ENDPOINTS}/web")).unwrap();
        assert_eq!(endpoints["subsets"][0]["notReadyAddresses"][0]["ip"], "127.64.1.2");
        assert_eq!(endpoints["metadata"]["labels"]["team"], "x");
        world.patch(&format!("{ENDPOINTS}/web"), json!({"metadata": {"annotations": {"mine": "kept"}}}));
        world.patch(
            &format!("{PODS}/b/status"),
            json!({"status": {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-05-02T00:00:00Z"}]}}),
        );
        world.eventually("both", |world| addresses(world) == ["127.64.1.1", "127.64.1.2"]).await;
        let annotations = world.get(&format!("{ENDPOINTS}/web")).unwrap()["metadata"]["annotations"].clone();
        assert_eq!(annotations["mine"], "kept");
        assert_eq!(annotations["endpoints.kubernetes.io/last-change-trigger-time"], "2026-05-02T00:00:00Z");
        world.delete(&format!("{SERVICES}/web"), json!({}));
        world.eventually("gone", |world| world.get(&format!("{ENDPOINTS}/web")).is_none()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn endpoints_that_are_deleted_come_back() {
        let world = World::start().await;
        world.create_node("n");
        world.create(SERVICES, service());
        world.create(PODS, pod("a", "127.64.1.1", "True"));
        world.eventually("a", |world| addresses(world) == ["127.64.1.1"]).await;
        world.delete(&format!("{ENDPOINTS}/web"), json!({}));
        world.eventually("a again", |world| addresses(world) == ["127.64.1.1"]).await;
        world.settle(Duration::from_secs(5)).await;
        world.writes();
        world.settle(Duration::from_secs(3600)).await;
        assert_eq!(world.writes(), Vec::<String>::new());
    }

    #[tokio::test(start_paused = true)]
    async fn endpoints_that_people_made_are_left_alone() {
        let world = World::start().await;
        let theirs = json!({"kind": "Endpoints", "metadata": {"name": "web"}, "subsets": [
            {"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 1}]}]});
        world.create(ENDPOINTS, theirs);
        let mut object = service();
        object["spec"]["selector"] = Value::Null;
        world.create(SERVICES, object);
        world.settle(Duration::from_secs(5)).await;
        assert_eq!(addresses(&world), ["10.0.0.1"]);
    }
}
