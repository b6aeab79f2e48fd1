//! The status that a pod shows: a pure function of its object and of what the agent knows.

use std::net::IpAddr;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    Container, ContainerState as ShownState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting,
    ContainerStatus, HostIP, Pod, PodCondition, PodIP, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::pods::state::{Cause, ContainerState, Past, Phase, PodState, Readiness, Role, Roster};
use crate::pods::{plan, quality, restart};

/// What of the node a pod's status shows.
#[derive(Debug, Clone, Copy)]
pub struct Host<'a> {
    pub address: IpAddr,
    pub runtime: &'a str,
}

pub fn status(pod: &Pod, state: &PodState, host: Host<'_>, now: Timestamp) -> PodStatus {
    let held = pod.status.clone().unwrap_or_default();
    if let Some(failed) = state.failed.as_deref().filter(|_| !state.is_admitted) {
        // Nothing of it ever ran here.
        return PodStatus {
            phase: Some("Failed".to_owned()),
            reason: Some(failed.reason.to_owned()),
            message: Some(failed.message.clone()),
            start_time: held.start_time.clone().or(Some(Time(now))),
            observed_generation: pod.metadata.generation,
            qos_class: Some(held.qos_class.clone().unwrap_or_else(|| quality::class(pod).to_owned())),
            ..held
        };
    }
    let phase = phase(pod, state);
    let (init, main) = container_statuses(pod, state, host, now);
    let addresses = state.address.map(|address| vec![PodIP { ip: address.to_string() }]);
    let mut status = PodStatus {
        observed_generation: pod.metadata.generation,
        host_ip: Some(host.address.to_string()),
        host_ips: Some(vec![HostIP { ip: host.address.to_string() }]),
        pod_ip: state.address.map(|address| address.to_string()),
        pod_ips: addresses,
        start_time: state.started_at.map(Time),
        qos_class: Some(held.qos_class.clone().unwrap_or_else(|| quality::class(pod).to_owned())),
        reason: state.failed.as_ref().map(|failed| failed.reason.to_owned()),
        message: state.failed.as_ref().map(|failed| failed.message.clone()),
        init_container_statuses: (!init.is_empty()).then_some(init),
        container_statuses: Some(main),
        ..held
    };
    let conditions = status.conditions.get_or_insert_default();
    for condition in conditions_of(pod, state, phase) {
        set_condition(conditions, condition, pod.metadata.generation, now);
    }
    status.phase = Some(phase.to_owned());
    status
}

/// The phase of the pod as a whole.
pub fn phase(pod: &Pod, state: &PodState) -> &'static str {
    if state.failed.is_some() && !state.any_running() {
        return "Failed";
    }
    // A phase in which a pod ended is for ever.
    match pod.status.as_ref().and_then(|status| status.phase.as_deref()) {
        Some("Succeeded") => return "Succeeded",
        Some("Failed") => return "Failed",
        _ => {}
    }
    let roster = Roster::of(pod);
    let ends = roster.iter().filter(|(_, role, _)| *role == Role::Main).map(|(index, ..)| state.containers.get(index));
    let ends: Option<Vec<&Past>> = ends.map(|own| own.and_then(ContainerState::ended)).collect();
    let is_leaving = state.ending.is_some_and(|ending| ending.cause != Cause::Shutdown) && !state.any_running();
    let is_over = plan::is_finished(pod, state) && !state.any_running();
    if is_leaving || is_over {
        let succeeded = ends.is_some_and(|ends| ends.iter().all(|past| past.ended.code == 0));
        return if succeeded { "Succeeded" } else { "Failed" };
    }
    if plan::has_begun(pod, state) { "Running" } else { "Pending" }
}

struct Condition {
    kind: &'static str,
    is_true: bool,
    reason: Option<&'static str>,
    message: Option<String>,
}

impl Condition {
    fn yes(kind: &'static str) -> Self {
        Self { kind, is_true: true, reason: None, message: None }
    }

    fn no(kind: &'static str, reason: &'static str, message: Option<String>) -> Self {
        Self { kind, is_true: false, reason: Some(reason), message }
    }
}

