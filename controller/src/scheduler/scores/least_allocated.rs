//! Prefers nodes with much left.

use crate::kinds::node::Node;
use crate::kinds::pod::Pod;
use crate::scheduler::board::{self, Place};

pub fn score(pod: &Pod, node: &Node, place: &Place) -> i64 {
    let (cpu, memory) = board::estimate(pod);
    let all = &node.status.allocatable;
    let left = |all: i64, held: i64| if all <= 0 { 0 } else { ((all - held).max(0) * 100) / all };
    (left(all.cpu, place.estimated.0 + cpu) + left(all.memory, place.estimated.1 + memory)) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_node_is_better_than_a_full_one() {
        let mut node = Node::default();
        node.status.allocatable.cpu = 1000;
        node.status.allocatable.memory = 4 << 30;
        let mut place = Place::default();
        let empty = score(&Pod::default(), &node, &place);
        place.estimated = (800, 3 << 30);
        let full = score(&Pod::default(), &node, &place);
        assert!(empty > full && full > 0, "{empty} {full}");
    }
}
