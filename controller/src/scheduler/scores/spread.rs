//! Prefers nodes with few pods of the same controller: the loss of one node then hurts little.

use crate::kinds::node::Node;
use crate::kinds::pod::Pod;
use crate::scheduler::board::Place;

pub fn score(pod: &Pod, _: &Node, place: &Place) -> i64 {
    let Some(owner) = pod.meta.controller() else { return 100 };
    100 / (1 + place.owners.get(&owner.uid).copied().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::meta::OwnerReference;

    #[test]
    fn a_node_without_siblings_is_best() {
        let mut pod = Pod::default();
        let owner = OwnerReference { uid: "set".into(), controller: true, ..OwnerReference::default() };
        pod.meta.owner_references = std::sync::Arc::new([owner]);
        let mut place = Place::default();
        let alone = score(&pod, &Node::default(), &place);
        place.owners.insert("set".into(), 1);
        let second = score(&pod, &Node::default(), &place);
        place.owners.insert("set".into(), 2);
        let third = score(&pod, &Node::default(), &place);
        assert!(alone > second && second > third);
    }
}
