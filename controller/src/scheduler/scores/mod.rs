//! The list of scores: where a pod should run. To add one: its file, and its line here.

mod least_allocated;
mod spread;
mod taints;

use crate::kinds::node::Node;
use crate::kinds::pod::Pod;
use crate::scheduler::board::Place;

/// From 0 to 100, for a node among those that the pod can run on.
pub type Score = fn(&Pod, &Node, &Place) -> i64;

/// With the weight of each.
pub const SCORES: &[(Score, i64)] = &[(least_allocated::score, 1), (spread::score, 2), (taints::score, 3)];
