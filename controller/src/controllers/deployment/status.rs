//! The status of a Deployment: counts, and whether it is available and makes progress.

use std::time::Duration;

use jiff::Timestamp;

use crate::controllers::deployment::numbers;
use crate::kinds::condition::{self, Condition};
use crate::kinds::deployment::{Deployment, Status};
use crate::kinds::replica_set::ReplicaSet;

pub const AVAILABLE: &str = "Available";
pub const PROGRESSING: &str = "Progressing";
pub const REPLICA_FAILURE: &str = "ReplicaFailure";
pub const NEW_SET_AVAILABLE: &str = "NewReplicaSetAvailable";
pub const TIMED_OUT: &str = "ProgressDeadlineExceeded";
pub const PAUSED: &str = "DeploymentPaused";
pub const RESUMED: &str = "DeploymentResumed";
pub const NEW_SET: &str = "NewReplicaSetCreated";
pub const FOUND_SET: &str = "FoundNewReplicaSet";
pub const SET_UPDATED: &str = "ReplicaSetUpdated";
pub const CREATE_FAILED: &str = "ReplicaSetCreateError";

/// Counts over all sets, and whether enough pods are available. Conditions other than that are kept.
pub fn counts(deployment: &Deployment, all: &[&ReplicaSet], new: Option<&ReplicaSet>, now: Timestamp) -> Status {
    let sum = |count: fn(&ReplicaSet) -> i32| all.iter().map(|set| count(set)).sum::<i32>();
    let available = sum(|set| set.status.available_replicas);
    let mut status = Status {
        observed_generation: deployment.meta.generation,
        replicas: sum(|set| set.status.replicas),
        updated_replicas: new.map_or(0, |set| set.status.replicas),
        ready_replicas: sum(|set| set.status.ready_replicas),
        available_replicas: available,
        unavailable_replicas: (numbers::wanted(all) - available).max(0),
        terminating_replicas: sum(|set| set.status.terminating_replicas),
        collision_count: deployment.status.collision_count,
        conditions: deployment.status.conditions.clone(),
    };
    let enough = available >= deployment.spec.replicas - numbers::max_unavailable(deployment);
    let (value, reason, message) = if enough {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    set_condition(&mut status, AVAILABLE, value, reason, message.to_owned(), now);
    status
}

/// The status amid or after a rollout: also says whether it moves.
pub fn rollout(deployment: &Deployment, all: &[&ReplicaSet], new: Option<&ReplicaSet>, now: Timestamp) -> Status {
    let mut status = counts(deployment, all, new, now);
    let current = condition::find(&deployment.status.conditions, PROGRESSING).cloned();
    let was_complete = status.replicas == status.updated_replicas
        && current.as_ref().is_some_and(|condition| &*condition.reason == NEW_SET_AVAILABLE);
    if deadline(deployment).is_none() {
        remove_condition(&mut status, PROGRESSING);
    } else if !was_complete {
        let subject = match new {
            Some(set) => format!("ReplicaSet \"{}\"", set.meta.name),
            None => format!("Deployment \"{}\"", deployment.meta.name),
        };
        if is_complete(deployment, &status) {
            let message = format!("{subject} has successfully progressed.");
            set_condition(&mut status, PROGRESSING, "True", NEW_SET_AVAILABLE, message, now);
        } else if is_progressing(deployment, &status) {
            // Every sign of progress moves the time from which the deadline counts.
            remove_condition(&mut status, PROGRESSING);
            let message = format!("{subject} is progressing.");
            set_condition(&mut status, PROGRESSING, "True", SET_UPDATED, message, now);
            keep_transition_time(&mut status, current.as_ref());
        } else if is_timed_out(deployment, &status, now) {
            let message = format!("{subject} has timed out progressing.");
            set_condition(&mut status, PROGRESSING, "False", TIMED_OUT, message, now);
        }
    }
    match failure(all, new) {
        Some(failed) => set_condition(
            &mut status,
            REPLICA_FAILURE,
            &failed.status,
            &failed.reason,
            failed.message.to_string(),
            failed.last_transition_time.unwrap_or(now),
        ),
        None => remove_condition(&mut status, REPLICA_FAILURE),
    }
    status
}

fn keep_transition_time(status: &mut Status, current: Option<&Condition>) {
    let Some(current) = current.filter(|condition| condition.is_true()) else { return };
    for condition in &mut status.conditions {
        if &*condition.kind == PROGRESSING {
            condition.last_transition_time = current.last_transition_time;
        }
    }
}

fn failure<'a>(all: &[&'a ReplicaSet], new: Option<&'a ReplicaSet>) -> Option<&'a Condition> {
    let mut sets = new.into_iter().chain(all.iter().copied());
    sets.find_map(|set| condition::find(&set.status.conditions, REPLICA_FAILURE))
}

