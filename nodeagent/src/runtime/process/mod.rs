//! Containers as plain processes of the host: no image, no engine, no root needed.
//!
//! Beside each container runs a shim, this program once more: it holds the pipes, writes the log, and notes the end, so
//! that the agent may come and go. The folder of a run, `containers/NAME/ATTEMPT` in that of the pod, holds what is to
//! be run (`launch.json`), what runs (`run.json`), how it ended (`end.json`), a lock that the shim holds, and for a
//! container with `stdin` the pipe that leads there. The main process has no terminal, even with `tty`: its input and
//! output are pipes then, too.
//!
//! What it cannot do: files and network are the host's, and a container binds its pod's address by itself (`POD_IP`).
//! Without root there are no mounts (the folder of volume `a-b` is in `SKIFF_VOLUME_A_B`), no other users, and memory
//! is limited by what a process may allocate; with root, mounts go only to places that the host has.

mod child;
mod commands;
mod control_group;
mod echo;
mod exec;
mod launch;
pub mod log_writer;
mod pidfd;
mod procfs;
mod reaping;
mod shim;
mod start;
mod terminal;

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use async_trait::async_trait;
use k8s_openapi::api::core::v1::ContainerStatus;
use lifecycle::clock::Clock;
use lifecycle::tasks::Tasks;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::runtime::Setting;
use crate::runtime::interface::{
    Command, ContainerConfig, Ended, Exit, ExitSink, Found, FoundState, ImageProblem, Input, PodIdentity, Runtime,
    Started, Stdin, StopSignal, Streams,
};
use crate::runtime::process::launch::{EndRecord, Folder, Launch, ProcessMark, RunRecord};
use crate::runtime::process::pidfd::PidFd;

/// The image that is this program's own demo server.
const ECHO_IMAGE: &str = "skiff.dev/echo";
/// The variable that every process of a container carries, with the container's id.
const MARK: &str = "SKIFF_CONTAINER";
const ENDED: &str = "the container does not run: try again when it does";

type Main = fn(&mut dyn Iterator<Item = OsString>) -> i32;

/// The small processes of this runtime, by their first argument.
pub const COMMANDS: &[(&str, Main)] = &[
    ("container-shim", |arguments| shim::main(arguments)),
    ("container-exec", |arguments| exec::main(arguments)),
    ("echo", |arguments| echo::main(arguments)),
];

pub struct Process {
    /// One folder for each pod, by its uid.
    pods: PathBuf,
    /// The program that is started again for shims.
    program: PathBuf,
    clock: Clock,
    tasks: Tasks,
    /// Containers end with the agent, so their ends are awaited beyond its stop.
    ends_with_agent: bool,
    running: Arc<Mutex<HashMap<String, Arc<Handle>>>>,
}

/// A container that runs.
struct Handle {
    folder: Folder,
    /// None if it ended before it could be held.
    main: Option<PidFd>,
    shim: ProcessMark,
    stdin: Stdin,
    /// Cancelled when the container has ended: commands inside it end with it.
    ended: CancellationToken,
}

/// What is needed to report the end of a container.
struct Watched {
    container: String,
    folder: Folder,
    launch: Launch,
    record: RunRecord,
    /// None for a shim that an earlier agent started.
    child: Option<Child>,
    exits: ExitSink,
}

impl Process {
    pub fn new(setting: &Setting) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&setting.pods_dir).context("create the folder of the pods")?;
        Ok(Self {
            pods: setting.pods_dir.canonicalize().context("find the folder of the pods")?,
            program: setting.program.clone(),
            clock: setting.clock.clone(),
            tasks: setting.tasks.clone(),
            ends_with_agent: setting.ends_with_agent,
            running: Arc::default(),
        })
    }

    fn containers(&self, pod: &PodIdentity) -> PathBuf {
        self.pods.join(&*pod.uid).join("containers")
    }

    fn handle(&self, id: &str) -> Option<Arc<Handle>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Holds the container, and reports its end when it comes.
    fn watch(&self, shim: PidFd, watched: Watched) {
        let ended = CancellationToken::new();
        let main = PidFd::of(&watched.record.main).ok();
        let handle = Handle {
            folder: watched.folder.clone(),
            main,
            shim: watched.record.shim.clone(),
            stdin: watched.launch.stdin,
            ended: ended.clone(),
        };
        let id = watched.launch.id.clone();
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), Arc::new(handle));
        let running = Arc::clone(&self.running);
        let clock = self.clock.clone();
        let task = async move {
            if let Err(error) = shim.ended().await {
                warn!(id, %error, "container not watched");
                return;
            }
            running.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            ended.cancel();
            let reported = tokio::task::spawn_blocking(move || watched.report(&clock)).await;
            if let Err(error) = reported {
                warn!(id, %error, "end of a container not reported");
            }
        };
        if self.ends_with_agent {
            self.tasks.spawn("container", task);
        } else {
            self.tasks.spawn_until_stop("container", task);
        }
    }
}

