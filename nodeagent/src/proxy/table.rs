//! The wanted table: what a node forwards, as a pure function of Services, EndpointSlices and the node's facts.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use api::cidr::Cidr;
use api::names::NamespacedName;

use crate::proxy::service::{Port, Protocol, Service};
use crate::proxy::slice::{Slice, State};
use crate::proxy::topology::{self, Candidates, Policies};

/// What the table depends on beside the cluster's objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeFacts {
    pub name: String,
    /// Of the label `topology.kubernetes.io/zone`; empty where there is none.
    pub zone: String,
    /// The node's own addresses.
    pub addresses: Vec<IpAddr>,
    /// Where NodePorts are served. The unspecified address serves them on every address of the machine; then no
    /// second node of the machine can serve the same ones.
    pub node_port_addresses: Vec<IpAddr>,
    /// The ranges that this node's pods have their addresses from.
    pub pod_ranges: Vec<Cidr>,
}

impl NodeFacts {
    /// A node that serves NodePorts on its own addresses.
    pub fn new(name: impl Into<String>, addresses: Vec<IpAddr>) -> Self {
        Self { name: name.into(), node_port_addresses: addresses.clone(), addresses, ..Self::default() }
    }

    /// Is this client the node itself or one of its pods? Such clients are not held to `externalTrafficPolicy: Local`.
    pub fn is_here(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        let has_no_loopback = !self.addresses.iter().any(IpAddr::is_loopback);
        self.addresses.contains(&client)
            || self.pod_ranges.iter().any(|range| range.contains(client))
            || (has_no_loopback && client.is_loopback())
    }
}

/// A port of a Service, by the names that slices and affinity go by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServicePortName {
    pub service: NamespacedName,
    pub port: String,
    pub protocol: Protocol,
}

impl fmt::Display for ServicePortName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.service)?;
        if self.port.is_empty() { Ok(()) } else { write!(out, ":{}", self.port) }
    }
}

/// Where a Service port can be reached, and where that leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePort {
    pub name: ServicePortName,
    pub uid: String,
    /// How long a client is held to its endpoint, whichever entry it comes in by.
    pub affinity: Option<Duration>,
    pub entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub kind: EntryKind,
    pub address: SocketAddr,
    pub route: Route,
    /// Where it leads for clients on this node, if elsewhere.
    pub route_from_here: Option<Route>,
    /// Who may come in; `None` lets all in.
    pub sources: Option<Arc<[Cidr]>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    ClusterIp,
    NodePort,
    ExternalIp,
    LoadBalancer,
}

impl EntryKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::ClusterIp => "ClusterIP",
            Self::NodePort => "NodePort",
            Self::ExternalIp => "external IP",
            Self::LoadBalancer => "load balancer IP",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// To one of these, which are never none.
    Forward(Arc<[SocketAddr]>),
    /// Nothing answers anywhere: refused at once, so that clients need not wait.
    Reject,
    /// Something answers, but nothing that this node may use: silence, so that clients try another node.
    Drop,
}

/// An address, as the table names entries by.
pub type EntryKey = (Protocol, SocketAddr);

/// A Service whose load balancer asks this node how many endpoints it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    pub uid: String,
    pub port: u16,
    pub local_endpoints: usize,
}

/// All that one Service wants of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceEntries {
    pub ports: Vec<Arc<ServicePort>>,
    pub health_check: Option<HealthCheck>,
}

/// An address that two Services ask for; the younger does not get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    pub loser: Arc<ServicePort>,
    pub entry: Entry,
    pub holder: ServicePortName,
}

#[derive(Debug, Clone, Default)]
pub struct Table {
    pub facts: Arc<NodeFacts>,
    /// By address, so that each stands here once.
    pub entries: BTreeMap<EntryKey, (Arc<ServicePort>, usize)>,
    pub health_checks: BTreeMap<NamespacedName, HealthCheck>,
    pub conflicts: Vec<Conflict>,
}

impl Table {
    /// Puts together what the Services want. Where two want the same address, the older Service has it.
    pub fn of<'a>(facts: Arc<NodeFacts>, services: impl Iterator<Item = (&'a Service, &'a ServiceEntries)>) -> Self {
        let mut by_age: Vec<_> = services.collect();
        by_age.sort_by(|(one, _), (two, _)| (one.created, &one.name).cmp(&(two.created, &two.name)));
        let mut table = Self { facts, ..Self::default() };
        for (service, wanted) in by_age {
            for port in &wanted.ports {
                table.add(port);
            }
            if let Some(check) = &wanted.health_check {
                table.health_checks.insert(service.name.clone(), check.clone());
            }
        }
        table
    }

    fn add(&mut self, port: &Arc<ServicePort>) {
        for (index, entry) in port.entries.iter().enumerate() {
            match self.entries.entry((port.name.protocol, entry.address)) {
                std::collections::btree_map::Entry::Vacant(free) => drop(free.insert((port.clone(), index))),
                std::collections::btree_map::Entry::Occupied(held) if held.get().0.name == port.name => {}
                std::collections::btree_map::Entry::Occupied(held) => {
                    let holder = held.get().0.name.clone();
                    self.conflicts.push(Conflict { loser: port.clone(), entry: entry.clone(), holder });
                }
            }
        }
    }

    /// Every entry with its Service port.
    pub fn iter(&self) -> impl Iterator<Item = (EntryKey, &Arc<ServicePort>, &Entry)> {
        self.entries.iter().map(|(key, (port, index))| (*key, port, &port.entries[*index]))
    }
}

