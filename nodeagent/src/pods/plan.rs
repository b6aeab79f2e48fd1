//! What to do next for a pod: a pure function of its object, of what the agent knows, and of the time.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

use crate::pods::restart;
use crate::pods::state::{Cause, ContainerState, Ending, Phase, PodState, Readiness, Role, Roster, Stage};

/// One thing to do. Each may be repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Admit,
    /// Give the pod its address and its volumes.
    Prepare,
    /// Bring the volumes up to what they show.
    Refresh,
    /// The index is that of the `Roster`.
    Start(usize),
    /// Begin a graceful stop.
    Stop {
        index: usize,
        kill_at: Timestamp,
        message: String,
    },
    /// The hook before the stop is done: ask the container to end.
    Signal(usize),
    Kill(usize),
    /// An image could not be had: say so, and wait.
    BackOffPull(usize),
    /// End the pod as failed.
    Fail {
        reason: &'static str,
        message: String,
        ending: Ending,
    },
    /// Nothing runs any more, and nothing will.
    Finish,
}

/// What to do, and when to look again if nothing happens before.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub steps: Vec<Step>,
    pub wake: Option<Timestamp>,
}

impl Plan {
    fn wake_at(&mut self, at: Timestamp) {
        self.wake = Some(self.wake.map_or(at, |earlier| earlier.min(at)));
    }
}

pub fn plan(pod: &Pod, state: &PodState, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    match state.ending {
        Some(ending) => end(pod, state, ending, now, &mut plan),
        None if state.failed.is_some() || state.was_over => {}
        None => run(pod, state, now, &mut plan),
    }
    plan
}

/// How long the pod may take to end by itself.
pub fn grace(pod: &Pod) -> Duration {
    let own = pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds).unwrap_or(30);
    let asked = pod.metadata.deletion_grace_period_seconds.unwrap_or(own);
    // Even a forced deletion leaves a second.
    Duration::from_secs(u64::try_from(asked).unwrap_or(0).max(1))
}

/// How long to wait before something that failed is tried again: from ten seconds to five minutes.
pub fn retry_wait(attempts: u32) -> Duration {
    restart::delay(attempts.saturating_add(1))
}

