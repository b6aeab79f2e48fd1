//! Keeps the EndpointSlices of Services that select pods.

mod hints;
mod packing;
mod plan;
mod topology;
mod tracker;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::names::NamespacedName;
use api::well_known::{annotation, label, manager};
use futures::FutureExt;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::backends::membership;
use crate::backends::trigger_time::TriggerTimes;
use crate::caches::cache::{Cache, Change};
use crate::cluster::{Cluster, ErrorExt, Patch};
use crate::context::Context;
use crate::controllers::endpoint_slice::packing::Draft;
use crate::controllers::endpoint_slice::plan::{Observed, Plan};
use crate::controllers::endpoint_slice::topology::{Counts, Zones};
use crate::controllers::endpoint_slice::tracker::Tracker;
use crate::events::recorder::Recorder;
use crate::kinds::endpoint_slice::{AddressType, EndpointSlice};
use crate::kinds::kind::{IndexKey, Kind};
use crate::kinds::meta::{Meta, OwnerReference};
use crate::kinds::node::Node;
use crate::kinds::pod::Pod;
use crate::kinds::service::Service;
use crate::queue::{Patience, Queue};
use crate::worker::{Next, SyncError, Synced};

const WORKERS: usize = 5;
/// How long what others do to our slices waits, so that two who disagree do not race.
const STRANGERS_WAIT: Duration = Duration::from_secs(1);

struct EndpointSlices {
    cluster: Cluster,
    recorder: Recorder,
    services: Cache<Service>,
    pods: Cache<Pod>,
    nodes: Cache<Node>,
    slices: Cache<EndpointSlice>,
    queue: Queue<NamespacedName>,
    batch: Duration,
    limit: usize,
    triggers: TriggerTimes,
    tracker: Tracker,
    /// Services with pods on nodes that are not there.
    waiting: Mutex<BTreeMap<Box<str>, BTreeSet<NamespacedName>>>,
    zones: Mutex<Arc<Zones>>,
    /// The endpoints of each zone, of Services that have hints by zone.
    hinted: Mutex<BTreeMap<NamespacedName, BTreeMap<AddressType, Counts>>>,
}

pub fn start(context: &Context) {
    let this = Arc::new(EndpointSlices {
        cluster: context.cluster.clone(),
        recorder: context.recorder.of("endpoint-slice-controller"),
        services: context.caches.of(),
        pods: context.caches.of(),
        nodes: context.caches.of(),
        slices: context.caches.of(),
        queue: context.queue("endpoint_slice", Patience::default()),
        batch: context.options.endpoints_batch,
        limit: context.options.endpoints_per_slice,
        triggers: TriggerTimes::default(),
        tracker: Tracker::default(),
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
    this.slices.on_change(move |change| it.slice_changed(change));
    let ready = vec![
        this.services.clone().ready(),
        this.pods.clone().ready(),
        this.nodes.clone().ready(),
        this.slices.clone().ready(),
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
                && self.tracker.is_lost(&service, &slice.meta)
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
        if let Some(service) = service.filter(|service| is_ours(new) && self.tracker.is_news(service, &new.meta)) {
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
            self.tracker.forget(&key);
            self.hinted.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            return Ok(Next::Wait);
        };
        let Some(selector) = service.endpoint_selector() else { return Ok(Next::Wait) };
        let pods = membership::selected(&self.pods, &key.namespace, selector);
        let slices = self.slices_of(&service);
        if self.tracker.is_stale(&service.meta, &slices) {
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
        if let Err(error) = self.write(&service, plan, trigger).await {
            let place = format!("{}/{}", key.namespace, key.name);
            let message = format!("Error updating Endpoint Slices for Service {place}: {}", error.sentence());
            self.recorder.warning(service.as_ref(), "FailedToUpdateEndpointSlices", message);
            return Err(error.into());
        }
        Ok(Next::Wait)
    }

    fn slices_of(&self, service: &Service) -> Vec<Arc<EndpointSlice>> {
        let key = IndexKey::label(&service.meta.namespace, label::SERVICE_NAME, &service.meta.name);
        let mut slices = self.slices.indexed(key);
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

    async fn write(&self, service: &Service, plan: Plan, trigger: Option<Timestamp>) -> kube::Result<()> {
        for draft in plan.packed.create {
            let slice = body(&draft, service, trigger);
            match self.cluster.create::<Written>(&EndpointSlice::RESOURCE, &service.meta.namespace, &slice).await {
                Ok(written) => self.tracker.written(&service.meta, &written.metadata),
                Err(error) if error.is_namespace_terminating() => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        for draft in plan.packed.update {
            let Some(existing) = &draft.existing else { continue };
            let path = EndpointSlice::RESOURCE.object(&existing.meta.namespace, &existing.meta.name, "");
            let change = change(&draft, &existing.meta, trigger);
            let written: Written = self.cluster.patch(&path, Patch::Merge, &change).await?;
            self.tracker.written(&service.meta, &written.metadata);
        }
        for slice in plan.packed.delete {
            match self.cluster.delete(&EndpointSlice::RESOURCE, &slice.meta, None, None).await {
                Err(error) if error.is_not_found() => {}
                result => {
                    result?;
                    // The deletion may have been seen before the answer; then there is nothing left to expect.
                    if self.slices.get(&slice.meta.key()).is_some_and(|seen| seen.meta.uid == slice.meta.uid) {
                        self.tracker.deleted(&service.meta, &slice.meta);
                    }
                }
            }
        }
        Ok(())
    }
}

/// What is read of an answer.
#[derive(Deserialize)]
struct Written {
    metadata: Meta,
}

fn body(draft: &Draft, service: &Service, trigger: Option<Timestamp>) -> Value {
    let mut meta = json!({
        "generateName": format!("{}-", service.meta.name),
        "namespace": service.meta.namespace,
        "labels": draft.labels,
        "ownerReferences": [OwnerReference::controlling(&Service::RESOURCE, &service.meta)],
    });
    if let Some(trigger) = trigger {
        meta["annotations"] = json!({annotation::ENDPOINTS_TRIGGER_TIME: trigger.to_string()});
    }
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": meta,
        "addressType": draft.address_type,
        "ports": draft.ports,
        "endpoints": draft.endpoints,
    })
}

/// The merge patch that makes a slice what its draft says, if nobody else was faster.
fn change(draft: &Draft, existing: &Meta, trigger: Option<Timestamp>) -> Value {
    let gone = existing.labels.iter().filter(|(key, _)| !draft.labels.contains(key));
    let gone = gone.map(|(key, _)| (key.to_owned(), Value::Null));
    let labels: Map<String, Value> =
        draft.labels.iter().map(|(key, value)| (key.to_owned(), json!(value))).chain(gone).collect();
    let trigger = trigger.map(|trigger| trigger.to_string());
    let mut meta = json!({"uid": existing.uid, "resourceVersion": existing.resource_version, "labels": labels});
    if trigger.is_some() || existing.annotations.contains(annotation::ENDPOINTS_TRIGGER_TIME) {
        meta["annotations"] = json!({annotation::ENDPOINTS_TRIGGER_TIME: trigger});
    }
    json!({"metadata": meta, "ports": draft.ports, "endpoints": draft.endpoints})
}

#[cfg(test)]
mod tests;
