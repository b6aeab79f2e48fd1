//! What each node holds: the pods that run there, and those that were just sent there.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::kinds::node::Node;
use crate::kinds::pod::{HostPort, Pod};
use crate::kinds::requests::Amounts;

/// What a pod without requests counts for when nodes are compared.
const USUAL_CPU: i64 = 100;
const USUAL_MEMORY: i64 = 200 << 20;

/// A node with what is on it.
#[derive(Debug, Default)]
pub struct Place {
    /// Absent while only pods speak of the node.
    pub node: Option<Arc<Node>>,
    pub requested: Amounts,
    /// As `requested`, with the usual amounts for pods that tell none: CPU and memory.
    pub estimated: (i64, i64),
    pub pods: i64,
    pub ports: Vec<HostPort>,
    /// How many pods of each controller there are, by its uid.
    pub owners: HashMap<Box<str>, i64>,
}

/// Counts follow the pods; decisions are made under one lock, so that no two rely on the same room.
#[derive(Debug, Default)]
pub struct Board {
    places: BTreeMap<Box<str>, Place>,
    /// Pods that were sent to a node, until they are seen there: by uid.
    assumed: HashMap<Box<str>, Arc<Pod>>,
    /// Counts the changes that may make room.
    pub epoch: u64,
}

impl Board {
    /// The nodes that there are, sorted by name.
    pub fn places(&self) -> impl Iterator<Item = (&Node, &Place)> {
        self.places.values().filter_map(|place| Some((place.node.as_deref()?, place)))
    }

    /// Whether the change may make room for a pod.
    pub fn node_changed(&mut self, old: Option<&Arc<Node>>, new: Option<&Arc<Node>>) -> bool {
        let Some(name) = new.or(old).map(|node| node.meta.name.clone()) else { return false };
        let place = self.places.entry(name.clone()).or_default();
        place.node = new.cloned();
        if new.is_none() && place.pods == 0 {
            self.places.remove(&name);
        }
        let makes_room = match (old, new) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(old), Some(new)) => {
                old.status.allocatable != new.status.allocatable
                    || old.status.allocatable_pods != new.status.allocatable_pods
                    || old.meta.labels != new.meta.labels
                    || old.spec.taints != new.spec.taints
                    || old.spec.unschedulable != new.spec.unschedulable
            }
        };
        self.epoch += u64::from(makes_room);
        makes_room
    }

    /// Whether the change may make room for a pod.
    pub fn pod_changed(&mut self, old: Option<&Arc<Pod>>, new: Option<&Arc<Pod>>) -> bool {
        let uid = new.or(old).map(|pod| pod.meta.uid.clone()).unwrap_or_default();
        let is_settled = new.is_none_or(|pod| takes_room(pod) || pod.status.phase.is_over());
        let assumed = if is_settled { self.assumed.remove(&uid) } else { None };
        let before = old.filter(|pod| takes_room(pod));
        let after = new.filter(|pod| takes_room(pod));
        for gone in before.into_iter().chain(&assumed) {
            self.count(gone, -1);
        }
        if let Some(pod) = after {
            self.count(pod, 1);
        }
        let makes_room = (before.is_some() || assumed.is_some()) && after.is_none();
        self.epoch += u64::from(makes_room);
        makes_room
    }

    pub fn is_assumed(&self, uid: &str) -> bool {
        self.assumed.contains_key(uid)
    }

    /// Takes the room on a node before the server has confirmed it.
    pub fn assume(&mut self, pod: &Pod, node: &str) {
        let mut sent = pod.clone();
        sent.spec.node_name = node.into();
        self.count(&sent, 1);
        self.assumed.insert(pod.meta.uid.clone(), Arc::new(sent));
    }

    /// The server did not confirm it.
    pub fn give_up(&mut self, uid: &str) {
        if let Some(pod) = self.assumed.remove(uid) {
            self.count(&pod, -1);
            self.epoch += 1;
        }
    }

    fn count(&mut self, pod: &Pod, sign: i64) {
        let place = self.places.entry(pod.spec.node_name.clone()).or_default();
        place.count(pod, sign);
        if place.pods == 0 && place.node.is_none() {
            self.places.remove(&pod.spec.node_name);
        }
    }
}

