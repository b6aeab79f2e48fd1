//! How many pods of a budget ought to be there, are healthy and may go.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::{Value, json};

use crate::kinds::condition::{self, Condition};
use crate::kinds::pod::Pod;
use crate::kinds::pod_disruption_budget::{DisruptedPods, PodDisruptionBudget, Spec, Status};
use crate::kinds::wire::{IntOrString, in_seconds};

/// A pod whose eviction was allowed is to be seen leaving within this time; else it stays, and counts again.
pub const DELETION: Duration = Duration::from_secs(2 * 60);

const ALLOWED: &str = "DisruptionAllowed";
const SUFFICIENT: &str = "SufficientPods";
const INSUFFICIENT: &str = "InsufficientPods";
const FAILED: &str = "SyncFailed";

/// What tells how many pods there ought to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The budget asks for nothing, and allows nothing.
    Nothing,
    /// The pods that are there: enough to hold a plain number against.
    Pods,
    /// What their controllers want.
    Controllers,
}

pub fn measure(spec: &Spec) -> Measure {
    match (&spec.max_unavailable, &spec.min_available) {
        (Some(_), _) | (None, Some(IntOrString::Text(_))) => Measure::Controllers,
        (None, Some(IntOrString::Int(_))) => Measure::Pods,
        (None, None) => Measure::Nothing,
    }
}

/// How many of the expected pods must be healthy. Percentages are rounded up, of those that may be away, too.
pub fn desired(spec: &Spec, expected: i32) -> Result<i32, String> {
    let share = |value: &IntOrString| {
        let wrong = || "invalid value for IntOrString: invalid type: string is not a percentage".to_owned();
        value.share_up(expected).ok_or_else(wrong)
    };
    match (&spec.max_unavailable, &spec.min_available) {
        (Some(most), _) => Ok(expected.saturating_sub(share(most)?).max(0)),
        (None, Some(least)) => share(least),
        (None, None) => Ok(0),
    }
}

/// What has become of the pods whose eviction was allowed.
#[derive(Debug, Default)]
pub struct Disrupted {
    /// Those that are still to be seen leaving.
    pub leaving: DisruptedPods,
    /// Those that should have gone long ago.
    pub overdue: Vec<Arc<Pod>>,
    /// When the next of them is overdue.
    pub next: Option<Timestamp>,
}

pub fn disrupted(budget: &PodDisruptionBudget, pods: &[Arc<Pod>], now: Timestamp) -> Disrupted {
    let mut found = Disrupted::default();
    for pod in pods.iter().filter(|pod| !pod.meta.is_deleting()) {
        let Some(since) = budget.status.disrupted_pods.get(&pod.meta.name) else { continue };
        let until = since.saturating_add(DELETION).unwrap_or(Timestamp::MAX);
        if until <= now {
            found.overdue.push(pod.clone());
            continue;
        }
        found.next = Some(found.next.map_or(until, |next| next.min(until)));
        found.leaving.insert(pod.meta.name.clone(), *since);
    }
    found
}

/// The status of a budget of which all is known.
pub fn status(
    budget: &PodDisruptionBudget,
    pods: &[Arc<Pod>],
    leaving: DisruptedPods,
    (expected, desired): (i32, i32),
    now: Timestamp,
) -> Status {
    let is_healthy =
        |pod: &&Arc<Pod>| pod.status.is_ready && !pod.meta.is_deleting() && !leaving.contains_key(&pod.meta.name);
    let healthy = count(pods.iter().filter(is_healthy).count());
    // A budget without pods allows nothing, so that it is safe when its first pods come.
    let allowed = if expected > 0 { healthy.saturating_sub(desired).max(0) } else { 0 };
    let (holds, reason) = if allowed > 0 { ("True", SUFFICIENT) } else { ("False", INSUFFICIENT) };
    Status {
        observed_generation: budget.meta.generation,
        disrupted_pods: leaving,
        disruptions_allowed: allowed,
        current_healthy: healthy,
        desired_healthy: desired,
        expected_pods: expected,
        conditions: vec![condition(&budget.status, holds, reason, "", now)],
    }
}

/// The status of a budget of which something cannot be known: as it was, but nothing may go.
pub fn failed(budget: &PodDisruptionBudget, why: &str, now: Timestamp) -> Status {
    Status {
        disruptions_allowed: 0,
        conditions: vec![condition(&budget.status, "False", FAILED, why, now)],
        ..budget.status.clone()
    }
}

fn condition(old: &Status, holds: &str, reason: &str, message: &str, now: Timestamp) -> Condition {
    let known = condition::find(&old.conditions, ALLOWED).filter(|known| *known.status == *holds);
    Condition {
        kind: ALLOWED.into(),
        status: holds.into(),
        reason: reason.into(),
        message: message.into(),
        last_update_time: None,
        last_transition_time: known.and_then(|known| known.last_transition_time).or(Some(in_seconds(now))),
    }
}

