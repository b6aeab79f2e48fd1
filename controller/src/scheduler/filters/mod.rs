//! The list of filters: where a pod cannot run. To add one: its file, and its line here.

mod fits;
mod host_ports;
mod node_affinity;
mod taints;
mod unschedulable;

use crate::kinds::node::Node;
use crate::kinds::pod::Pod;
use crate::scheduler::board::Place;

/// Why not, as the pod's condition tells it; nothing if the pod can run there.
pub type Filter = fn(&Pod, &Node, &Place) -> Vec<String>;

/// In order: the first that objects is the one that is told.
pub const FILTERS: &[Filter] =
    &[unschedulable::filter, taints::filter, node_affinity::filter, host_ports::filter, fits::filter];