/// What one Service wants of this node, given the slices that bear its name.
pub fn entries_of(service: &Service, slices: &[&Slice], facts: &NodeFacts) -> ServiceEntries {
    let ports = service.ports.iter().map(|port| Arc::new(port_of(service, port, slices, facts))).collect();
    let health_check = service.health_check_port.map(|port| HealthCheck {
        uid: service.uid.clone(),
        port,
        local_endpoints: ready_here(slices, facts),
    });
    ServiceEntries { ports, health_check }
}

/// How many addresses on this node are ready.
fn ready_here(slices: &[&Slice], facts: &NodeFacts) -> usize {
    let endpoints = slices.iter().flat_map(|slice| &slice.endpoints);
    let here = endpoints.filter(|found| found.state == State::Ready && found.node.as_deref() == Some(&*facts.name));
    here.map(|endpoint| endpoint.address).collect::<HashSet<_>>().len()
}

fn port_of(service: &Service, port: &Port, slices: &[&Slice], facts: &NodeFacts) -> ServicePort {
    let all = topology::candidates(slices.iter().copied(), port, &facts.name);
    let (four, six): (Candidates<'_>, Candidates<'_>) = all.into_iter().partition(|(address, _)| address.is_ipv4());
    let is_external = service.is_external(port);
    let policies = Policies {
        cluster: !service.internal_local || is_external,
        local: service.internal_local || (service.external_local && is_external),
    };
    let routes = |candidates: &Candidates<'_>| Routes::of(candidates, policies, facts);
    let (four, six) = (routes(&four), routes(&six));
    let entry = |(kind, address): (EntryKind, SocketAddr)| {
        entry_of(service, kind, address, if address.is_ipv4() { &four } else { &six }, facts)
    };
    ServicePort {
        name: ServicePortName { service: service.name.clone(), port: port.name.clone(), protocol: port.protocol },
        uid: service.uid.clone(),
        affinity: service.affinity,
        entries: addresses_of(service, port, facts).into_iter().map(entry).collect(),
    }
}

fn addresses_of(service: &Service, port: &Port, facts: &NodeFacts) -> Vec<(EntryKind, SocketAddr)> {
    let mut found: Vec<(EntryKind, SocketAddr)> = Vec::new();
    let mut add = |kind: EntryKind, addresses: &[IpAddr], number: u16| {
        for address in addresses {
            let address = SocketAddr::new(*address, number);
            if !found.iter().any(|(_, known)| *known == address) {
                found.push((kind, address));
            }
        }
    };
    add(EntryKind::ClusterIp, &service.cluster_ips, port.port);
    if let Some(node_port) = port.node_port {
        add(EntryKind::NodePort, &facts.node_port_addresses, node_port);
    }
    add(EntryKind::ExternalIp, &service.external_ips, port.port);
    add(EntryKind::LoadBalancer, &service.load_balancer_ips, port.port);
    found
}

/// Where the endpoints of one address family lead under either policy.
struct Routes {
    cluster: Route,
    local: Route,
}

impl Routes {
    fn of(candidates: &Candidates<'_>, policies: Policies, facts: &NodeFacts) -> Self {
        let usable = topology::usable(candidates, policies, &facts.name, &facts.zone);
        let route = |endpoints: Vec<SocketAddr>| match endpoints.is_empty() {
            false => Route::Forward(endpoints.into()),
            true if usable.anywhere => Route::Drop,
            true => Route::Reject,
        };
        Self { cluster: route(usable.cluster), local: route(usable.local) }
    }
}

fn entry_of(service: &Service, kind: EntryKind, address: SocketAddr, routes: &Routes, facts: &NodeFacts) -> Entry {
    let is_local = if kind == EntryKind::ClusterIp { service.internal_local } else { service.external_local };
    let is_held_to_local = is_local && kind != EntryKind::ClusterIp;
    let is_behind_firewall = kind == EntryKind::LoadBalancer;
    Entry {
        kind,
        address,
        route: if is_local { routes.local.clone() } else { routes.cluster.clone() },
        route_from_here: (is_held_to_local && routes.local != routes.cluster).then(|| routes.cluster.clone()),
        sources: service
            .source_ranges
            .as_deref()
            .filter(|_| is_behind_firewall)
            .and_then(|ranges| firewall(ranges, address.ip(), facts)),
    }
}

/// The ranges of this entry's family. A node that may come in may also do so from the load balancer's address, which
/// is what it sends from when it holds that address itself.
fn firewall(ranges: &[Cidr], own: IpAddr, facts: &NodeFacts) -> Option<Arc<[Cidr]>> {
    let is_of_family = |range: &&Cidr| range.network().is_ipv4() == own.is_ipv4();
    let mut allowed: Vec<Cidr> = ranges.iter().filter(is_of_family).copied().collect();
    if (allowed.is_empty() && !ranges.is_empty()) || allowed.iter().any(|range| range.prefix() == 0) {
        return None;
    }
    if facts.addresses.iter().any(|address| allowed.iter().any(|range| range.contains(*address))) {
        allowed.push(Cidr::single(own));
    }
    Some(allowed.into())
}

#[cfg(test)]
mod tests;