pub fn after(now: Timestamp, wait: Duration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

fn run(pod: &Pod, state: &PodState, now: Timestamp, plan: &mut Plan) {
    if !state.is_admitted {
        return plan.steps.push(Step::Admit);
    }
    if is_finished(pod, state) {
        return stop_sidecars(pod, state, after(now, grace(pod)), now, plan);
    }
    if let Some(step) = past_deadline(pod, state, now, plan) {
        return plan.steps.push(step);
    }
    match state.preparation {
        Readiness::Wanted => return plan.steps.push(Step::Prepare),
        Readiness::Waiting { retry_at, .. } if now >= retry_at => return plan.steps.push(Step::Prepare),
        Readiness::Waiting { retry_at, .. } => return plan.wake_at(retry_at),
        Readiness::Ready if state.is_stale => plan.steps.push(Step::Refresh),
        Readiness::Ready => {}
    }
    let roster = Roster::of(pod);
    let main_began = has_begun(pod, state);
    for (index, role, container) in roster.iter() {
        let Some(own) = state.containers.get(index) else { break };
        if main_began && role == Role::Init {
            continue;
        }
        tend(pod, index, role, container, own, now, plan);
        if role != Role::Main && !main_began && !may_pass(role, own) {
            break;
        }
    }
}

/// Whether the containers after this init container may start.
fn may_pass(role: Role, state: &ContainerState) -> bool {
    match (&state.phase, role) {
        (Phase::Running(running), Role::Sidecar) => running.is_started,
        (Phase::Ended(past), Role::Init) => past.ended.code == 0,
        _ => false,
    }
}

/// Whether initialization is over: a main container was started at some time.
pub fn has_begun(pod: &Pod, state: &PodState) -> bool {
    Roster::of(pod).iter().any(|(index, role, _)| {
        let own = state.containers.get(index);
        role == Role::Main
            && own.is_some_and(|own| own.last.is_some() || matches!(own.phase, Phase::Running(_) | Phase::Ended(_)))
    })
}

/// Whether no main container runs and none will again; an init container that failed for good counts too.
pub fn is_finished(pod: &Pod, state: &PodState) -> bool {
    let roster = Roster::of(pod);
    let is_over = |index: usize, role: Role| {
        let Some((_, container)) = roster.get(index) else { return false };
        let past = state.containers.get(index).and_then(ContainerState::ended);
        past.is_some_and(|past| !restart::wants_restart(pod, role, container, past))
    };
    let init_failed = roster.iter().any(|(index, role, _)| {
        let failed = state.containers.get(index).and_then(ContainerState::ended).is_some_and(|p| p.ended.code != 0);
        role == Role::Init && failed && is_over(index, role)
    });
    (init_failed && !has_begun(pod, state))
        || roster.iter().all(|(index, role, _)| role != Role::Main || is_over(index, role))
}

fn tend(
    pod: &Pod,
    index: usize,
    role: Role,
    container: &k8s_openapi::api::core::v1::Container,
    state: &ContainerState,
    now: Timestamp,
    plan: &mut Plan,
) {
    let image = container.image.as_deref().unwrap_or_default();
    match &state.phase {
        Phase::New => plan.steps.push(Step::Start(index)),
        Phase::Blocked(blocked) if blocked.image != image => plan.steps.push(Step::Start(index)),
        Phase::Blocked(blocked) => match blocked.retry_at {
            Some(at) if now < at => plan.wake_at(at),
            Some(_) if blocked.is_permanent => plan.steps.push(Step::BackOffPull(index)),
            Some(_) => plan.steps.push(Step::Start(index)),
            None => {}
        },
        Phase::Ended(past) => {
            if !restart::wants_restart(pod, role, container, past) {
                return;
            }
            match restart::due(state, past) {
                due if now < due => plan.wake_at(due),
                _ => plan.steps.push(Step::Start(index)),
            }
        }
        Phase::Running(running) if running.stopping.is_some() => carry_on_stop(index, state, None, now, plan),
        Phase::Running(running) => {
            let unwanted = if running.image != image {
                Some((format!("Container {} definition changed, will be restarted", container.name), None))
            } else {
                running.unwanted.as_ref().map(|unwanted| (unwanted.message.clone(), unwanted.grace_seconds))
            };
            if let Some((message, seconds)) = unwanted {
                let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
                let kill_at = after(now, seconds.map_or_else(|| grace(pod), Duration::from_secs));
                plan.steps.push(Step::Stop { index, kill_at, message });
            }
        }
    }
}

/// Drives a stop on: the signal after the hook, the kill when the time is up.
fn carry_on_stop(index: usize, state: &ContainerState, limit: Option<Timestamp>, now: Timestamp, plan: &mut Plan) {
    let Some(stopping) = state.running().and_then(|running| running.stopping) else { return };
    let kill_at = limit.map_or(stopping.kill_at, |limit| limit.min(stopping.kill_at));
    match stopping.stage {
        Stage::Killed => {}
        _ if now >= kill_at => plan.steps.push(Step::Kill(index)),
        Stage::Hooked => plan.steps.push(Step::Signal(index)),
        Stage::Hook | Stage::Signalled => plan.wake_at(kill_at),
    }
}

fn past_deadline(pod: &Pod, state: &PodState, now: Timestamp, plan: &mut Plan) -> Option<Step> {
    let seconds = pod.spec.as_ref()?.active_deadline_seconds?;
    let deadline = after(state.started_at?, Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
    if now < deadline {
        plan.wake_at(deadline);
        return None;
    }
    let ending = Ending { kill_at: after(now, grace(pod)), cause: Cause::Failed };
    let message = "Pod was active on the node longer than the specified deadline".to_owned();
    Some(Step::Fail { reason: "DeadlineExceeded", message, ending })
}

/// Ends all containers: first the main ones together, then the sidecars from the last to the first.
fn end(pod: &Pod, state: &PodState, ending: Ending, now: Timestamp, plan: &mut Plan) {
    let mut main_running = false;
    for (index, role, container) in Roster::of(pod).iter() {
        let Some(own) = state.containers.get(index) else { continue };
        let Some(running) = own.running() else { continue };
        if role == Role::Sidecar {
            continue;
        }
        main_running = true;
        if running.stopping.is_some() {
            carry_on_stop(index, own, Some(ending.kill_at), now, plan);
        } else {
            let message = format!("Stopping container {}", container.name);
            plan.steps.push(Step::Stop { index, kill_at: ending.kill_at, message });
        }
    }
    // When the time is up nothing is spared.
    if !main_running || now >= ending.kill_at {
        stop_sidecars(pod, state, ending.kill_at, now, plan);
    }
    if !state.any_running() {
        plan.steps.push(Step::Finish);
    }
}

fn stop_sidecars(pod: &Pod, state: &PodState, kill_at: Timestamp, now: Timestamp, plan: &mut Plan) {
    for (index, role, container) in Roster::of(pod).iter().rev() {
        let Some(own) = state.containers.get(index) else { continue };
        let Some(running) = own.running().filter(|_| role == Role::Sidecar) else { continue };
        if running.stopping.is_some() {
            carry_on_stop(index, own, Some(kill_at), now, plan);
        } else {
            let message = format!("Stopping container {}", container.name);
            plan.steps.push(Step::Stop { index, kill_at, message });
        }
        if now < kill_at {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
