//! Which pods go first when there are too many: those whose loss is felt least.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use api::well_known::annotation;
use jiff::Timestamp;

use crate::kinds::pod::{Phase, Pod};

/// The `count` pods to delete. `related` are all active pods of the same owner's owner: a node that holds many of
/// them can spare one.
pub fn to_delete(pods: &[Arc<Pod>], related: &[Arc<Pod>], count: usize, now: Timestamp) -> Vec<Arc<Pod>> {
    if count >= pods.len() {
        return pods.to_vec();
    }
    let mut on_node: HashMap<&str, usize> = HashMap::new();
    for pod in related.iter().filter(|pod| pod.is_active()) {
        *on_node.entry(&pod.spec.node_name).or_default() += 1;
    }
    let crowd = |pod: &Pod| on_node.get(&*pod.spec.node_name).copied().unwrap_or(0);
    let mut sorted = pods.to_vec();
    sorted.sort_by(|one, two| compare(one, two, crowd(one), crowd(two), now));
    sorted.truncate(count);
    sorted
}

/// Less is deleted first.
fn compare(one: &Pod, two: &Pod, crowd_one: usize, crowd_two: usize, now: Timestamp) -> Ordering {
    let is_assigned = |pod: &Pod| !pod.spec.node_name.is_empty();
    let phase = |pod: &Pod| match pod.status.phase {
        Phase::Pending => 0,
        Phase::Unknown => 1,
        _ => 2,
    };
    is_assigned(one)
        .cmp(&is_assigned(two))
        .then_with(|| phase(one).cmp(&phase(two)))
        .then_with(|| one.status.is_ready.cmp(&two.status.is_ready))
        .then_with(|| deletion_cost(one).cmp(&deletion_cost(two)))
        .then_with(|| crowd_two.cmp(&crowd_one))
        .then_with(|| by_age(one, two, ready_since(one), ready_since(two), now))
        .then_with(|| two.status.restarts.cmp(&one.status.restarts))
        .then_with(|| by_age(one, two, one.meta.creation_timestamp, two.meta.creation_timestamp, now))
}

fn deletion_cost(pod: &Pod) -> i32 {
    pod.meta.annotations.get(annotation::POD_DELETION_COST).and_then(|cost| cost.parse().ok()).unwrap_or(0)
}

fn ready_since(pod: &Pod) -> Option<Timestamp> {
    pod.status.ready_since.filter(|_| pod.status.is_ready)
}

/// The younger first; those whose ages differ by less than a factor of two are told apart by uid alone, so that it
/// is not always the newest node that loses its pods.
fn by_age(
    one: &Pod,
    two: &Pod,
    since_one: Option<Timestamp>,
    since_two: Option<Timestamp>,
    now: Timestamp,
) -> Ordering {
    match (since_one, since_two) {
        (one, two) if one == two => Ordering::Equal,
        (None, _) => Ordering::Less,
        (_, None) => Ordering::Greater,
        (Some(since_one), Some(since_two)) => {
            magnitude(since_one, now).cmp(&magnitude(since_two, now)).then_with(|| one.meta.uid.cmp(&two.meta.uid))
        }
    }
}

/// The power of two of an age, in nanoseconds.
fn magnitude(since: Timestamp, now: Timestamp) -> i64 {
    let age = now.as_nanosecond() - since.as_nanosecond();
    u128::try_from(age).ok().filter(|age| *age > 0).map_or(-1, |age| i64::from(age.ilog2()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000;

    fn pod(name: &str, change: impl FnOnce(&mut Pod)) -> Arc<Pod> {
        let mut pod = Pod::default();
        pod.meta.name = name.into();
        pod.meta.uid = name.into();
        pod.meta.creation_timestamp = Some(Timestamp::from_second(0).unwrap());
        pod.spec.node_name = "node".into();
        pod.status.phase = Phase::Running;
        pod.status.is_ready = true;
        pod.status.ready_since = Some(Timestamp::from_second(0).unwrap());
        change(&mut pod);
        Arc::new(pod)
    }

    fn first(pods: &[Arc<Pod>], related: &[Arc<Pod>]) -> String {
        to_delete(pods, related, 1, Timestamp::from_second(NOW).unwrap())[0].meta.name.to_string()
    }

    fn cost(pod: &mut Pod, cost: &str) {
        pod.meta.annotations = [(annotation::POD_DELETION_COST, cost)].into_iter().collect();
    }

    #[test]
    fn the_least_useful_pod_goes_first() {
        let at = |second| Timestamp::from_second(second).ok();
        let ladder = [
            pod("unassigned", |pod| pod.spec.node_name = "".into()),
            pod("pending", |pod| pod.status.phase = Phase::Pending),
            pod("unknown", |pod| pod.status.phase = Phase::Unknown),
            pod("unready", |pod| pod.status.is_ready = false),
            pod("cheap", |pod| cost(pod, "-5")),
            pod("young", |pod| pod.status.ready_since = at(NOW - 10)),
            pod("restarted", |pod| pod.status.restarts = 5),
            pod("created-late", |pod| pod.meta.creation_timestamp = at(NOW - 10)),
            pod("a", |_| {}),
            pod("dear", |pod| cost(pod, "5")),
        ];
        for start in 0..ladder.len() - 1 {
            let mut rest = ladder[start..].to_vec();
            rest.reverse();
            assert_eq!(first(&rest, &rest), *ladder[start].meta.name);
        }
    }

    #[test]
    fn a_node_with_many_related_pods_loses_one() {
        let (one, two) = (pod("a", |_| {}), pod("b", |pod| pod.spec.node_name = "crowded".into()));
        let neighbour = pod("c", |pod| pod.spec.node_name = "crowded".into());
        assert_eq!(first(&[one.clone(), two.clone()], &[one, two, neighbour]), "b");
    }

    #[test]
    fn ages_that_are_alike_are_told_apart_by_uid() {
        let at = |second| Timestamp::from_second(second).ok();
        let older = pod("a", |pod| pod.status.ready_since = at(10));
        let newer = pod("b", |pod| pod.status.ready_since = at(1000));
        assert_eq!(first(&[newer, older], &[]), "a");
    }
}
