//! Whether what a pod asks for is left on the node.

use crate::kinds::node::Node;
use crate::kinds::pod::Pod;
use crate::scheduler::board::Place;

pub fn filter(pod: &Pod, node: &Node, place: &Place) -> Vec<String> {
    let mut reasons = Vec::new();
    if place.pods + 1 > node.status.allocatable_pods {
        reasons.push("Too many pods".to_owned());
    }
    let (wanted, held, all) = (&pod.spec.requests, &place.requested, &node.status.allocatable);
    let mut check = |name: &str, wanted: i64, held: i64, all: i64| {
        if wanted > 0 && wanted > all - held {
            reasons.push(format!("Insufficient {name}"));
        }
    };
    check("cpu", wanted.cpu, held.cpu, all.cpu);
    check("memory", wanted.memory, held.memory, all.memory);
    check("ephemeral-storage", wanted.ephemeral_storage, held.ephemeral_storage, all.ephemeral_storage);
    for (name, amount) in &wanted.extended {
        check(name, *amount, held.extended(name), all.extended(name));
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::requests::Amounts;

    #[test]
    fn each_resource_that_lacks_is_told() {
        let mut node = Node::default();
        node.status.allocatable = Amounts { cpu: 1000, memory: 100, ephemeral_storage: 10, extended: Box::default() };
        node.status.allocatable_pods = 2;
        let mut pod = Pod::default();
        let mut place = Place::default();
        assert!(filter(&pod, &node, &place).is_empty());
        pod.spec.requests =
            Amounts { cpu: 500, memory: 100, ephemeral_storage: 11, extended: Box::new([("x.io/gpu".into(), 1)]) };
        place.requested.cpu = 600;
        place.pods = 2;
        let expected = ["Too many pods", "Insufficient cpu", "Insufficient ephemeral-storage", "Insufficient x.io/gpu"];
        assert_eq!(filter(&pod, &node, &place), expected);
    }

    #[test]
    fn a_pod_that_asks_for_nothing_fits_on_a_full_node() {
        let mut node = Node::default();
        node.status.allocatable_pods = 1;
        let mut place = Place::default();
        place.requested.cpu = 5000;
        assert!(filter(&Pod::default(), &node, &place).is_empty());
    }
}
