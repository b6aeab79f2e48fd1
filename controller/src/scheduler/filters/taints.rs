//! Whether a pod tolerates the taints that keep pods away.

use crate::kinds::node::{Node, Taint};
use crate::kinds::pod::Pod;
use crate::scheduler::board::Place;

pub fn filter(pod: &Pod, node: &Node, _: &Place) -> Vec<String> {
    let keeps_away = |taint: &&Taint| {
        matches!(&*taint.effect, "NoSchedule" | "NoExecute")
            && !pod.spec.tolerations.iter().any(|toleration| toleration.tolerates(taint))
    };
    match node.spec.taints.iter().find(keeps_away) {
        None => Vec::new(),
        Some(taint) => vec![format!("node(s) had untolerated taint {{{}: {}}}", taint.key, taint.value)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::pod::Toleration;

    #[test]
    fn a_taint_that_is_not_tolerated_is_told() {
        let mut node = Node::default();
        let taint = |key: &str, effect: &str| Taint {
            key: key.into(),
            value: "v".into(),
            effect: effect.into(),
            time_added: None,
        };
        node.spec.taints = vec![taint("soft", "PreferNoSchedule"), taint("hard", "NoSchedule")];
        let mut pod = Pod::default();
        assert_eq!(filter(&pod, &node, &Place::default()), ["node(s) had untolerated taint {hard: v}"]);
        let toleration = Toleration { key: "hard".into(), operator: "Exists".into(), ..Toleration::default() };
        pod.spec.tolerations = std::sync::Arc::new([toleration]);
        assert!(filter(&pod, &node, &Place::default()).is_empty());
    }
}
