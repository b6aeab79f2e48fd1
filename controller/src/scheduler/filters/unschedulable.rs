//! Whether the node is cordoned.

use api::well_known::taint;

use crate::kinds::node::{Node, Taint};
use crate::kinds::pod::Pod;
use crate::scheduler::board::Place;

pub fn filter(pod: &Pod, node: &Node, _: &Place) -> Vec<String> {
    if !node.spec.unschedulable {
        return Vec::new();
    }
    let cordon = Taint { key: taint::UNSCHEDULABLE.into(), effect: "NoSchedule".into(), ..Taint::default() };
    if pod.spec.tolerations.iter().any(|toleration| toleration.tolerates(&cordon)) {
        return Vec::new();
    }
    vec!["node(s) were unschedulable".to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::pod::Toleration;

    #[test]
    fn a_cordoned_node_takes_only_who_tolerates_it() {
        let mut node = Node::default();
        let mut pod = Pod::default();
        assert!(filter(&pod, &node, &Place::default()).is_empty());
        node.spec.unschedulable = true;
        assert_eq!(filter(&pod, &node, &Place::default()), ["node(s) were unschedulable"]);
        pod.spec.tolerations = std::sync::Arc::new([Toleration { operator: "Exists".into(), ..Toleration::default() }]);
        assert!(filter(&pod, &node, &Place::default()).is_empty());
    }
}
