//! Carries out the steps of a plan.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod};
use tracing::debug;

use crate::events::Kind;
use crate::pods::context::identity;
use crate::pods::plan::{self, Step};
use crate::pods::restart;
use crate::pods::state::{
    Blocked, ContainerState, Failed, Past, Phase, Readiness, Role, Roster, Running, Stage, Stopping,
};
use crate::pods::status::full_name;
use crate::pods::worker::Worker;
use crate::runtime::interface::{ContainerConfig, Ended, ImageProblem, Started, StopSignal};

/// How long until another pod may have given its address back.
const ADDRESS_RETRY: Duration = Duration::from_secs(10);
const PULL_RETRY: Duration = Duration::from_secs(10);
const LONGEST_RETRY: Duration = Duration::from_secs(300);

impl Worker {
    pub(super) async fn carry_out(&mut self, pod: &Pod, step: Step) {
        match step {
            Step::Admit => self.admit(pod),
            Step::Prepare => self.prepare(pod),
            Step::Start(index) => self.start(pod, index).await,
            Step::Stop { index, kill_at, message } => self.stop(pod, index, kill_at, message).await,
            Step::Signal(index) => self.signal(index, StopSignal::Terminate, Stage::Signalled).await,
            Step::Kill(index) => self.signal(index, StopSignal::Kill, Stage::Killed).await,
            Step::BackOffPull(index) => self.back_off_pull(pod, index),
            Step::Fail { reason, message, ending } => {
                self.context.tell(pod, None, Kind::Warning, reason, message.clone());
                self.state.failed = Some(Box::new(Failed { reason, message }));
                self.state.ending = Some(ending);
            }
            Step::Finish => {}
        }
    }

    fn admit(&mut self, pod: &Pod) {
        let is_running = self.state.started_at.is_some() || self.state.any_running();
        let verdict = self.context.ledger().admit(pod, &self.context.node(), is_running);
        match verdict {
            Ok(()) => {
                self.state.is_admitted = true;
                let now = self.context.clock.now_seconds();
                self.state.started_at.get_or_insert(now);
            }
            Err(failed) => {
                self.context.tell(pod, None, Kind::Warning, failed.reason, failed.message.clone());
                self.state.failed = Some(Box::new(failed));
            }
        }
    }

    fn prepare(&mut self, pod: &Pod) {
        if self.allocate(pod) {
            self.state.preparation = Readiness::Ready;
            return;
        }
        let message = "Failed to create pod sandbox: no address is free in the range of this node";
        self.context.tell(pod, None, Kind::Warning, "FailedCreatePodSandBox", message.to_owned());
        let retry_at = plan::after(self.context.clock.now(), ADDRESS_RETRY);
        self.state.preparation = Readiness::Waiting { retry_at };
    }

    /// Gives the pod its address: that of the node where it asks for the node's network.
    fn allocate(&mut self, pod: &Pod) -> bool {
        let is_on_host = pod.spec.as_ref().and_then(|spec| spec.host_network).unwrap_or(false);
        self.state.address = match is_on_host {
            true => Some(self.context.address),
            false => self.context.pool().allocate(&identity(pod).uid),
        };
        self.state.address.is_some()
    }

    async fn start(&mut self, pod: &Pod, index: usize) {
        let Some((role, container)) = Roster::of(pod).get(index) else { return };
        let Some(address) = self.state.address else { return };
        let image = container.image.clone().unwrap_or_default();
        let command = container.command.clone().unwrap_or_default();
        if let Err(problem) = self.context.runtime.pull(&image, &command).await {
            return self.block_on_image(pod, index, &image, problem);
        }
        let part = Some((role, container));
        self.context.tell(
            pod,
            part,
            Kind::Normal,
            "Pulled",
            format!("Container image \"{image}\" already present on machine"),
        );
        let own = &self.state.containers[index];
        let attempt = own.restarts + u32::from(own.last_end().is_some());
        let config = ContainerConfig {
            pod: identity(pod),
            name: container.name.clone(),
            attempt,
            image: image.clone(),
            command,
            args: container.args.clone().unwrap_or_default(),
            environment: Vec::new(),
            working_dir: container.working_dir.clone(),
            user: None,
            group: None,
            supplemental_groups: Vec::new(),
            memory_limit: None,
            cpu_limit_milli: None,
            cpu_request_milli: None,
            mounts: Vec::new(),
            address,
            port: None,
            log_file: self.context.data_dir.clone(),
            grace: plan::grace(pod),
        };
        match self.context.runtime.start(config, self.mailbox.exit_sink()).await {
            Ok(started) => self.note_start(pod, index, (role, container), image, started),
            Err(error) => self.note_failed_start(pod, index, (role, container), image, &format!("{error:#}")),
        }
    }

