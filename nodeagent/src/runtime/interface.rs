//! What a runtime does for the pods of a node, whatever a container is to it.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ContainerStatus;

/// Which pod, by all the names that it has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodIdentity {
    pub namespace: Box<str>,
    pub name: Box<str>,
    pub uid: Box<str>,
}

/// All that a runtime needs to know to start a container.
#[derive(Debug, Clone)]
pub struct ContainerConfig {
    pub pod: PodIdentity,
    pub name: String,
    /// How often the container was started before.
    pub attempt: u32,
    pub image: String,
    pub command: Vec<String>,
    pub args: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub working_dir: Option<String>,
    pub user: Option<i64>,
    pub group: Option<i64>,
    pub supplemental_groups: Vec<i64>,
    pub memory_limit: Option<u64>,
    pub cpu_limit_milli: Option<u64>,
    pub cpu_request_milli: Option<u64>,
    pub mounts: Vec<Mount>,
    /// The pod's address.
    pub address: IpAddr,
    /// The first port that the container declares.
    pub port: Option<u16>,
    pub no_new_privileges: bool,
    pub log_file: PathBuf,
}

/// A file or folder of the host that a container sees under a path of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    pub volume: String,
    pub source: PathBuf,
    pub target: PathBuf,
    pub read_only: bool,
}

/// A container that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    pub id: String,
    pub image_id: String,
    pub started_at: Timestamp,
    /// What the container has to do without, to be told as events.
    pub warnings: Vec<String>,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub code: i32,
    pub signal: Option<i32>,
    pub reason: String,
    pub message: String,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
}

/// The end of a container, as the runtime reports it.
#[derive(Debug, Clone)]
pub struct Exit {
    pub container: String,
    pub id: String,
    pub ended: Ended,
}

/// Where a runtime reports the ends of a pod's containers.
pub type ExitSink = Arc<dyn Fn(Exit) + Send + Sync>;

/// A container that outlived the agent that started it.
#[derive(Debug, Clone)]
pub struct Found {
    pub container: String,
    pub id: String,
    pub attempt: u32,
    pub image: String,
    pub image_id: String,
    pub state: FoundState,
}

#[derive(Debug, Clone)]
pub enum FoundState {
    /// It still runs, and its end will be reported.
    Running {
        started_at: Timestamp,
    },
    Ended(Ended),
}

/// Why an image cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ImageProblem {
    pub message: String,
    /// Trying again is of no use before the pod changes.
    pub is_permanent: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSignal {
    /// Asks the main process to end.
    Terminate,
    /// Ends all of the container at once.
    Kill,
}

/// What a command inside a container answered.
#[derive(Debug, Clone)]
pub struct ExecOutput {
    pub code: i32,
    /// The beginning of what it wrote to either stream.
    pub output: String,
}

#[async_trait]
pub trait Runtime: Send + Sync + 'static {
    fn name(&self) -> &'static str;
    fn version(&self) -> String;

    /// Whether containers are more than a status: then volumes, environments, probes and hooks are worth their work.
    fn is_real(&self) -> bool;

    /// Makes the image usable; answers its identity.
    async fn pull(&self, image: &str, command: &[String]) -> Result<String, ImageProblem>;

    /// Starts a container. Its end will be reported to `exits`, once, whatever happens.
    async fn start(&self, config: ContainerConfig, exits: ExitSink) -> anyhow::Result<Started>;

    /// The containers of a pod that an earlier agent left; `statuses` is what the API last heard of them.
    async fn adopt(&self, pod: &PodIdentity, statuses: &[ContainerStatus], exits: ExitSink) -> Vec<Found>;

    /// Whether this container runs now.
    fn runs(&self, id: &str) -> bool;

    async fn signal(&self, id: &str, signal: StopSignal) -> io::Result<()>;

    /// Runs a command beside the container's main process.
    async fn exec(&self, id: &str, command: &[String], limit: Duration) -> anyhow::Result<ExecOutput>;

    /// Forgets a pod, with its logs. None of its containers runs any more.
    async fn remove_pod(&self, pod: &PodIdentity);
}
