//! The list of controllers. To add one: its file, and its line here.

mod deployment;
mod endpoint_slice;
mod endpoints;
mod replica_set;

use crate::context::Context;
use crate::scheduler;

/// A controller: it asks for caches, listens to them, and starts its workers.
pub struct Controller {
    pub name: &'static str,
    pub start: fn(&Context),
}

pub const CONTROLLERS: &[Controller] = &[
    Controller { name: "deployment", start: deployment::start },
    Controller { name: "endpoint_slice", start: endpoint_slice::start },
    Controller { name: "endpoint", start: endpoints::start },
    Controller { name: "replicaset", start: replica_set::start },
    Controller { name: "scheduler", start: scheduler::start },
];