/// Whether the pod counts against its node.
fn takes_room(pod: &Pod) -> bool {
    !pod.spec.node_name.is_empty() && !pod.status.phase.is_over()
}

/// What a pod counts for when nodes are compared.
pub fn estimate(pod: &Pod) -> (i64, i64) {
    let or_usual = |amount: i64, usual: i64| if amount == 0 { usual } else { amount };
    (or_usual(pod.spec.requests.cpu, USUAL_CPU), or_usual(pod.spec.requests.memory, USUAL_MEMORY))
}

impl Place {
    fn count(&mut self, pod: &Pod, sign: i64) {
        let (cpu, memory) = estimate(pod);
        self.estimated = (self.estimated.0 + sign * cpu, self.estimated.1 + sign * memory);
        self.pods += sign;
        if sign > 0 {
            self.requested = self.requested.plus(&pod.spec.requests);
            self.ports.extend(pod.spec.host_ports.iter().cloned());
        } else {
            self.requested = self.requested.minus(&pod.spec.requests);
            for port in &pod.spec.host_ports {
                if let Some(at) = self.ports.iter().position(|held| held == port) {
                    self.ports.swap_remove(at);
                }
            }
        }
        if let Some(owner) = pod.meta.controller() {
            let count = self.owners.entry(owner.uid.clone()).or_default();
            *count += sign;
            if *count <= 0 {
                self.owners.remove(&owner.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::pod::Phase;

    fn pod(uid: &str, node: &str, cpu: i64) -> Arc<Pod> {
        let mut pod = Pod::default();
        pod.meta.uid = uid.into();
        pod.spec.node_name = node.into();
        pod.spec.requests.cpu = cpu;
        Arc::new(pod)
    }

    fn node(name: &str) -> Arc<Node> {
        let mut node = Node::default();
        node.meta.name = name.into();
        Arc::new(node)
    }

    fn cpu(board: &Board) -> i64 {
        board.places().map(|(_, place)| place.requested.cpu).sum()
    }

    #[test]
    fn pods_are_counted_on_their_nodes() {
        let mut board = Board::default();
        assert!(board.node_changed(None, Some(&node("n"))));
        let running = pod("a", "n", 100);
        assert!(!board.pod_changed(None, Some(&running)));
        assert_eq!(cpu(&board), 100);
        let mut over = Pod::clone(&running);
        over.status.phase = Phase::Succeeded;
        assert!(board.pod_changed(Some(&running), Some(&Arc::new(over))));
        assert_eq!(cpu(&board), 0);
    }

    #[test]
    fn a_pod_that_was_sent_is_counted_once() {
        let mut board = Board::default();
        board.node_changed(None, Some(&node("n")));
        let waiting = pod("a", "", 100);
        board.pod_changed(None, Some(&waiting));
        board.assume(&waiting, "n");
        assert_eq!((cpu(&board), board.is_assumed("a")), (100, true));
        board.pod_changed(Some(&waiting), Some(&waiting));
        assert_eq!(cpu(&board), 100);
        board.pod_changed(Some(&waiting), Some(&pod("a", "n", 100)));
        assert_eq!((cpu(&board), board.is_assumed("a")), (100, false));
    }

    #[test]
    fn a_pod_that_was_not_accepted_gives_its_room_back() {
        let mut board = Board::default();
        board.node_changed(None, Some(&node("n")));
        let waiting = pod("a", "", 100);
        board.assume(&waiting, "n");
        let epoch = board.epoch;
        board.give_up("a");
        board.give_up("a");
        assert_eq!((cpu(&board), board.epoch), (0, epoch + 1));
        board.assume(&waiting, "n");
        assert!(board.pod_changed(Some(&waiting), None));
        assert_eq!(cpu(&board), 0);
    }

    #[test]
    fn a_node_may_come_after_its_pods() {
        let mut board = Board::default();
        board.pod_changed(None, Some(&pod("a", "n", 100)));
        assert_eq!(board.places().count(), 0);
        board.node_changed(None, Some(&node("n")));
        assert_eq!(cpu(&board), 100);
        board.node_changed(Some(&node("n")), None);
        assert_eq!(board.places().count(), 0);
        assert!(!board.node_changed(None, Some(&node("n"))) || cpu(&board) == 100);
    }
}
