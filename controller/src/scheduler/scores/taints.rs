//! Avoids nodes with taints that only discourage.

use crate::kinds::node::{Node, Taint};
use crate::kinds::pod::Pod;
use crate::scheduler::board::Place;

pub fn score(pod: &Pod, node: &Node, _: &Place) -> i64 {
    let discourages = |taint: &&Taint| {
        &*taint.effect == "PreferNoSchedule"
            && !pod.spec.tolerations.iter().any(|toleration| toleration.tolerates(taint))
    };
    let count = node.spec.taints.iter().filter(discourages).count();
    100 / (1 + i64::try_from(count).unwrap_or(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_discouraging_taint_costs() {
        let mut node = Node::default();
        let clean = score(&Pod::default(), &node, &Place::default());
        node.spec.taints = vec![Taint { effect: "PreferNoSchedule".into(), ..Taint::default() }];
        assert!(score(&Pod::default(), &node, &Place::default()) < clean);
    }
}
