//! Whether the node takes a pod: its labels, and what is left of its resources.

use std::collections::{BTreeMap, HashMap};

use api::quantity::Quantity;
use k8s_openapi::api::core::v1::{Container, Node, NodeSelectorRequirement, NodeSelectorTerm, Pod};

use crate::pods::state::{Failed, Role, Roster};

/// What a pod asks for, in the unit that upstream reports: thousandths of a core, bytes, pods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Request {
    pub cpu_milli: i64,
    pub memory: i64,
    pub storage: i64,
    pub pods: i64,
}

impl Request {
    pub fn of(pod: &Pod) -> Self {
        let mut running = Self::default();
        let mut peak = Self::default();
        for (_, role, container) in Roster::of(pod).iter() {
            let own = Self::of_container(container);
            match role {
                // An init container runs beside the sidecars before it.
                Role::Init => peak = peak.largest(running.plus(own)),
                Role::Sidecar | Role::Main => running = running.plus(own),
            }
        }
        let overhead = pod.spec.as_ref().and_then(|spec| spec.overhead.as_ref()).map(Self::of_map).unwrap_or_default();
        Self { pods: 1, ..running.largest(peak).plus(overhead) }
    }

    fn of_container(container: &Container) -> Self {
        let requests = container.resources.as_ref().and_then(|resources| resources.requests.as_ref());
        requests.map(Self::of_map).unwrap_or_default()
    }

    fn of_map(map: &BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>) -> Self {
        let amount =
            |name: &str| map.get(name).and_then(|text| Quantity::parse(&text.0).ok()).unwrap_or(Quantity::ZERO);
        Self {
            cpu_milli: amount("cpu").milli(),
            memory: amount("memory").units(),
            storage: amount("ephemeral-storage").units(),
            pods: amount("pods").units(),
        }
    }

    fn plus(self, other: Self) -> Self {
        self.with(other, i64::saturating_add)
    }

    fn largest(self, other: Self) -> Self {
        self.with(other, i64::max)
    }

    fn with(self, other: Self, join: fn(i64, i64) -> i64) -> Self {
        Self {
            cpu_milli: join(self.cpu_milli, other.cpu_milli),
            memory: join(self.memory, other.memory),
            storage: join(self.storage, other.storage),
            pods: join(self.pods, other.pods),
        }
    }

    /// Each part with its name, and the reason that is given where it does not fit.
    fn parts(self) -> [(&'static str, &'static str, i64); 4] {
        [
            ("pods", "OutOfpods", self.pods),
            ("cpu", "OutOfcpu", self.cpu_milli),
            ("memory", "OutOfmemory", self.memory),
            ("ephemeral-storage", "OutOfephemeral-storage", self.storage),
        ]
    }
}

/// What the admitted pods of a node hold of it.
#[derive(Debug, Default)]
pub struct Ledger {
    held: HashMap<Box<str>, Request>,
    used: Request,
}

impl Ledger {
    /// Takes the pod in if it fits. A pod that `is_running` already is never turned away.
    pub fn admit(&mut self, pod: &Pod, node: &Node, is_running: bool) -> Result<(), Failed> {
        let request = Request::of(pod);
        let uid = pod.metadata.uid.as_deref().unwrap_or_default();
        if !is_running {
            check_node(pod, node)?;
            self.check_fit(request, node)?;
        }
        if self.held.insert(uid.into(), request).is_none() {
            self.used = self.used.plus(request);
        }
        Ok(())
    }

    pub fn release(&mut self, uid: &str) {
        if let Some(request) = self.held.remove(uid) {
            self.used = self.used.with(request, i64::saturating_sub);
        }
    }

    fn check_fit(&self, request: Request, node: &Node) -> Result<(), Failed> {
        let allocatable = node.status.as_ref().and_then(|status| status.allocatable.as_ref());
        let Some(capacity) = allocatable.map(Request::of_map) else { return Ok(()) };
        let parts = request.parts().into_iter().zip(self.used.parts()).zip(capacity.parts());
        for (((name, reason, requested), (.., used)), (.., capacity)) in parts {
            if requested > 0 && used.saturating_add(requested) > capacity {
                return Err(Failed {
                    reason,
                    message: format!(
                        "Pod was rejected: Node didn't have enough resource: {name}, \
                         requested: {requested}, used: {used}, capacity: {capacity}"
                    ),
                });
            }
        }
        Ok(())
    }
}

