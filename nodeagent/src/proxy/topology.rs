//! Which endpoints of a Service port a node may use: readiness, traffic policies, hints.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::proxy::service::{Port, Protocol};
use crate::proxy::slice::{Endpoint, Slice, State};

/// An endpoint as one node sees it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    pub is_local: bool,
    pub endpoint: &'a Endpoint,
}

/// Candidates by address: each once, in the order in which they are taken in turn.
pub type Candidates<'a> = BTreeMap<SocketAddr, Candidate<'a>>;

/// The endpoints of one Service port in all its slices. Of two entries with one address the more ready is right.
pub fn candidates<'a>(slices: impl Iterator<Item = &'a Slice>, port: &Port, node: &str) -> Candidates<'a> {
    let mut found = Candidates::new();
    for slice in slices {
        for number in ports_named(slice, &port.name, port.protocol) {
            for endpoint in &slice.endpoints {
                let is_local = endpoint.node.as_deref() == Some(node);
                let known =
                    found.entry(SocketAddr::new(endpoint.address, number)).or_insert(Candidate { is_local, endpoint });
                known.is_local |= is_local;
                if endpoint.state > known.endpoint.state {
                    known.endpoint = endpoint;
                }
            }
        }
    }
    found
}

fn ports_named<'a>(slice: &'a Slice, name: &'a str, protocol: Protocol) -> impl Iterator<Item = u16> + 'a {
    slice.ports.iter().filter(move |port| port.name == name && port.protocol == protocol).map(|port| port.port)
}

/// Which policies a Service port ever needs endpoints for.
#[derive(Debug, Clone, Copy)]
pub struct Policies {
    pub cluster: bool,
    pub local: bool,
}

/// What a node may use. A policy that is not asked for has no endpoints.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usable {
    pub cluster: Vec<SocketAddr>,
    pub local: Vec<SocketAddr>,
    /// Some endpoint answers somewhere in the cluster, though perhaps none that this node may use.
    pub anywhere: bool,
}

pub fn usable(candidates: &Candidates<'_>, policies: Policies, node: &str, zone: &str) -> Usable {
    let mut found = Usable::default();
    let having = |state: State| candidates.values().any(|candidate| candidate.endpoint.state == state);
    let is_local = |candidate: &Candidate<'_>| candidate.is_local;
    if policies.cluster {
        let nearness = Nearness::of(candidates, node, zone);
        found.cluster = best(candidates, |candidate| match candidate.endpoint.state {
            State::Ready => nearness.admits(candidate.endpoint, node, zone),
            State::Draining | State::Down => true,
        });
    }
    if policies.local {
        found.local = best(candidates, is_local);
    }
    found.anywhere = (policies.cluster && !found.cluster.is_empty())
        || (policies.local && (having(State::Ready) || having(State::Draining)));
    found
}

/// The ready ones among these; if none is ready, those that still answer while they drain.
fn best(candidates: &Candidates<'_>, admits: impl Fn(&Candidate<'_>) -> bool) -> Vec<SocketAddr> {
    let in_state = |state: State| -> Vec<SocketAddr> {
        let wanted = candidates.iter().filter(|(_, found)| found.endpoint.state == state && admits(found));
        wanted.map(|(address, _)| *address).collect()
    };
    let ready = in_state(State::Ready);
    if ready.is_empty() { in_state(State::Draining) } else { ready }
}

/// How near an endpoint must be. Hints count only if every ready endpoint has them and one of them is for here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nearness {
    Anywhere,
    SameZone,
    SameNode,
}

impl Nearness {
    fn of(candidates: &Candidates<'_>, node: &str, zone: &str) -> Self {
        let ready = || candidates.values().map(|found| found.endpoint).filter(|found| found.state == State::Ready);
        let is_for = |hints: fn(&Endpoint) -> &[Box<str>], here: &str| {
            ready().all(|endpoint| !hints(endpoint).is_empty()) && ready().any(|endpoint| has(hints(endpoint), here))
        };
        if is_for(|endpoint| &endpoint.node_hints, node) {
            Self::SameNode
        } else if is_for(|endpoint| &endpoint.zone_hints, zone) {
            Self::SameZone
        } else {
            Self::Anywhere
        }
    }

    fn admits(self, endpoint: &Endpoint, node: &str, zone: &str) -> bool {
        match self {
            Self::Anywhere => true,
            Self::SameZone => has(&endpoint.zone_hints, zone),
            Self::SameNode => has(&endpoint.node_hints, node),
        }
    }
}

fn has(hints: &[Box<str>], here: &str) -> bool {
    hints.iter().any(|hint| **hint == *here)
}

#[cfg(test)]
mod tests;