/// The time that a rollout has to show progress, if it is watched at all.
pub fn deadline(deployment: &Deployment) -> Option<i64> {
    deployment.spec.progress_deadline_seconds.filter(|seconds| *seconds != i32::MAX).map(i64::from)
}

pub fn is_complete(deployment: &Deployment, status: &Status) -> bool {
    let wanted = deployment.spec.replicas;
    status.updated_replicas == wanted
        && status.replicas == wanted
        && status.available_replicas == wanted
        && status.observed_generation >= deployment.meta.generation
}

fn is_progressing(deployment: &Deployment, new: &Status) -> bool {
    let old = &deployment.status;
    new.updated_replicas > old.updated_replicas
        || new.replicas - new.updated_replicas < old.replicas - old.updated_replicas
        || new.ready_replicas > old.ready_replicas
        || new.available_replicas > old.available_replicas
}

fn is_timed_out(deployment: &Deployment, status: &Status, now: Timestamp) -> bool {
    let Some(condition) = condition::find(&status.conditions, PROGRESSING) else { return false };
    let Some(deadline) = deadline(deployment) else { return false };
    match &*condition.reason {
        NEW_SET_AVAILABLE => false,
        TIMED_OUT => true,
        _ => condition.last_update_time.is_some_and(|from| from.as_second() + deadline < now.as_second()),
    }
}

/// When a rollout that shows no progress must be looked at again.
pub fn next_look(deployment: &Deployment, status: &Status, now: Timestamp) -> Option<Duration> {
    let deadline = deadline(deployment)?;
    let condition = condition::find(&status.conditions, PROGRESSING)?;
    if is_complete(deployment, status) || matches!(&*condition.reason, TIMED_OUT | PAUSED) {
        return None;
    }
    // A second more, since times in objects are whole seconds.
    let due = condition.last_update_time?.as_second() + deadline + 1;
    let left = due - now.as_second();
    Some(Duration::from_secs(u64::try_from(left).unwrap_or(0).max(1)))
}

/// A condition that says that the Deployment was paused or resumed, if that is new.
pub fn paused_condition(deployment: &Deployment, now: Timestamp) -> Option<Status> {
    deadline(deployment)?;
    let current = condition::find(&deployment.status.conditions, PROGRESSING);
    let reason = current.map_or("", |condition| &*condition.reason);
    let (reason, message) = match (deployment.spec.paused, reason) {
        (_, TIMED_OUT) | (true, PAUSED) => return None,
        (true, _) => (PAUSED, "Deployment is paused"),
        (false, PAUSED) => (RESUMED, "Deployment is resumed"),
        (false, _) => return None,
    };
    let mut status = deployment.status.clone();
    set_condition(&mut status, PROGRESSING, "Unknown", reason, message.to_owned(), now);
    Some(status)
}

/// Sets a condition unless its status and reason are there already; the time of transition is that of the status.
pub fn set_condition(status: &mut Status, kind: &str, value: &str, reason: &str, message: String, now: Timestamp) {
    let current = condition::find(&status.conditions, kind);
    if current.is_some_and(|current| &*current.status == value && &*current.reason == reason) {
        return;
    }
    // Whole seconds, as they come back from the server: else every look would find a difference.
    let now = crate::kinds::wire::in_seconds(now);
    let since = current.filter(|current| &*current.status == value).and_then(|current| current.last_transition_time);
    let condition = Condition {
        kind: kind.into(),
        status: value.into(),
        reason: reason.into(),
        message: message.into(),
        last_update_time: Some(now),
        last_transition_time: since.or(Some(now)),
    };
    remove_condition(status, kind);
    status.conditions.push(condition);
}

