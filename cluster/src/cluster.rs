//! A whole cluster in this process: API server, controllers, nodes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use controller::manager::Manager;
use kube::Client;
use lifecycle::clock::Clock;
use lifecycle::metrics::Metrics;
use lifecycle::tasks::Tasks;
use nodeagent::RuntimeKind;

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
    nodes: Vec<String>,
    // Stopped in this order: a part outlives those that need it.
    node_tasks: Tasks,
    controller_tasks: Tasks,
    server_tasks: Tasks,
    stop_pods_within: Duration,
}

impl Cluster {
    /// Starts everything; `ready` tells when it is up.
    pub async fn start(options: Options, metrics: &Metrics) -> Result<Self> {
        let tasks = Tasks::new();
        let (server_tasks, controller_tasks, node_tasks) = (tasks.child(), tasks.child(), tasks.child());
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

        let mut nodes = Vec::new();
        for number in 1..=options.nodes {
            let setting = node::Setting {
                number,
                data_dir: &options.data_dir,
                runtime: options.runtime,
                clock: &options.clock,
                stop_pods_within: options.stop_pods_within,
            };
            let started = node::start(&api_server, &setting, &node_tasks, metrics).await;
            nodes.push(started.with_context(|| format!("start node {number}"))?);
        }
        Ok(Self {
            api_server,
            manager,
            nodes,
            node_tasks,
            controller_tasks,
            server_tasks,
            stop_pods_within: options.stop_pods_within,
        })
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
        // A little more than the pods get, so that their end is told to the API server.
        self.node_tasks.stop(self.stop_pods_within + Duration::from_secs(2)).await;
        self.controller_tasks.stop(Duration::from_secs(2)).await;
        self.server_tasks.stop(Duration::from_secs(5)).await;
    }
}
