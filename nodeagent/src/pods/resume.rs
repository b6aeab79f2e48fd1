//! What an agent that starts makes of a pod that was there before it.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};

use crate::pods::plan;
use crate::pods::state::{Cause, ContainerState, Ending, Past, Phase, PodState, Roster, Running};
use crate::runtime::interface::{Ended, Found, FoundState};

/// The state of a pod from what the API last heard of it and what the runtime still has of it.
pub fn resume(pod: &Pod, found: &[Found], now: Timestamp) -> PodState {
    let status = pod.status.as_ref();
    let mut state = PodState {
        started_at: status.and_then(|status| status.start_time.as_ref()).map(|time| time.0),
        address: status.and_then(|status| status.pod_ip.as_deref()).and_then(|address| address.parse().ok()),
        was_over: matches!(status.and_then(|status| status.phase.as_deref()), Some("Succeeded" | "Failed")),
        ..PodState::default()
    };
    state.containers = Roster::of(pod)
        .iter()
        .map(|(_, _, container)| {
            let newest = found.iter().filter(|found| found.container == container.name).max_by_key(|f| f.attempt);
            let mut own = resume_container(status_of(pod, &container.name), newest, now);
            // The end of a hook after the start may have been missed.
            if let Some(running) = own.running_mut()
                && container.startup_probe.is_none()
            {
                running.is_up(container);
            }
            own
        })
        .collect();
    if state.was_over && state.any_running() {
        state.ending = Some(Ending { kill_at: plan::after(now, plan::grace(pod)), cause: Cause::Failed });
    }
    state
}

/// All statuses that the API holds of a pod's containers.
pub fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    pod.status.iter().flat_map(|status| {
        let init = status.init_container_statuses.iter().flatten();
        init.chain(status.container_statuses.iter().flatten())
    })
}

fn status_of<'a>(pod: &'a Pod, name: &str) -> Option<&'a ContainerStatus> {
    statuses(pod).find(|status| status.name == name)
}

fn resume_container(status: Option<&ContainerStatus>, found: Option<&Found>, now: Timestamp) -> ContainerState {
    let mut state = status.map(remembered).unwrap_or_default();
    let Some(found) = found else {
        if let Phase::Running(running) = &state.phase {
            state.phase = Phase::Ended(Box::new(lost(running, now)));
        }
        return state;
    };
    if state.ended().is_some_and(|past| past.id != found.id) {
        state.last = match std::mem::take(&mut state.phase) {
            Phase::Ended(past) => Some(past),
            _ => None,
        };
    }
    let shown = status.filter(|status| status.container_id.as_deref().is_some_and(|id| id.ends_with(&found.id)));
    state.restarts = found.attempt;
    state.phase = match &found.state {
        FoundState::Running { started_at } => Phase::Running(Box::new(Running {
            id: found.id.clone(),
            image: found.image.clone(),
            image_id: found.image_id.clone(),
            started_at: *started_at,
            is_started: shown.and_then(|status| status.started).unwrap_or(false),
            is_ready: shown.is_some_and(|status| status.ready),
            in_post_start: false,
            unwanted: None,
            stopping: None,
        })),
        FoundState::Ended(ended) => Phase::Ended(Box::new(Past {
            id: found.id.clone(),
            image: found.image.clone(),
            image_id: found.image_id.clone(),
            ended: ended.clone(),
        })),
    };
    state
}

/// What the status alone says. A wait after an end counts as that end, so that its back-off goes on.
fn remembered(status: &ContainerStatus) -> ContainerState {
    let last = status.last_state.as_ref().and_then(|state| state.terminated.as_ref()).map(|end| past(status, end));
    let mut state = ContainerState { restarts: status.restart_count.unsigned_abs(), ..ContainerState::default() };
    let shown = status.state.clone().unwrap_or_default();
    if let Some(running) = shown.running {
        state.last = last.map(Box::new);
        state.phase = Phase::Running(Box::new(Running {
            id: id_of(status.container_id.as_deref()),
            image: status.image.clone(),
            image_id: status.image_id.clone(),
            started_at: running.started_at.map_or(Timestamp::UNIX_EPOCH, |time| time.0),
            is_started: status.started.unwrap_or(false),
            is_ready: status.ready,
            in_post_start: false,
            unwanted: None,
            stopping: None,
        }));
    } else if let Some(end) = shown.terminated {
        state.last = last.map(Box::new);
        state.phase = Phase::Ended(Box::new(past(status, &end)));
    } else if let Some(last) = last {
        state.phase = Phase::Ended(Box::new(last));
    }
    state
}