impl Watched {
    fn report(self, clock: &Clock) {
        // The shim has ended: this only collects it. One that an earlier agent started is ours too if that agent was
        // in this process.
        match self.child {
            Some(mut child) => drop(child.wait()),
            None => drop(waitpid(Pid::from_raw(self.record.shim.pid), Some(WaitPidFlag::WNOHANG))),
        }
        let ended = start::end_of(&self.folder, &self.launch, &self.record, clock);
        (self.exits)(Exit { container: self.container, id: self.launch.id, ended });
    }
}

fn ended(end: &EndRecord, record: &RunRecord) -> Ended {
    let reason = match end.code {
        0 => "Completed",
        _ if end.lacked_memory => "OOMKilled",
        _ => "Error",
    };
    Ended {
        code: end.code,
        signal: None,
        reason: reason.to_owned(),
        message: String::new(),
        started_at: record.started_at,
        finished_at: end.finished_at,
    }
}

fn is_echo(image: &str) -> bool {
    image == ECHO_IMAGE || image.strip_prefix(ECHO_IMAGE).is_some_and(|rest| rest.starts_with([':', '@']))
}

#[async_trait]
impl Runtime for Process {
    fn name(&self) -> &'static str {
        "process"
    }

    fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }

    fn is_real(&self) -> bool {
        true
    }

    async fn pull(&self, image: &str, command: &[String]) -> Result<String, ImageProblem> {
        if is_echo(image) || !command.is_empty() {
            return Ok(image.to_owned());
        }
        let message = format!(
            "the process runtime has no images, so \"{image}\" brings no program: give the container a command that \
             this machine has, or use the image {ECHO_IMAGE}"
        );
        Err(ImageProblem { message, is_permanent: true })
    }

    async fn start(&self, config: ContainerConfig, exits: ExitSink) -> anyhow::Result<Started> {
        let (pods, program) = (self.pods.clone(), self.program.clone());
        let begun = tokio::task::spawn_blocking(move || start::start(&pods, &program, &config)).await??;
        let started = Started {
            id: begun.launch.id.clone(),
            image_id: begun.launch.image_id.clone(),
            started_at: begun.record.started_at,
            warnings: begun.warnings,
        };
        // The shim cannot be gone: it is our child, and nobody has collected it.
        let shim = PidFd::open(begun.record.shim.pid).context("hold the process beside the container")?;
        let watched = Watched {
            container: begun.container,
            folder: begun.folder,
            launch: begun.launch,
            record: begun.record,
            child: Some(begun.shim),
            exits,
        };
        self.watch(shim, watched);
        Ok(started)
    }

    async fn adopt(&self, pod: &PodIdentity, _statuses: &[ContainerStatus], exits: ExitSink) -> Vec<Found> {
        let (containers, clock) = (self.containers(pod), self.clock.clone());
        let left = tokio::task::spawn_blocking(move || start::find(&containers, &clock)).await.unwrap_or_default();
        let mut found = Vec::new();
        for one in left {
            found.push(Found {
                container: one.container.clone(),
                id: one.launch.id.clone(),
                attempt: one.launch.attempt,
                image: one.launch.image.clone(),
                image_id: one.launch.image_id.clone(),
                state: match one.state {
                    start::LeftState::Ended(ended) => FoundState::Ended(ended),
                    start::LeftState::Running(shim) => {
                        let started_at = one.record.started_at;
                        let (folder, launch, record) = (one.folder, one.launch, one.record);
                        let exits = Arc::clone(&exits);
                        self.watch(
                            shim,
                            Watched { container: one.container, folder, launch, record, child: None, exits },
                        );
                        FoundState::Running { started_at }
                    }
                },
            });
        }
        found
    }

    fn runs(&self, id: &str) -> bool {
        self.handle(id).is_some()
    }

    async fn signal(&self, id: &str, signal: StopSignal) -> io::Result<()> {
        let Some(handle) = self.handle(id) else { return Ok(()) };
        let number = match signal {
            StopSignal::Terminate => libc::SIGTERM,
            StopSignal::Kill => libc::SIGKILL,
        };
        handle.main.as_ref().map_or(Ok(()), |main| main.send(number))
    }

    async fn open(&self, id: &str, command: &Command) -> anyhow::Result<Streams> {
        commands::open(&self.program, &*self.handle(id).context(ENDED)?, command)
    }

    async fn input(&self, id: &str) -> anyhow::Result<Option<Input>> {
        commands::input(&*self.handle(id).context(ENDED)?)
    }

    async fn remove_pod(&self, pod: &PodIdentity) {
        let containers = self.containers(pod);
        let removed = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(containers)).await;
        if let Ok(Err(error)) = removed
            && error.kind() != io::ErrorKind::NotFound
        {
            warn!(pod = %pod.name, %error, "folder of the containers not removed");
        }
    }
}

#[cfg(test)]
mod tests;
