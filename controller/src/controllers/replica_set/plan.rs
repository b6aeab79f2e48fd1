//! What a ReplicaSet needs: pods more, pods less, a new status.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::kinds::condition::{self, Condition};
use crate::kinds::pod::Pod;
use crate::kinds::replica_set::{ReplicaSet, Status};

/// How many pods are created or deleted at most before looking again.
const BURST: usize = 500;
pub const REPLICA_FAILURE: &str = "ReplicaFailure";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    Keep,
    Create(usize),
    Delete(usize),
}

/// How the number of active pods must change.
pub fn scale(set: &ReplicaSet, active: usize) -> Scale {
    let wanted = usize::try_from(set.spec.replicas).unwrap_or(0);
    if active < wanted {
        Scale::Create((wanted - active).min(BURST))
    } else if active > wanted {
        Scale::Delete((active - wanted).min(BURST))
    } else {
        Scale::Keep
    }
}

/// Why pods could not be created or deleted: a reason, and a sentence.
pub type Trouble = (&'static str, String);

/// The status that follows from the pods that the set owns.
pub fn status(set: &ReplicaSet, pods: &[Arc<Pod>], trouble: Option<&Trouble>, now: Timestamp) -> Status {
    let mut status = Status { observed_generation: set.meta.generation, ..Status::default() };
    for pod in pods {
        if pod.meta.is_deleting() && !pod.status.phase.is_over() {
            status.terminating_replicas += 1;
        }
        if !pod.is_active() {
            continue;
        }
        status.replicas += 1;
        status.fully_labeled_replicas += i32::from(set.spec.template.labels.all_in(&pod.meta.labels));
        status.ready_replicas += i32::from(pod.status.is_ready);
        status.available_replicas += i32::from(pod.is_available(set.spec.min_ready_seconds, now));
    }
    status.conditions = conditions(&set.status.conditions, trouble, now);
    status
}

fn conditions(old: &[Condition], trouble: Option<&Trouble>, now: Timestamp) -> Vec<Condition> {
    let mut conditions = old.to_vec();
    match (trouble, condition::find(old, REPLICA_FAILURE)) {
        (Some((reason, message)), None) => conditions.push(Condition {
            kind: REPLICA_FAILURE.into(),
            status: "True".into(),
            reason: (*reason).into(),
            message: message.as_str().into(),
            last_transition_time: Some(now),
            ..Condition::default()
        }),
        (None, Some(_)) => conditions.retain(|condition| &*condition.kind != REPLICA_FAILURE),
        _ => {}
    }
    conditions
}

/// When the next ready pod will have been ready for long enough, if time alone can make one available.
pub fn next_look(set: &ReplicaSet, pods: &[Arc<Pod>], now: Timestamp) -> Option<Duration> {
    let patience = i64::from(set.spec.min_ready_seconds);
    let waiting = pods.iter().filter(|pod| pod.is_active() && pod.status.is_ready);
    let waiting = waiting.filter(|pod| !pod.is_available(set.spec.min_ready_seconds, now));
    let due = waiting.filter_map(|pod| pod.status.ready_since).map(|since| since.as_second() + patience).min()?;
    let due = Timestamp::from_second(due).ok()?;
    Some(Duration::try_from(due.duration_since(now)).unwrap_or_default().max(Duration::from_millis(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::pod::Phase;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn set(replicas: i32) -> ReplicaSet {
        let mut set = ReplicaSet::default();
        set.meta.generation = 3;
        set.spec.replicas = replicas;
        set.spec.template.labels = [("app", "web")].into_iter().collect();
        set
    }

    fn pod(change: impl FnOnce(&mut Pod)) -> Arc<Pod> {
        let mut pod = Pod::default();
        pod.status.phase = Phase::Running;
        pod.status.is_ready = true;
        pod.status.ready_since = Some(at(100));
        change(&mut pod);
        Arc::new(pod)
    }

    #[test]
    fn the_number_of_pods_follows_the_spec() {
        assert_eq!(scale(&set(3), 1), Scale::Create(2));
        assert_eq!(scale(&set(3), 3), Scale::Keep);
        assert_eq!(scale(&set(0), 3), Scale::Delete(3));
        assert_eq!(scale(&set(-1), 0), Scale::Keep);
        assert_eq!(scale(&set(100_000), 0), Scale::Create(500));
    }

    #[test]
    fn the_status_counts_what_is_active() {
        let pods = [
            pod(|pod| pod.meta.labels = [("app", "web")].into_iter().collect()),
            pod(|pod| pod.status.is_ready = false),
            pod(|pod| pod.status.phase = Phase::Failed),
            pod(|pod| pod.meta.deletion_timestamp = Some(at(1))),
        ];
        let status = status(&set(3), &pods, None, at(200));
        assert_eq!((status.replicas, status.fully_labeled_replicas), (2, 1));
        assert_eq!((status.ready_replicas, status.available_replicas, status.terminating_replicas), (1, 1, 1));
        assert_eq!(status.observed_generation, 3);
    }

    #[test]
    fn trouble_is_a_condition_that_comes_and_goes() {
        let trouble = ("FailedCreate", "no".to_owned());
        let mut set = set(1);
        set.status = status(&set, &[], Some(&trouble), at(10));
        assert_eq!(&*set.status.conditions[0].reason, "FailedCreate");
        let again = status(&set, &[], Some(&trouble), at(20));
        assert_eq!(again.conditions[0].last_transition_time, Some(at(10)));
        assert!(status(&set, &[], None, at(30)).conditions.is_empty());
    }

    #[test]
    fn a_pod_that_is_ready_but_not_yet_available_is_waited_for() {
        let mut set = set(2);
        set.spec.min_ready_seconds = 30;
        let pods = [pod(|_| {}), pod(|pod| pod.status.ready_since = Some(at(110)))];
        assert_eq!(next_look(&set, &pods, at(120)), Some(Duration::from_secs(10)));
        assert_eq!(next_look(&set, &pods, at(135)), Some(Duration::from_secs(5)));
        assert_eq!(next_look(&set, &pods, at(140)), None);
        assert_eq!(status(&set, &pods, None, at(135)).available_replicas, 1);
    }
}
