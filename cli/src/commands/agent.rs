//! `skiff agent`: the agent of one node alone.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use api::cidr::Cidr;
use clap::Parser;
use cluster::paths::DataDir;
use lifecycle::metrics::Metrics;
use lifecycle::signals::Signals;
use lifecycle::tasks::Tasks;
use nodeagent::proxy::BACKENDS;
use nodeagent::proxy::sockets::Sockets;
use nodeagent::tunnel::WebSocket;
use nodeagent::{Agent, Options, ProxyOptions, RuntimeKind};

use crate::commands::command::Command;
use crate::commands::controller::client_of;
use crate::commands::serving::{Serving, until_signal};
use crate::connection::Connection;
use crate::error::CliError;

/// Start the agent of one node: it registers the node, runs its pods and forwards traffic to Services
#[derive(Parser)]
pub struct AgentCommand {
    /// How to reach the API server; 'skiff apiserver --node NAME' writes one for each node
    #[arg(long, value_name = "FILE")]
    kubeconfig: PathBuf,

    /// The node's name, as in the kubeconfig
    #[arg(long, value_name = "NAME")]
    node_name: String,

    /// The node's address, which NodePorts are served on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1")]
    node_address: IpAddr,

    /// Where pods get their addresses from
    #[arg(long, value_name = "CIDR", default_value = "127.64.1.0/24")]
    pod_cidr: Cidr,

    /// Folder of this node [default: nodes/NAME in the standard data folder]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// What runs the containers: auto, process, simulated
    #[arg(long, value_name = "NAME", default_value = "auto")]
    runtime: RuntimeKind,

    /// Folder of manifests of pods that run here without being asked for through the API
    #[arg(long, value_name = "DIR")]
    static_pods: Option<PathBuf>,

    /// The zone that the node is in
    #[arg(long, value_name = "NAME")]
    zone: Option<String>,

    #[command(flatten)]
    serving: Serving,
}

impl Command for AgentCommand {
    const NAME: &'static str = "agent";

    fn run(self, _before: Connection) -> Result<(), CliError> {
        self.serving.clone().run(self.serve())
    }
}

impl AgentCommand {
    async fn serve(self) -> anyhow::Result<()> {
        let signals = Signals::listen().context("listen for signals")?;
        let (client, _) = client_of(&self.kubeconfig).await?;
        let tasks = Tasks::new();
        let data_dir = self
            .data_dir
            .map_or_else(|| DataDir::standard().node(&self.node_name), |folder| DataDir::new(folder).path().to_owned());
        let options = Options {
            node_address: self.node_address,
            pod_cidr: self.pod_cidr,
            runtime: self.runtime,
            static_pods: self.static_pods,
            zone: self.zone,
            proxy: Some(ProxyOptions { backend: BACKENDS[0].0.to_owned(), sockets: Sockets::default() }),
            ..Options::local(self.node_name, 1, data_dir)
        };
        let uplink = Arc::new(WebSocket::new(client.clone(), &options.node_name));
        Agent::start(client, uplink, options, &tasks, &Metrics::new()).await?;
        until_signal(signals, tasks, Duration::from_secs(10)).await
    }
}