pub fn count(pods: usize) -> i32 {
    i32::try_from(pods).unwrap_or(i32::MAX)
}

/// What makes the old status the new one, as a strategic patch; nothing, if they say the same. Conditions of others and
/// pods that stay in the list are left alone.
pub fn change(old: &Status, new: &Status) -> Option<Value> {
    let condition = new.conditions.first().expect("a status that is planned has its condition");
    let numbers = |status: &Status| Status { conditions: Vec::new(), ..status.clone() };
    if numbers(old) == numbers(new) && condition::find(&old.conditions, ALLOWED) == Some(condition) {
        return None;
    }
    let gone = old.disrupted_pods.keys().filter(|pod| !new.disrupted_pods.contains_key(*pod));
    let gone: BTreeMap<&str, Value> = gone.map(|pod| (&**pod, Value::Null)).collect();
    let mut status = json!({
        "observedGeneration": new.observed_generation,
        "disruptionsAllowed": new.disruptions_allowed,
        "currentHealthy": new.current_healthy,
        "desiredHealthy": new.desired_healthy,
        "expectedPods": new.expected_pods,
        "conditions": [{
            "type": condition.kind,
            "status": condition.status,
            "reason": condition.reason,
            "message": condition.message,
            "lastTransitionTime": condition.last_transition_time,
            "observedGeneration": new.observed_generation,
        }],
    });
    if !gone.is_empty() {
        status["disruptedPods"] = json!(gone);
    }
    Some(status)
}