fn remove_condition(status: &mut Status, kind: &str) {
    status.conditions.retain(|condition| &*condition.kind != kind);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn deployment(replicas: i32) -> Deployment {
        let mut deployment = Deployment::default();
        deployment.meta.name = "web".into();
        deployment.meta.generation = 2;
        deployment.spec.replicas = replicas;
        deployment.spec.progress_deadline_seconds = Some(600);
        deployment
    }

    fn set(size: i32, available: i32) -> ReplicaSet {
        let mut set = ReplicaSet::default();
        set.meta.name = "web-x".into();
        set.spec.replicas = size;
        set.status.replicas = size;
        set.status.ready_replicas = available;
        set.status.available_replicas = available;
        set
    }

    fn reason(status: &Status, kind: &str) -> String {
        condition::find(&status.conditions, kind).map_or_else(String::new, |condition| condition.reason.to_string())
    }

    #[test]
    fn a_rollout_goes_from_progress_to_success() {
        let mut deployment = deployment(2);
        let begun = set(2, 0);
        deployment.status = rollout(&deployment, &[&begun], Some(&begun), at(10));
        assert_eq!(reason(&deployment.status, PROGRESSING), SET_UPDATED);
        assert_eq!(reason(&deployment.status, AVAILABLE), "MinimumReplicasUnavailable");
        assert_eq!((deployment.status.unavailable_replicas, deployment.status.observed_generation), (2, 2));
        let whole = set(2, 2);
        deployment.status = rollout(&deployment, &[&whole], Some(&whole), at(20));
        let progressing = condition::find(&deployment.status.conditions, PROGRESSING).unwrap().clone();
        assert_eq!(&*progressing.reason, NEW_SET_AVAILABLE);
        assert_eq!(&*progressing.message, "ReplicaSet \"web-x\" has successfully progressed.");
        assert_eq!((progressing.last_transition_time, progressing.last_update_time), (Some(at(10)), Some(at(20))));
        assert_eq!(rollout(&deployment, &[&whole], Some(&whole), at(30)), deployment.status);
    }

    #[test]
    fn a_rollout_without_progress_times_out() {
        let mut deployment = deployment(2);
        let half = set(2, 1);
        deployment.status = rollout(&deployment, &[&half], Some(&half), at(10));
        let same = rollout(&deployment, &[&half], Some(&half), at(600));
        assert_eq!(same, deployment.status);
        assert_eq!(next_look(&deployment, &same, at(600)), Some(Duration::from_secs(11)));
        deployment.status = rollout(&deployment, &[&half], Some(&half), at(611));
        assert_eq!(reason(&deployment.status, PROGRESSING), TIMED_OUT);
        assert_eq!(next_look(&deployment, &deployment.status, at(611)), None);
        let whole = set(2, 2);
        let status = rollout(&deployment, &[&whole], Some(&whole), at(700));
        assert_eq!(reason(&status, PROGRESSING), NEW_SET_AVAILABLE);
    }

    #[test]
    fn a_rollout_that_is_not_watched_has_no_such_condition() {
        let mut deployment = deployment(2);
        deployment.spec.progress_deadline_seconds = None;
        let whole = set(2, 2);
        let status = rollout(&deployment, &[&whole], Some(&whole), at(1));
        assert_eq!(reason(&status, PROGRESSING), "");
        assert_eq!(next_look(&deployment, &status, at(1)), None);
    }

    #[test]
    fn a_failure_of_a_set_is_shown() {
        let mut failing = set(2, 0);
        failing.status.conditions.push(Condition {
            kind: REPLICA_FAILURE.into(),
            status: "True".into(),
            reason: "FailedCreate".into(),
            ..Condition::default()
        });
        let status = rollout(&deployment(2), &[&failing], Some(&failing), at(1));
        assert_eq!(reason(&status, REPLICA_FAILURE), "FailedCreate");
    }

    #[test]
    fn pausing_and_resuming_stop_the_clock() {
        let mut deployment = deployment(2);
        deployment.spec.paused = true;
        deployment.status = paused_condition(&deployment, at(1)).unwrap();
        assert_eq!(reason(&deployment.status, PROGRESSING), PAUSED);
        assert!(paused_condition(&deployment, at(2)).is_none());
        deployment.spec.paused = false;
        deployment.status = paused_condition(&deployment, at(3)).unwrap();
        assert_eq!(reason(&deployment.status, PROGRESSING), RESUMED);
        assert!(paused_condition(&deployment, at(4)).is_none());
    }
}
