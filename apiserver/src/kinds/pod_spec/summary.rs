//! A pod's state in three words, as `kubectl get pods` shows it.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod, PodSpec, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::kinds::rules::text;
use crate::kinds::table::since;

pub struct Summary {
    pub ready: String,
    pub status: String,
    pub restarts: String,
}

/// How often, and when last.
#[derive(Default, Clone)]
struct Restarts {
    count: i32,
    last: Option<Time>,
}

impl Restarts {
    fn add(&mut self, container: &ContainerStatus) {
        self.count += container.restart_count;
        let ended = container.last_state.as_ref().and_then(|state| state.terminated.as_ref());
        let finished = ended.and_then(|ended| ended.finished_at.clone());
        self.last = self.last.take().max(finished);
    }
}

impl Summary {
    pub fn of(pod: &Pod, now: Timestamp) -> Self {
        let (no_spec, no_status) = (PodSpec::default(), PodStatus::default());
        let (spec, status) = (pod.spec.as_ref().unwrap_or(&no_spec), pod.status.as_ref().unwrap_or(&no_status));
        let init = spec.init_containers.as_deref().unwrap_or_default();
        let is_sidecar = |name: &str| {
            init.iter().any(|container| container.name == name && text(&container.restart_policy) == "Always")
        };
        let sidecars = init.iter().filter(|container| is_sidecar(&container.name)).count();
        let mut state = State {
            reason: first_reason(status),
            ready: 0,
            restarts: Restarts::default(),
            sidecar_restarts: Restarts::default(),
        };
        let is_initializing = state.initialize(status, init.len(), is_sidecar);
        if !is_initializing || has_condition(status, "Initialized") {
            state.restarts = state.sidecar_restarts.clone();
            state.run(status);
        }
        let is_going = pod.metadata.deletion_timestamp.is_some();
        if is_going && text(&status.reason) == "NodeLost" {
            state.reason = "Unknown".to_owned();
        } else if is_going && !matches!(text(&status.phase), "Succeeded" | "Failed") {
            state.reason = "Terminating".to_owned();
        }
        let restarts = match &state.restarts {
            Restarts { count, last: Some(last) } if *count != 0 => format!("{count} ({} ago)", since(Some(last), now)),
            Restarts { count, .. } => count.to_string(),
        };
        Self { ready: format!("{}/{}", state.ready, spec.containers.len() + sidecars), status: state.reason, restarts }
    }
}

struct State {
    reason: String,
    ready: usize,
    restarts: Restarts,
    sidecar_restarts: Restarts,
}

impl State {
    /// Walks the init containers. True if one of them is not done.
    fn initialize(&mut self, status: &PodStatus, total: usize, is_sidecar: impl Fn(&str) -> bool) -> bool {
        for (index, container) in status.init_container_statuses.iter().flatten().enumerate() {
            self.restarts.add(container);
            let is_sidecar = is_sidecar(&container.name);
            if is_sidecar {
                self.sidecar_restarts.add(container);
            }
            let state = container.state.as_ref();
            let ended = state.and_then(|state| state.terminated.as_ref());
            if ended.is_some_and(|ended| ended.exit_code == 0) {
                continue;
            }
            if is_sidecar && container.started == Some(true) {
                self.ready += usize::from(container.ready);
                continue;
            }
            let waiting = state.and_then(|state| state.waiting.as_ref()).map_or("", |waiting| text(&waiting.reason));
            self.reason = match ended {
                Some(ended) => format!("Init:{}", end_of(ended)),
                None if !waiting.is_empty() && waiting != "PodInitializing" => format!("Init:{waiting}"),
                None => format!("Init:{index}/{total}"),
            };
            return true;
        }
        false
    }

