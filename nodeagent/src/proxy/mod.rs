//! The Service proxy: Services and EndpointSlices become forwarding on this node.
//!
//! `run` watches, `table` decides, a backend carries out. A backend is a folder or file here and a line in [`BACKENDS`].

pub mod backend;
mod feed;
mod health;
mod listen;
mod measures;
mod objects;
mod run;
pub mod service;
pub mod slice;
pub mod sockets;
pub mod table;
pub mod topology;
mod troubles;
mod userspace;
mod wire;
mod worker;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod fixtures;

use kube::Client;
use lifecycle::clock::Clock;
use tokio::sync::watch;

use crate::proxy::backend::{Backend, Place};
use crate::proxy::table::NodeFacts;

type Make = fn(&Place<'_>) -> Box<dyn Backend>;

/// Every backend, by the name that flags use; the first is the default.
pub const BACKENDS: &[(&str, Make)] = &[("userspace", |place| Box::new(userspace::Userspace::new(place)))];

/// Starts the proxy of one node, with the backend of this name or `None` if there is no such backend. It ends with the
/// tasks of its place. Facts that are sent later take the place of the first ones.
pub fn start(client: Client, backend: &str, place: &Place<'_>, clock: Clock) -> Option<watch::Sender<NodeFacts>> {
    let (_, make) = BACKENDS.iter().find(|(name, _)| *name == backend)?;
    let facts = watch::Sender::new(place.facts.clone());
    run::run(client, facts.subscribe(), make(place), clock, place.tasks, place.metrics);
    Some(facts)
}
