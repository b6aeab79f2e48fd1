//! Shows Endpoints that people write as EndpointSlices, which is what proxies read.

mod plan;

use std::sync::Arc;
use std::time::Duration;

use api::names::NamespacedName;
use api::well_known::{label, manager};
use futures::FutureExt;
use serde_json::{Map, Value, json};

use crate::caches::cache::{Cache, Change};
use crate::context::Context;
use crate::controllers::endpoint_slice_mirroring::plan::Plan;
use crate::events::recorder::Recorder;
use crate::kinds::endpoint_slice::EndpointSlice;
use crate::kinds::endpoints::Endpoints;
use crate::kinds::kind::IndexKey;
use crate::kinds::meta::Meta;
use crate::kinds::service::Service;
use crate::queue::{Patience, Queue};
use crate::slices::tracker::Tracker;
use crate::slices::writer::Writer;
use crate::worker::{Next, SyncError, Synced};

const WORKERS: usize = 5;
const PATIENCE: Patience = Patience { first: Duration::from_millis(5), longest: Duration::from_secs(100) };
const STRANGERS_WAIT: Duration = Duration::from_secs(1);

struct Mirroring {
    writer: Writer,
    recorder: Recorder,
    endpoints: Cache<Endpoints>,
    services: Cache<Service>,
    queue: Queue<NamespacedName>,
}

pub fn start(context: &Context) {
    let this = Arc::new(Mirroring {
        writer: Writer { cluster: context.cluster.clone(), slices: context.caches.of(), tracker: Tracker::default() },
        recorder: context.recorder.of("endpoint-slice-mirroring-controller"),
        endpoints: context.caches.of(),
        services: context.caches.of(),
        queue: context.queue("endpoint_slice_mirroring", PATIENCE),
    });
    let it = this.clone();
    this.endpoints.on_change(move |change| {
        let is_ours = |endpoints: &Arc<Endpoints>| {
            endpoints.meta.labels.get(label::ENDPOINTS_MANAGED_BY) != Some(manager::ENDPOINTS)
        };
        if change.old.is_some_and(is_ours) || change.new.is_some_and(is_ours) {
            it.queue.add(change.key());
        }
    });
    let it = this.clone();
    this.services.on_change(move |change| {
        let has_selector = |service: &Arc<Service>| service.spec.selector.is_some();
        if change.old.map(has_selector) != change.new.map(has_selector) {
            it.queue.add(change.key());
        }
    });
    let it = this.clone();
    this.writer.slices.on_change(move |change| it.slice_changed(change));
    let ready = vec![this.endpoints.clone().ready(), this.services.clone().ready(), this.writer.slices.clone().ready()];
    let it = this.clone();
    context.work("endpoint_slice_mirroring", WORKERS, &this.queue, ready, move |key| {
        let it = it.clone();
        async move { it.sync(key).await }.boxed()
    });
}

fn is_ours(slice: &EndpointSlice) -> bool {
    slice.is_managed_by(manager::ENDPOINT_SLICE_MIRRORING)
}

impl Mirroring {
    fn slice_changed(&self, change: &Change<'_, EndpointSlice>) {
        let slice = change.object();
        if !is_ours(slice) && !change.old.is_some_and(|old| is_ours(old)) {
            return;
        }
        let Some(service) = slice.service_name() else { return };
        let key = NamespacedName::new(&*slice.meta.namespace, service);
        let is_news = match change.new {
            Some(slice) => !is_ours(slice) || self.writer.tracker.is_news(&key, &slice.meta),
            None => self.writer.tracker.is_lost(&key, &slice.meta),
        };
        if is_news {
            self.queue.add_after(key, STRANGERS_WAIT);
        }
    }

    async fn sync(&self, key: NamespacedName) -> Synced {
        let service = self.services.get(&key);
        let endpoints = self.endpoints.get(&key);
        let shown = endpoints.as_ref().filter(|endpoints| plan::is_mirrored(endpoints, service.as_deref()));
        let slices = self.slices_of(&key);
        if let Some(endpoints) = shown
            && self.writer.tracker.is_stale(&endpoints.meta, &slices)
        {
            return Err(SyncError::Stale("an EndpointSlice"));
        }
        if shown.is_none() {
            self.writer.tracker.forget(&key);
        }
        let plan = plan::plan(shown.map(|endpoints| endpoints.as_ref()), slices);
        if let Some(endpoints) = shown {
            self.tell(endpoints, &plan);
        }
        // Without Endpoints there is nothing to create, and only their name matters.
        let mut named = Endpoints::default();
        named.meta.namespace = (*key.namespace).into();
        named.meta.name = (*key.name).into();
        let owner = shown.map_or(&named, |endpoints| endpoints.as_ref());
        let annotations = |existing: Option<&Meta>| annotations(owner, existing);
        self.writer.write(owner, plan.packed, &annotations).await?;
        Ok(Next::Wait)
    }