    /// Walks the containers from the last, so that the first one's reason is what is shown.
    fn run(&mut self, status: &PodStatus) {
        let mut has_running = false;
        for container in status.container_statuses.iter().flatten().rev() {
            self.restarts.add(container);
            let Some(ContainerState { running, terminated, waiting }) = &container.state else { continue };
            let waiting = waiting.as_ref().map_or("", |waiting| text(&waiting.reason));
            if !waiting.is_empty() {
                self.reason = waiting.to_owned();
            } else if let Some(ended) = terminated {
                self.reason = end_of(ended);
            } else if container.ready && running.is_some() {
                has_running = true;
                self.ready += 1;
            }
        }
        if self.reason == "Completed" && has_running {
            self.reason = if has_condition(status, "Ready") { "Running" } else { "NotReady" }.to_owned();
        }
    }
}

fn first_reason(status: &PodStatus) -> String {
    let gated = |list: &Vec<k8s_openapi::api::core::v1::PodCondition>| {
        list.iter().any(|one| one.type_ == "PodScheduled" && text(&one.reason) == "SchedulingGated")
    };
    if status.conditions.as_ref().is_some_and(gated) {
        return "SchedulingGated".to_owned();
    }
    let reason = if text(&status.reason).is_empty() { &status.phase } else { &status.reason };
    text(reason).to_owned()
}

fn end_of(ended: &ContainerStateTerminated) -> String {
    match (text(&ended.reason), ended.signal.unwrap_or(0)) {
        ("", 0) => format!("ExitCode:{}", ended.exit_code),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn has_condition(status: &PodStatus, name: &str) -> bool {
    status.conditions.iter().flatten().any(|condition| condition.type_ == name && condition.status == "True")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn shown(status: Value) -> (String, String, String) {
        let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}, {"name": "b"}],
            "initContainers": [{"name": "i"}]}, "status": status});
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let summary = Summary::of(&pod, "2026-01-01T00:10:00Z".parse().unwrap());
        (summary.ready, summary.status, summary.restarts)
    }

    fn cells(ready: &str, status: &str, restarts: &str) -> (String, String, String) {
        (ready.into(), status.into(), restarts.into())
    }

    fn container(name: &str, state: Value, ready: bool) -> Value {
        json!({"name": name, "ready": ready, "restartCount": 0, "image": "", "imageID": "", "state": state})
    }

    #[test]
    fn a_pod_says_how_far_it_is() {
        assert_eq!(shown(json!({"phase": "Pending"})), cells("0/2", "Pending", "0"));
        let waits = json!({"waiting": {"reason": "PodInitializing"}});
        let status = json!({"phase": "Pending", "initContainerStatuses": [container("i", waits, false)]});
        assert_eq!(shown(status), cells("0/2", "Init:0/1", "0"));
        let failed = json!({"terminated": {"exitCode": 3}});
        let status = json!({"phase": "Pending", "initContainerStatuses": [container("i", failed, false)]});
        assert_eq!(shown(status), cells("0/2", "Init:ExitCode:3", "0"));
        let runs = || json!({"running": {}});
        let both = json!([container("a", runs(), true), container("b", runs(), false)]);
        assert_eq!(shown(json!({"phase": "Running", "containerStatuses": both})), cells("1/2", "Running", "0"));
    }

    #[test]
    fn the_first_container_in_trouble_is_what_is_shown() {
        let mut broken = container("a", json!({"waiting": {"reason": "CrashLoopBackOff"}}), false);
        broken["restartCount"] = json!(4);
        broken["lastState"] = json!({"terminated": {"exitCode": 1, "finishedAt": "2026-01-01T00:05:00Z"}});
        let status = json!({"phase": "Running", "containerStatuses":
            [broken, container("b", json!({"running": {}}), true)]});
        assert_eq!(shown(status), cells("1/2", "CrashLoopBackOff", "4 (5m ago)"));
        let done = || json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
        let status = json!({"phase": "Running", "containerStatuses":
            [container("a", done(), false), container("b", json!({"running": {}}), true)]});
        assert_eq!(shown(status), cells("1/2", "NotReady", "0"));
    }
}
