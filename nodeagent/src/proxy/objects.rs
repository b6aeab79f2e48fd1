//! The Services and EndpointSlices that are there now, with what each Service wants worked out once per change.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use api::names::NamespacedName;
use jiff::Timestamp;
use kube::core::ObjectMeta;
use kube::runtime::watcher::Event;

use crate::proxy::service::Service;
use crate::proxy::slice::Slice;
use crate::proxy::table::{self, NodeFacts, ServiceEntries, Table};
use crate::proxy::wire;

#[derive(Default)]
pub struct Objects {
    services: BTreeMap<NamespacedName, Service>,
    slices: HashMap<NamespacedName, Slice>,
    /// The names of the slices of each Service.
    slices_of: HashMap<NamespacedName, BTreeSet<NamespacedName>>,
    wanted: HashMap<NamespacedName, ServiceEntries>,
    /// Services whose wants must be worked out again.
    changed: BTreeSet<NamespacedName>,
    /// When the changes happened that the next table will be the first to follow.
    triggers: Vec<Timestamp>,
    listed_services: Listing,
    listed_slices: Listing,
}

/// How far a first or repeated list has come, and what it named.
#[derive(Default)]
struct Listing {
    is_complete: bool,
    seen: BTreeSet<NamespacedName>,
}

/// How many changes of one batch are timed: the first ones waited longest.
const TIMED_CHANGES: usize = 1_000;

impl Objects {
    /// Nothing can be decided before both kinds were listed once: a Service without slices would be refused.
    pub fn are_complete(&self) -> bool {
        self.listed_services.is_complete && self.listed_slices.is_complete
    }

    pub fn on_service(&mut self, event: Event<wire::Service>) {
        match event {
            Event::Init => self.listed_services.seen.clear(),
            Event::InitApply(service) => {
                self.listed_services.seen.insert(name_of(&service.metadata));
                self.put_service(service);
            }
            Event::InitDone => {
                self.listed_services.is_complete = true;
                let seen = std::mem::take(&mut self.listed_services.seen);
                let gone: Vec<_> = self.services.keys().filter(|name| !seen.contains(*name)).cloned().collect();
                gone.into_iter().for_each(|name| self.remove_service(name));
            }
            Event::Apply(service) => self.put_service(service),
            Event::Delete(service) => self.remove_service(name_of(&service.metadata)),
        }
    }

    pub fn on_slice(&mut self, event: Event<wire::EndpointSlice>) {
        match event {
            Event::Init => self.listed_slices.seen.clear(),
            Event::InitApply(slice) => {
                self.listed_slices.seen.insert(name_of(&slice.metadata));
                self.put_slice(slice);
            }
            Event::InitDone => {
                self.listed_slices.is_complete = true;
                let seen = std::mem::take(&mut self.listed_slices.seen);
                let gone: Vec<_> = self.slices.keys().filter(|name| !seen.contains(*name)).cloned().collect();
                gone.into_iter().for_each(|name| self.remove_slice(&name));
            }
            Event::Apply(slice) => self.put_slice(slice),
            Event::Delete(slice) => self.remove_slice(&name_of(&slice.metadata)),
        }
    }

    /// Everything depends on the node's facts.
    pub fn on_facts(&mut self) {
        self.changed.extend(self.services.keys().cloned());
    }

    pub fn have_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// The table as it should be now, and when the changes happened that it follows.
    pub fn table(&mut self, facts: &Arc<NodeFacts>) -> (Table, Vec<Timestamp>) {
        for name in std::mem::take(&mut self.changed) {
            let Some(service) = self.services.get(&name) else {
                self.wanted.remove(&name);
                continue;
            };
            let names = self.slices_of.get(&name).into_iter().flatten();
            let slices: Vec<&Slice> = names.filter_map(|name| self.slices.get(name)).collect();
            let wanted = table::entries_of(service, &slices, facts);
            // What is as before stays the same value, so that a backend sees at a glance that nothing changed.
            if self.wanted.get(&name) != Some(&wanted) {
                self.wanted.insert(name, wanted);
            }
        }
        let known = self.services.values();
        let services = known.filter_map(|service| Some((service, self.wanted.get(&service.name)?)));
        (Table::of(facts.clone(), services), std::mem::take(&mut self.triggers))
    }

    fn put_service(&mut self, from: wire::Service) {
        let name = name_of(&from.metadata);
        let Some(service) = Service::parse(from) else { return self.remove_service(name) };
        if self.services.get(&name) != Some(&service) {
            self.services.insert(name.clone(), service);
            self.changed.insert(name);
        }
    }

    fn remove_service(&mut self, name: NamespacedName) {
        if self.services.remove(&name).is_some() {
            self.changed.insert(name);
        }
    }

    fn put_slice(&mut self, from: wire::EndpointSlice) {
        let name = name_of(&from.metadata);
        let Some(slice) = Slice::parse(from) else { return self.remove_slice(&name) };
        let known = self.slices.get(&name);
        if known == Some(&slice) {
            return;
        }
        let is_new_trigger = known.is_none_or(|known| known.trigger != slice.trigger);
        if let Some(trigger) = slice.trigger.filter(|_| is_new_trigger && self.are_complete()) {
            self.triggers.truncate(TIMED_CHANGES);
            self.triggers.push(trigger);
        }
        self.remove_slice(&name);
        self.changed.insert(slice.service.clone());
        self.slices_of.entry(slice.service.clone()).or_default().insert(name.clone());
        self.slices.insert(name, slice);
    }

    fn remove_slice(&mut self, name: &NamespacedName) {
        let Some(slice) = self.slices.remove(name) else { return };
        if let Some(names) = self.slices_of.get_mut(&slice.service) {
            names.remove(name);
            if names.is_empty() {
                self.slices_of.remove(&slice.service);
            }
        }
        self.changed.insert(slice.service);
    }
}

fn name_of(metadata: &ObjectMeta) -> NamespacedName {
    NamespacedName::new(metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
}
