//! Carries out the steps of a plan.

use api::well_known::DEFAULT_NAMESPACE;
use k8s_openapi::api::core::v1::{Container, Pod, Service};
use kube::api::{Api, ListParams};
use tracing::debug;

use crate::events::Kind;
use crate::pods::context::identity;
use crate::pods::plan::{self, Step};
use crate::pods::restart;
use crate::pods::state::{Blocked, ContainerState, Failed, Past, Phase, Role, Roster, Running, Stage, Stopping};
use crate::pods::status::full_name;
use crate::pods::worker::Worker;
use crate::pods::{config, environment, hooks};
use crate::references::Sources;
use crate::references::fields::Fields;
use crate::runtime::interface::{ContainerConfig, Ended, ImageProblem, Started, StopSignal};

impl Worker {
    pub(super) async fn carry_out(&mut self, pod: &Pod, step: Step) {
        match step {
            Step::Admit => self.admit(pod),
            Step::Prepare => self.prepare(pod).await,
            Step::Refresh => self.refresh(pod).await,
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

    async fn start(&mut self, pod: &Pod, index: usize) {
        let Some(part) = Roster::of(pod).get(index) else { return };
        let image = part.1.image.clone().unwrap_or_default();
        let command = part.1.command.clone().unwrap_or_default();
        if let Err(problem) = self.context.runtime.pull(&image, &command).await {
            return self.block_on_image(pod, index, &image, problem);
        }
        let already = format!("Container image \"{image}\" already present on machine");
        self.context.tell(pod, Some(part), Kind::Normal, "Pulled", already);
        let config = match self.config(pod, index).await {
            Ok(config) => config,
            Err(problem) => return self.block_on_config(pod, index, &image, problem),
        };
        match self.context.runtime.start(config, self.mailbox.exit_sink()).await {
            Ok(started) => self.note_start(pod, index, part, image, started),
            Err(error) => self.note_failed_start(pod, index, part, image, &format!("{error:#}")),
        }
    }

    /// What the runtime is told about the container, or the reason and the message of what is missing for it.
    async fn config(&mut self, pod: &Pod, index: usize) -> Result<ContainerConfig, String> {
        let (Some((_, container)), Some(address)) = (Roster::of(pod).get(index), self.state.address) else {
            return Err("the pod has no such container, or no address".to_owned());
        };
        let own = &self.state.containers[index];
        let attempt = own.restarts + u32::from(own.last_end().is_some());
        let folder = self.folder(pod).ok_or("the pod's uid is no name of a folder")?;
        let is_real = self.context.runtime.is_real();
        let identity = identity(pod);
        let mut sources = Sources::default();
        let mut services = Vec::new();
        self.missing.clear();
        if is_real {
            let needs = environment::needs(container);
            self.missing.clone_from(&needs);
            sources = Sources::fetch(&self.context.client, &identity.namespace, &needs).await.map_err(told)?;
            services = self.services(pod).await.map_err(told)?;
        }
        let node = self.context.node();
        let fields = Fields { pod, node: &node, host: self.context.address, address };
        let is_root = nix::unistd::geteuid().is_root();
        let inputs =
            config::Inputs { fields, folder: &folder, sources: &sources, services: &services, attempt, is_root };
        let mut container = container.clone();
        if !is_real {
            // Nothing will read them.
            (container.env, container.env_from, container.volume_mounts) = (None, None, None);
        }
        let config = config::config(&container, &inputs)?;
        self.missing.clear();
        Ok(config)
    }

    /// The Services that a container learns of by variables. A static pod does not wait for an API to tell of them.
    async fn services(&self, pod: &Pod) -> kube::Result<Vec<Service>> {
        if self.is_static {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        let client = &self.context.client;
        if pod.spec.as_ref().and_then(|spec| spec.enable_service_links).unwrap_or(true) {
            let namespace = identity(pod).namespace;
            let api: Api<Service> = Api::namespaced(client.clone(), &namespace);
            found = api.list(&ListParams::default()).await?.items;
        }
        let has_api = |service: &Service| {
            let meta = &service.metadata;
            (meta.name.as_deref(), meta.namespace.as_deref()) == (Some("kubernetes"), Some(DEFAULT_NAMESPACE))
        };
        if !found.iter().any(has_api) {
            let api: Api<Service> = Api::namespaced(client.clone(), DEFAULT_NAMESPACE);
            found.extend(api.get_opt("kubernetes").await?);
        }
        Ok(found)
    }

    fn block_on_config(&mut self, pod: &Pod, index: usize, image: &str, problem: String) {
        let part = Roster::of(pod).get(index);
        self.context.tell(pod, part, Kind::Warning, "Failed", format!("Error: {problem}"));
        self.block(index, "CreateContainerConfigError", problem, image, false);
    }

    fn note_start(&mut self, pod: &Pod, index: usize, part: (Role, &Container), image: String, started: Started) {
        let name = &part.1.name;
        self.context.measures.started_containers.inc();
        self.context.tell(pod, Some(part), Kind::Normal, "Created", "Container created".to_owned());
        self.context.tell(pod, Some(part), Kind::Normal, "Started", "Container started".to_owned());
        for warning in started.warnings {
            debug!(container = name, warning, "container started with less than it asked for");
            self.context.tell(pod, Some(part), Kind::Warning, "FailedMount", warning);
        }
        let is_real = self.context.runtime.is_real();
        let in_post_start = is_real && hooks::post_start(part.1).is_some();
        let mut running = Running {
            id: started.id,
            image,
            image_id: started.image_id,
            started_at: started.started_at,
            is_started: false,
            is_ready: !is_real,
            in_post_start,
            unwanted: None,
            stopping: None,
        };
        if !is_real || (!in_post_start && part.1.startup_probe.is_none()) {
            running.is_up(part.1);
        }
        self.state.containers[index].begin(running);
        if in_post_start {
            self.begin_post_start(pod, index);
        }
    }

    fn note_failed_start(&mut self, pod: &Pod, index: usize, part: (Role, &Container), image: String, error: &str) {
        self.context.measures.failed_starts.inc();
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
        self.block(index, "ErrImagePull", problem.message, image, problem.is_permanent);
    }

    /// The container waits, longer each time.
    fn block(&mut self, index: usize, reason: &'static str, message: String, image: &str, is_permanent: bool) {
        let attempts = match &self.state.containers[index].phase {
            Phase::Blocked(blocked) => blocked.attempts + 1,
            _ => 0,
        };
        self.state.containers[index].block(Blocked {
            reason,
            message,
            retry_at: Some(plan::after(self.context.clock.now(), plan::retry_wait(attempts))),
            attempts,
            image: image.to_owned(),
            is_permanent,
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
        let stage = if self.begin_pre_stop(pod, index, kill_at) { Stage::Hook } else { Stage::Hooked };
        if let Some(running) = self.state.containers[index].running_mut() {
            running.stopping = Some(Stopping { kill_at, stage });
        }
        if stage == Stage::Hooked {
            self.signal(index, StopSignal::Terminate, Stage::Signalled).await;
        }
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

fn told(error: kube::Error) -> String {
    error.to_string()
}