    fn note_start(&mut self, pod: &Pod, index: usize, part: (Role, &Container), image: String, started: Started) {
        let name = &part.1.name;
        self.context.tell(pod, Some(part), Kind::Normal, "Created", "Container created".to_owned());
        self.context.tell(pod, Some(part), Kind::Normal, "Started", "Container started".to_owned());
        for warning in started.warnings {
            debug!(container = name, warning, "container started with less than it asked for");
            self.context.tell(pod, Some(part), Kind::Warning, "FailedMount", warning);
        }
        self.state.containers[index].begin(Running {
            id: started.id,
            image,
            image_id: started.image_id,
            started_at: started.started_at,
            is_started: true,
            is_ready: true,
            in_post_start: false,
            unwanted: None,
            stopping: None,
        });
    }

    fn note_failed_start(&mut self, pod: &Pod, index: usize, part: (Role, &Container), image: String, error: &str) {
        self.context.tell(pod, Some(part), Kind::Warning, "Failed", format!("Error: {error}"));
        let now = self.context.clock.now_seconds();
        let ended = Ended {
            code: 128,
            signal: None,
            reason: "StartError".to_owned(),
            message: error.to_owned(),
            started_at: now,
            finished_at: now,
        };
        self.state.containers[index].fail_start(Past { id: String::new(), image_id: image.clone(), image, ended });
        self.tell_back_off(pod, index);
    }

    fn block_on_image(&mut self, pod: &Pod, index: usize, image: &str, problem: ImageProblem) {
        let part = Roster::of(pod).get(index);
        self.context.tell(pod, part, Kind::Warning, "Failed", format!("Failed to pull image \"{image}\": {problem}"));
        self.context.tell(pod, part, Kind::Warning, "Failed", "Error: ErrImagePull".to_owned());
        let attempts = match &self.state.containers[index].phase {
            Phase::Blocked(blocked) => blocked.attempts + 1,
            _ => 0,
        };
        let wait = PULL_RETRY.saturating_mul(1_u32.checked_shl(attempts).unwrap_or(u32::MAX)).min(LONGEST_RETRY);
        self.state.containers[index].block(Blocked {
            reason: "ErrImagePull",
            message: problem.message,
            retry_at: Some(plan::after(self.context.clock.now(), wait)),
            attempts,
            image: image.to_owned(),
            is_permanent: problem.is_permanent,
        });
    }

    /// Nothing will come of trying again: the container waits for its pod to change, without a timer.
    fn back_off_pull(&mut self, pod: &Pod, index: usize) {
        let part = Roster::of(pod).get(index);
        let Phase::Blocked(blocked) = &mut self.state.containers[index].phase else { return };
        blocked.reason = "ImagePullBackOff";
        blocked.message = format!("Back-off pulling image \"{}\": {}", blocked.image, blocked.message);
        blocked.retry_at = None;
        let message = format!("Back-off pulling image \"{}\"", blocked.image);
        self.context.tell(pod, part, Kind::Normal, "BackOff", message);
        self.context.tell(pod, part, Kind::Warning, "Failed", "Error: ImagePullBackOff".to_owned());
    }

    async fn stop(&mut self, pod: &Pod, index: usize, kill_at: jiff::Timestamp, message: String) {
        let part = Roster::of(pod).get(index);
        self.context.tell(pod, part, Kind::Normal, "Killing", message);
        if let Some(running) = self.state.containers[index].running_mut() {
            running.stopping = Some(Stopping { kill_at, stage: Stage::Hooked });
        }
        self.signal(index, StopSignal::Terminate, Stage::Signalled).await;
    }

    async fn signal(&mut self, index: usize, signal: StopSignal, stage: Stage) {
        let Some(running) = self.state.containers[index].running_mut() else { return };
        if let Some(stopping) = &mut running.stopping {
            stopping.stage = stage;
        }
        let id = running.id.clone();
        if let Err(error) = self.context.runtime.signal(&id, signal).await {
            debug!(id, %error, "container not signalled");
        }
    }

    /// Tells that the next start of a container that ended waits.
    pub(super) fn tell_back_off(&self, pod: &Pod, index: usize) {
        let Some(part) = Roster::of(pod).get(index) else { return };
        let own: &ContainerState = &self.state.containers[index];
        let Some(past) = own.ended() else { return };
        let is_wanted = self.state.ending.is_none() && restart::wants_restart(pod, part.0, part.1, past);
        if is_wanted && own.failures > 0 {
            let pod_name = full_name(pod);
            let message = format!("Back-off restarting failed container {} in pod {pod_name}", part.1.name);
            self.context.tell(pod, Some(part), Kind::Warning, "BackOff", message);
        }
    }
}
