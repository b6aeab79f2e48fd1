//! The Service proxy: Services and EndpointSlices become forwarding on this node.
//!
//! `run` watches, `table` decides, a backend carries out. A backend is a folder or file here and a line in [`BACKENDS`].

pub mod backend;
mod feed;
mod health;
mod measures;
mod objects;
pub mod run;
pub mod service;
pub mod slice;
pub mod table;
pub mod topology;
mod troubles;
pub mod userspace;
mod wire;
mod worker;

use lifecycle::metrics::Metrics;
use lifecycle::tasks::Tasks;

use crate::proxy::backend::Backend;
use crate::proxy::table::NodeFacts;
use crate::proxy::userspace::Userspace;
use crate::proxy::userspace::sockets::Sockets;

/// What a backend is made with.
pub struct Place<'a> {
    pub facts: &'a NodeFacts,
    /// Shared by all nodes of a process, so that they do not fight over the addresses of one machine.
    pub sockets: &'a Sockets,
    pub tasks: &'a Tasks,
    pub metrics: &'a Metrics,
}

type Make = fn(&Place<'_>) -> Box<dyn Backend>;

/// Every backend, by the name that flags use; the first is the default.
pub const BACKENDS: &[(&str, Make)] = &[("userspace", |place| Box::new(Userspace::new(place)))];

/// The backend of this name.
pub fn backend_named(name: &str, place: &Place<'_>) -> Option<Box<dyn Backend>> {
    BACKENDS.iter().find(|(known, _)| *known == name).map(|(_, make)| make(place))
}

#[cfg(test)]
mod contract;
#[cfg(test)]
mod fixtures;
