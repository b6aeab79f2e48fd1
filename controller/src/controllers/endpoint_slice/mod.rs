//! Keeps the EndpointSlices of Services that select pods.

mod hints;
mod packing;
mod plan;
mod topology;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::names::NamespacedName;
use api::well_known::{annotation, label, manager};
use futures::FutureExt;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::backends::membership;
use crate::backends::trigger_time::TriggerTimes;
use crate::caches::cache::{Cache, Change};
use crate::cluster::ErrorExt;
use crate::context::Context;
use crate::controllers::endpoint_slice::plan::{Observed, Plan};
use crate::controllers::endpoint_slice::topology::{Counts, Zones};
use crate::events::recorder::Recorder;
use crate::kinds::endpoint_slice::{AddressType, EndpointSlice};
use crate::kinds::kind::IndexKey;
use crate::kinds::meta::Meta;
use crate::kinds::node::Node;
use crate::kinds::pod::Pod;
use crate::kinds::service::Service;
use crate::queue::{Patience, Queue};
use crate::slices::tracker::Tracker;
use crate::slices::writer::Writer;
use crate::worker::{Next, SyncError, Synced};

const WORKERS: usize = 5;
/// How long what others do to our slices waits, so that two who disagree do not race.
const STRANGERS_WAIT: Duration = Duration::from_secs(1);

struct EndpointSlices {
    writer: Writer,
    recorder: Recorder,
    services: Cache<Service>,
    pods: Cache<Pod>,
    nodes: Cache<Node>,
    queue: Queue<NamespacedName>,
    batch: Duration,
    limit: usize,
    triggers: TriggerTimes,
    /// Services with pods on nodes that are not there.
    waiting: Mutex<BTreeMap<Box<str>, BTreeSet<NamespacedName>>>,
    zones: Mutex<Arc<Zones>>,
    /// The endpoints of each zone, of Services that have hints by zone.
    hinted: Mutex<BTreeMap<NamespacedName, BTreeMap<AddressType, Counts>>>,
}