fn conditions_of(pod: &Pod, state: &PodState, phase: &str) -> [Condition; 5] {
    let roster = Roster::of(pod);
    let began = plan::has_begun(pod, state);
    let mut uninitialized = Vec::new();
    let mut unready = Vec::new();
    for (index, role, container) in roster.iter() {
        let Some(own) = state.containers.get(index) else { continue };
        let is_done = match role {
            Role::Init => began || own.ended().is_some_and(|past| past.ended.code == 0),
            Role::Sidecar => began || own.running().is_some_and(|running| running.is_started),
            Role::Main => true,
        };
        if !is_done {
            uninitialized.push(container.name.as_str());
        }
        if role != Role::Init && !own.running().is_some_and(|running| running.is_ready) {
            unready.push(container.name.as_str());
        }
    }
    let has_place = state.preparation == Readiness::Ready && phase != "Succeeded";
    let place = "PodReadyToStartContainers";
    let initialized = if phase == "Succeeded" {
        Condition { reason: Some("PodCompleted"), ..Condition::yes("Initialized") }
    } else if uninitialized.is_empty() {
        Condition::yes("Initialized")
    } else {
        let message = format!("containers with incomplete status: [{}]", uninitialized.join(" "));
        Condition::no("Initialized", "ContainersNotInitialized", Some(message))
    };
    let containers = |kind| match phase {
        "Succeeded" => Condition::no(kind, "PodCompleted", None),
        "Failed" => Condition::no(kind, "PodFailed", None),
        _ if unready.is_empty() => Condition::yes(kind),
        _ => {
            let message = format!("containers with unready status: [{}]", unready.join(" "));
            Condition::no(kind, "ContainersNotReady", Some(message))
        }
    };
    let mut ready = containers("Ready");
    if ready.is_true {
        ready = gates(pod);
    }
    [
        Condition { kind: place, is_true: has_place, reason: None, message: None },
        initialized,
        ready,
        containers("ContainersReady"),
        Condition::yes("PodScheduled"),
    ]
}

/// Readiness that others decide, by conditions that the pod names.
fn gates(pod: &Pod) -> Condition {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let gates = pod.spec.iter().filter_map(|spec| spec.readiness_gates.as_deref()).flatten();
    let missing: Vec<String> = gates
        .filter_map(|gate| {
            let found = conditions.iter().find(|condition| condition.type_ == gate.condition_type);
            match found {
                None => Some(format!(
                    "corresponding condition of pod readiness gate \"{}\" does not exist.",
                    gate.condition_type
                )),
                Some(found) if found.status != "True" => Some(format!(
                    "the status of pod readiness gate \"{}\" is not \"True\", but {}",
                    gate.condition_type, found.status
                )),
                Some(_) => None,
            }
        })
        .collect();
    if missing.is_empty() {
        return Condition::yes("Ready");
    }
    Condition::no("Ready", "ReadinessGatesNotReady", Some(missing.join(", ")))
}

fn set_condition(conditions: &mut Vec<PodCondition>, wanted: Condition, generation: Option<i64>, now: Timestamp) {
    let status = if wanted.is_true { "True" } else { "False" };
    let held = conditions.iter_mut().find(|condition| condition.type_ == wanted.kind);
    let since = held.as_ref().filter(|held| held.status == status).and_then(|held| held.last_transition_time.clone());
    let condition = PodCondition {
        type_: wanted.kind.to_owned(),
        status: status.to_owned(),
        reason: wanted.reason.map(str::to_owned),
        message: wanted.message,
        observed_generation: generation,
        last_probe_time: None,
        last_transition_time: since.or(Some(Time(now))),
    };
    match held {
        Some(held) => *held = condition,
        None => conditions.push(condition),
    }
}

fn container_statuses(
    pod: &Pod,
    state: &PodState,
    host: Host<'_>,
    now: Timestamp,
) -> (Vec<ContainerStatus>, Vec<ContainerStatus>) {
    let (mut init, mut main) = (Vec::new(), Vec::new());
    let began = plan::has_begun(pod, state);
    let has_init = pod.spec.as_ref().and_then(|spec| spec.init_containers.as_ref()).is_some_and(|all| !all.is_empty());
    let empty = ContainerState::default();
    for (index, role, container) in Roster::of(pod).iter() {
        let own = state.containers.get(index).unwrap_or(&empty);
        let waits_for = if has_init && !began { "PodInitializing" } else { "ContainerCreating" };
        let shown = Shown { pod, role, container, state: own, host, waits_for, leaves: state.ending.is_some() };
        let status = shown.status(now);
        if role == Role::Main { main.push(status) } else { init.push(status) }
    }
    (init, main)
}

