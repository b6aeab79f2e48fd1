//! What the agent itself knows of a pod: the other half of every decision, beside the pod's object.

use std::net::IpAddr;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod};

use crate::runtime::interface::Ended;

/// What has become of a pod on this node.
#[derive(Debug, Clone, Default)]
pub struct PodState {
    pub is_admitted: bool,
    /// It had ended before this agent began: there is nothing left to say of it.
    pub was_over: bool,
    /// Set once, when the node will not run the pod, or not any more.
    pub failed: Option<Box<Failed>>,
    pub started_at: Option<Timestamp>,
    pub address: Option<IpAddr>,
    /// Of its address and its volumes.
    pub preparation: Readiness,
    /// Something that the volumes show has changed.
    pub is_stale: bool,
    pub ending: Option<Ending>,
    /// As many as the pod has, in the order of `Roster`.
    pub containers: Vec<ContainerState>,
}

/// Why a pod failed as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    pub reason: &'static str,
    pub message: String,
}

/// How far a preparation is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Readiness {
    #[default]
    Wanted,
    Waiting {
        retry_at: Timestamp,
        attempts: u32,
    },
    Ready,
}

/// The pod is being ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// When what still runs is killed; it only ever moves to the front.
    pub kill_at: Timestamp,
    pub cause: Cause,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its object is marked as deleted.
    Deleted,
    /// It has no object any more: it was deleted by force, or while the agent was away.
    Gone,
    /// It failed as a whole.
    Failed,
    /// The agent stops, and takes its pods along.
    Shutdown,
}

#[derive(Debug, Clone, Default)]
pub struct ContainerState {
    pub phase: Phase,
    /// The end before the present phase.
    pub last: Option<Box<Past>>,
    pub restarts: u32,
    /// Ends in a row without a long run between them: they decide how long the next start waits.
    pub failures: u32,
}

#[derive(Debug, Clone, Default)]
pub enum Phase {
    #[default]
    New,
    /// It should start and cannot.
    Blocked(Box<Blocked>),
    Running(Box<Running>),
    Ended(Box<Past>),
}

#[derive(Debug, Clone)]
pub struct Blocked {
    pub reason: &'static str,
    pub message: String,
    /// None: not before the pod changes.
    pub retry_at: Option<Timestamp>,
    pub attempts: u32,
    /// The image that this is about: with another one it is tried at once.
    pub image: String,
    pub is_permanent: bool,
}

#[derive(Debug, Clone)]
pub struct Running {
    pub id: String,
    pub image: String,
    pub image_id: String,
    pub started_at: Timestamp,
    /// Its start is complete: the hook after the start is done, and the startup probe has passed.
    pub is_started: bool,
    pub is_ready: bool,
    /// The hook after the start still runs.
    pub in_post_start: bool,
    /// Why it has to be stopped, though its pod goes on.
    pub unwanted: Option<Unwanted>,
    pub stopping: Option<Stopping>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwanted {
    pub message: String,
    pub grace_seconds: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopping {
    pub kill_at: Timestamp,
    pub stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The hook before the stop runs.
    Hook,
    /// The hook is done; the signal is next.
    Hooked,
    Signalled,
    Killed,
}

/// A container that ended.
#[derive(Debug, Clone)]
pub struct Past {
    pub id: String,
    pub image: String,
    pub image_id: String,
    pub ended: Ended,
}

/// What a container is to its pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Init,
    /// An init container that goes on running.
    Sidecar,
    Main,
}

/// The containers of a pod in the order in which they start.
pub struct Roster<'a>(Vec<(Role, &'a Container)>);

impl<'a> Roster<'a> {
    pub fn of(pod: &'a Pod) -> Self {
        let Some(spec) = &pod.spec else { return Self(Vec::new()) };
        let init = spec.init_containers.iter().flatten().map(|container| {
            let stays = container.restart_policy.as_deref() == Some("Always");
            (if stays { Role::Sidecar } else { Role::Init }, container)
        });
        Self(init.chain(spec.containers.iter().map(|container| (Role::Main, container))).collect())
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (usize, Role, &'a Container)> + '_ {
        self.0.iter().enumerate().map(|(index, (role, container))| (index, *role, *container))
    }

    pub fn get(&self, index: usize) -> Option<(Role, &'a Container)> {
        self.0.get(index).copied()
    }

    pub fn named(&self, name: &str) -> Option<(usize, (Role, &'a Container))> {
        let index = self.position(name)?;
        Some((index, self.get(index)?))
    }

    pub fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|(_, container)| container.name == name)
    }
}

impl Running {
    /// Takes note that the container is up as far as its hook and its startup probe go.
    pub fn is_up(&mut self, container: &Container) {
        self.is_started = true;
        // Without a probe that says otherwise it is ready then.
        self.is_ready |= container.readiness_probe.is_none();
    }
}

impl PodState {
    pub fn any_running(&self) -> bool {
        self.containers.iter().any(|container| matches!(container.phase, Phase::Running(_)))
    }
}

impl ContainerState {
    pub fn running(&self) -> Option<&Running> {
        match &self.phase {
            Phase::Running(running) => Some(running),
            _ => None,
        }
    }

    pub fn running_mut(&mut self) -> Option<&mut Running> {
        match &mut self.phase {
            Phase::Running(running) => Some(running),
            _ => None,
        }
    }

    pub fn ended(&self) -> Option<&Past> {
        match &self.phase {
            Phase::Ended(past) => Some(past),
            _ => None,
        }
    }

    /// The last end that is known of it.
    pub fn last_end(&self) -> Option<&Past> {
        self.ended().or(self.last.as_deref())
    }

    /// Takes note that the running container with this id ended.
    pub fn end(&mut self, id: &str, ended: Ended) -> bool {
        let Phase::Running(running) = &self.phase else { return false };
        if running.id != id {
            return false;
        }
        if crate::pods::restart::ran_long(&ended) {
            self.failures = 0;
        }
        let past =
            Past { id: running.id.clone(), image: running.image.clone(), image_id: running.image_id.clone(), ended };
        self.phase = Phase::Ended(Box::new(past));
        true
    }

    /// Takes note that the container is started once more, or for the first time.
    pub fn begin(&mut self, running: Running) {
        self.count_start();
        self.phase = Phase::Running(Box::new(running));
    }

    /// Takes note that a start failed: that is an end of its own.
    pub fn fail_start(&mut self, past: Past) {
        self.count_start();
        self.phase = Phase::Ended(Box::new(past));
    }

    /// Takes note that the container cannot start now.
    pub fn block(&mut self, blocked: Blocked) {
        if let Phase::Ended(past) = std::mem::take(&mut self.phase) {
            self.last = Some(past);
        }
        self.phase = Phase::Blocked(Box::new(blocked));
    }

    fn count_start(&mut self) {
        match std::mem::take(&mut self.phase) {
            Phase::Ended(past) => self.last = Some(past),
            Phase::Blocked(_) if self.last.is_some() => {}
            _ => return,
        }
        self.restarts += 1;
        self.failures += 1;
    }
}