/// A selector as Events of budgets show it.
pub fn shown(selector: &LabelSelector) -> String {
    let labels: String =
        selector.match_labels.iter().flatten().map(|(key, value)| format!("{key}: {value},")).collect();
    let expressions: String = selector
        .match_expressions
        .iter()
        .flatten()
        .map(|it| {
            let values = it.values.as_deref().unwrap_or_default().join(" ");
            format!("LabelSelectorRequirement{{Key:{},Operator:{},Values:[{values}],}},", it.key, it.operator)
        })
        .collect();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn int(number: i32) -> Option<IntOrString> {
        Some(IntOrString::Int(number))
    }

    fn percent(text: &str) -> Option<IntOrString> {
        Some(IntOrString::Text(text.into()))
    }

    fn budget(min: Option<IntOrString>, max: Option<IntOrString>) -> PodDisruptionBudget {
        let mut budget = PodDisruptionBudget::default();
        budget.meta.generation = 1;
        budget.spec.min_available = min;
        budget.spec.max_unavailable = max;
        budget
    }

    fn pods(ready: &[bool]) -> Vec<Arc<Pod>> {
        let pod = |(index, is_ready): (usize, &bool)| {
            let mut pod = Pod::default();
            pod.meta.name = format!("p{index}").into();
            pod.status.is_ready = *is_ready;
            Arc::new(pod)
        };
        ready.iter().enumerate().map(pod).collect()
    }

    fn leaving(mut pods: Vec<Arc<Pod>>, index: usize) -> Vec<Arc<Pod>> {
        Arc::make_mut(&mut pods[index]).meta.deletion_timestamp = Some(at(1));
        pods
    }

    #[test]
    fn what_must_stay_follows_from_the_budget() {
        for (min, max, expected, desired_) in [
            (int(2), None, 3, 2),
            (int(5), None, 3, 5),
            (percent("50%"), None, 3, 2),
            (percent("90%"), None, 10, 9),
            (percent("0%"), None, 10, 0),
            (percent("100%"), None, 10, 10),
            (None, int(1), 3, 2),
            (None, int(5), 3, 0),
            (None, percent("10%"), 10, 9),
            (None, percent("10%"), 3, 2),
            (None, percent("100%"), 3, 0),
            (None, None, 3, 0),
        ] {
            let budget = budget(min, max);
            assert_eq!(desired(&budget.spec, expected), Ok(desired_), "{:?}", budget.spec);
        }
        assert!(desired(&budget(percent("half"), None).spec, 3).is_err());
    }

    #[test]
    fn controllers_are_asked_only_where_they_count() {
        assert_eq!(measure(&budget(int(2), None).spec), Measure::Pods);
        assert_eq!(measure(&budget(percent("2%"), None).spec), Measure::Controllers);
        assert_eq!(measure(&budget(None, int(2)).spec), Measure::Controllers);
        assert_eq!(measure(&budget(None, None).spec), Measure::Nothing);
    }

    #[test]
    fn so_many_may_go_as_are_healthy_beyond_those_that_must_stay() {
        let allowed = |pods: &[Arc<Pod>], expected: i32, desired: i32| {
            let status = status(&budget(None, None), pods, BTreeMap::new(), (expected, desired), at(5));
            (status.current_healthy, status.disruptions_allowed, status.conditions[0].reason.to_string())
        };
        assert_eq!(allowed(&pods(&[true, true, true]), 3, 2), (3, 1, SUFFICIENT.into()));
        assert_eq!(allowed(&pods(&[true, true, false]), 3, 2), (2, 0, INSUFFICIENT.into()));
        assert_eq!(allowed(&leaving(pods(&[true, true, true]), 0), 3, 2), (2, 0, INSUFFICIENT.into()));
        assert_eq!(allowed(&pods(&[true]), 3, 2), (1, 0, INSUFFICIENT.into()), "never below zero");
        assert_eq!(allowed(&pods(&[true]), 0, 0), (1, 0, INSUFFICIENT.into()), "nothing is expected");
    }

    #[test]
    fn a_pod_that_was_allowed_to_go_is_not_counted_until_it_is_overdue() {
        let mut budget = budget(int(1), None);
        budget.status.disrupted_pods =
            [("p0", at(100)), ("p1", at(150)), ("gone", at(150))].map(|(name, time)| (name.into(), time)).into();
        let all = pods(&[true, true, true]);
        let found = disrupted(&budget, &all, at(200));
        assert_eq!(found.leaving.keys().map(|name| &**name).collect::<Vec<_>>(), ["p0", "p1"]);
        assert_eq!((found.overdue.len(), found.next), (0, Some(at(220))));
        assert_eq!(status(&budget, &all, found.leaving, (3, 1), at(200)).current_healthy, 1);
        let found = disrupted(&budget, &all, at(220));
        assert_eq!((&*found.overdue[0].meta.name, found.next), ("p0", Some(at(270))));
        assert_eq!(status(&budget, &all, found.leaving, (3, 1), at(220)).current_healthy, 2);
        let found = disrupted(&budget, &leaving(all, 1), at(200));
        assert_eq!(found.leaving.len(), 1, "one that is seen leaving needs no note");
    }

    #[test]
    fn what_says_the_same_is_not_written() {
        let mut budget = budget(int(2), None);
        let all = pods(&[true, true, true]);
        let first = status(&budget, &all, BTreeMap::new(), (3, 2), at(5));
        assert!(change(&budget.status, &first).is_some());
        budget.status = first.clone();
        budget.status.conditions.insert(0, Condition { kind: "Other".into(), ..Condition::default() });
        assert_eq!(change(&budget.status, &status(&budget, &all, BTreeMap::new(), (3, 2), at(9))), None);
        budget.meta.generation = 2;
        let second = status(&budget, &all, BTreeMap::new(), (3, 2), at(9));
        assert_eq!(change(&budget.status, &second).unwrap()["conditions"][0]["lastTransitionTime"], json!(at(5)));
    }

    #[test]
    fn only_pods_that_are_off_the_list_are_named_in_a_change() {
        let mut budget = budget(int(2), None);
        let all = pods(&[true, true, true]);
        budget.status = status(&budget, &all, BTreeMap::new(), (3, 2), at(5));
        budget.status.disrupted_pods = [("p0".into(), at(5)), ("p1".into(), at(5))].into();
        let new = status(&budget, &all, [("p1".into(), at(5))].into(), (3, 2), at(5));
        assert_eq!(change(&budget.status, &new).unwrap()["disruptedPods"], json!({"p0": null}));
    }

    #[test]
    fn a_budget_that_cannot_be_counted_lets_nothing_go_and_says_why() {
        let mut budget = budget(int(2), None);
        budget.status = status(&budget, &pods(&[true, true, true]), BTreeMap::new(), (3, 2), at(5));
        budget.meta.generation = 2;
        let failed = failed(&budget, "oh", at(9));
        assert_eq!((failed.disruptions_allowed, failed.expected_pods, failed.observed_generation), (0, 3, 1));
        let condition = &failed.conditions[0];
        assert_eq!((&*condition.status, &*condition.reason, &*condition.message), ("False", FAILED, "oh"));
        assert_eq!(condition.last_transition_time, Some(at(9)));
    }

    #[test]
    fn selectors_are_shown_as_elsewhere() {
        let selector = serde_json::from_value(json!({"matchLabels": {"app": "web"},
            "matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}]}))
        .unwrap();
        assert_eq!(
            shown(&selector),
            "&LabelSelector{MatchLabels:map[string]string{app: web,},MatchExpressions:[]LabelSelectorRequirement\
             {LabelSelectorRequirement{Key:tier,Operator:In,Values:[a b],},},}"
        );
    }
}
