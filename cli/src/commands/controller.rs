//! `skiff controller`: the controllers and the scheduler alone.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use controller::manager::Manager;
use controller::options::Options;
use kube::config::{KubeConfigOptions, Kubeconfig};
use lifecycle::clock::Clock;
use lifecycle::metrics::Metrics;
use lifecycle::signals::Signals;
use lifecycle::tasks::Tasks;

use crate::commands::command::Command;
use crate::commands::serving::{Serving, until_signal};
use crate::connection::Connection;
use crate::error::CliError;

/// Start the controllers and the scheduler alone, against any Kubernetes
#[derive(Parser)]
pub struct ControllerCommand {
    /// How to reach the API server
    #[arg(long, value_name = "FILE")]
    kubeconfig: PathBuf,

    #[command(flatten)]
    serving: Serving,
}

impl Command for ControllerCommand {
    const NAME: &'static str = "controller";

    fn run(self, _before: Connection) -> Result<(), CliError> {
        self.serving.clone().run(self.serve())
    }
}

impl ControllerCommand {
    async fn serve(self) -> anyhow::Result<()> {
        let signals = Signals::listen().context("listen for signals")?;
        let (client, root_ca) = client_of(&self.kubeconfig).await?;
        let tasks = Tasks::new();
        let options = Options::new(root_ca, Clock::system());
        let manager = Manager::start(client, options, &tasks, &Metrics::new());
        manager.synced().await;
        until_signal(signals, tasks, Duration::from_secs(5)).await
    }
}

/// A client from a kubeconfig, and the authority that it trusts, as PEM.
pub async fn client_of(path: &std::path::Path) -> anyhow::Result<(kube::Client, String)> {
    let file = Kubeconfig::read_from(path).with_context(|| format!("read {}", path.display()))?;
    let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
    let config = config.with_context(|| format!("use {}", path.display()))?;
    let mut root_ca = String::new();
    for der in config.root_cert.iter().flatten() {
        root_ca.push_str(&cluster::pki::certificate_pem(der));
    }
    Ok((kube::Client::try_from(config).context("make a client")?, root_ca))
}
