//! The agent as a whole: its options, and the tasks that it is made of.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use api::cidr::Cidr;
use api::well_known::label;
use k8s_openapi::api::core::v1::Node;
use lifecycle::clock::Clock;
use lifecycle::metrics::Metrics;
use lifecycle::tasks::Tasks;
use tokio::sync::{Semaphore, watch};

use crate::events::Events;
use crate::measures::Measures;
use crate::node::lease;
use crate::node::machine::Machine;
use crate::node::registration::{self, Registration};
use crate::pods::addresses::Pool;
use crate::pods::admission::Ledger;
use crate::pods::context::Context;
use crate::pods::directory::Directory;
use crate::pods::{folders, manager};
use crate::proxy;
use crate::proxy::backend::Place;
use crate::proxy::sockets::Sockets;
use crate::proxy::table::NodeFacts;
use crate::references::Followers;
use crate::runtime::interface::{PodIdentity, Runtime};
use crate::runtime::{RuntimeKind, Setting};
use crate::server;
use crate::tunnel::{self, Uplink};

/// How many writes to the API a node has under way at once.
const WRITES: usize = 32;

const LOCK_WAIT: Duration = Duration::from_millis(50);
const LOCK_TRIES: u32 = 60;

/// The Service proxy of a node.
#[derive(Clone)]
pub struct ProxyOptions {
    /// A name of `proxy::BACKENDS`.
    pub backend: String,
    /// Shared by all nodes of a process.
    pub sockets: Sockets,
}

/// What makes one node different from another.
#[derive(Clone)]
pub struct Options {
    pub node_name: String,
    pub node_address: IpAddr,
    /// The range that pods get their addresses from, such as `127.64.1.0/24`.
    pub pod_cidr: Cidr,
    /// The node's own folder: two agents never share one.
    pub data_dir: PathBuf,
    pub runtime: RuntimeKind,
    /// A folder of manifests that run without an API server.
    pub static_pods: Option<PathBuf>,
    pub clock: Clock,
    /// Whether pods end when the agent stops; otherwise they go on running, and the next agent finds them.
    pub stop_pods_on_exit: bool,
    /// The longest that pods may take then.
    pub stop_within: Duration,
    pub zone: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub max_pods: u32,
    /// None: this node forwards nothing.
    pub proxy: Option<ProxyOptions>,
    /// The program that is started again beside each container; its `main` calls `nodeagent::entry` first.
    pub program: PathBuf,
}

impl Options {
    /// The usual options of the `number`-th node on this machine, counted from 1: address `127.0.0.number`,
    /// pods in `127.64.number.0/24`.
    pub fn local(node_name: impl Into<String>, number: u8, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            node_name: node_name.into(),
            node_address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, number)),
            pod_cidr: Cidr::new(IpAddr::V4(Ipv4Addr::new(127, 64, number, 0)), 24),
            data_dir: data_dir.into(),
            runtime: RuntimeKind::Process,
            static_pods: None,
            clock: Clock::system(),
            stop_pods_on_exit: false,
            stop_within: Duration::from_secs(10),
            zone: None,
            labels: BTreeMap::new(),
            max_pods: 110,
            proxy: None,
            program: PathBuf::from("/proc/self/exe"),
        }
    }
}

/// A running node agent; it stops with the tasks that it was started with.
pub struct Agent {
    context: Arc<Context>,
}