pub fn start(context: &Context) {
    let this = Arc::new(EndpointSlices {
        writer: Writer { cluster: context.cluster.clone(), slices: context.caches.of(), tracker: Tracker::default() },
        recorder: context.recorder.of("endpoint-slice-controller"),
        services: context.caches.of(),
        pods: context.caches.of(),
        nodes: context.caches.of(),
        queue: context.queue("endpoint_slice", Patience::default()),
        batch: context.options.endpoints_batch,
        limit: context.options.endpoints_per_slice,
        triggers: TriggerTimes::default(),
        waiting: Mutex::default(),
        zones: Mutex::default(),
        hinted: Mutex::default(),
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
    this.nodes.on_change(move |change| it.node_changed(change));
    let it = this.clone();
    this.writer.slices.on_change(move |change| it.slice_changed(change));
    let ready = vec![
        this.services.clone().ready(),
        this.pods.clone().ready(),
        this.nodes.clone().ready(),
        this.writer.slices.clone().ready(),
    ];
    let it = this.clone();
    context.work("endpoint_slice", WORKERS, &this.queue, ready, move |key| {
        let it = it.clone();
        async move { it.sync(key).await }.boxed()
    });
}

/// The Service of a slice, by its label.
fn service_of(slice: &EndpointSlice) -> Option<NamespacedName> {
    Some(NamespacedName::new(&*slice.meta.namespace, slice.service_name()?))
}

impl EndpointSlices {
    fn slice_changed(&self, change: &Change<'_, EndpointSlice>) {
        let is_ours = |slice: &Arc<EndpointSlice>| slice.is_managed_by(manager::ENDPOINT_SLICE);
        let Some(new) = change.new else {
            let slice = change.object();
            if let Some(service) = service_of(slice).filter(|_| is_ours(slice))
                && self.writer.tracker.is_lost(&service, &slice.meta)
            {
                self.queue.add_after(service, STRANGERS_WAIT);
            }
            return;
        };
        let service = service_of(new);
        if let Some(old) = change.old {
            let before = service_of(old);
            if before != service || is_ours(old) != is_ours(new) {
                before.into_iter().for_each(|service| self.queue.add_after(service, STRANGERS_WAIT));
                service.into_iter().for_each(|service| self.queue.add_after(service, STRANGERS_WAIT));
                return;
            }
        }
        if let Some(service) = service.filter(|service| is_ours(new) && self.writer.tracker.is_news(service, &new.meta))
        {
            self.queue.add_after(service, STRANGERS_WAIT);
        }
    }

    fn node_changed(&self, change: &Change<'_, Node>) {
        let is_same = |old: &Arc<Node>, new: &Arc<Node>| {
            old.zone() == new.zone()
                && old.is_ready() == new.is_ready()
                && old.status.allocatable.cpu == new.status.allocatable.cpu
        };
        if let (Some(old), Some(new)) = (change.old, change.new)
            && is_same(old, new)
        {
            return;
        }
        let name = &change.object().meta.name;
        if change.old.is_none() {
            let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
            waiting.into_iter().flatten().for_each(|service| self.queue.add(service));
        } else if change.old.and_then(|node| node.zone()) != change.new.and_then(|node| node.zone()) {
            for pod in self.pods.indexed(IndexKey::node(name)) {
                membership::selecting(&self.services, &pod).into_iter().for_each(|service| self.queue.add(service));
            }
        }
        self.count_zones();
    }

    /// Services whose endpoints no longer suit the zones are looked at again.
    fn count_zones(&self) {
        let zones = Arc::new(Zones::of(&self.nodes.list(None)));
        *self.zones.lock().unwrap_or_else(PoisonError::into_inner) = zones.clone();
        let hinted = self.hinted.lock().unwrap_or_else(PoisonError::into_inner);
        for (service, families) in hinted.iter() {
            if families.values().any(|counts| zones.overload(counts)) {
                self.queue.add(service.clone());
            }
        }
    }

    async fn sync(&self, key: NamespacedName) -> Synced {
        let Some(service) = self.services.get(&key) else {
            self.triggers.forget(&key);
            self.writer.tracker.forget(&key);
            self.hinted.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            return Ok(Next::Wait);
        };
        let Some(selector) = service.endpoint_selector() else { return Ok(Next::Wait) };
        let pods = membership::selected(&self.pods, &key.namespace, selector);
        let slices = self.slices_of(&service);
        if self.writer.tracker.is_stale(&service.meta, &slices) {
            return Err(SyncError::Stale("an EndpointSlice"));
        }
        let trigger = self.triggers.compute(&service, &pods);
        let zones = self.zones.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let node = |name: &str| self.nodes.find("", name);
        let observed =
            Observed { service: &service, pods: &pods, slices, node: &node, zones: &zones, limit: self.limit };
        let plan = plan::plan(observed);
        self.wait_for_nodes(&key, &plan);
        self.tell_hints(&service, &plan);
        if let Err(error) =
            self.writer.write(service.as_ref(), plan.packed, &|existing| trigger_annotation(trigger, existing)).await
        {
            let place = format!("{}/{}", key.namespace, key.name);
            let message = format!("Error updating Endpoint Slices for Service {place}: {}", error.sentence());
            self.recorder.warning(service.as_ref(), "FailedToUpdateEndpointSlices", message);
            return Err(error.into());
        }
        Ok(Next::Wait)
    }

    fn slices_of(&self, service: &Service) -> Vec<Arc<EndpointSlice>> {
        let key = IndexKey::label(&service.meta.namespace, label::SERVICE_NAME, &service.meta.name);
        let mut slices = self.writer.slices.indexed(key);
        slices.retain(|slice| {
            slice.meta.namespace == service.meta.namespace
                && slice.service_name() == Some(&service.meta.name)
                && slice.is_managed_by(manager::ENDPOINT_SLICE)
                && !slice.meta.is_deleting()
        });
        slices
    }

    fn wait_for_nodes(&self, service: &NamespacedName, plan: &Plan) {
        if plan.missing_nodes.is_empty() {
            return;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for node in &plan.missing_nodes {
            waiting.entry(node.clone()).or_default().insert(service.clone());
            // It may have come since it was looked for.
            if self.nodes.find("", node).is_some() {
                self.queue.add_after(service.clone(), STRANGERS_WAIT);
            }
        }
    }

    fn tell_hints(&self, service: &Service, plan: &Plan) {
        let mut hinted = self.hinted.lock().unwrap_or_else(PoisonError::into_inner);
        let before = hinted.remove(&service.meta.key()).unwrap_or_default();
        let mut now = BTreeMap::new();
        let place = |text: &str, family: AddressType| format!("{text}, addressType: {family:?}");
        for (family, counts) in &plan.topology {
            match counts {
                Ok(counts) => {
                    if before.is_empty() && now.is_empty() {
                        let message = place(topology::ENABLED, *family);
                        self.recorder.normal(service, "TopologyAwareHintsEnabled", message);
                    }
                    now.insert(*family, counts.clone());
                }
                Err(why) => self.recorder.warning(service, "TopologyAwareHintsDisabled", place(why, *family)),
            }
        }
        if plan.topology.is_empty()
            && let Some(family) = before.keys().next()
        {
            let message = place(topology::DISABLED, *family);
            self.recorder.warning(service, "TopologyAwareHintsDisabled", message);
        }
        if !now.is_empty() {
            hinted.insert(service.meta.key(), now);
        }
    }
}

/// The annotation that tells since when the slice should have been so; an old one goes.
fn trigger_annotation(trigger: Option<Timestamp>, existing: Option<&Meta>) -> Map<String, Value> {
    let key = annotation::ENDPOINTS_TRIGGER_TIME;
    if trigger.is_none() && !existing.is_some_and(|existing| existing.annotations.contains(key)) {
        return Map::new();
    }
    Map::from_iter([(key.to_owned(), json!(trigger.map(|trigger| trigger.to_string())))])
}

#[cfg(test)]
mod tests;
