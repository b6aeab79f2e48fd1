//! What a runtime does for the pods of a node, whatever a container is to it.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ContainerStatus;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

/// How much of what a command wrote to a stream is kept for those who do not follow it.
const KEPT: u64 = 10 * 1024;

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
    pub stdin: Stdin,
}

/// What the main process of a container finds at its standard input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stdin {
    /// Nothing, and its end.
    #[default]
    Empty,
    /// What clients send, without an end.
    Open,
    /// What the first client sends, up to its end.
    Once,
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

/// A command to run beside a container's main process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    pub arguments: Vec<String>,
    /// Whether it is told anything; otherwise its input is empty.
    pub has_input: bool,
    /// Whether it runs at a terminal: then all that it writes is its output.
    pub has_terminal: bool,
}

/// The size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub width: u16,
    pub height: u16,
}

/// Where the input of a process is written to. It is closed when this is dropped.
pub type Input = Box<dyn AsyncWrite + Send + Unpin>;
/// What a process writes. An error is an end, too: that is how a terminal ends.
pub type Output = Box<dyn AsyncRead + Send + Unpin>;
pub type Resize = Box<dyn Fn(Size) + Send + Sync>;

/// A command that runs.
pub struct Streams {
    pub input: Option<Input>,
    pub output: Output,
    pub errors: Option<Output>,
    /// There if the command runs at a terminal.
    pub resize: Option<Resize>,
    /// Resolves to the exit code, also when the container has ended the command. Dropped before that, it ends the command, with all that the command started.
    pub end: BoxFuture<'static, anyhow::Result<i32>>,
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

    /// Starts a command beside the container's main process. It ends no later than the container.
    async fn open(&self, id: &str, command: &Command) -> anyhow::Result<Streams>;

    /// The standard input of the container's main process; none if that is empty, or closed for good.
    async fn input(&self, id: &str) -> anyhow::Result<Option<Input>>;

    /// Runs a command to its end, which it reaches within the limit or not at all.
    async fn exec(&self, id: &str, command: &[String], limit: Duration) -> anyhow::Result<ExecOutput> {
        let command = Command { arguments: command.to_vec(), ..Command::default() };
        let streams = self.open(id, &command).await?;
        let work = async { tokio::join!(beginning(Some(streams.output)), beginning(streams.errors), streams.end) };
        let Ok((mut text, errors, code)) = tokio::time::timeout(limit, work).await else {
            anyhow::bail!("command timed out after {limit:?}");
        };
        text.extend_from_slice(&errors);
        Ok(ExecOutput { code: code?, output: String::from_utf8_lossy(&text).into_owned() })
    }

    /// Forgets a pod, with its logs. None of its containers runs any more.
    async fn remove_pod(&self, pod: &PodIdentity);
}

/// Reads to the end, and keeps what came first.
async fn beginning(output: Option<Output>) -> Vec<u8> {
    let mut text = Vec::new();
    if let Some(mut output) = output {
        let _ = (&mut output).take(KEPT).read_to_end(&mut text).await;
        let _ = tokio::io::copy(&mut output, &mut tokio::io::sink()).await;
    }
    text
}
