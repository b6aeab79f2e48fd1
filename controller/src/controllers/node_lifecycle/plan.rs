//! What a node's silence and its conditions mean: conditions that are unknown, and taints.

use api::well_known::taint;
use jiff::Timestamp;

use crate::kinds::node::{Node, Taint};
use crate::kinds::wire::in_seconds;

/// What a node tells about itself; none of it is known while it is silent.
const TOLD: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];
/// Conditions that keep new pods away while they are true.
const PRESSURES: [(&str, &str); 4] = [
    ("MemoryPressure", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "node.kubernetes.io/disk-pressure"),
    ("PIDPressure", "node.kubernetes.io/pid-pressure"),
    ("NetworkUnavailable", "node.kubernetes.io/network-unavailable"),
];
const NO_SCHEDULE: &str = "NoSchedule";
const NO_EXECUTE: &str = "NoExecute";

/// A condition that must be written since the node is silent: its type, a reason and a sentence.
pub type Unknown = (&'static str, &'static str, &'static str);

pub fn unknown_conditions(node: &Node) -> Vec<Unknown> {
    let of = |kind: &'static str| match node.condition(kind) {
        None => Some((kind, "NodeStatusNeverUpdated", "Kubelet never posted node status.")),
        Some(told) if &*told.condition.status == "Unknown" => None,
        Some(_) => Some((kind, "NodeStatusUnknown", "Kubelet stopped posting node status.")),
    };
    TOLD.into_iter().filter_map(of).collect()
}

/// The taints that the node must have, if it has others. Those of people are kept.
pub fn taints(node: &Node, now: Timestamp) -> Option<Vec<Taint>> {
    let wanted = wanted(node);
    let is_ours = |taint: &Taint| {
        let is_health = matches!(&*taint.key, taint::NOT_READY | taint::UNREACHABLE);
        is_health && node.condition("Ready").is_some()
            || &*taint.effect == NO_SCHEDULE
                && (&*taint.key == taint::UNSCHEDULABLE || PRESSURES.iter().any(|(_, key)| *taint.key == **key))
    };
    let is_wanted = |taint: &Taint| wanted.contains(&(&*taint.key, &*taint.effect));
    let mut taints: Vec<Taint> =
        node.spec.taints.iter().filter(|taint| !is_ours(taint) || is_wanted(taint)).cloned().collect();
    for (key, effect) in wanted {
        if node.taint(key, effect).is_none() {
            let time_added = Some(in_seconds(now));
            taints.push(Taint { key: key.into(), value: "".into(), effect: effect.into(), time_added });
        }
    }
    (taints != node.spec.taints).then_some(taints)
}

fn wanted(node: &Node) -> Vec<(&'static str, &'static str)> {
    let mut wanted = Vec::new();
    match node.condition("Ready").map(|ready| &*ready.condition.status) {
        Some("False") => wanted.extend([(taint::NOT_READY, NO_SCHEDULE), (taint::NOT_READY, NO_EXECUTE)]),
        Some("Unknown") => wanted.extend([(taint::UNREACHABLE, NO_SCHEDULE), (taint::UNREACHABLE, NO_EXECUTE)]),
        _ => {}
    }
    let is_true = |kind: &str| node.condition(kind).is_some_and(|told| told.condition.is_true());
    wanted.extend(PRESSURES.iter().filter(|(kind, _)| is_true(kind)).map(|(_, key)| (*key, NO_SCHEDULE)));
    if node.spec.unschedulable {
        wanted.push((taint::UNSCHEDULABLE, NO_SCHEDULE));
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::condition::Condition;
    use crate::kinds::node::NodeCondition;

    fn node(conditions: &[(&str, &str)]) -> Node {
        let mut node = Node::default();
        let told = |(kind, status): &(&str, &str)| {
            let condition = Condition { kind: (*kind).into(), status: (*status).into(), ..Condition::default() };
            NodeCondition { condition, last_heartbeat_time: None }
        };
        node.status.conditions = conditions.iter().map(told).collect();
        node
    }

    fn with(mut node: Node, taints: &[(&str, &str)]) -> Node {
        let taint =
            |(key, effect): &(&str, &str)| Taint { key: (*key).into(), effect: (*effect).into(), ..Taint::default() };
        node.spec.taints = taints.iter().map(taint).collect();
        node
    }

    fn told(node: &Node) -> Option<Vec<String>> {
        let taints = taints(node, Timestamp::from_second(7).unwrap())?;
        Some(taints.iter().map(|taint| format!("{}:{}", taint.key.rsplit('/').next().unwrap(), taint.effect)).collect())
    }

    #[test]
    fn a_ready_node_loses_the_taint_that_it_was_born_with() {
        let born = [(taint::NOT_READY, "NoSchedule"), ("people.io/theirs", "NoSchedule")];
        assert_eq!(told(&with(node(&[("Ready", "True")]), &born)).unwrap(), ["theirs:NoSchedule"]);
        assert_eq!(told(&with(node(&[]), &born)), None);
        assert_eq!(told(&node(&[("Ready", "True")])), None);
    }

    #[test]
    fn health_becomes_taints() {
        let not_ready = told(&node(&[("Ready", "False")])).unwrap();
        assert_eq!(not_ready, ["not-ready:NoSchedule", "not-ready:NoExecute"]);
        let was_not_ready = [(taint::NOT_READY, "NoSchedule"), (taint::NOT_READY, "NoExecute")];
        let unreachable = told(&with(node(&[("Ready", "Unknown")]), &was_not_ready)).unwrap();
        assert_eq!(unreachable, ["unreachable:NoSchedule", "unreachable:NoExecute"]);
    }

    #[test]
    fn pressure_and_a_cordon_keep_new_pods_away() {
        let mut pressed = node(&[("Ready", "True"), ("MemoryPressure", "True"), ("DiskPressure", "False")]);
        pressed.spec.unschedulable = true;
        assert_eq!(told(&pressed).unwrap(), ["memory-pressure:NoSchedule", "unschedulable:NoSchedule"]);
    }

    #[test]
    fn a_taint_that_stays_keeps_its_time() {
        let mut unreachable = with(node(&[("Ready", "Unknown")]), &[(taint::UNREACHABLE, "NoExecute")]);
        unreachable.spec.taints[0].time_added = Timestamp::from_second(3).ok();
        let taints = taints(&unreachable, Timestamp::from_second(7).unwrap()).unwrap();
        assert_eq!(taints[0].time_added, Timestamp::from_second(3).ok());
        assert_eq!(taints[1].time_added, Timestamp::from_second(7).ok());
    }

    #[test]
    fn nothing_is_known_of_a_silent_node() {
        let told: Vec<_> = unknown_conditions(&node(&[("Ready", "True"), ("DiskPressure", "Unknown")]))
            .into_iter()
            .map(|(kind, reason, _)| format!("{kind} {reason}"))
            .collect();
        let expected =
            ["Ready NodeStatusUnknown", "MemoryPressure NodeStatusNeverUpdated", "PIDPressure NodeStatusNeverUpdated"];
        assert_eq!(told, expected);
    }
}
