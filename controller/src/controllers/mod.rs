//! The list of controllers. To add one: its file, and its line here.

mod deployment;
mod disruption;
mod endpoint_slice;
mod endpoint_slice_mirroring;
mod endpoints;
mod garbage;
mod load_balancer;
mod namespace;
mod node_lifecycle;
mod pod_gc;
mod replica_set;
mod root_ca;
mod service_account;
mod taint_eviction;

use crate::context::Context;
use crate::scheduler;

/// A controller: it asks for caches, listens to them, and starts its workers.
pub struct Controller {
    pub name: &'static str,
    pub start: fn(&Context),
}

pub const CONTROLLERS: &[Controller] = &[
    Controller { name: "deployment", start: deployment::start },
    Controller { name: "disruption", start: disruption::start },
    Controller { name: "endpoint_slice", start: endpoint_slice::start },
    Controller { name: "endpoint_slice_mirroring", start: endpoint_slice_mirroring::start },
    Controller { name: "endpoint", start: endpoints::start },
    Controller { name: "garbage_collector", start: garbage::start },
    Controller { name: "load_balancer", start: load_balancer::start },
    Controller { name: "namespace", start: namespace::start },
    Controller { name: "node_lifecycle", start: node_lifecycle::start },
    Controller { name: "pod_gc", start: pod_gc::start },
    Controller { name: "replicaset", start: replica_set::start },
    Controller { name: "root_ca", start: root_ca::start },
    Controller { name: "scheduler", start: scheduler::start },
    Controller { name: "serviceaccount", start: service_account::start },
    Controller { name: "taint_eviction", start: taint_eviction::start },
];
