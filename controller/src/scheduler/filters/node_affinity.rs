//! Whether a pod's node selector and required affinity pick the node.

use crate::kinds::node::Node;
use crate::kinds::pod::{NodeSelectorTerm, Pod, Requirement};
use crate::scheduler::board::Place;

pub fn filter(pod: &Pod, node: &Node, _: &Place) -> Vec<String> {
    let is_picked = pod.spec.node_selector.all_in(&node.meta.labels)
        && pod
            .spec
            .required_affinity
            .as_ref()
            .is_none_or(|selector| selector.node_selector_terms.iter().any(|term| matches(term, node)));
    if is_picked {
        return Vec::new();
    }
    vec!["node(s) didn't match Pod's node affinity/selector".to_owned()]
}

/// A term without requirements picks nothing.
fn matches(term: &NodeSelectorTerm, node: &Node) -> bool {
    if term.match_expressions.is_empty() && term.match_fields.is_empty() {
        return false;
    }
    let label = |requirement: &Requirement| holds(requirement, node.meta.labels.get(&requirement.key));
    let field = |requirement: &Requirement| {
        holds(requirement, (&*requirement.key == "metadata.name").then_some(&*node.meta.name))
    };
    term.match_expressions.iter().all(label) && term.match_fields.iter().all(field)
}

fn holds(requirement: &Requirement, value: Option<&str>) -> bool {
    let among = |value: &str| requirement.values.iter().any(|wanted| **wanted == *value);
    let number = |value: &str| value.parse::<i64>().ok();
    let bound = requirement.values.first().and_then(|value| number(value));
    match &*requirement.operator {
        "In" => value.is_some_and(among),
        "NotIn" => !value.is_some_and(among),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => value.and_then(number).zip(bound).is_some_and(|(value, bound)| value > bound),
        "Lt" => value.and_then(number).zip(bound).is_some_and(|(value, bound)| value < bound),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::pod::NodeSelector;

    fn node() -> Node {
        let mut node = Node::default();
        node.meta.name = "n".into();
        node.meta.labels = [("disk", "ssd"), ("cores", "8")].into_iter().collect();
        node
    }

    fn is_picked(pod: &Pod) -> bool {
        filter(pod, &node(), &Place::default()).is_empty()
    }

    fn requirement(key: &str, operator: &str, values: &[&str]) -> Requirement {
        Requirement {
            key: key.into(),
            operator: operator.into(),
            values: values.iter().map(|value| (*value).into()).collect(),
        }
    }

    fn with_terms(terms: Vec<NodeSelectorTerm>) -> Pod {
        let mut pod = Pod::default();
        pod.spec.required_affinity = Some(Box::new(NodeSelector { node_selector_terms: terms }));
        pod
    }

    fn term(expressions: Vec<Requirement>) -> NodeSelectorTerm {
        NodeSelectorTerm { match_expressions: expressions, match_fields: Vec::new() }
    }

    #[test]
    fn every_pair_of_the_node_selector_must_be_there() {
        let mut pod = Pod::default();
        pod.spec.node_selector = [("disk", "ssd")].into_iter().collect();
        assert!(is_picked(&pod));
        pod.spec.node_selector = [("disk", "ssd"), ("x", "y")].into_iter().collect();
        assert!(!is_picked(&pod));
    }

    #[test]
    fn every_operator_is_understood() {
        for (operator, key, values, expected) in [
            ("In", "disk", vec!["ssd", "hdd"], true),
            ("In", "other", vec!["ssd"], false),
            ("NotIn", "disk", vec!["ssd"], false),
            ("NotIn", "other", vec!["ssd"], true),
            ("Exists", "disk", vec![], true),
            ("DoesNotExist", "disk", vec![], false),
            ("Gt", "cores", vec!["4"], true),
            ("Gt", "disk", vec!["4"], false),
            ("Lt", "cores", vec!["8"], false),
            ("Other", "cores", vec!["8"], false),
        ] {
            let pod = with_terms(vec![term(vec![requirement(key, operator, &values)])]);
            assert_eq!(is_picked(&pod), expected, "{key} {operator} {values:?}");
        }
    }

    #[test]
    fn one_term_is_enough_and_an_empty_one_picks_nothing() {
        let no = || term(vec![requirement("disk", "DoesNotExist", &[])]);
        let yes = || term(vec![requirement("disk", "Exists", &[])]);
        assert!(is_picked(&with_terms(vec![no(), yes()])));
        assert!(!is_picked(&with_terms(vec![no()])));
        assert!(!is_picked(&with_terms(vec![NodeSelectorTerm::default()])));
        assert!(!is_picked(&with_terms(vec![])));
    }

    #[test]
    fn a_node_may_be_picked_by_name() {
        let named = |name: &str| {
            let fields = vec![requirement("metadata.name", "In", &[name])];
            with_terms(vec![NodeSelectorTerm { match_expressions: Vec::new(), match_fields: fields }])
        };
        assert!(is_picked(&named("n")) && !is_picked(&named("m")));
    }
}