struct Shown<'a> {
    pod: &'a Pod,
    role: Role,
    container: &'a Container,
    state: &'a ContainerState,
    host: Host<'a>,
    waits_for: &'static str,
    leaves: bool,
}

impl Shown<'_> {
    fn status(&self, now: Timestamp) -> ContainerStatus {
        let mut status = ContainerStatus {
            name: self.container.name.clone(),
            image: self.container.image.clone().unwrap_or_default(),
            restart_count: i32::try_from(self.state.restarts).unwrap_or(i32::MAX),
            started: Some(false),
            state: Some(ShownState::default()),
            last_state: Some(self.state.last.as_deref().map(|past| self.terminated(past)).unwrap_or_default()),
            ..ContainerStatus::default()
        };
        match &self.state.phase {
            Phase::New => status.state = Some(waiting(self.waits_for, None)),
            Phase::Blocked(blocked) => {
                status.state = Some(waiting(blocked.reason, Some(blocked.message.clone())));
            }
            Phase::Running(running) => {
                let running_state = ContainerStateRunning { started_at: Some(Time(running.started_at)) };
                status.state = Some(ShownState { running: Some(running_state), ..ShownState::default() });
                status.container_id = Some(self.full_id(&running.id));
                status.image = running.image.clone();
                status.image_id = running.image_id.clone();
                status.started = Some(running.is_started);
                // An init container is ready when it has done its work.
                status.ready = running.is_ready && self.role != Role::Init;
            }
            Phase::Ended(past) => self.show_end(past, &mut status, now),
        }
        status
    }

    fn show_end(&self, past: &Past, status: &mut ContainerStatus, now: Timestamp) {
        status.container_id = (!past.id.is_empty()).then(|| self.full_id(&past.id));
        status.image_id = past.image_id.clone();
        let restarts = !self.leaves && restart::wants_restart(self.pod, self.role, self.container, past);
        if restarts && now < restart::due(self.state, past) {
            status.state = Some(waiting("CrashLoopBackOff", Some(self.back_off())));
            status.last_state = Some(self.terminated(past));
        } else {
            status.state = Some(self.terminated(past));
            status.ready = self.role == Role::Init && past.ended.code == 0;
        }
    }

    fn back_off(&self) -> String {
        back_off_message(self.pod, &self.container.name, self.state.failures)
    }

    fn full_id(&self, id: &str) -> String {
        format!("{}://{id}", self.host.runtime)
    }

    fn terminated(&self, past: &Past) -> ShownState {
        let ended = &past.ended;
        let terminated = ContainerStateTerminated {
            container_id: (!past.id.is_empty()).then(|| self.full_id(&past.id)),
            exit_code: ended.code,
            signal: ended.signal,
            reason: Some(ended.reason.clone()),
            message: (!ended.message.is_empty()).then(|| ended.message.clone()),
            started_at: Some(Time(ended.started_at)),
            finished_at: Some(Time(ended.finished_at)),
        };
        ShownState { terminated: Some(terminated), ..ShownState::default() }
    }
}

fn back_off_message(pod: &Pod, container: &str, failures: u32) -> String {
    let wait = match restart::delay(failures).as_secs() {
        seconds if seconds < 60 => format!("{seconds}s"),
        seconds => format!("{}m{}s", seconds / 60, seconds % 60),
    };
    format!("back-off {wait} restarting failed container={container} pod={}", full_name(pod))
}

/// A pod's name as messages about it give it.
pub fn full_name(pod: &Pod) -> String {
    let meta = &pod.metadata;
    let text = |value: &'_ Option<String>| value.clone().unwrap_or_default();
    format!("{}_{}({})", text(&meta.name), text(&meta.namespace), text(&meta.uid))
}

fn waiting(reason: &str, message: Option<String>) -> ShownState {
    let waiting = ContainerStateWaiting { reason: Some(reason.to_owned()), message };
    ShownState { waiting: Some(waiting), ..ShownState::default() }
}