fn check_node(pod: &Pod, node: &Node) -> Result<(), Failed> {
    let Some(spec) = &pod.spec else { return Ok(()) };
    let empty = BTreeMap::new();
    let labels = node.metadata.labels.as_ref().unwrap_or(&empty);
    let selected = spec.node_selector.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    let affinity = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let required = affinity.and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref());
    let name = node.metadata.name.as_deref().unwrap_or_default();
    if selected && required.is_none_or(|selector| selector.node_selector_terms.iter().any(|t| term(t, labels, name))) {
        return Ok(());
    }
    Err(Failed {
        reason: "NodeAffinity",
        message: "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
            .to_owned(),
    })
}

/// A term without requirements matches nothing.
fn term(term: &NodeSelectorTerm, labels: &BTreeMap<String, String>, name: &str) -> bool {
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let fields = term.match_fields.as_deref().unwrap_or_default();
    let field = |key: &str| (key == "metadata.name").then_some(name);
    !(expressions.is_empty() && fields.is_empty())
        && expressions.iter().all(|wanted| matches(wanted, labels.get(&wanted.key).map(String::as_str)))
        && fields.iter().all(|wanted| matches(wanted, field(&wanted.key)))
}

fn matches(wanted: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = wanted.values.as_deref().unwrap_or_default();
    let is_listed = value.is_some_and(|value| values.iter().any(|listed| listed == value));
    let numbers = || Some((value?.parse::<i64>().ok()?, values.first()?.parse::<i64>().ok()?));
    match wanted.operator.as_str() {
        "In" => is_listed,
        "NotIn" => !is_listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => numbers().is_some_and(|(value, limit)| value > limit),
        "Lt" => numbers().is_some_and(|(value, limit)| value < limit),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(uid: &str, spec: serde_json::Value) -> Pod {
        serde_json::from_value(json!({ "metadata": { "uid": uid }, "spec": spec })).unwrap()
    }

    fn node() -> Node {
        serde_json::from_value(json!({
            "metadata": { "name": "n", "labels": { "disk": "ssd" } },
            "status": { "allocatable": { "cpu": "2", "memory": "1Gi", "pods": "2", "ephemeral-storage": "1Gi" } }
        }))
        .unwrap()
    }

    fn asking(cpu: &str) -> serde_json::Value {
        json!({ "containers": [{ "name": "a", "resources": { "requests": { "cpu": cpu } } }] })
    }

    #[test]
    fn a_pod_that_does_not_fit_is_turned_away_by_name() {
        let mut ledger = Ledger::default();
        ledger.admit(&pod("1", asking("1500m")), &node(), false).unwrap();
        let failed = ledger.admit(&pod("2", asking("600m")), &node(), false).unwrap_err();
        assert_eq!(failed.reason, "OutOfcpu");
        assert!(failed.message.ends_with("cpu, requested: 600, used: 1500, capacity: 2000"), "{}", failed.message);
        ledger.release("1");
        ledger.admit(&pod("2", asking("600m")), &node(), false).unwrap();
        ledger.admit(&pod("3", asking("0")), &node(), false).unwrap();
        assert_eq!(ledger.admit(&pod("4", asking("0")), &node(), false).unwrap_err().reason, "OutOfpods");
        ledger.admit(&pod("4", asking("5")), &node(), true).unwrap();
    }

    #[test]
    fn init_containers_count_where_they_need_more_at_once() {
        let resources = |cpu: &str| json!({ "requests": { "cpu": cpu } });
        let spec = json!({
            "initContainers": [
                { "name": "s", "restartPolicy": "Always", "resources": resources("100m") },
                { "name": "i", "resources": resources("2") }
            ],
            "containers": [{ "name": "a", "resources": resources("1") }]
        });
        assert_eq!(Request::of(&pod("1", spec)).cpu_milli, 2100);
    }

    #[test]
    fn a_selector_or_an_affinity_that_the_node_lacks_turns_the_pod_away() {
        let selecting = |value: &str| json!({ "containers": [], "nodeSelector": { "disk": value } });
        assert!(check_node(&pod("1", selecting("ssd")), &node()).is_ok());
        assert_eq!(check_node(&pod("1", selecting("hdd")), &node()).unwrap_err().reason, "NodeAffinity");
        let affine = |operator: &str, key: &str| {
            let term = json!({ "matchExpressions": [{ "key": key, "operator": operator, "values": ["ssd"] }] });
            let required = json!({ "nodeSelectorTerms": [term] });
            let node = json!({ "requiredDuringSchedulingIgnoredDuringExecution": required });
            pod("1", json!({ "containers": [], "affinity": { "nodeAffinity": node } }))
        };
        assert!(check_node(&affine("In", "disk"), &node()).is_ok());
        assert!(check_node(&affine("NotIn", "disk"), &node()).is_err());
        assert!(check_node(&affine("DoesNotExist", "gpu"), &node()).is_ok());
    }
}
