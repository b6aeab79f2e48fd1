//! `skiff apiserver`: the API server alone.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use cluster::api_server::{ApiServer, Options, STANDARD_ADDRESS};
use cluster::paths::DataDir;
use cluster::pki::Subject;
use lifecycle::clock::Clock;
use lifecycle::metrics::Metrics;
use lifecycle::signals::Signals;
use lifecycle::tasks::Tasks;

use crate::commands::command::Command;
use crate::commands::serving::{Serving, tell, until_signal};
use crate::connection::Connection;
use crate::error::CliError;

const EXAMPLES: &str = "\
Examples:
  skiff apiserver --node edge-1     the API server, with a kubeconfig for the agent of node edge-1
  skiff controller --kubeconfig DIR/kubeconfigs/controller
  skiff agent --kubeconfig DIR/kubeconfigs/node-edge-1 --node-name edge-1";

/// Start the API server alone; controllers and agents are started by commands of their own
#[derive(Parser)]
#[command(after_help = EXAMPLES)]
pub struct ApiServerCommand {
    /// Folder that holds the cluster [default: $SKIFF_DATA_DIR, /var/lib/skiff for root, else ~/.local/share/skiff]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Address and port of the API; port 0 takes any that is free
    #[arg(long, value_name = "ADDR:PORT", default_value_t = STANDARD_ADDRESS)]
    listen: SocketAddr,

    /// Where to write the administrator's kubeconfig [default: DIR/kubeconfig]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// What keeps the objects: sled, memory
    #[arg(long, value_name = "NAME", default_value = "sled")]
    store: String,

    /// Write a kubeconfig for the agent of this node to DIR/kubeconfigs/node-NAME; may be given several times
    #[arg(long = "node", value_name = "NAME")]
    nodes: Vec<String>,

    #[command(flatten)]
    serving: Serving,
}

impl Command for ApiServerCommand {
    const NAME: &'static str = "apiserver";

    fn run(self, _before: Connection) -> Result<(), CliError> {
        self.serving.clone().run(self.serve())
    }
}

impl ApiServerCommand {
    async fn serve(self) -> anyhow::Result<()> {
        let signals = Signals::listen().context("listen for signals")?;
        let tasks = Tasks::new();
        let data_dir = self.data_dir.map_or_else(DataDir::standard, DataDir::new);
        let kubeconfig = self.kubeconfig.unwrap_or_else(|| data_dir.kubeconfig());
        let options = Options {
            data_dir: data_dir.clone(),
            store: self.store,
            listen: Some(self.listen),
            kubeconfig: kubeconfig.clone(),
            clock: Clock::system(),
        };
        let server = ApiServer::start(options, &tasks, &Metrics::new()).await?;
        let folder = data_dir.path().join("kubeconfigs");
        server.write_kubeconfig(&Subject::controller_manager(), &folder.join("controller"))?;
        for node in &self.nodes {
            api::names::dns_subdomain(node).map_err(|rule| anyhow::anyhow!("{node:?} is no name of a node: {rule}"))?;
            server.write_kubeconfig(&Subject::node(node), &folder.join(format!("node-{node}")))?;
        }
        tell(&format!(
            "address      {}\nkubeconfig   {}\nfor parts    {}",
            server.url().unwrap_or_default(),
            kubeconfig.display(),
            folder.display()
        ))?;
        until_signal(signals, tasks, Duration::from_secs(10)).await
    }
}
