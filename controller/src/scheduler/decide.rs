//! The decision: the best of the nodes that a pod can run on, or why there is none.

use std::collections::BTreeMap;

use crate::kinds::node::Node;
use crate::kinds::pod::Pod;
use crate::scheduler::board::{Board, Place};
use crate::scheduler::filters::FILTERS;
use crate::scheduler::scores::SCORES;

/// The name of a node, or the sentence that the pod's condition tells.
pub fn decide(pod: &Pod, board: &Board) -> Result<Box<str>, String> {
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut best: Option<(i64, i64, &Node)> = None;
    let mut nodes = 0;
    for (node, place) in board.places() {
        nodes += 1;
        let objections = FILTERS.iter().map(|filter| filter(pod, node, place)).find(|reasons| !reasons.is_empty());
        if let Some(objections) = objections {
            objections.into_iter().for_each(|reason| *reasons.entry(reason).or_default() += 1);
            continue;
        }
        let score = score(pod, node, place);
        // Of nodes that are alike, the emptier; of those, the first.
        if best.is_none_or(|(other, pods, _)| (score, -place.pods) > (other, -pods)) {
            best = Some((score, place.pods, node));
        }
    }
    match best {
        Some((_, _, node)) => Ok(node.meta.name.clone()),
        None => Err(sentence(nodes, reasons)),
    }
}

fn score(pod: &Pod, node: &Node, place: &Place) -> i64 {
    SCORES.iter().map(|(score, weight)| weight * score(pod, node, place)).sum()
}

fn sentence(nodes: usize, reasons: BTreeMap<String, usize>) -> String {
    if nodes == 0 {
        return "no nodes available to schedule pods".to_owned();
    }
    let mut told: Vec<String> = reasons.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    told.sort();
    format!("0/{nodes} nodes are available: {}.", told.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::meta::OwnerReference;
    use std::sync::Arc;

    fn node(name: &str, cpu: i64) -> Arc<Node> {
        let mut node = Node::default();
        node.meta.name = name.into();
        node.status.allocatable.cpu = cpu;
        node.status.allocatable.memory = 8 << 30;
        node.status.allocatable_pods = 110;
        Arc::new(node)
    }

    fn board(nodes: &[Arc<Node>]) -> Board {
        let mut board = Board::default();
        for node in nodes {
            board.node_changed(None, Some(node));
        }
        board
    }

    fn pod(uid: &str, cpu: i64) -> Pod {
        let mut pod = Pod::default();
        pod.meta.uid = uid.into();
        pod.spec.requests.cpu = cpu;
        let owner = OwnerReference { uid: "set".into(), controller: true, ..OwnerReference::default() };
        pod.meta.owner_references = Arc::new([owner]);
        pod
    }

    #[test]
    fn why_no_node_fits_is_told_as_a_sum() {
        let mut cordoned = Node::clone(&node("c", 4000));
        cordoned.spec.unschedulable = true;
        let board = board(&[node("a", 100), node("b", 100), Arc::new(cordoned)]);
        let expected = "0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu.";
        assert_eq!(decide(&pod("x", 500), &board).unwrap_err(), expected);
        assert_eq!(decide(&pod("x", 1), &Board::default()).unwrap_err(), "no nodes available to schedule pods");
    }

    #[test]
    fn pods_of_one_set_are_spread() {
        let mut board = board(&[node("a", 4000), node("b", 4000), node("c", 4000)]);
        let mut chosen = Vec::new();
        for index in 0..6 {
            let pod = pod(&index.to_string(), 100);
            let node = decide(&pod, &board).unwrap();
            board.assume(&pod, &node);
            chosen.push(node);
        }
        chosen.sort();
        assert_eq!(chosen.concat(), "aabbcc");
    }

    #[test]
    fn decisions_in_a_row_do_not_overcommit() {
        let mut board = board(&[node("a", 1000), node("b", 1000)]);
        let mut placed = 0;
        for index in 0..10 {
            let pod = pod(&index.to_string(), 300);
            if let Ok(node) = decide(&pod, &board) {
                board.assume(&pod, &node);
                placed += 1;
            }
        }
        assert_eq!(placed, 6);
    }
}