    fn slices_of(&self, key: &NamespacedName) -> Vec<Arc<EndpointSlice>> {
        let mut slices = self.writer.slices.indexed(IndexKey::label(&key.namespace, label::SERVICE_NAME, &key.name));
        slices.retain(|slice| {
            *slice.meta.namespace == *key.namespace
                && slice.service_name() == Some(&key.name)
                && is_ours(slice)
                && !slice.meta.is_deleting()
        });
        slices
    }

    fn tell(&self, endpoints: &Endpoints, plan: &Plan) {
        if plan.invalid > 0 {
            let message = format!("Skipped {} invalid IP addresses when mirroring to EndpointSlices", plan.invalid);
            self.recorder.warning(endpoints, "InvalidIPAddress", message);
        }
        if plan.skipped > 0 {
            let message = format!(
                "A max of 1000 addresses can be mirrored to EndpointSlices per Endpoints subset. {} addresses were skipped",
                plan.skipped
            );
            self.recorder.warning(endpoints, "TooManyAddressesToMirror", message);
        }
    }
}

/// Those of the Endpoints; others that a slice has go.
fn annotations(endpoints: &Endpoints, existing: Option<&Meta>) -> Map<String, Value> {
    let wanted = plan::annotations(endpoints);
    let gone = existing.into_iter().flat_map(|existing| existing.annotations.iter());
    let gone = gone.filter(|(key, _)| !wanted.contains(key)).map(|(key, _)| (key.to_owned(), Value::Null));
    wanted.iter().map(|(key, value)| (key.to_owned(), json!(value))).chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use crate::fake::world::World;
    use serde_json::{Value, json};
    use std::time::Duration;

    const SERVICES: &str = "/api/v1/namespaces/default/services";
    const ENDPOINTS: &str = "/api/v1/namespaces/default/endpoints";
    const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";

    fn addresses(world: &World) -> Vec<String> {
        let slices = world.list(SLICES);
        let endpoints = slices.iter().flat_map(|slice| slice["endpoints"].as_array().unwrap());
        let mut all: Vec<String> = endpoints.map(|it| it["addresses"][0].as_str().unwrap().to_owned()).collect();
        all.sort();
        all
    }

    fn subsets(ips: &[&str]) -> Value {
        let addresses: Vec<Value> = ips.iter().map(|ip| json!({"ip": ip})).collect();
        json!([{"addresses": addresses, "ports": [{"port": 80, "protocol": "TCP"}]}])
    }

    #[tokio::test(start_paused = true)]
    async fn what_people_write_is_mirrored_until_it_goes() {
        let world = World::start().await;
        world.create(
            SERVICES,
            json!({"kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}),
        );
        let theirs = json!({"kind": "Endpoints", "metadata": {"name": "web", "labels": {"a": "b"}}, "subsets": subsets(&["10.0.0.1", "oops"])});
        world.create(ENDPOINTS, theirs);
        world.eventually("mirrored", |world| addresses(world) == ["10.0.0.1"]).await;
        let slice = world.list(SLICES).remove(0);
        assert_eq!(slice["metadata"]["ownerReferences"][0]["kind"], "Endpoints");
        assert_eq!(slice["metadata"]["labels"]["a"], "b");
        world.patch(&format!("{ENDPOINTS}/web"), json!({"subsets": subsets(&["10.0.0.2"])}));
        world.eventually("changed", |world| addresses(world) == ["10.0.0.2"]).await;
        let path = format!("{SLICES}/{}", slice["metadata"]["name"].as_str().unwrap());
        world.delete(&path, json!({}));
        world.eventually("made again", |world| addresses(world) == ["10.0.0.2"]).await;
        world.settle(Duration::from_secs(5)).await;
        world.writes();
        world.settle(Duration::from_secs(3600)).await;
        assert_eq!(world.writes(), Vec::<String>::new());
        world.delete(&format!("{ENDPOINTS}/web"), json!({}));
        world.eventually("gone", |world| world.list(SLICES).is_empty()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_gets_a_selector_has_slices_of_its_own() {
        let world = World::start().await;
        world.create(
            SERVICES,
            json!({"kind": "Service", "metadata": {"name": "web"}, "spec": {"clusterIP": "127.96.0.5"}}),
        );
        world.create(
            ENDPOINTS,
            json!({"kind": "Endpoints", "metadata": {"name": "web"}, "subsets": subsets(&["10.0.0.1"])}),
        );
        world.eventually("mirrored", |world| addresses(world) == ["10.0.0.1"]).await;
        world.patch(&format!("{SERVICES}/web"), json!({"spec": {"selector": {"app": "web"}}}));
        world.eventually("no mirror", |world| addresses(world).is_empty() && world.list(SLICES).len() == 1).await;
    }
}
