//! A whole cluster in this process: API server, controllers, nodes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use controller::manager::Manager;
use futures::future::join_all;
use kube::Client;
use lifecycle::clock::Clock;
use lifecycle::metrics::Metrics;
use lifecycle::tasks::Tasks;
use nodeagent::RuntimeKind;
use nodeagent::proxy::sockets::Sockets;

use crate::api_server::{self, ApiServer};
use crate::node;
use crate::paths::DataDir;
use crate::pki::Subject;

/// What kind of cluster.
#[derive(Debug, Clone)]
pub struct Options {
    pub data_dir: DataDir,
    /// How objects are kept: a name of the list of engines, `sled` or `memory`.
    pub store: String,
    /// Where the API is served; none for clients of this process only.
    pub listen: Option<SocketAddr>,
    /// Where the administrator's kubeconfig goes; it needs `listen`.
    pub kubeconfig: PathBuf,
    /// How many nodes, each an agent of its own.
    pub nodes: u8,
    pub runtime: RuntimeKind,
    pub clock: Clock,
    /// How long pods may take to end when the cluster stops.
    pub stop_pods_within: Duration,
}

impl Options {
    /// One node in this folder, served on the usual port.
    pub fn new(data_dir: DataDir) -> Self {
        Self {
            kubeconfig: data_dir.kubeconfig(),
            data_dir,
            store: "sled".to_owned(),
            listen: Some(api_server::STANDARD_ADDRESS),
            nodes: 1,
            runtime: RuntimeKind::Process,
            clock: Clock::system(),
            stop_pods_within: Duration::from_secs(10),
        }
    }

    /// For tests: nothing on disk, no socket, pods that only say that they run, and a clock that moves with tokio's.
    pub fn in_memory(folder: impl Into<PathBuf>) -> Self {
        Self {
            store: "memory".to_owned(),
            listen: None,
            runtime: RuntimeKind::Simulated,
            clock: Clock::tokio(),
            ..Self::new(DataDir::new(folder))
        }
    }
}

/// A running cluster. It must be stopped with `stop`.
pub struct Cluster {
    api_server: ApiServer,
    manager: Manager,
    options: Options,
    metrics: Metrics,
    sockets: Sockets,
    nodes: Vec<String>,
    // Stopped in this order: a part outlives those that need it.
    node_tasks: BTreeMap<String, Tasks>,
    controller_tasks: Tasks,
    server_tasks: Tasks,
}

impl Cluster {
    /// Starts everything; `ready` tells when it is up.
    pub async fn start(options: Options, metrics: &Metrics) -> Result<Self> {
        let (server_tasks, controller_tasks) = (Tasks::new(), Tasks::new());
        let serving = api_server::Options {
            data_dir: options.data_dir.clone(),
            store: options.store.clone(),
            listen: options.listen,
            kubeconfig: options.kubeconfig.clone(),
            clock: options.clock.clone(),
        };
        let api_server = ApiServer::start(serving, &server_tasks, metrics).await?;

        let client = api_server.client(&Subject::controller_manager());
        let controllers = controller::options::Options::new(api_server.root_ca(), options.clock.clone());
        let manager = Manager::start(client, controllers, &controller_tasks, metrics);

        let count = options.nodes;
        let mut cluster = Self {
            api_server,
            manager,
            options,
            metrics: metrics.clone(),
            sockets: Sockets::new(),
            nodes: Vec::new(),
            node_tasks: BTreeMap::new(),
            controller_tasks,
            server_tasks,
        };
        for number in 1..=count {
            cluster.start_node(number).await?;
        }
        Ok(cluster)
    }

    /// Starts the node of this number, new or once more.
    pub async fn start_node(&mut self, number: u8) -> Result<()> {
        let setting = node::Setting {
            number,
            data_dir: &self.options.data_dir,
            runtime: self.options.runtime,
            clock: &self.options.clock,
            stop_pods_within: self.options.stop_pods_within,
            sockets: &self.sockets,
        };
        let tasks = Tasks::new();
        let started = node::start(&self.api_server, &setting, &tasks, &self.metrics).await;
        let name = started.with_context(|| format!("start node {number}"))?;
        if !self.nodes.contains(&name) {
            self.nodes.push(name.clone());
        }
        self.node_tasks.insert(name, tasks);
        Ok(())
    }

    /// Stops a node in order: its pods end, and it says so.
    pub async fn stop_node(&mut self, name: &str) {
        if let Some(tasks) = self.node_tasks.remove(name) {
            tasks.stop(self.longest_stop()).await;
        }
    }

    /// Has a node fall silent, as if its power had been cut.
    pub fn cut_node(&mut self, name: &str) {
        if let Some(tasks) = self.node_tasks.remove(name) {
            tasks.abort();
        }
    }

    /// A little more than the pods get, so that their end is told to the API server.
    fn longest_stop(&self) -> Duration {
        self.options.stop_pods_within + Duration::from_secs(2)
    }

    /// Resolves when the controllers have read the cluster and every node is ready.
    pub async fn ready(&self) -> Result<()> {
        self.manager.synced().await;
        node::all_ready(self.client(), &self.nodes).await
    }

    /// A client with all rights.
    pub fn client(&self) -> Client {
        self.api_server.client(&Subject::admin())
    }

    pub fn client_as(&self, subject: &Subject) -> Client {
        self.api_server.client(subject)
    }

    pub fn api_server(&self) -> &ApiServer {
        &self.api_server
    }

    pub fn node_names(&self) -> &[String] {
        &self.nodes
    }

    /// Stops the nodes with their pods, then the controllers, then the API server.
    pub async fn stop(self) {
        let limit = self.longest_stop();
        join_all(self.node_tasks.values().map(|tasks| tasks.stop(limit))).await;
        self.controller_tasks.stop(Duration::from_secs(2)).await;
        self.server_tasks.stop(Duration::from_secs(5)).await;
    }
}