impl Agent {
    /// Starts all parts of the agent. It needs no API server to be there: it waits for one.
    pub async fn start(
        client: kube::Client,
        uplink: Arc<dyn Uplink>,
        options: Options,
        tasks: &Tasks,
        metrics: &Metrics,
    ) -> anyhow::Result<Self> {
        tokio::fs::create_dir_all(&options.data_dir).await.context("create the node's folder")?;
        let lock = lock(&options.data_dir).await?;
        let setting = Setting {
            pods_dir: folders::pods_dir(&options.data_dir),
            clock: options.clock.clone(),
            tasks: tasks.clone(),
            program: options.program.clone(),
            ends_with_agent: options.stop_pods_on_exit,
        };
        let runtime = options.runtime.make(&setting).context("start the runtime")?;
        let registration = register(&options, &runtime).await?;
        let own_node = Arc::new(registration.node(options.clock.now_seconds()));
        let (node_sender, node) = watch::channel(None);
        let (events, teller) = Events::new(client.clone(), &options.node_name, options.clock.clone());
        let context = Arc::new(Context {
            client: client.clone(),
            node_name: options.node_name.clone(),
            address: options.node_address,
            data_dir: options.data_dir.clone(),
            clock: options.clock.clone(),
            tasks: tasks.clone(),
            runtime,
            events,
            node: node.clone(),
            own_node,
            pool: Mutex::new(Pool::new(options.pod_cidr)),
            ledger: Mutex::new(Ledger::default()),
            directory: Directory::default(),
            _lock: lock,
            is_listed: AtomicBool::new(false),
            followers: Arc::new(Followers::new(client.clone(), tasks.clone())),
            writes: Semaphore::new(WRITES),
            measures: Measures::of(metrics),
            stop_pods_within: options.stop_pods_on_exit.then_some(options.stop_within),
        });
        start_proxy(&client, &options, node.clone(), tasks, metrics)?;
        let router = server::router(Arc::clone(&context), metrics.clone());
        tasks.spawn_until_stop("way back", tunnel::keep(uplink, router));
        let clock = options.clock.clone();
        tasks.spawn_until_stop("events", teller);
        tasks.spawn_until_stop("node", registration::keep(client.clone(), clock.clone(), registration, node_sender));
        tasks.spawn_until_stop("node lease", lease::keep(client, clock, node));
        tasks.spawn_until_stop("pods", manager::run(Arc::clone(&context), options.static_pods));
        Ok(Self { context })
    }

    pub fn node_name(&self) -> &str {
        &self.context.node_name
    }

    /// The pods that live on the node now.
    pub fn pods(&self) -> Vec<PodIdentity> {
        self.context.directory.all().into_iter().map(|resident| resident.identity).collect()
    }
}

/// Holds the node's folder for one agent alone.
async fn lock(data_dir: &Path) -> anyhow::Result<File> {
    let path = data_dir.join("agent.lock");
    let file = File::options().write(true).create(true).truncate(false).open(path).context("open the node's lock")?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // An agent that was just stopped may need a moment yet.
            Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_WAIT).await,
            Err(TryLockError::Error(error)) => return Err(error).context("lock the node's folder"),
        }
    }
    anyhow::bail!("another agent uses the folder {}: stop it, or give this one a folder of its own", data_dir.display())
}

async fn register(options: &Options, runtime: &Arc<dyn Runtime>) -> anyhow::Result<Registration> {
    let (data_dir, runtime) = (options.data_dir.clone(), Arc::clone(runtime));
    let machine = tokio::task::spawn_blocking(move || Machine::read(&data_dir, runtime.as_ref()));
    Ok(Registration {
        name: options.node_name.clone(),
        address: options.node_address,
        pod_cidr: options.pod_cidr.to_string(),
        zone: options.zone.clone(),
        labels: options.labels.clone(),
        max_pods: options.max_pods,
        machine: machine.await.context("read the machine's facts")?,
    })
}

/// Starts the proxy, and tells it what the Node says of itself.
fn start_proxy(
    client: &kube::Client,
    options: &Options,
    mut node: watch::Receiver<Option<Arc<Node>>>,
    tasks: &Tasks,
    metrics: &Metrics,
) -> anyhow::Result<()> {
    let Some(proxy) = &options.proxy else { return Ok(()) };
    let first = NodeFacts {
        zone: options.zone.clone().unwrap_or_default(),
        pod_ranges: vec![options.pod_cidr],
        ..NodeFacts::new(&options.node_name, vec![options.node_address])
    };
    let place = Place { facts: &first, sockets: &proxy.sockets, tasks, metrics };
    let facts = proxy::start(client.clone(), &proxy.backend, &place, options.clock.clone())
        .with_context(|| format!("find the proxy backend \"{}\"", proxy.backend))?;
    tasks.spawn_until_stop("facts of the proxy", async move {
        while node.changed().await.is_ok() {
            let Some(node) = node.borrow_and_update().clone() else { continue };
            let labels = node.metadata.labels.as_ref();
            let zone = labels.and_then(|labels| labels.get(label::ZONE)).cloned().unwrap_or_default();
            facts.send_if_modified(|facts| std::mem::replace(&mut facts.zone, zone.clone()) != zone);
        }
    });
    Ok(())
}