fn past(status: &ContainerStatus, end: &ContainerStateTerminated) -> Past {
    let time = |time: &Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>| {
        time.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0)
    };
    Past {
        id: id_of(end.container_id.as_deref()),
        image: status.image.clone(),
        image_id: status.image_id.clone(),
        ended: Ended {
            code: end.exit_code,
            signal: end.signal,
            reason: end.reason.clone().unwrap_or_default(),
            message: end.message.clone().unwrap_or_default(),
            started_at: time(&end.started_at),
            finished_at: time(&end.finished_at),
        },
    }
}

fn id_of(full: Option<&str>) -> String {
    full.and_then(|id| id.split_once("://")).map_or(String::new(), |(_, id)| id.to_owned())
}

fn lost(running: &Running, now: Timestamp) -> Past {
    Past {
        id: running.id.clone(),
        image: running.image.clone(),
        image_id: running.image_id.clone(),
        ended: Ended {
            code: 137,
            signal: None,
            reason: "ContainerStatusUnknown".to_owned(),
            message: "The container could not be located when the agent started".to_owned(),
            started_at: running.started_at,
            finished_at: now,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn pod(state: Value) -> Pod {
        let status = json!({ "name": "c", "image": "i", "imageID": "i", "ready": true, "started": true,
            "restartCount": 3, "containerID": "process://old", "state": state });
        serde_json::from_value(json!({
            "metadata": { "uid": "u" },
            "spec": { "containers": [{ "name": "c", "image": "i" }] },
            "status": { "podIP": "127.64.1.7", "containerStatuses": [status] }
        }))
        .unwrap()
    }

    fn found(id: &str, attempt: u32, state: FoundState) -> Found {
        let text = || "i".to_owned();
        Found { container: "c".to_owned(), id: id.to_owned(), attempt, image: text(), image_id: text(), state }
    }

    fn ended(code: i32) -> Ended {
        let text = String::new();
        Ended { code, signal: None, reason: text.clone(), message: text, started_at: at(1), finished_at: at(2) }
    }

    #[test]
    fn a_container_that_still_runs_goes_on_as_it_was_seen() {
        let pod = pod(json!({ "running": { "startedAt": "1970-01-01T00:00:05Z" } }));
        let state = resume(&pod, &[found("old", 3, FoundState::Running { started_at: at(5) })], at(9));
        let running = state.containers[0].running().unwrap();
        assert!(running.is_ready && running.is_started && state.containers[0].restarts == 3);
        assert_eq!(state.address, Some("127.64.1.7".parse().unwrap()));
    }

    #[test]
    fn a_container_that_nobody_finds_has_ended() {
        let pod = pod(json!({ "running": { "startedAt": "1970-01-01T00:00:05Z" } }));
        let state = resume(&pod, &[], at(9));
        let past = state.containers[0].ended().unwrap();
        assert_eq!((past.ended.code, past.ended.reason.as_str()), (137, "ContainerStatusUnknown"));
        assert_eq!((past.ended.started_at, past.ended.finished_at), (at(5), at(9)));
    }

    #[test]
    fn the_newest_run_counts_and_the_one_before_it_is_remembered() {
        let pod = pod(json!({ "terminated": { "exitCode": 7, "containerID": "process://old" } }));
        let runs = [found("old", 3, FoundState::Ended(ended(7))), found("new", 4, FoundState::Ended(ended(8)))];
        let state = resume(&pod, &runs, at(9));
        let own = &state.containers[0];
        assert_eq!((own.restarts, own.ended().unwrap().ended.code), (4, 8));
        assert_eq!(own.last.as_ref().unwrap().ended.code, 7);
    }

    #[test]
    fn a_wait_after_an_end_goes_on_as_that_end() {
        let mut pod = pod(json!({ "waiting": { "reason": "CrashLoopBackOff" } }));
        let statuses = pod.status.as_mut().unwrap().container_statuses.as_mut().unwrap();
        let last = json!({ "terminated": { "exitCode": 2, "finishedAt": "1970-01-01T00:00:08Z" } });
        statuses[0].last_state = Some(serde_json::from_value(last).unwrap());
        let state = resume(&pod, &[], at(9));
        assert_eq!(state.containers[0].ended().unwrap().ended.code, 2);
    }

    #[test]
    fn a_pod_that_was_over_stays_so() {
        let mut pod = pod(json!({ "terminated": { "exitCode": 0 } }));
        pod.status.as_mut().unwrap().phase = Some("Succeeded".to_owned());
        assert!(resume(&pod, &[], at(9)).was_over);
    }
}
