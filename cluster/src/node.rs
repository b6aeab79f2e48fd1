//! A node of a cluster in this process.

use std::future::ready;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use api::well_known::taint;
use client::watch::{all, states};
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Node;
use kube::Client;
use lifecycle::clock::Clock;
use lifecycle::duplex::Duplex;
use lifecycle::metrics::Metrics;
use lifecycle::tasks::Tasks;
use nodeagent::proxy::BACKENDS;
use nodeagent::proxy::sockets::Sockets;
use nodeagent::tunnel::InProcess;
use nodeagent::{Agent, ProxyOptions, RuntimeKind};

use crate::api_server::ApiServer;
use crate::paths::DataDir;
use crate::pki::Subject;

/// Which node, and what it runs pods with.
pub struct Setting<'a> {
    /// From 1 on; addresses and names follow from it.
    pub number: u8,
    pub data_dir: &'a DataDir,
    pub runtime: RuntimeKind,
    pub clock: &'a Clock,
    pub stop_pods_within: Duration,
    /// Shared by the proxies of all nodes.
    pub sockets: &'a Sockets,
}

/// Starts the agent of one node, and tells its name.
pub async fn start(server: &ApiServer, setting: &Setting<'_>, tasks: &Tasks, metrics: &Metrics) -> Result<String> {
    let name = format!("node-{}", setting.number);
    let folder = setting.data_dir.node(&name);
    let options = nodeagent::Options {
        runtime: setting.runtime,
        static_pods: (setting.number == 1).then(|| setting.data_dir.static_pods()),
        clock: setting.clock.clone(),
        stop_pods_on_exit: true,
        stop_within: setting.stop_pods_within,
        // Pods that only say that they run answer nobody.
        proxy: (setting.runtime != RuntimeKind::Simulated)
            .then(|| ProxyOptions { backend: BACKENDS[0].0.to_owned(), sockets: setting.sockets.clone() }),
        ..nodeagent::Options::local(&name, setting.number, folder)
    };
    let client = server.client(&Subject::node(&name));
    Agent::start(client, Arc::new(way_back(server, &name)), options, tasks, metrics).await?;
    Ok(name)
}

/// The stream over which the API server asks the agent, here without a socket.
fn way_back(server: &ApiServer, node: &str) -> InProcess {
    let (tunnels, node) = (server.server().tunnels().clone(), node.to_owned());
    InProcess::new(move || {
        let (tunnels, node) = (tunnels.clone(), node.clone());
        Box::pin(async move {
            let (ours, theirs) = tokio::io::duplex(64 * 1024);
            tunnels.attach(&node, theirs).await.context("attach the tunnel")?;
            Ok(Box::new(ours) as Box<dyn Duplex>)
        })
    })
}

/// Resolves when every one of these nodes says that it is ready, and takes pods.
pub async fn all_ready(client: Client, names: &[String]) -> Result<()> {
    let nodes = all::<Node>(client);
    for name in names {
        let states =
            states::<Node>(nodes.clone(), name).try_filter(|node| ready(node.as_ref().is_some_and(takes_pods)));
        pin!(states).try_next().await.with_context(|| format!("wait until {name} is ready"))?;
    }
    Ok(())
}

/// Ready, and rid of the taint that a new node has until the controllers have seen that it is.
fn takes_pods(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    let is_ready =
        conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref());
    is_ready && !taints.into_iter().flatten().any(|found| found.key == taint::NOT_READY)
}
