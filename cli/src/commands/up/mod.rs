//! `skiff up`: a whole cluster in this process.

mod demo;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use cluster::api_server::STANDARD_ADDRESS;
use cluster::cluster::{Cluster, Options};
use cluster::paths::DataDir;
use lifecycle::metrics::Metrics;
use lifecycle::signals::Signals;
use nodeagent::RuntimeKind;

use crate::commands::command::Command;
use crate::commands::serving::{Serving, tell};
use crate::connection::Connection;
use crate::error::CliError;

const EXAMPLES: &str = "\
Examples:
  skiff up                                  one node on this machine, kept in the standard folder
  skiff up --demo                           the same, with an example that answers
  skiff up --nodes 3 --runtime simulated    three nodes whose pods only say that they run
  skiff up --store memory                   a cluster that is forgotten when it stops";

/// Start a whole cluster in this process: API server, controllers and nodes
#[derive(Parser)]
#[command(after_help = EXAMPLES)]
pub struct Up {
    /// Folder that holds the cluster [default: $SKIFF_DATA_DIR, /var/lib/skiff for root, else ~/.local/share/skiff]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Address and port of the API; port 0 takes any that is free
    #[arg(long, value_name = "ADDR:PORT", default_value_t = STANDARD_ADDRESS)]
    listen: SocketAddr,

    /// Where to write the kubeconfig [default: DIR/kubeconfig]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// How many nodes
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=200))]
    nodes: u8,

    /// What runs the containers: auto, process, simulated
    #[arg(long, value_name = "NAME", default_value = "auto")]
    runtime: RuntimeKind,

    /// What keeps the objects: sled, memory
    #[arg(long, value_name = "NAME", default_value = "sled")]
    store: String,

    /// Seconds that pods may take to end when the cluster stops
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    grace_period: u64,

    /// Apply the example of two pods behind a Service, and show an answer
    #[arg(long)]
    demo: bool,

    #[command(flatten)]
    serving: Serving,
}

impl Command for Up {
    const NAME: &'static str = "up";

    fn run(self, _before: Connection) -> Result<(), CliError> {
        self.serving.clone().run(self.serve())
    }
}

impl Up {
    fn options(&self) -> Options {
        let data_dir = self.data_dir.clone().map_or_else(DataDir::standard, DataDir::new);
        Options {
            kubeconfig: self.kubeconfig.clone().unwrap_or_else(|| data_dir.kubeconfig()),
            listen: Some(self.listen),
            nodes: self.nodes,
            runtime: self.runtime,
            store: self.store.clone(),
            stop_pods_within: Duration::from_secs(self.grace_period),
            ..Options::new(data_dir)
        }
    }

    async fn serve(self) -> anyhow::Result<()> {
        let mut signals = Signals::listen().context("listen for signals")?;
        let options = self.options();
        let kubeconfig = options.kubeconfig.clone();
        let cluster = Cluster::start(options, &Metrics::new()).await?;
        // From here on the cluster is stopped in order, whatever happens.
        let outcome = tokio::select! {
            outcome = self.attend(&cluster, &kubeconfig) => outcome,
            signal = signals.next() => {
                tell(&format!("{signal}: stopping; once more ends at once"))?;
                Ok(())
            }
        };
        tokio::select! {
            () = cluster.stop() => outcome,
            _ = signals.next() => anyhow::bail!("stopped before everything had ended"),
        }
    }

    /// Tells where the cluster is, and stays until it is cut off.
    async fn attend(&self, cluster: &Cluster, kubeconfig: &std::path::Path) -> anyhow::Result<()> {
        cluster.ready().await?;
        let url = cluster.api_server().url().unwrap_or_default();
        let nodes = cluster.node_names().join(", ");
        tell(&format!(
            "Skiff {version} is up: {nodes}\n\n  address     {url}\n  kubeconfig  {file}\n\nNext:\n  export KUBECONFIG={file}\n  kubectl get nodes\n\nready",
            version = env!("CARGO_PKG_VERSION"),
            file = kubeconfig.display(),
        ))?;
        if self.demo {
            demo::show(cluster.client()).await?;
        }
        std::future::pending().await
    }
}
