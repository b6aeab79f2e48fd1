//! The list of what can be measured.

mod create;
mod endpoints;
mod get;
mod idle;
mod list;
mod load;
mod memory;
mod proxy;
mod start;
mod watch;

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};

use crate::cluster::Cluster;
use crate::figures::Report;
use crate::room::{self, Room};

#[derive(Subcommand)]
pub enum Work {
    /// Creates objects: how many a second, and how long each takes.
    Create(CreateOptions),
    /// Reads one object again and again.
    Get(GetOptions),
    /// Lists many pods.
    List(ListOptions),
    /// Writes, until all watchers know of it.
    Watch(WatchOptions),
    /// From a pod's readiness to its Service's EndpointSlice.
    Endpoints,
    /// Through a Service and directly, side by side.
    Proxy(ProxyOptions),
    /// What a server's processes hold with many pods.
    Memory(MemoryOptions),
    /// What a server's processes use while nothing happens.
    Idle(IdleOptions),
    /// From a command to its line `ready`.
    Start(StartOptions),
    /// All that needs a running server; memory and idle too, where its processes are named.
    All(AllOptions),
}

#[derive(Args)]
pub struct CreateOptions {
    /// How many write at once; measured one after the other.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 32], value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub writers: Vec<u16>,
    #[arg(long, default_value = "configmaps", value_parser = ["configmaps", "pods"])]
    pub kind: String,
    /// The size of an object, in bytes.
    #[arg(long, default_value_t = 2_048, value_parser = clap::value_parser!(u32).range(400..=500_000))]
    pub size: u32,
}

#[derive(Args)]
pub struct GetOptions {
    #[arg(long, value_delimiter = ',', default_values_t = [1, 32], value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub readers: Vec<u16>,
}

#[derive(Args)]
pub struct ListOptions {
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub pods: u32,
    /// The size of a stored pod, in bytes, about.
    #[arg(long, default_value_t = 3_333, value_parser = clap::value_parser!(u32).range(400..=500_000))]
    pub size: u32,
}

#[derive(Args)]
pub struct WatchOptions {
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=5000))]
    pub watchers: u16,
    /// How many share a connection, as the informers of one program do.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub streams: u16,
    /// The server's processes: what they need for the watchers is told too.
    #[arg(long)]
    pub pid: Vec<u32>,
}

#[derive(Args)]
pub struct ProxyOptions {
    /// An address of this machine that the cluster takes as an endpoint. Some take none of the loopback.
    #[arg(long, default_value = "127.0.0.1")]
    pub address: IpAddr,
}

#[derive(Args)]
pub struct MemoryOptions {
    /// The server's processes.
    #[arg(long, required = true)]
    pub pid: Vec<u32>,
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub pods: u32,
    /// Leave the pods there, in their namespace: to measure how a server starts with them.
    #[arg(long)]
    pub keep: bool,
}

#[derive(Args)]
pub struct IdleOptions {
    /// The server's processes; otherwise a command is started.
    #[arg(long, required_unless_present = "command")]
    pub pid: Vec<u32>,
    #[command(flatten)]
    pub start: Command,
}

#[derive(Args)]
pub struct StartOptions {
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub times: u16,
    #[command(flatten)]
    pub start: Command,
}

#[derive(Args)]
pub struct Command {
    /// The line that says that the command is ready.
    #[arg(long, default_value = "ready")]
    pub line: String,
    /// What to start; `{dir}` stands for an empty folder that is removed afterwards.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

#[derive(Args)]
pub struct AllOptions {
    #[command(flatten)]
    pub proxy: ProxyOptions,
    /// The server's processes.
    #[arg(long)]
    pub pid: Vec<u32>,
}

impl Work {
    /// Does work that no cluster is talked to for; `None` if this is not of that sort.
    pub async fn without_cluster(&self, span: Duration, report: &mut Report) -> Option<Result<()>> {
        match self {
            Self::Idle(options) => Some(idle::measure(options, span, report).await),
            Self::Start(options) => Some(start::measure(options, report).await),
            _ => None,
        }
    }

    /// Whether what was made is to stay.
    pub fn keeps(&self) -> bool {
        matches!(self, Self::Memory(options) if options.keep)
    }

    pub async fn with_cluster(
        &self,
        cluster: &Cluster,
        room: &Room,
        span: Duration,
        report: &mut Report,
    ) -> Result<()> {
        match self {
            Self::Create(options) => create::measure(cluster, room, options, span, report).await,
            Self::Get(options) => get::measure(cluster, room, options, span, report).await,
            Self::List(options) => list::measure(cluster, room, options, span, report).await,
            Self::Watch(options) => watch::measure(cluster, room, options, span, report).await,
            Self::Endpoints => endpoints::measure(cluster, room, span, report).await,
            Self::Proxy(options) => proxy::measure(cluster, room, options, span, report).await,
            Self::Memory(options) => memory::measure(cluster, room, options, report).await,
            Self::All(options) => all(cluster, room, options, span, report).await,
            Self::Idle(_) | Self::Start(_) => bail!("no cluster is needed for this"),
        }
    }
}

/// What fails is named at the end, and does not keep the rest from being measured.
async fn all(cluster: &Cluster, room: &Room, options: &AllOptions, span: Duration, report: &mut Report) -> Result<()> {
    let kind = "configmaps".to_owned();
    let create_options = CreateOptions { writers: vec![1, 32], kind, size: 2_048 };
    let list_options = ListOptions { pods: 3_000, size: 3_333 };
    let mut failed = Vec::new();
    let mut note =
        |what: &str, result: Result<()>| failed.extend(result.err().map(|error| format!("{what}: {error:#}")));
    note("create", create::measure(cluster, room, &create_options, span, report).await);
    note("get", get::measure(cluster, room, &GetOptions { readers: vec![1, 32] }, span, report).await);
    let mut connection = cluster.connect().await?;
    room::empty(&mut connection, &room.core("configmaps")).await?;
    note("list", list::measure(cluster, room, &list_options, span, report).await);
    note(
        "watch",
        watch::measure(cluster, room, &WatchOptions { watchers: 100, streams: 1, pid: Vec::new() }, span, report).await,
    );
    note("endpoints", endpoints::measure(cluster, room, span, report).await);
    note("proxy", proxy::measure(cluster, room, &options.proxy, span, report).await);
    if !options.pid.is_empty() {
        let memory_options = MemoryOptions { pid: options.pid.clone(), pods: 10_000, keep: false };
        note("memory", memory::measure(cluster, room, &memory_options, report).await);
        tokio::time::sleep(idle::SETTLE).await;
        note("idle", idle::sample(&options.pid, span, report).await);
    }
    if failed.is_empty() {
        Ok(())
    } else {
        bail!("{}\nmeasured nevertheless:\n{}", failed.join("\n"), report.table(None))
    }
}
